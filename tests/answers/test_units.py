"""The table of units: sizes by hand, dimensions, and names that mean two things."""

from fractions import Fraction

import pytest

from mathtune.answers import Verdict, cluster, compare
from mathtune.answers.latex.number_words import in_digits
from mathtune.answers.latex.units import NO_UNIT, read_unit


@pytest.mark.parametrize(
    ("unit", "powers", "size"),
    [
        ("cm", {"length": 1}, Fraction(1, 100)),
        ("square cm", {"length": 2}, Fraction(1, 10_000)),
        ("inches", {"length": 1}, Fraction(254, 10_000)),
        ("miles", {"length": 1}, Fraction(1_609_344, 1_000)),
        ("pounds", {"mass": 1}, Fraction(45_359_237, 100_000)),
        ("hours", {"time": 1}, Fraction(3_600)),
        ("weeks", {"time": 1}, Fraction(7 * 86_400)),
        ("years", {"months": 1}, Fraction(12)),
        ("mL", {"length": 3}, Fraction(1, 10**6)),
        ("gallons", {"length": 3}, Fraction(3_785_411_784, 10**12)),
        ("acres", {"length": 2}, Fraction(40_468_564_224, 10**7)),
        ("N", {"length": 1, "mass": 1, "time": -2}, Fraction(1_000)),
        ("cents", {"dollar": 1}, Fraction(1, 100)),
        ("apples", {"apple": 1}, Fraction(1)),
    ],
)
def test_sizes_and_dimensions(unit: str, powers: dict[str, int], size: Fraction) -> None:
    found = read_unit(tuple(unit.split()))[0]
    assert dict(found.powers) == powers
    assert found.size == size


def test_quotients_and_powers() -> None:
    kilometers_per_hour = read_unit(("km", "/", "h"))[0]
    assert dict(kilometers_per_hour.powers) == {"length": 1, "time": -1}
    assert kilometers_per_hour.size == Fraction(1_000, 3_600)
    assert read_unit(("mph",)) == read_unit(("miles", "per", "hour"))
    assert read_unit(("m", "^2")) == read_unit(("square", "meters")) != read_unit(("m",))
    newton = read_unit(("kg", "m", "s", "^-2"))[0]
    assert newton == read_unit(("newtons",))[0]


def test_words_that_are_no_unit() -> None:
    assert read_unit(("units",)) == (NO_UNIT,)
    assert read_unit(("square", "units")) != (NO_UNIT,)
    assert read_unit(("years", "old")) == read_unit(("years",))
    assert read_unit(("red", "apples")) != read_unit(("apples",))


def test_squared_behind_a_number_is_a_power_and_behind_a_unit_its_own() -> None:
    assert compare("10 squared", "100") is compare("5 cubed", "125") is Verdict.correct
    assert compare("10 meters squared", r"10\text{ m}^2") is Verdict.correct
    assert compare("10 squared", "10") is compare("5 cubed", "5") is Verdict.wrong


def test_a_name_with_two_meanings_has_two_readings() -> None:
    mass, money = read_unit(("pounds",))
    assert {dict(mass.powers).popitem()[0], dict(money.powers).popitem()[0]} == {"mass", "sterling"}


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("one-third", r"\frac{1}{3}"),
        ("two thirds of it", r"\frac{2}{3} of it"),
        ("three and a half", r"\frac{7}{2}"),
        ("two hundred and five", "205"),
        ("one hundred twenty-one apples", "121 apples"),
        ("three thousand four hundred", "3400"),
        ("minus two", "-2"),
        ("half", r"\frac{1}{2}"),
        ("two and three", "2 and three"),
        ("one two", "1 two"),
        ("third", "third"),
        ("a dog", "a dog"),
        ("hundred", "hundred"),
    ],
)
def test_written_numbers(words: str, digits: str) -> None:
    assert in_digits(words) == digits


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("9", "9 (apples)"),
        (r"9\text{ apples}", "9 (apples)"),
        ("9 (apples)", "9"),
        ("0.75", "3/4 (cups)"),
        ("45 minutes", "3/4 (hours)"),
        ("2000", "2,000 (miles)"),
        ("$1.50", "1.5 (dollars)"),
        ("15 cm^2", "15 (cm²)"),
        ("60 mph", "60 (miles per hour)"),
        ("50%", "50 (%)"),
        ("9:30", "9:30 (a.m.)"),
        ("24", "2 (dozen)"),
        ("10", "10 years old"),
        ("10 years", "10 years old"),
        (r"\frac{3}{4}", "3/4 of a cup"),
        ("6", "6 slices of pizza"),
        ("12", "12 miles per hour"),
        ("5", "5 red balloons"),
        ("5 balloons", "5 (red balloons)"),
    ],
)
def test_a_unit_in_words_may_be_left_out(answer: str, gold: str) -> None:
    assert compare(answer, gold) is Verdict.correct


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("8", "9 (apples)"),
        ("9 pears", "9 (apples)"),
        ("9 cents", "9 (dollars)"),
        ("5 feet", "5 (square feet)"),
        ("5 liters", "5 gallons of milk"),
        ("5 blue balloons", "5 red balloons"),
        ("2", "2 (dozen)"),
        ("3", "3 (x + 1)"),
        ("2", "2 or more"),
        ("2", "2 and a half"),
        ("6", "6 less than Ann"),
        ("5 xy", "5"),
        ("5", "5 xy"),
        ("5", "5 (x)"),
        ("5", "5 apples and 3 pears"),
    ],
)
def test_what_is_no_unit_is_not_left_out(answer: str, gold: str) -> None:
    assert compare(answer, gold) is Verdict.wrong


def test_quantities_in_words_are_in_one_cluster() -> None:
    assert cluster(["9 (apples)", "8", "9 apples", "9"]) == [[0, 2, 3], [1]]
