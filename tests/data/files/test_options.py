"""Options in the forms of public data sets, and golds that name one."""

from __future__ import annotations

from typing import Any

import pytest

from mathtune.data.files.head import Head
from mathtune.data.files.options import either, first_number, letter, options
from mathtune.errors import InputError

AQUA = {"A": "21", "B": "21.5", "C": "22", "D": "22.5", "E": "None of these"}


@pytest.mark.parametrize(
    "value",
    [
        ["A)21", "B)21.5", "C)22", "D)22.5", "E)None of these"],
        "['A)21', 'B)21.5', 'C)22', 'D)22.5', 'E)None of these']",
        ["21", "21.5", "22", "22.5", "None of these"],
        {"A": 21, "B": "21.5", "C": "22", "D": "22.5", "E": "None of these"},
        {"label": list("ABCDE"), "text": ["21", "21.5", "22", "22.5", "None of these"]},
        [{"label": name, "text": text} for name, text in AQUA.items()],
        "a ) 21 , b ) 21.5 , c ) 22 , d ) 22.5 , e ) None of these",
        "A. 21\nB. 21.5\nC. 22\nD. 22.5\nE. None of these",
    ],
)
def test_options_of_every_form_are_the_same(value: Any) -> None:
    assert options(value) == AQUA


@pytest.mark.parametrize(
    "value",
    [
        None, 3, "", "A text.", [], ["one"], {}, {"A": "21"}, {"x": "21", "y": "22"},
        [{"message": {"content": "7"}}, {"message": {"content": "8"}}], [["a"], ["b"]],
        {"B": "21", "C": "22"},
    ],
)  # fmt: skip
def test_what_offers_nothing(value: Any) -> None:
    assert options(value) == {}


def test_a_gold_is_right_as_its_letter_and_as_its_text() -> None:
    assert either(("E",), AQUA) == ("E", "None of these")
    assert either(("(c)",), AQUA) == ("(c)", "22")
    assert either(("22.5",), AQUA) == ("22.5", "D")
    assert either(("23",), AQUA) == ("23",)
    assert either(("F",), AQUA) == ("F",)
    assert either(("5",), {"A": "5", "B": "5"}) == ("5",)
    assert [letter(gold, AQUA) for gold in ("b.", "AB", "7")] == ["B", None, None]


def test_golds_that_number_the_options() -> None:
    four = {"A": "5", "B": "6", "C": "7", "D": "8"}

    def first(*golds: str) -> int | None:
        return first_number(golds, [four] * len(golds))

    assert (first("0", "3"), first("1", "4"), first("1", "2")) == (0, 1, None)
    assert (first("5", "8"), first("B", "0"), first("0", "4"), first()) == (None,) * 4
    assert either(("3",), four, 0) == ("D", "8")
    assert either(("4",), four, 1) == ("D", "8")
    assert either(("9",), four, 0) == ("9",)


def test_numbers_of_options_that_tell_no_first_one_are_no_golds() -> None:
    """Taken as they stand, a right `B` or its text would be wrong."""
    rows = [
        {"question": f"{k}?", "choices": ["15", "16", "17", "18"], "answer": k, "response": "B"}
        for k in (1, 2, 3)
    ]
    with pytest.raises(InputError, match="do not tell whether the first option is 0 or 1"):
        Head("f", rows).first_option("answer")
    assert Head("f", [*rows, {**rows[0], "answer": 0}]).first_option("answer") == 0
    assert Head("f", [*rows, {**rows[0], "answer": 4}]).first_option("answer") == 1
    assert Head("f", [*rows, {**rows[0], "answer": 18}]).first_option("answer") is None
