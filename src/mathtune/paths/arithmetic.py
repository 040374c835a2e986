"""Arithmetic in model text, evaluated safely: a recursive descent over tokens, never `eval`.

Under `equations.py`, which finds the expressions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mathtune.paths.tokens import Token

DEEPEST = 40
"""The deepest nesting of brackets and exponents that is still read as an expression."""


HUNDREDTHS = ("%", "¢")
POSTFIX = (*HUNDREDTHS, "!")
"""Operators after their operand."""

_LARGEST_FACTORIAL = 170
_NEARLY = 1e-9
BRACKETS_THAT_COMPUTE = {"|": "|", "⌊": "⌋", "⌈": "⌉"}
"""Each opening bracket's closing one; other brackets only group."""


class NoExpressionError(Exception):
    """The tokens are no expression."""


def evaluate(tokens: Sequence[Token], *, percent: float = 0.01) -> float | None:
    r"""Return the value of + - * / ^ ( ) ! % over numbers; a percent sign multiplies by `percent`.

    None if there is no value: a division by 0. nan if it is unknown here: a letter, a root of a
    negative number, a number too large. A number before a bracket or a letter multiplies it. ^
    binds to the right. With percent = 0.01, `100 - 20%` is 80. A cent sign multiplies like a
    percent sign, but 3 + 50¢ is 3.5. |x|, ⌊x⌋ and ⌈x⌉ are brackets.

    Raises:
        NoExpressionError: the tokens are no expression.

    Example:
        >>> evaluate([Token("number", "1,200"), Token("operator", "/"), Token("number", "4")])
        300.0
    """
    parser = _Parser(tokens, percent)
    try:
        found = parser.sum()
    except ZeroDivisionError:
        return None
    except OverflowError:
        return math.nan
    if parser.at < len(tokens):
        raise NoExpressionError
    return found if math.isfinite(found) else math.nan


class _Parser:
    """A parser that gives letters the value nan: a symbolic side has no value."""

    def __init__(self, tokens: Sequence[Token], percent: float) -> None:
        self._tokens, self._percent = tokens, percent
        self.at = self._depth = 0

    def sum(self) -> float:
        self._deeper()
        total = self._product()
        shares = self._percent == 1.0 or self._ends_in_percent()
        while (sign := self._peek()) in ("+", "-"):
            self.at += 1
            start = self.at
            term = self._product()
            if not shares and self._is_percent(start):
                term *= total  # "100 - 20%" takes 20 % of 100 away; 60% - 20% is 40%
            total = total + term if sign == "+" else total - term
        self._depth -= 1
        return total

    def _product(self) -> float:
        product = self._signed()
        while self.at < len(self._tokens):
            token = self._tokens[self.at]
            if token.text in ("*", "/"):
                self.at += 1
                factor = self._signed()
                product = product * factor if token.text == "*" else product / factor
            elif token.kind in ("open", "letter"):
                product *= self._power()
            elif token.kind == "number" and self._tokens[self.at - 1].text == "!":
                product *= self._power()  # 2!3!
            else:
                break
        return product

    def _signed(self) -> float:
        sign = 1.0
        while self._peek() in ("+", "-"):
            sign = -sign if self._peek() == "-" else sign
            self.at += 1
        return sign * self._power()

    def _power(self) -> float:
        base = self._atom()
        if self._peek() != "^":
            return base
        self.at += 1
        self._deeper()
        exponent = self._signed()
        self._depth -= 1
        if base < 0 and not exponent.is_integer():
            return math.nan
        return math.pow(base, exponent) if base or exponent >= 0 else math.nan

    def _atom(self) -> float:
        if self.at >= len(self._tokens):
            raise NoExpressionError
        token = self._tokens[self.at]
        self.at += 1
        if token.kind == "number":
            found = float(token.text.replace(",", ""))
        elif token.kind == "letter":
            found = math.nan
        elif token.kind == "open":
            found = self._bracket(token.text)
        else:
            raise NoExpressionError
        while (sign := self._peek()) in POSTFIX:
            self.at += 1
            found = _factorial(found) if sign == "!" else found * self._percent
        return found

    def _bracket(self, opening: str) -> float:
        """Return the value of a bracket's content; the bracket is open already."""
        inside = self.sum()
        if self.at >= len(self._tokens) or self._tokens[self.at].kind != "close":
            raise NoExpressionError
        closing = self._tokens[self.at].text
        if closing != BRACKETS_THAT_COMPUTE.get(opening, closing):
            raise NoExpressionError
        self.at += 1
        if opening not in BRACKETS_THAT_COMPUTE or math.isnan(inside):
            return inside
        if opening == "|":
            return abs(inside)
        return math.floor(inside + _NEARLY) if opening == "⌊" else math.ceil(inside - _NEARLY)

    def _peek(self) -> str:
        return self._tokens[self.at].text if self.at < len(self._tokens) else ""

    def _ends_in_percent(self) -> bool:
        return self.at > 0 and self._tokens[self.at - 1].text == "%"

    def _is_percent(self, start: int) -> bool:
        """Return whether the term from `start` on is a number and a percent sign."""
        return self.at == start + 2 and self._tokens[start + 1].text == "%"

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise NoExpressionError


def _factorial(number: float) -> float:
    """Return the factorial; nan where there is none, or it is too large."""
    if not number.is_integer() or not 0 <= number <= _LARGEST_FACTORIAL:
        return math.nan
    return float(math.factorial(int(number)))
