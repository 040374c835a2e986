"""Values by hand: exact numbers, limits before computing, and trees of what is written."""

from fractions import Fraction

import pytest

from mathtune.answers.latex.lexer import NotMathError, TooLargeError
from mathtune.answers.latex.parse import parse
from mathtune.answers.values import evaluate as ev
from mathtune.answers.values import numbers
from mathtune.answers.values.fast_path import exact_number
from mathtune.answers.values.keys import node_key


def value(text: str) -> object:
    with numbers.metered():
        return numbers.value_key(ev.evaluate(parse(text)))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,234.5", Fraction(2469, 2)),
        (r"-\frac{3}{6}", Fraction(-1, 2)),
        (r"\frac34", Fraction(3, 4)),
        ("−7", Fraction(-7)),
        ("10{,}000", Fraction(10_000)),
        (r"5,\!866,\!608", Fraction(5_866_608)),
        ("3/4", Fraction(3, 4)),
        (".5", Fraction(1, 2)),
        ("1,23", None),
        ("3/0", None),
        ("٣", None),
        ("²", None),
        ("1e5", None),
        ("", None),
        ("x", None),
    ],
)
def test_exact_number(text: str, number: Fraction | None) -> None:
    assert exact_number(text) == number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7 3/4", Fraction(31, 4)),
        (r"-1\frac12", Fraction(-3, 2)),
        (r"3\times10^{-2}", Fraction(3, 100)),
        ("2^3^2", Fraction(512)),
        ("-2^2", Fraction(-4)),
        (r"\sqrt[3]{-8}", Fraction(-2)),
        (r"\sqrt{2}\sqrt{8}", Fraction(4)),
        (r"(1+\sqrt5)(1-\sqrt5)", Fraction(-4)),
        (r"\log_2 8", Fraction(3)),
        (r"\log 1000", Fraction(3)),
        (r"\ln e^2", Fraction(2)),
        (r"\cos\frac{\pi}{3}", Fraction(1, 2)),
        (r"\sin^2 1+\cos^2 1", Fraction(1)),
        (r"e^{i\pi}", Fraction(-1)),
        ("i^2", Fraction(-1)),
        ("5!", Fraction(120)),
        (r"\binom{10}{3}", Fraction(120)),
        (r"{10 \choose 3}", Fraction(120)),
        (r"0.1\overline{6}", Fraction(1, 6)),
        (r"25\%", Fraction(1, 4)),
        (r"|3-5|", Fraction(2)),
        (r"\lfloor -1.5\rfloor", Fraction(-2)),
        (r"\frac{2004!}{2003!}", Fraction(2004)),
        ("3e4", Fraction(30_000)),
        (r"\gcd(12, 18)", Fraction(6)),
        (r"\max(1, 2.5)", Fraction(5, 2)),
    ],
)
def test_value(text: str, expected: Fraction) -> None:
    assert value(text) == expected


@pytest.mark.parametrize("text", ["9^{9^9}", "9**9**9", "4000!", "(10!)!", r"\binom{50000}{25000}"])
def test_limits_are_checked_before_anything_is_computed(text: str) -> None:
    with pytest.raises(TooLargeError):
        value(text)


@pytest.mark.parametrize(
    "text", ["1/0", "2 3", "(1,2", "1]", r"\foo", "f'(x)=", "²", "٣", "a≟b", "=", "^2"]
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(NotMathError):
        value(text)


def test_work_is_metered_and_given_back() -> None:
    heavy = parse("+".join(["(1/7)!"] * 55))
    with numbers.metered():
        with pytest.raises(TooLargeError, match="units of work"), numbers.metered():
            ev.evaluate(heavy)
        assert ev.evaluate(("num", 2)) == 2


def test_points_are_fixed_and_told_apart() -> None:
    names = ["x", "y", "X", "x_1", "alpha", "n"]
    for point in range(3):
        assert len({ev.symbol_point(name, point) for name in names}) == len(names)
    assert ev.symbol_point("x", 0) > 1 > ev.symbol_point("x", 1) > 0 > ev.symbol_point("x", 2)
    assert ev.symbol_point("x", 0) == ev.symbol_point("x", 0)


def test_a_modulus_of_zero_computes_no_remainder() -> None:
    """The residue is compared by its value."""

    def key(text: str) -> object:
        with numbers.metered():
            return node_key(parse(text))

    assert key(r"x \equiv 7 \pmod{5}") == key(r"x \equiv 2 \pmod 5")
    assert key(r"x \equiv 2 \pmod 0") == key(r"x \equiv \frac{4}{2} \pmod 0")
    assert key(r"x \equiv 2 \pmod 0") != key(r"x \equiv 3 \pmod 0")
