"""What can be said of beginnings: by hand."""

from __future__ import annotations

import random
from collections import Counter

from mathtune.paths.prefixes import (
    beginnings,
    drawn_beginnings,
    right_beginnings,
    wrong_beginnings,
)

HOLDS = "Tom has <<3*4=12>>12\nLeft <<12-5=7>>7\n#### 7"
FALSE = "Tom has <<3*4=12>>12\nLeft <<12-5=6>>6\nSo <<6+1=7>>7\n#### 7"


def test_the_whole_is_no_beginning() -> None:
    assert beginnings("one step") == []
    assert beginnings("") == []
    assert beginnings("a\n\nb\nc\n") == ["a", "a\n\nb"]


def test_a_right_solution_is_right_up_to_its_first_false_equation() -> None:
    lines = HOLDS.split("\n")
    assert right_beginnings(HOLDS) == [lines[0], "\n".join(lines[:2])]
    assert right_beginnings(FALSE) == [lines[0]]


def test_a_wrong_solution_is_wrong_from_its_first_false_equation_on() -> None:
    lines = FALSE.split("\n")
    assert wrong_beginnings(FALSE) == ["\n".join(lines[:2]), "\n".join(lines[:3])]
    assert wrong_beginnings(HOLDS) == []  # wrong somewhere, but nothing says where


def test_as_many_right_as_wrong_beginnings_are_drawn() -> None:
    counts: Counter[str] = Counter()
    lines = FALSE.split("\n")
    wrong_ones = {"\n".join(lines[:2]), "\n".join(lines[:3])}
    right, wrong = drawn_beginnings([HOLDS], [FALSE, FALSE], random.Random(0), counts)
    assert set(right) == set(right_beginnings(HOLDS))
    assert set(wrong) == wrong_ones
    assert counts == Counter(beginnings=2, right_beginnings_left=0, wrong_beginnings_left=0)
    right, wrong = drawn_beginnings(["a\nb\nc\nd"], [FALSE], random.Random(0), counts)
    assert set(right) < {"a", "a\nb", "a\nb\nc"}
    assert (len(right), set(wrong)) == (2, wrong_ones)
    assert counts == Counter(beginnings=4, right_beginnings_left=1, wrong_beginnings_left=0)
    drawn_beginnings(["a\nb"], [FALSE], random.Random(0), counts)
    assert counts == Counter(beginnings=5, right_beginnings_left=1, wrong_beginnings_left=1)
