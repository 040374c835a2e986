"""Sides of equations by hand: their tokens, units, and which belong to more than was cut out."""

from __future__ import annotations

import pytest

from mathtune.paths.sides import Side, runs_of, sides_of
from mathtune.paths.tokens import tokenized


def written(side: Side) -> str:
    """A side's tokens, its unit in brackets, and a question mark if it is not whole."""
    unit = f" [{side.unit}]" if side.unit else ""
    return " ".join(token.text for token in side.tokens) + unit + "?" * (not side.whole)


def cut(line: str) -> list[str]:
    return [" = ".join(map(written, sides_of(run))) for run in runs_of(tokenized(line))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("He pays 3 apples * $2 = $6 today", ["3 * 2 = 6 [today]"]),
        ("4 + 3 = 7 , 8 + 1 = 9", ["4 + 3 = 7", "8 + 1 = 9"]),
        ("2 + 2 = 4 5 + 5 = 10", ["2 + 2 = 4?", "5 + 5? = 10"]),
        ("2 + 2 = 4 apples 5 + 5 = 10", ["2 + 2 = 4 [apples]", "5 + 5 = 10"]),
        ("2 * 3 cm + 1 = 7 cm", ["2 * 3 + 1 = 7 [cm]"]),
        ("6 km / 2 hours = 3 km/hour", ["6 / 2 [hours] = 3 [km]"]),
        ("6 large red bags / 2 = 3", ["6 / 2 = 3"]),
        ("6 very large red bags / 2 = 3", ["2? = 3"]),  # four words are no unit
        ("6 bags or 2 = 2", ["2? = 2"]),
        ("5! = 120", ["5 ! = 120"]),
        ("no equation, 3 + 4", []),
    ],
)
def test_lines_are_cut_at_words_and_between_numbers(line: str, expected: list[str]) -> None:
    assert cut(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("7 (1 + x) = 9", ["( 1 + x )? = 9"]),
        ("7 = 9 (1 + x)", ["7 = 9?"]),
        ("1 and 1/3 * 3 = 4", ["1 / 3 * 3? = 4"]),
        ("1 and (2 + 3) = 6", ["( 2 + 3 )? = 6"]),
        ("so (2 + 3) = 5", ["( 2 + 3 ) = 5"]),
        ("2 * 2 = 4 and 1/3", ["2 * 2 = 4 [and]?"]),
        ("2 * 2 = 4 and a half", ["2 * 2 = 4 [and]?"]),
        ("2 + 4 = 6 and (2 + 3)", ["2 + 4 = 6 [and]?"]),
        ("2 + 4 = 6 and 2 + 3", ["2 + 4 = 6 [and]"]),
        ("2 + 4 = 6 but (2 + 3)", ["2 + 4 = 6 [but]"]),
        ("3 inches by 4 inches = 12", ["4 [inches]? = 12"]),
        ("3 = 3 by 4", ["3 = 3 [by]?"]),
        ("3 = 3 by hand", ["3 = 3 [by]"]),
        ("5 C 2 = 10", ["2? = 10"]),
        ("2 * 5 = 10 P 3", ["2 * 5 = 10 [P]?"]),
        ("2 * 3 = 6.ababab", ["2 * 3 = 6?"]),
        ("2 * 3 = 6. Then", ["2 * 3 = 6"]),
        ("2 * 3 = 6.Then", ["2 * 3 = 6"]),
        ("2*1995AH - 7 = 3", ["7? = 3"]),
    ],
)
def test_a_side_that_goes_on_outside_is_not_whole(line: str, expected: list[str]) -> None:
    assert cut(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("3,14 * 2 = 6,28", ["14 * 2? = 6?"]),
        ("3, 14 * 2 = 28", ["14 * 2 = 28"]),
        ("2 * 2 = 4, 5", ["2 * 2 = 4"]),
        ("2 * 2 = 4 ,5", ["2 * 2 = 4"]),
        ("2 * 2 = 4,x", ["2 * 2 = 4"]),
        ("2^2 : 1^2 = 4 : 1", ["1 ^ 2 = 4?"]),
        ("3 = 4 : 1", ["3 = 4"]),  # no colon before the equals sign
        ("a : 1 + 2 + 3 + 4 + 5 = 15 : 1", ["1 + 2 + 3 + 4 + 5 = 15"]),  # it is too far away
        ("3 = 4:1", ["3 = 4?"]),
    ],
)
def test_decimal_commas_and_ratios(line: str, expected: list[str]) -> None:
    assert cut(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("log 8 = 3", ["8? = 3"]),
        ("twice 3 + 2 = 5", ["3 + 2? = 5"]),
        ("it was 3 + 2 = 5", ["3 + 2 = 5"]),
        ("3 boxes of 4 + 1 = 5", ["4 + 1? = 5"]),
        ("so half of 8 + 1 = 9", ["8 + 1? = 9"]),
        ("the weight of 8 + 1 = 9", ["8 + 1 = 9"]),
        ("weight of 8 + 1 = 9", ["8 + 1 = 9"]),
        ("12 inches (6 * 2) = 12", ["( 6 * 2 )? = 12"]),
        ("f(2) * 2 = 4", ["( 2 ) * 2? = 4"]),
        ("f (2) * 2 = 4", ["( 2 ) * 2? = 4"]),
        ("Thus a (6 * 2) = 12", ["( 6 * 2 ) = 12"]),  # a word, no function
        ("total (2 + 2) = 4", ["( 2 + 2 ) = 4"]),
    ],
)
def test_words_of_which_the_side_is_only_a_part(line: str, expected: list[str]) -> None:
    assert cut(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("day 1 * 2 = 2", ["1 * 2? = 2"]),
        ("with 1 * 2 = 2", ["1 * 2 = 2"]),
        ("in 3 boxes + 2 = 5", ["3 + 2? = 5"]),
        ("in 3 + 2 = 5", ["3 + 2 = 5"]),
        ("Total for Ann 4 = 2 + 2", ["4? = 2 + 2"]),  # a number behind words computes nothing
        ("5 hundred + 5 = 505", ["5 + 5? = 505"]),
        ("5 / 2 = 2 remainder 1", ["5 / 2 = 2 [remainder]?"]),
        ("2 + = 5", ["2? = 5"]),
        ("Sum - 3 + 2 = 5", ["3 + 2? = 5"]),
        ("- 3 + 5 = 2", ["3 + 5 = 2"]),
        ("-3 + 5 = 2", ["- 3 + 5 = 2"]),
        ("2 - 5 = - 3", ["2 - 5 = - 3"]),
        ("2 AB * 3 = 6", ["2 * 3? = 6"]),
        ("2 XYZ * 3 = 6", ["2 * 3? = 6"]),
        ("(3 * 2 = 6 AB)", ["3 * 2 = 6?"]),
        ("2 USD * 3 = 6", ["2 * 3 = 6"]),
        ("2 qz * 3 = 6", ["2 * 3? = 6"]),
        ("2 cm * 3 = 6", ["2 * 3 = 6"]),
        ("3 * 2 = 6 AB", ["3 * 2 = 6 [AB]"]),  # behind the last side it may be a unit
    ],
)
def test_names_units_and_signs(line: str, expected: list[str]) -> None:
    assert cut(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("(2 + 3 = 5) so", ["2 + 3 = 5 [so]"]),
        ("(2 + 3 = 5", ["2 + 3 = 5"]),
        ("2 + 3) = 5", ["2 + 3? = 5"]),
        ("2 + (3 = 5", ["2 + 3? = 5"]),
        ("2 + 3 = (5", ["2 + 3 = 5?"]),
        ("2 + 3 = 5)", ["2 + 3 = 5"]),
        ("2 + 4 = 5) + 1", ["2 + 4 = 5 + 1?"]),
        ("2(3) = (6)", ["2 ( 3 ) = ( 6 )"]),
    ],
)
def test_brackets_around_the_whole_equation_are_dropped(line: str, expected: list[str]) -> None:
    assert cut(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2(3) = 6", [True, False]),
        ("(2)(3) = (6)", [True, False]),
        ("5% = 0.05", [False, False]),
        ("-5 = -5", [True, True]),
        ("⌊3.5⌋ = 3", [True, False]),
    ],
)
def test_sides_that_compute(line: str, expected: list[bool]) -> None:
    (run,) = runs_of(tokenized(line))
    assert [side.computes for side in sides_of(run)] == expected


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("Price of 4 apples / 4 = 1", True),
        ("4 apples / 4 = 1", False),
        ("Price of 4 / 4 = 1", False),
        ("days 1-6 = 6", True),
        ("1-6 = 6", False),
        ("days 1 - 6 = 6", False),
    ],
)
def test_a_first_side_that_may_end_a_name(line: str, label: bool) -> None:
    (run,) = runs_of(tokenized(line))
    assert sides_of(run)[0].label is label
    assert not sides_of(run)[1].label
