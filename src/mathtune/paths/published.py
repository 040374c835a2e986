"""Numbers as Python computes them, without `eval`. Under `select.py`, for the published rule alone.

The authors' code evaluates the left side of `<<5*3=15>>` as Python. So `^` is exclusive or, `05`
is an error and `round(7/2)` is 4, and solutions are kept or dropped by that.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

LONGEST = 2_000
"""The number of characters of an expression that are read."""

MOST_BITS = 100_000
"""Integers larger than this are not computed; floats hold 1,024."""

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitXor: operator.xor,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.RShift: operator.rshift,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def python_value(expression: str) -> complex:
    """Return Python's value of an expression of numbers, signs and a few functions.

    Understood: numbers as Python writes them, + - * / // % ** and the signs for bits, brackets,
    comparisons, `and`, `or`, `not`, `if else`; abs, round, min, max, int, float, pow of numbers.

    Raises:
        ValueError: anything else (a name, a text, a list), or too long or too large a number.
        ArithmeticError, TypeError: as in Python.

    Example:
        >>> python_value("2^3"), python_value("round(10/4)")
        (1, 2)
    """
    if len(expression) > LONGEST:
        raise ValueError(expression)
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(expression.lstrip(" \t"), mode="eval")
        found: complex = _value(tree.body)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError(expression) from None
    return found


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=int() | float() | complex() as number):
            return number
        case ast.UnaryOp(op=sign, operand=operand):
            return _UNARY[type(sign)](_value(operand))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left), _value(right))
        case ast.BinOp(left=left, op=ast.LShift(), right=right):
            return _shifted(_value(left), _value(right))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            return _bounded(_BINARY[type(sign)](_value(left), _value(right)))
        case ast.BoolOp(op=ast.And(), values=values):
            return _first(values, stops=False)
        case ast.BoolOp(values=values):
            return _first(values, stops=True)
        case ast.IfExp(test=test, body=body, orelse=other):
            return _value(body) if _value(test) else _value(other)
        case ast.Compare(left=left, ops=signs, comparators=others):
            return _chain_holds([_value(side) for side in (left, *others)], signs)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _bounded(_FUNCTIONS[name](*map(_value, arguments)))
    raise ValueError("no expression of numbers")


def _first(nodes: list[ast.expr], *, stops: bool) -> Any:
    """Return the first value that is as true as `stops`, else the last."""
    found: Any = None
    for node in nodes:
        found = _value(node)
        if bool(found) is stops:
            break
    return found


def _chain_holds(values: list[Any], signs: list[ast.cmpop]) -> bool:
    """Return whether every two neighbours compare as asked: 1 < x < 3."""
    if any(type(sign) not in _COMPARED for sign in signs):
        raise ValueError("no comparison of sizes")
    return all(
        _COMPARED[type(sign)](left, right)
        for sign, (left, right) in zip(signs, pairwise(values), strict=True)
    )


def _power(base: Any, exponent: Any, *modulus: Any) -> Any:
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and base.bit_length() * abs(exponent) > MOST_BITS:
        raise ValueError("too large a power")
    return pow(base, exponent, *modulus)


def _shifted(number: Any, bits: Any) -> Any:
    if isinstance(bits, int) and bits > MOST_BITS:
        raise ValueError("too large a shift")
    return _bounded(operator.lshift(number, bits))


def _rounded(number: Any, *digits: Any) -> Any:
    if any(isinstance(count, int) and abs(count) > MOST_BITS // 4 for count in digits):
        raise ValueError("too many digits")
    return round(number, *digits)


def _bounded(number: Any) -> Any:
    if isinstance(number, int) and number.bit_length() > MOST_BITS:
        raise ValueError("too large a number")
    return number


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "round": _rounded,
    "min": min,
    "max": max,
    "int": int,
    "float": float,
    "pow": _power,
}
