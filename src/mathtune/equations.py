"""The equations of a solution, read from annotations, text and LaTeX, and whether they hold.

    "He has 3 + 4 = <<3+4=7>>7"          3+4=7
    "\\\\[ 16 - 7 = 9 \\\\]"                 16-7=9
    "3 apples + 4 apples = 7 apples"     3+4=7
    "$2x + 1 = 5$"                       2x+1=5, not arithmetic: it is not checked

Model text is untrusted: it is cut into tokens and evaluated by the few lines of `_Parser`, never by `eval`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

TOLERANCE = 1e-3
"""How far apart two sides may be (Yuan et al. 2023, their code)."""

LONGEST = 20_000
"""Characters of a solution that are read; longer ones have gone wrong."""

_ANNOTATION = re.compile(r"<<([^>]*)>>")
_DEEPEST = 40


class Equation(NamedTuple):
    """One normalised equation, `left=right`. `holds` is None where a side is not arithmetic."""

    text: str
    holds: bool | None


class Token(NamedTuple):
    """`kind` is one of number, letter, operator, open, close, equals, word, stop."""

    kind: str
    text: str
    glued: bool
    """Whether it follows the token before it without a space."""


def equations(solution: str) -> list[Equation]:
    """The equations of a solution, in order: its `<<...>>` annotations, else those of its text.

    A chain a = b = c gives a=b and b=c.

    Example:
        >>> equations(r"We get $12 \\times 3 = 36$, that is 36 - 6 = 29 left.")
        [Equation(text='12*3=36', holds=True), Equation(text='36-6=29', holds=False)]
    """
    solution = solution[:LONGEST]
    annotations = _ANNOTATION.findall(solution)
    if annotations:
        return [found for part in annotations for found in _of_text(part)]
    return _of_text(solution)


def value(expression: str) -> float | None:
    """The value of an arithmetic expression: + - * / ^ ( ) percent currency commas; None if it is none.

    Example:
        >>> value("2 * ($1,000 + 50%)")
        2001.0
    """
    parts = _parts(_tokens(expression))
    return _evaluated(parts[0].tokens, percent=0.01) if len(parts) == 1 else None


def _of_text(text: str) -> list[Equation]:
    found: list[Equation] = []
    for run in _runs(_tokens(text)):
        parts = _parts(run)
        for left, right in pairwise(parts):
            equation = _equation(left, right)
            if equation is not None:
                found.append(equation)
    return found


# ---- text to tokens

_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?m)^[ \t]*(?:[-*•]|\d{1,2}[.)]|#+|Step \d+[:.])[ \t]+", "\n"),
        (r"\\\\|\\(?:begin|end)\s*\{[^{}]*\}", "\n"),
        (r"\\(?:left|right|displaystyle|quad|qquad)(?![A-Za-z])|\\[,;:! ]|&", " "),
        (r"\\(?:text|textbf|mathrm|mathbf|mbox|boxed|operatorname)\s*\{([^{}]*)\}", r" \1 "),
        (r"\{,\}", ","),
        (r"\\(?:times|cdot|ast)(?![A-Za-z])|[×·∗⋅]", "*"),
        (r"\\div(?![A-Za-z])|÷", "/"),
        (r"[−–—]", "-"),
        (r"\\%", "%"),
        (r"\\(?:approx|ne|neq|le|leq|ge|geq|equiv|sim|to|Rightarrow)(?![A-Za-z])", " ; "),
        (r"\\[()\[\]]|\\?[$€£]", " "),
        (r"(?<=[\d)])\*\*(?=[\d(])", "^"),
        (r"\*\*|__", " "),
        (r"(?<=\d)\s*[xX]\s*(?=[\d(.])", "*"),
        (r"(?<=[\d%])\s+of\s+(?=[\d(])", "*"),
        (r"(?<![\d./^])(\d+)\s+(\d+)/(\d+)(?![\d/.])", r"(\1+\2/\3)"),
        (r"(?<=\d)\s*(?:cents?\b|¢|percent\b)", "%"),
        (r"\n\s*=", " ="),
    )
)
_FRACTION = re.compile(r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_TOKEN = re.compile(
    r"(?P<number>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![A-Za-z]{2})|\.\d+)"
    r"|(?P<letter>(?<![A-Za-z\\'])[A-Za-z](?![A-Za-z'’]))"
    r"|(?P<operator>[-+*/^%])"
    r"|(?P<open>[({])|(?P<close>[)}])"
    r"|(?P<equals>(?<![<>!=:])=(?!=))"
    r"|(?P<word>\\?[A-Za-z][A-Za-z'’-]*)"
    r"|(?P<stop>\S|\n)"
)
_ENGLISH = {"a", "A", "I"}


def _tokens(text: str) -> list[Token]:
    for pattern, replacement in _REWRITES[:5]:
        text = pattern.sub(replacement, text)
    for _ in range(_DEEPEST):
        text, count = _FRACTION.subn(r"((\1)/(\2))", text)
        if count == 0:
            break
    for pattern, replacement in _REWRITES[5:]:
        text = pattern.sub(replacement, text)
    found: list[Token] = []
    end = 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "stop"
        glued = match.start() == end and bool(found)
        if kind == "letter" and not _is_variable(text, match, glued):
            kind = "word"
        found.append(Token(kind, match.group(), glued))
        end = match.end()
    return found


def _is_variable(text: str, match: re.Match[str], glued: bool) -> bool:
    """A letter stands for a number where mathematics follows it, or a number is glued to it."""
    after = text[match.end() : match.end() + 3].lstrip(" ")[:1]
    if after and after in "+-*/^=":
        return True
    letter = match.group()
    return letter not in _ENGLISH and (after in ("", ")", ".", ",", "\n", ";", "}") or glued)


def _runs(tokens: list[Token]) -> list[list[Token]]:
    """Stretches of mathematics that hold an equals sign. Units after a number do not end one."""
    runs: list[list[Token]] = []
    run: list[Token] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        operand_before = bool(run) and run[-1].kind in ("number", "letter", "close", "word")
        if token.kind == "word" and operand_before and (unit := _unit(tokens, position)):
            run.append(Token("word", " ".join(part.text for part in unit), False))
            position += len(unit)
            continue
        ends = token.kind in ("word", "stop")
        splits = operand_before and (
            token.kind == "number" or (token.kind in ("letter", "open") and not token.glued)
        )
        if ends or splits:
            runs.append(run)
            run = []
        if not ends:
            run.append(token)
        position += 1
    runs.append(run)
    return [run for run in runs if any(token.kind == "equals" for token in run)]


def _unit(tokens: list[Token], position: int) -> list[Token]:
    """Up to three words from `position` on, if an operator or equals sign comes next."""
    words = []
    for token in tokens[position : position + 4]:
        if token.kind in ("operator", "equals") and words and token.text != "-":
            return words
        if token.kind == "operator" and words and not token.glued:
            return words
        if token.kind != "word" or len(words) == 3:
            return []
        words.append(token)
    return []


# ---- tokens to equations


@dataclass(frozen=True)
class Part:
    """One side: its tokens without units, and the unit it ends in."""

    tokens: list[Token]
    unit: str


def _parts(run: list[Token]) -> list[Part]:
    """Cut at the equals signs; sides that are no expression come out empty."""
    parts: list[Part] = []
    side: list[Token] = []
    for token in [*run, Token("equals", "=", False)]:
        if token.kind == "equals":
            unit = side[-1].text if side and side[-1].kind == "word" else ""
            parts.append(Part(_trimmed([t for t in side if t.kind != "word"]), unit))
            side = []
        else:
            side.append(token)
    return parts


def _trimmed(tokens: list[Token]) -> list[Token]:
    """Without brackets that are not closed, and without operators that hang at either end."""
    kept: list[Token] = []
    open_at: list[int] = []
    for token in tokens:
        if token.kind == "close":
            if not open_at:
                continue
            open_at.pop()
        elif token.kind == "open":
            open_at.append(len(kept))
        kept.append(token)
    for position in reversed(open_at):
        del kept[position]
    while kept and kept[-1].kind == "operator" and kept[-1].text != "%":
        kept.pop()
    # A dash that does not touch its number is a dash, not a sign.
    while (
        kept
        and kept[0].kind == "operator"
        and not (kept[0].text == "-" and len(kept) > 1 and kept[1].glued)
    ):
        kept.pop(0)
    return kept


def _equation(left: Part, right: Part) -> Equation | None:
    if not left.tokens or not right.tokens:
        return None
    both = left.tokens + right.tokens
    symbolic = any(token.kind == "letter" for token in both)
    operators = [t for t in both if t.kind == "operator" and t.text != "%"]
    if not symbolic and not operators:
        return None  # "1 hour = 60 minutes" relates units, it computes nothing
    if left.unit and right.unit and left.unit != right.unit and not symbolic:
        return None
    shapes = [_Parser(part.tokens, percent=0.01).parse() for part in (left, right)]
    if any(shape is _NO_EXPRESSION for shape in shapes):
        return None
    text = f"{_written(left.tokens)}={_written(right.tokens)}"
    return Equation(text, None if symbolic else _agree(left.tokens, right.tokens))


def _agree(left: list[Token], right: list[Token]) -> bool:
    """Whether two sides are equal, reading a percent sign as hundredths or as a mere label."""
    lefts = {_evaluated(left, percent=percent) for percent in _readings(left)}
    rights = {_evaluated(right, percent=percent) for percent in _readings(right)}
    return any(
        a is not None and b is not None and abs(a - b) < TOLERANCE for a in lefts for b in rights
    )


def _readings(tokens: list[Token]) -> tuple[float, ...]:
    return (0.01, 1.0) if any(token.text == "%" for token in tokens) else (1.0,)


def _written(tokens: list[Token]) -> str:
    """One spelling: no spaces, no commas, numbers without idle zeros."""
    return "".join(_number(t.text) if t.kind == "number" else t.text for t in tokens)


def _number(text: str) -> str:
    text = text.replace(",", "")
    whole, point, decimals = text.partition(".")
    decimals = decimals.rstrip("0")
    whole = whole.lstrip("0") or "0"
    return f"{whole}{point}{decimals}" if decimals else whole


# ---- evaluation

_NO_EXPRESSION = object()


def _evaluated(tokens: list[Token], *, percent: float) -> float | None:
    found = _Parser(tokens, percent=percent).parse()
    return found if isinstance(found, float) else None


class _Parser:
    """Recursive descent over + - * / ^ and brackets; ^ binds to the right and before a sign.

    A letter's value is nan, so that a symbolic side is an expression without a value.
    """

    def __init__(self, tokens: list[Token], *, percent: float) -> None:
        self._tokens, self._percent = tokens, percent
        self._at = self._depth = 0

    def parse(self) -> float | object | None:
        """The value; None where there is none (division by 0, overflow); or `_NO_EXPRESSION`."""
        try:
            found = self._sum()
        except (ZeroDivisionError, OverflowError):
            return None
        except _SyntaxError:
            return _NO_EXPRESSION
        if self._at < len(self._tokens):
            return _NO_EXPRESSION
        return found if math.isfinite(found) else None

    def _peek(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _sum(self) -> float:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _SyntaxError
        total = self._product()
        while (sign := self._peek()) in ("+", "-"):
            self._at += 1
            start = self._at
            term = self._product()
            if self._percent != 1.0 and self._is_percent(start) and math.isfinite(total):
                # "100 - 20%" takes 20 % of 100 away.
                term *= total
            total = total + term if sign == "+" else total - term
        self._depth -= 1
        return total

    def _is_percent(self, start: int) -> bool:
        written = self._tokens[start : self._at]
        return len(written) == 2 and written[1].text == "%"

    def _product(self) -> float:
        product = self._signed()
        while True:
            token = self._peek()
            if token in ("*", "/"):
                self._at += 1
                factor = self._signed()
                product = product * factor if token == "*" else product / factor
            elif self._at < len(self._tokens) and self._tokens[self._at].kind in ("open", "letter"):
                product *= self._power()
            else:
                return product

    def _signed(self) -> float:
        sign = 1.0
        while self._peek() in ("+", "-"):
            sign = -sign if self._peek() == "-" else sign
            self._at += 1
        return sign * self._power()

    def _power(self) -> float:
        base = self._atom()
        if self._peek() != "^":
            return base
        self._at += 1
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _SyntaxError
        exponent = self._signed()
        self._depth -= 1
        if base < 0 and not exponent.is_integer():
            return math.nan
        return math.pow(base, exponent) if base or exponent >= 0 else math.nan

    def _atom(self) -> float:
        if self._at >= len(self._tokens):
            raise _SyntaxError
        token = self._tokens[self._at]
        self._at += 1
        if token.kind == "number":
            found = float(token.text.replace(",", ""))
        elif token.kind == "letter":
            found = math.nan
        elif token.kind == "open":
            found = self._sum()
            if self._at >= len(self._tokens) or self._tokens[self._at].kind != "close":
                raise _SyntaxError
            self._at += 1
        else:
            raise _SyntaxError
        while self._peek() == "%":
            self._at += 1
            found *= self._percent
        return found


class _SyntaxError(Exception):
    """The tokens are no expression."""
