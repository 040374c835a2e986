"""The safe evaluator: values by hand, Python's own arithmetic, hostile text."""

from __future__ import annotations

import ast
import math
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathtune.paths.arithmetic import NoExpressionError, evaluate
from mathtune.paths.equations import value
from mathtune.paths.tokens import Token


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> str:
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(["1", "2", "3.5", ".25", "12", "0.5"]))
    left, right = draw(expressions(depth - 1)), draw(expressions(depth - 1))
    sign = draw(st.sampled_from(["+", "-", "*", "/"]))
    form = draw(st.sampled_from(["{} {} {}", "({}{}{})", "-{} {} ({})"]))
    return form.format(left, sign, right)


def plain(node: ast.expr) -> float:
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.UnaryOp):
        return -plain(node.operand)
    assert isinstance(node, ast.BinOp)
    a, b = plain(node.left), plain(node.right)
    if isinstance(node.op, ast.Add):
        return a + b
    if isinstance(node.op, ast.Sub):
        return a - b
    return a * b if isinstance(node.op, ast.Mult) else a / b


@given(expressions())
def test_agrees_with_python(text: str) -> None:
    try:
        expected = plain(ast.parse(text, mode="eval").body)
    except ZeroDivisionError:
        assert value(text) is None
    else:
        assert value(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("2 ^ 3 ^ 2", 512),
        ("-2 ^ 2", -4),
        ("10 - 4 - 3", 3),
        ("24 / 4 / 2", 3),
        ("$1,250.50 * 2", 2501),
        ("50%", 0.5),
        ("200 * 15%", 30),
        ("100 - 20%", 80),
        ("80 + 25%", 100),
        ("2(3 + 4)", 14),
        ("(1 + 1)(2 + 2)", 8),
        ("1 1/2 * 4", 6),
        (r"\frac{3}{4} \times 8", 6),
        ("6 × 7", 42),
        ("6 ÷ 4", 1.5),
        ("3 x 4", 12),
        ("25% of 80", 20),
    ],
)
def test_values_by_hand(text: str, expected: float) -> None:
    assert value(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    ["", "two", "3 +* 4", "5 / 0", "0 ^ -1", "(-8) ^ 0.5", "9^9^9^9", "x + 1", "__import__('os')"],
)
def test_no_value(text: str) -> None:
    assert value(text) is None


@pytest.mark.timeout(60)
def test_hostile_text_ends() -> None:
    for text in ("(" * 10_000 + "1" + ")" * 10_000, "9^" * 5_000 + "9", "-" * 10_000 + "1"):
        value(text)


def test_tokens_that_are_no_expression_are_told_from_those_without_value() -> None:
    one, plus = Token("number", "1"), Token("operator", "+")
    with pytest.raises(NoExpressionError):
        evaluate([one, plus])
    with pytest.raises(NoExpressionError):
        evaluate([one, one])
    assert evaluate([one, Token("operator", "/"), Token("number", "0")]) is None
    assert isnan(evaluate([one, plus, Token("letter", "x")]) or 0)


def test_percent_may_be_a_mere_label() -> None:
    tokens = [Token("number", "40"), Token("operator", "%")]
    assert evaluate(tokens) == pytest.approx(0.4)
    assert evaluate(tokens, percent=1.0) == 40.0
    assert not math.isnan(evaluate(tokens) or 0.0)
