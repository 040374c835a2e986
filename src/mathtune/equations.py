r"""The equations of a solution, read from annotations, text and LaTeX, and whether they hold.

    "He has 3 + 4 = <<3+4=7>>7"          3+4=7
    "\[ 16 - 7 = 9 \]"                   16-7=9
    "3 apples + 4 apples = 7 apples"     3+4=7
    "$2x + 1 = 5$"                       2x+1=5, which is not arithmetic and is not checked
    "Cost = 4 \times 3 + 6"              =4*3+6, likewise

Model text is untrusted: it is cut into tokens and evaluated by `expressions.py`, never by `eval`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from math import isnan
from typing import NamedTuple

from mathtune.expressions import HUNDREDTHS, NoExpressionError, evaluate
from mathtune.tokens import ROUNDED, Token, tokenized

TOLERANCE = 1e-3
"""How far apart two sides may be (Yuan et al. 2023, their code)."""

LONGEST = 20_000
"""Characters of a solution that are read; longer ones have gone wrong."""

_LONGEST_KEPT = 400

_ANNOTATION = re.compile(r"<<([^>]*)>>")
_NEWLINE = re.compile(r"\\\\|\\(?:begin|end)\s*\{[^{}]*\}")
_CONTINUED = re.compile(r"(?:\n[\s&]*=|=[ \t&]*\n)[ \t]*(?!=)")


class Equation(NamedTuple):
    """One normalised equation, `left=right`. `holds` is None where a side is not arithmetic."""

    text: str
    holds: bool | None


def equations(solution: str) -> list[Equation]:
    r"""The equations of a solution, in order: its `<<...>>` annotations, else those of its text.

    A chain a = b = c gives a=b and b=c; a line that begins with = goes on with the line before, as
    does one after a line that ends in it. Units and words around the mathematics are left out, and
    where they make it doubtful that a side was read whole ("Total for day 4 = 2 * 16"), the
    equation is not called false.

    Example:
        >>> equations(r"We get $12 \times 3 = 36$, that is 36 - 6 = 29 left.")
        [Equation(text='12*3=36', holds=True), Equation(text='36-6=29', holds=False)]
    """
    solution = solution[:LONGEST]
    lines = _ANNOTATION.findall(solution) or _lines(solution)
    found: list[Equation] = []
    for line in lines:
        # The samples of a problem repeat each other's lines; long ones are not worth their memory.
        found += _known_line(line) if len(line) <= _LONGEST_KEPT else _of_line(line)
    return found


def value(expression: str) -> float | None:
    """The value of an arithmetic expression with currency, percent and commas; None if it has none.

    Example:
        >>> value("2 * ($1,000 + 50%)"), value("two")
        (3000.0, None)
    """
    try:
        found = evaluate(tokenized(expression))
    except NoExpressionError:
        return None
    return None if found is None or isnan(found) else found


def _lines(text: str) -> list[str]:
    """The lines that have an equals sign."""
    if "=" not in text:
        return []
    text = _CONTINUED.sub(" = ", _NEWLINE.sub("\n", text))
    return [line for line in text.split("\n") if "=" in line]


@lru_cache(maxsize=1 << 16)
def _known_line(line: str) -> tuple[Equation, ...]:
    return _of_line(line)


def _of_line(line: str) -> tuple[Equation, ...]:
    found = []
    for run in _runs(tokenized(line)):
        sides = _sides(run)
        pairs = [_equation(left, right) for left, right in pairwise(sides)]
        if any(pairs):
            restated = [_restated(left, right) for left, right in pairwise(sides)]
            pairs = [pair or again for pair, again in zip(pairs, restated, strict=True)]
        if not any(pairs) and len(sides) > 1:
            pairs = [_labelled(sides[1])]
        found += [equation for equation in pairs if equation is not None]
    return tuple(found)


# ---- tokens to sides of equations


class Run(NamedTuple):
    """A stretch of mathematics with an equals sign; `after_word`: words stand right before it.

    `torn`: what stands before it may belong to it: a function's name, a sign that is not known.
    """

    tokens: list[Token]
    after_word: bool
    torn: bool = False


@dataclass(frozen=True)
class Side:
    """One side of an equals sign: its tokens, the first word after it, and whether it is whole."""

    tokens: list[Token]
    unit: str
    whole: bool

    @property
    def computes(self) -> bool:
        """Whether it has an operator, or a bracket that multiplies: 2(3)."""
        return any(t.kind == "operator" and t.text not in HUNDREDTHS for t in self.tokens) or any(
            t.kind == "open" and before.kind in ("number", "close")
            for before, t in pairwise(self.tokens)
        )


def _runs(tokens: list[Token]) -> list[Run]:
    """Cut at words, at punctuation, and between two numbers; a unit after a number does not cut."""
    runs: list[Run] = []
    run = Run([], False)
    position = 0
    while position < len(tokens):
        token = tokens[position]
        operand_before = bool(run.tokens) and run.tokens[-1].kind in _OPERAND_ENDS
        if token.kind == "word" and operand_before and (unit := _unit(tokens, position)):
            run.tokens.append(unit[0])
            position += len(unit)
            continue
        position += 1
        if token.kind in ("word", "stop"):
            if operand_before and (token.kind == "word" or _is_unknown(token)):
                run.tokens.append(token._replace(kind="word"))  # the last side's unit
            runs.append(run)
            after = tokens[position] if position < len(tokens) else token
            applied = token.kind == "word" and after.kind == "open" and after.glued
            run = Run([], token.kind == "word", applied or _is_unknown(token))
            continue
        if operand_before and (
            token.kind == "number" or (token.kind in ("letter", "open") and not token.glued)
        ):
            runs.append(run)
            run = Run([], False, torn=run.tokens[-1].kind != "word")
        run.tokens.append(token)
    runs.append(run)
    return [run for run in runs if any(token.kind == "equals" for token in run.tokens)]


_INEXACT = {ROUNDED, "remainder", "r", "approximately"}
"""Words after a number that say that it is not all there is."""
_RELATIONS = (
    r"\implies \Rightarrow \Longrightarrow \iff \Leftrightarrow \to \rightarrow \therefore "
    r"\because \text \le \leq \ge \geq \lt \gt \ne \neq \approx \sim \equiv \hline \begin \end"
)
_SEPARATING = {*".,;:?<>≤≥≈≠→⇒[]\"'’“”‘", *_RELATIONS.split(" ")}
"""Signs and LaTeX commands that end an expression; others may be a part of it: 5!, 2\\pi."""
_OPERAND_ENDS = ("number", "letter", "close", "word")
_MOST_WORDS = 3


def _unit(tokens: list[Token], position: int) -> list[Token]:
    """The words from `position` on ("apples", "hours/day"), if mathematics goes on after them."""
    unit: list[Token] = []
    words = 0
    for number in range(position, len(tokens)):
        token = tokens[number]
        if token.kind == "word":
            words += 1
            if words > _MOST_WORDS or _is_unknown(token):
                return []
        elif token.kind in ("equals", "close"):
            return unit
        elif token.kind != "operator":
            return []
        elif token.text != "/" or tokens[number + 1 : number + 2] == []:
            return [] if token.text == "-" and token.glued else unit
        elif tokens[number + 1].kind != "word":
            return unit
        unit.append(token)
    return []


def _is_unknown(token: Token) -> bool:
    """Whether it may compute something that is not understood here."""
    may_compute = token.kind == "stop" or token.text.startswith("\\") or not token.text[0].isalpha()
    return token.kind in ("stop", "word") and may_compute and token.text not in _SEPARATING


def _sides(run: Run) -> list[Side]:
    """Cut at the equals signs."""
    sides: list[Side] = []
    tokens: list[Token] = []
    end = Token("equals", "=", glued=True)
    for token in [*run.tokens, end]:
        if token.kind == "equals":
            ends = (not sides, token is end)
            side = _side(tokens, ends, label_before=run.after_word and not sides)
            sides.append(replace(side, whole=False) if run.torn and not sides else side)
            tokens = []
        else:
            tokens.append(token)
    return sides


def _side(tokens: list[Token], ends: tuple[bool, bool], *, label_before: bool) -> Side:
    """`ends`: whether it is the first side of its equation, and whether the last."""
    unit = tokens[-1].text if tokens and tokens[-1].kind == "word" else ""
    kept, whole = _balanced([token for token in tokens if token.kind != "word"], ends)
    whole = whole and unit.lower() not in _INEXACT and not any(map(_is_unknown, tokens))
    while kept and kept[-1].kind == "operator" and kept[-1].text not in HUNDREDTHS:
        kept.pop()
        whole = False
    # A dash that does not touch its number is a dash, not a sign.
    while kept and kept[0].kind == "operator" and not _is_sign(kept):
        whole = whole and kept[0].text == "-" and not label_before
        kept.pop(0)
    side = Side(kept, unit, whole)
    # "Total for day 4 = ...": the number belongs to the words.
    return Side(kept, unit, False) if label_before and not side.computes else side


def _is_sign(tokens: list[Token]) -> bool:
    return tokens[0].text == "-" and len(tokens) > 1 and tokens[1].glued


def _balanced(tokens: list[Token], ends: tuple[bool, bool]) -> tuple[list[Token], bool]:
    """Without brackets that do not match within the side, and whether these stood around it all."""
    dropped: list[int] = []
    open_at: list[int] = []
    for position, token in enumerate(tokens):
        if token.kind == "open":
            open_at.append(position)
        elif token.kind == "close" and open_at:
            open_at.pop()
        elif token.kind == "close":
            dropped.append(position)
    kept = [t for at, t in enumerate(tokens) if at not in dropped and at not in open_at]
    first, last = ends
    around = (not dropped or (last and dropped[0] >= len(kept))) and (
        not open_at or (first and open_at == list(range(len(open_at))))
    )
    return kept, around


# ---- sides to equations


def _equation(left: Side, right: Side) -> Equation | None:
    """The equation of two sides; None where they relate no computation, or are no expressions."""
    if not left.tokens or not right.tokens:
        return None
    symbolic = any(token.kind == "letter" for token in (*left.tokens, *right.tokens))
    if not symbolic and not left.computes and not right.computes:
        return None  # "1 hour = 60 minutes"
    try:
        agree = _agree(left.tokens, right.tokens)
    except NoExpressionError:
        return None
    text = f"{_written(left.tokens)}={_written(right.tokens)}"
    if symbolic:
        return Equation(text, None)
    if agree is False and (_differ_in_unit(left, right) or not left.whole or not right.whole):
        return None
    return Equation(text, agree)


def _differ_in_unit(left: Side, right: Side) -> bool:
    """Whether the sides count different things: "1/2 hour = 30 minutes", "2 miles = 2 * 5 feet"."""
    if left.unit and (right.computes or not left.computes):
        return True
    return bool(left.unit and right.unit) and left.unit != right.unit


def _restated(left: Side, right: Side) -> Equation | None:
    """A number restated within a chain that computes: `5 * 2 = 10 = 11`; None for the same one."""
    if not (left.whole and right.whole) or left.unit != right.unit:
        return None
    text, again = _written(left.tokens), _written(right.tokens)
    if not text or not again or text == again or left.computes or right.computes:
        return None
    try:
        return Equation(f"{text}={again}", _agree(left.tokens, right.tokens))
    except NoExpressionError:
        return None


def _labelled(side: Side) -> Equation | None:
    """`Cost = 4 * 3`: what words are said to be is a step of the path, and cannot be checked."""
    if not side.computes or not side.whole:
        return None
    try:
        evaluate(side.tokens)
    except NoExpressionError:
        return None
    return Equation(f"={_written(side.tokens)}", None)


def _agree(left: list[Token], right: list[Token]) -> bool | None:
    """Whether two sides are equal, a percent or cent sign being hundredths or a mere label.

    None where a side's value is not known.
    """
    lefts = [evaluate(left, percent=percent) for percent in _readings(left)]
    rights = [evaluate(right, percent=percent) for percent in _readings(right)]
    known = [(a, b) for a in lefts for b in rights if not (isnan(a or 0.0) or isnan(b or 0.0))]
    if not known:
        return None
    return any(a is not None and b is not None and abs(a - b) < TOLERANCE for a, b in known)


def _readings(tokens: list[Token]) -> tuple[float, ...]:
    return (0.01, 1.0) if any(token.text in HUNDREDTHS for token in tokens) else (1.0,)


def _written(tokens: list[Token]) -> str:
    """One spelling: no spaces, no commas, numbers without idle zeros."""
    return "".join(_number(t.text) if t.kind == "number" else t.text for t in tokens)


def _number(text: str) -> str:
    if "e" in text:
        return text
    whole, _, decimals = text.replace(",", "").partition(".")
    whole, decimals = whole.lstrip("0") or "0", decimals.rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole
