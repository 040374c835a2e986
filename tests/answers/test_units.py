"""The table of units: sizes by hand, dimensions, and names that mean two things."""

from fractions import Fraction

import pytest

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
