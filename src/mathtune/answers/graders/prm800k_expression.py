"""Read a normalised answer the way sympy's text parser would, into our own tree. For `prm800k`.

Python's operators and precedence, `^` as a power, products without a sign, runs of letters as
products of symbols unless they are `pi`, `sqrt` or another name sympy knows. Nothing is executed.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import log2

from mpmath import libmp

from mathtune.answers.latex.limits import MAX_DIGITS, NotMathError, TooLargeError
from mathtune.answers.latex.nodes import Node
from mathtune.answers.latex.units import names
from mathtune.answers.values import numbers
from mathtune.answers.values.evaluate import evaluate, symbols

_TOKEN = re.compile(
    r"(?P<number>(?:[0-9](?:_?[0-9])*)?\.[0-9](?:_?[0-9])*|[0-9](?:_?[0-9])*\.?)"
    r"(?P<exponent>[eE][-+]?[0-9]+)?(?P<imaginary>[jJ](?![A-Za-z0-9_]))?"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<mark>\*\*|//|[-+*/^()!])"
    r"|(?P<space>[ \t\n\r\f])"
)
# Functions that two letters can spell, and sqrt, whose letters are not counted.
_FUNCTIONS = {"sqrt": "sqrt", "ln": "ln"}
_ZEROS = re.compile(r"0(?:_?0)*(?=_?[1-9][0-9_]*(?![0-9_.eEjJ]))")
_GREEK = names("pi mu nu xi eta rho tau phi chi psi")
_FLOAT_RANGE = 10**150
_MAX_TOKENS = 400
_MAX_DEPTH = 40


@dataclass(frozen=True, slots=True)
class Expression:
    """A tree, and how its decimals make sympy compute.

    `rounded`: with 53-bit floats. `long`: with more than their 15 digits.
    """

    node: Node
    rounded: bool
    long: bool


@lru_cache(maxsize=10_000)
def read(text: str) -> Expression:
    """Return the tree of a normalised answer. Raises NotMathError if sympy's parser would fail.

    >>> read("2pi").node
    ('mul', ('num', 2), ('sym', 'pi'))
    """
    reader = _Reader(*_tokens(text))
    node = reader.sum()
    if reader.at != len(reader.tokens):
        raise NotMathError("cannot read to the end")
    return Expression(node, reader.rounded, reader.long)


def _tokens(text: str) -> tuple[list[tuple[str, str]], set[int]]:
    """Return the tokens, and those of them that follow a line's end."""
    behind: set[int] = set()
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotMathError(f"unknown character {text[at]!r}")
        at = match.end()
        if match["number"]:
            zeros = _ZEROS.match(match.group())
            if zeros:  # Python cuts 007 into 00 and 7, and sympy multiplies them
                tokens += [("number", "0"), ("mark", "*")]
                at = match.start() + zeros.end()
                continue
            if len(match.group()) > MAX_DIGITS:
                raise TooLargeError(f"a number of more than {MAX_DIGITS} digits")
            tokens.append(("number", match.group()))
        elif match["space"]:
            behind.add(len(tokens))
        elif match["name"]:
            tokens.append(("name", match.group()))
        else:
            tokens.append(("mark", {"^": "**"}.get(match.group(), match.group())))
    if len(tokens) > _MAX_TOKENS:
        raise TooLargeError(f"more than {_MAX_TOKENS} tokens")
    return tokens, behind


Rounded = tuple[numbers.Real, int]
"""A float as sympy holds it, and its precision in bits."""


def same_rounded(a: Node, b: Node) -> bool | None:
    """Return True if sums and products cancel as sympy rounds them; None for any other tree."""
    left, right = _rounded(a), _rounded(b)
    if left is None or right is None:
        return None
    difference = _with(libmp.mpf_sub, left, right)
    return difference[0] == numbers.ZERO


def _rounded(node: Node) -> Fraction | Rounded | None:
    """Return the value: exact of integers and their quotients, else a float of 53 bits or more."""
    kind = node[0]
    if kind == "num":
        return _float(node[1], node[2]) if len(node) > 2 else Fraction(node[1])
    if kind == "neg":
        inner = _rounded(node[1])
        if isinstance(inner, tuple):
            return libmp.mpf_neg(inner[0]), inner[1]
        return None if inner is None else -inner
    if kind not in ("add", "mul", "div"):
        return None
    left, right = _rounded(node[1]), _rounded(node[2])
    if left is None or right is None:
        return None
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        found = None if kind == "div" and right == 0 else _exact(kind, left, right)
        return None if found is None or abs(found) > _FLOAT_RANGE else found
    if kind != "div":
        return _with(libmp.mpf_add if kind == "add" else libmp.mpf_mul, left, right)
    if right in (0, numbers.ZERO) or (isinstance(right, tuple) and right[0] == numbers.ZERO):
        return None
    if isinstance(left, Fraction):  # sympy multiplies it with the rounded inverse
        return _with(libmp.mpf_mul, left, _with(libmp.mpf_div, Fraction(1), right))
    return _with(libmp.mpf_div, left, right)


def _exact(kind: str, a: Fraction, b: Fraction) -> Fraction:
    return a + b if kind == "add" else a * b if kind == "mul" else a / b


def _float(value: Fraction, digits: int) -> Rounded:
    precision = 53 if digits <= 15 else round((digits + 1) * log2(10))
    top, bottom = value.numerator, value.denominator
    return libmp.from_rational(top, bottom, precision, numbers.MODE), precision


