"""What can be said of beginnings: by hand."""

from __future__ import annotations

from mathtune.paths.prefixes import beginnings, right_beginnings, wrong_beginnings

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
