"""The PRM800K grader: verdicts that the original gave on these pairs, its oddities included."""

import pytest

from mathtune.answers import compare
from mathtune.answers.graders.prm800k_text import plain_form, release_form, without_grouping


@pytest.mark.parametrize(
    ("answer", "form"),
    [
        (r"\dfrac12", r"\frac{1}{2}"),
        ("x = .5", r"\frac{1}{2}"),
        (r"\text{ 7 }", "7"),
        (r"3\sqrt2", r"3\sqrt{2}"),
        (r"10\text{ cm}", "10"),
        (r"1\text{ a}\text{ b}", r"1\text{ a}\text{ b}"),
        ("3/4", r"\frac{3}{4}"),
        ("03/4", "03/4"),
        (r"\left( 1, 2 \right)", "(1,2)"),
        (r"\sqrt", r"\sqrt"),
        (r"90^{\circ}", "90"),
    ],
)
def test_release_form(answer: str, form: str) -> None:
    assert release_form(answer) == form


@pytest.mark.parametrize(
    ("answer", "form"),
    [
        (r"7\frac{3}{4}", "7+3/4"),
        (r"\sqrt[3]{2}", "sqrt(2)"),
        (r"\pi r^{2}", "pir^2"),
        (r"10\mbox{ cm}^2", "10^2"),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "[1+2;3+4]"),
        ("5 million", "5*10^6"),
        ("1,234", "1234"),
        ("18.0", "18"),
        ("3 centimeters", "3"),
        (r"1\,000", "1+000"),
        (r"(-\infty, 2]\cup[3,\infty)", "(-inf,2]u[3,inf)"),
    ],
)
def test_plain_form(answer: str, form: str) -> None:
    assert plain_form(answer) == form


@pytest.mark.parametrize(
    ("answer", "gold", "verdict"),
    [
        ("2.0000000001", "2", "correct"),  # within its tolerance of an integer
        (r"\sqrt[3]{2}", r"\sqrt{2}", "correct"),  # the index is dropped
        (r"\frac{2}{4}", r"\frac{1}{2}", "wrong"),  # unreduced on purpose
        ("0.5", r"\frac{1}{2}", "correct"),
        ("2104", "2,104", "correct"),  # a list read as one number
        ("4/2", "2", "wrong"),  # an integer wants an integer
        ("(1,2]", "(1,2)", "wrong"),
        ("(2,1)", "(1,2)", "wrong"),
        ("2,1", "1,2", "wrong"),
        ("(x+1)(x-1)", "x^2-1", "correct"),
        ("x^{12}", "x^12", "correct"),
        ("x*x^11", "x^12", "wrong"),  # no exponents of two digits
        ("a+b+c", "c+b+a", "wrong"),  # more than two letters
        (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}", "correct"),
        ("25%", "25", "correct"),
        (r"\$5", "5", "correct"),
        ("9**9**9", "1.5", "undecided"),
    ],
)
def test_verdict(answer: str, gold: str, verdict: str) -> None:
    assert compare(answer, gold, grader="prm800k") == verdict


def test_grouping_needs_exactly_three_digits() -> None:
    assert without_grouping("1,234,567,89") == "1234567,89"