def _with(
    operation: Callable[..., numbers.Real], a: Fraction | Rounded, b: Fraction | Rounded
) -> Rounded:
    """Apply the operation at the higher precision of its floats; round exact numbers to it."""
    numbers.spend(2)
    precision = max([x[1] for x in (a, b) if isinstance(x, tuple)], default=53)
    x, y = (
        part[0]
        if isinstance(part, tuple)
        else libmp.from_rational(part.numerator, part.denominator, precision, numbers.MODE)
        for part in (a, b)
    )
    return operation(x, y, precision, numbers.MODE), precision


def has_rounded_root(node: Node) -> bool:
    """Return True if sympy makes a float of an irrational root or power in `node`.

    `sqrt(2.)` and `2^0.5` are 1.41421356237310 and never cancel with `sqrt(2)`.
    """
    if node[0] in ("root", "pow") and not symbols(node) and _has_decimal(node):
        with suppress(numbers.UndefinedError):
            value = evaluate(node)
            return isinstance(value, tuple) and not isinstance(numbers.whole(value), int | Fraction)
    return any(has_rounded_root(child) for child in node[1:] if isinstance(child, tuple))


def _has_decimal(node: Node) -> bool:
    if node[0] == "num":
        return len(node) > 2
    return any(_has_decimal(child) for child in node[1:] if isinstance(child, tuple))


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]], behind: set[int]) -> None:
        self.tokens = tokens
        self.behind = behind
        self.at = 0
        self.depth = 0
        self.rounded = False
        self.long = False

    def peek(self) -> str:
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "mark":
            return self.tokens[self.at][1]
        return ""

    def sum(self) -> Node:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise TooLargeError(f"nested deeper than {_MAX_DEPTH}")
        left = self.product()
        while (sign := self.peek()) in ("+", "-"):
            self.at += 1
            right = self.product()
            left = ("add", left, right if sign == "+" else ("neg", right))
        self.depth -= 1
        return left

    def product(self) -> Node:
        left = self.signed()
        while True:
            sign = self.peek()
            if sign in ("*", "/"):
                self.at += 1
                right = self.signed()
                left = ("mul" if sign == "*" else "div", left, right)
            elif sign == "//":
                self.at += 1
                left = ("call", "floor", ("div", left, self.signed()))
            elif sign == "(" or (self.at < len(self.tokens) and not sign):
                self._product_may_follow()
                left = ("mul", left, self.power())
            else:
                return left

    def _product_may_follow(self) -> None:
        before, after = self.tokens[self.at - 1], self.tokens[self.at]
        if (
            self.at in self.behind
            or before[0] == after[0] == "number"
            or before == ("mark", "!")
            or (after[0] == "number" and before[0] != "name")
        ):
            raise NotMathError("no product is read here")

    def signed(self) -> Node:
        positive = True
        while (sign := self.peek()) in ("+", "-"):
            self.at += 1
            positive ^= sign == "-"
        value = self.power()
        return value if positive else ("neg", value)

    def power(self) -> Node:
        base = self.atom()
        while self.peek() == "!":
            self.at += 1
            base = ("fact", base)
        if self.peek() == "**":
            self.at += 1
            self.depth += 1
            if self.depth > _MAX_DEPTH:
                raise TooLargeError(f"nested deeper than {_MAX_DEPTH}")
            if self.at < len(self.tokens) and "." in self.tokens[self.at][1] and symbols(base):
                # For sympy x^2. is another expression than x^2.
                raise NotMathError("a symbol to the power of a float")
            base = ("pow", base, self.signed())
            self.depth -= 1
        return base

    def atom(self) -> Node:
        if self.at >= len(self.tokens):
            raise NotMathError("the expression ends early")
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return self.number(text)
        if kind == "name":
            return self.name(text)
        if text == "(":
            inner = self.sum()
            if self.peek() != ")":
                raise NotMathError("a bracket does not close")
            self.at += 1
            return inner
        raise NotMathError(f"{text!r} where a value is expected")

    def number(self, text: str) -> Node:
        text = text.replace("_", "").lower()
        imaginary = text.endswith("j")
        text = text.removesuffix("j")
        _, _, exponent = text.partition("e")
        if exponent and abs(int(exponent)) > MAX_DIGITS:
            raise TooLargeError(f"a power of ten beyond {MAX_DIGITS}")
        # Beyond 15 digits sympy keeps them all, and such a decimal equals no fraction by rounding.
        if not text.isdigit():
            digits = len(text.partition("e")[0].replace(".", "").lstrip("0"))
            self.rounded |= digits <= 15
            self.long |= digits > 15
        node: Node = ("num", int(text)) if text.isdigit() else ("num", Fraction(text), digits)
        return ("mul", node, ("sym", "i")) if imaginary else node

    def name(self, text: str) -> Node:
        if text in _FUNCTIONS:
            return self.function(_FUNCTIONS[text])
        if text == "pi":
            return ("sym", "pi")
        if text in _GREEK or "_" in text:
            return ("sym", text + ".")
        # Symbols get a name of their own: here `e` and `i` are letters like any other.
        pieces = re.findall(r"[0-9]+|.", text)
        node: Node | None = None
        for piece in pieces:
            factor = ("num", int(piece)) if piece.isdecimal() else ("sym", piece + ".")
            node = factor if node is None else ("mul", node, factor)
        assert node is not None
        return node

    def function(self, name: str) -> Node:
        """Read `sqrt(2)`; without brackets the function takes the next power, as in `sqrt2x`."""
        if self.peek() == "**":
            raise NotMathError("a power of a function")
        argument = self.atom() if self.peek() == "(" else self.power()
        return ("root", argument, ("num", 2)) if name == "sqrt" else ("call", name, argument)
