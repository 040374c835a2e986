r"""One table of spellings for the lexer of answers and for the reader of equations."""

from __future__ import annotations

from fractions import Fraction

import pytest

from mathtune.answers import compare
from mathtune.answers.latex.spellings import plain_signs, repeated
from mathtune.paths.equations import equations, value
from mathtune.rows.records import Verdict


@pytest.mark.parametrize(
    ("spelling", "number"),
    [
        ("1,200", "1200"),
        ("1{,}200", "1200"),
        (r"1{,}\!200", "1200"),
        (r"1,\!200", "1200"),
        (r"1\,200", "1200"),
        (r"12{,}345{,}678", "12345678"),
        ("5!", "120"),
        (r"\frac{6!}{4!}", "30"),
        (r"\binom{5}{2}", "10"),
        ("½", "0.5"),
        ("2½", "2.5"),
        ("¾", "0.75"),
        ("3⁄4", "0.75"),
        ("|-5|", "5"),
        ("|3 - 8|", "5"),
        (r"\left|-7\right|", "7"),
        (r"\lvert -5 \rvert", "5"),
        ("5²", "25"),
        ("2¹⁰", "1024"),
        ("10⁻²", "0.01"),
        ("√16", "4"),
        ("3×4", "12"),
        ("3 ⋅ 4", "12"),
        ("12 ÷ 8", "1.5"),
        ("−5", "-5"),
        (r"0.\overline{3}", "1/3"),
        (r"0.1\overline{6}", "1/6"),
        (r"\lfloor 3.7 \rfloor", "3"),
        (r"\lceil 3.2 \rceil", "4"),
        ("⌊3.7⌋", "3"),
        ("5\\%", "0.05"),
        ("100-20%", "80"),
    ],
)
def test_both_readers_read_the_same(spelling: str, number: str) -> None:
    assert value(spelling) == pytest.approx(float(Fraction(number)))
    assert compare(spelling, number) is Verdict.correct


@pytest.mark.parametrize(("spelling", "number"), [("3x4", 12.0), ("20% of 50", 10.0)])
def test_the_two_readings_of_running_text(spelling: str, number: float) -> None:
    assert value(spelling) == number
    assert compare(spelling, f"{number:g}") is not Verdict.correct


def test_only_ascii_digits_are_digits() -> None:
    assert value("１２") is None
    assert compare("１２", "12") is not Verdict.correct


def test_powers_of_letters() -> None:
    assert compare("x² + y³", "x^2 + y^3") is Verdict.correct
    assert compare("x²", "x2") is not Verdict.correct
    assert [e.text for e in equations("x² = 9")] == ["x^{2}=9"]


def test_signs_in_one_way() -> None:
    assert plain_signs("3 − 2") == "3 - 2"
    assert plain_signs("plain") == "plain"
    assert repeated("0.", "27") == Fraction(3, 11)
    assert repeated("1.2", "3") == Fraction(37, 30)


def test_the_false_equation_with_thousands_is_seen() -> None:
    (equation,) = equations("$1{,}200 + 300 = 1{,}600$")
    assert equation == ("1200+300=1600", False)
