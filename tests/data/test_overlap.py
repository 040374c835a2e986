"""Near-duplicates across splits: the same numbers and almost the same words."""

from __future__ import annotations

import pytest

from mathtune.data.overlap import near, overlap, shared_runs
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


WALKS = "Ann walks four miles every day of the week, except on Sunday, when she walks six of them."


def test_a_shared_run_of_words_is_found_in_problems_and_solutions() -> None:
    test = [
        Problem(id="story", problem=f"{WALKS} How far?", answer="30"),
        Problem(id="other", problem=WALKS.replace("walks", "runs"), answer="30"),
        Problem(id="short", problem="What is 30 + 4?", answer="34"),
    ]
    inside = Problem(id="a", problem=f"Once: {WALKS.upper()} Why?", answer="1")
    solved = Problem(id="b", problem="x", answer="1", solution="We ask: what is 30+4 -- it is 34.")
    assert shared_runs([inside, solved], test) == [("story", "a"), ("short", "b")]
    assert shared_runs([inside], test, words=99) == []
    first_half = Problem(id="c", problem=" ".join(WALKS.split()[:12]), answer="1")
    assert shared_runs([first_half], test) == []


def test_overlap_counts_each_kind(capsys: pytest.CaptureFixture[str]) -> None:
    test = [
        Problem(id="t1", problem=WALKS, answer="30"),
        Problem(id="t2", problem="Tom has 3 red apples.", answer="3"),
        Problem(id="t3", problem="Nothing alike, 5.", answer="5"),
    ]
    train = [
        Problem(id="a", problem=WALKS.lower(), answer="30"),
        Problem(id="b", problem="Tom had 3 red apples.", answer="3"),
    ]
    found = overlap(train, test, what="bench")
    assert (found.problems, found.equal, found.near, found.shared_run, found.any) == (3, 1, 2, 1, 2)
    assert "bench: 2 of 3 problems overlap with training problems" in capsys.readouterr().err
    clean = overlap(train, test[2:], what="bench")
    assert (clean.any, clean.first) == (0, [])


def test_every_test_problem_that_is_near_one_training_problem_counts() -> None:
    """Each is counted, not only the nearest; the second shares no run of 13 words."""
    spelled = STORY.replace("green", "grean").replace("market", "markets")
    test = [problem("t", STORY), problem("u", spelled)]
    found = overlap([problem("a", STORY)], test, what="bench")
    assert (found.equal, found.near, found.shared_run, found.any) == (1, 2, 1, 2)
