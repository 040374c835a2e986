"""Numbers and signs as Python computes them, against Python on texts that are safe to evaluate."""

from __future__ import annotations

import ast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mathtune.paths.published import python_value

NUMBERS = ["1", "2", "03", "0", ".5", "1e2", "1_0", "2j", "True", "x", "٣", " ", "\n", "#"]
SIGNS = ["+", "-", "*", "/", "//", "%", "^", "&", "|", "~", "(", ")", "<", ">="]
PIECES = st.sampled_from([*NUMBERS, *SIGNS, " and ", " or ", "not "])


@given(st.lists(PIECES, min_size=1, max_size=7).map("".join))
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_the_value_is_pythons(expression: str) -> None:
    # Built above from numbers, signs and one unknown name; powers are left out, which may be huge.
    try:
        expected = eval(expression, {"__builtins__": {}})
        tree = ast.parse(expression.lstrip(" \t"), mode="eval")
        assume(not any(isinstance(node, ast.Tuple) for node in ast.walk(tree)))  # () is no number
    except (SyntaxError, NameError, TypeError, ArithmeticError):
        with pytest.raises((ValueError, TypeError, ArithmeticError)):
            python_value(expression)
    else:
        found = python_value(expression)
        assert (type(found), found) == (type(expected), expected)


def test_an_empty_tuple_is_no_number() -> None:
    with pytest.raises(ValueError, match="no expression of numbers"):
        python_value("()")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2^3", 1),
        ("10**400/10**399", 10.0),
        ("10**17+1-10**17", 1),
        ("2**-1", 0.5),
        ("round(7/2)", 4),
        ("round(2.345, 1)", 2.3),
        ("max(2, min(3, 9))", 3),
        ("abs(3-5)", 2),
        ("1<<3", 8),
        ("5 if 3 > 2 > 1 else 4", 5),
        ("5 if 3 > 2 > 2 else 4", 4),
        ("2 and 0 and 3", 0),
        ("2 and 3", 3),
        ("0 or 4 or 5", 4),
        ("0 or 0.0", 0.0),
    ],
)
def test_by_hand(expression: str, value: float) -> None:
    assert python_value(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os')",
        "().__class__",
        "'5'*3",
        "[1]*3",
        "print(1)",
        "int('5')",
        "lambda: 3",
        "9**9**9",
        "9**9**9**9",
        "1<<10**9",
        "pow(9, 9**9)",
        "round(5, -10**9)",
        "*".join(["10**9999"] * 99),
        "(" * 900 + "1" + ")" * 900,
        "-" * 1999 + "1",
        "1" * 3000,
        "",
    ],
)
def test_what_is_no_arithmetic_or_too_large_is_refused(expression: str) -> None:
    with pytest.raises((ValueError, TypeError, ArithmeticError)):
        python_value(expression)
