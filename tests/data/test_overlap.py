"""Near-duplicates across splits: the same numbers and almost the same words."""

from __future__ import annotations

from mathtune.data.overlap import near
from mathtune.rows.records import Problem

STORY = "Ann buys 3 red apples and 4 green pears at the market, and eats 2 of them. How many stay?"


def problem(name: str, text: str) -> Problem:
    return Problem(id=name, problem=text, answer="5")


def test_near_means_the_same_numbers_and_almost_the_same_words() -> None:
    test = [problem("t", STORY), problem("u", "What is 1 + 1?")]
    found = near(
        [
            problem("reworded", STORY.replace("eats", "ate")),
            problem("other-numbers", STORY.replace("3", "5")),
            problem(
                "same-numbers", "Bob has 3 dogs, 4 cats and 2 birds. How many animals are there?"
            ),
        ],
        test,
    )
    assert [(ours, theirs) for ours, theirs, _ in found] == [("reworded", "t")]


def test_two_changed_characters_of_twenty_are_near_and_three_are_not() -> None:
    """At least 0.9 of the characters: 18 of 20 are 0.9, 17 are 0.85."""
    test = [problem("t", "abcdefghijklmnopqr 7")]
    found = near(
        [problem("two", "ABcdefghijklmnopxx 7"), problem("three", "xxxdefghijklmnopqr 7")], test
    )
    assert found == [("two", "t", 0.9)]


def test_the_nearest_test_problem_is_named() -> None:
    test = [problem("far", "abcdefghijklmnopxx 7"), problem("nearer", "abcdefghijklmnopqx 7")]
    assert near([problem("a", "abcdefghijklmnopqr 7")], test) == [("a", "nearer", 0.95)]
