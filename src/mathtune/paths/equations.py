r"""The equations of a solution, read from annotations, text and LaTeX, and whether they hold.

    "He has 3 + 4 = <<3+4=7>>7"          3+4=7
    "\[ 16 - 7 = 9 \]"                   16-7=9
    "3 apples + 4 apples = 7 apples"     3+4=7
    "$2x + 1 = 5$"                       2x+1=5, which is not arithmetic and is not checked
    "Cost = 4 \times 3 + 6"              =4*3+6, likewise

Model text is untrusted: it is cut into tokens and evaluated by `arithmetic.py`, never by `eval`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from math import isnan
from typing import NamedTuple

from mathtune.paths import doubts
from mathtune.paths.arithmetic import HUNDREDTHS, NoExpressionError, evaluate
from mathtune.paths.refutations import words_after
from mathtune.paths.sides import Side, runs_of, sides_of
from mathtune.paths.subjects import Subjects
from mathtune.paths.tokens import Token, tokenized

TOLERANCE = 1e-3
"""The largest difference of two equal sides (Yuan et al. 2023, their code)."""

_FLOAT_ERROR = 2e-15
"""The relative rounding error of a few operations: (3^5)^66 * 3^3 = 3^333."""

LONGEST = 20_000
"""The number of characters of a solution that are read; longer ones have gone wrong."""

_LONGEST_KEPT = 400

_NEWLINE = re.compile(r"\\\\|\\(?:begin|end)\s*\{[^{}]*\}")
_LEFT_OUT = re.compile(
    r"\[asy\].*?(?:\[/asy\]|\Z)|\\begin\s*\{[a-zA-Z]?matrix\}.*?\\end\s*\{[a-zA-Z]?matrix\}",
    re.DOTALL,
)
_SIGN_NEXT = re.compile(
    r"\\\\(?:[\s&]|\{\}|\\q?quad(?![A-Za-z])|\\[,;:! ])*"
    r"(?=\+|\\(?:times|cdot|div)(?![A-Za-z]))|\\\\\s*&(?:[\s&]|\{\}|\\q?quad(?![A-Za-z]))*(?=-)"
)
_CONTINUED = re.compile(r"(?:\n[\s&]*=|=[ \t&]*\n)[ \t]*(?!=)")
_SENTENCE = re.compile(r"(?<=[a-z0-9)}$%][.!?])[ \t]+(?=[A-Z])")
_LONGEST_MARKER = 4
"""The longest number, in characters, that begins a line of a list: 12."""
_GOES_ON = re.compile(r"(?<![-+*/\s])(\s*(?:\\(?:cdot|times|div)|[-+*/]))[ \t&]*\n(?=[^\n])")
"""One operator at the end of a line; two are bold text or a rule."""


class Equation(NamedTuple):
    """One normalised equation, `left=right`. `holds` is None if a side is not arithmetic."""

    text: str
    holds: bool | None


def equations(solution: str) -> list[Equation]:
    r"""Return a solution's equations in order: its `<<...>>` annotations, else those of its text.

    A chain a = b = c gives a=b and b=c. A line that begins with = continues the line before, and
    one that ends with = continues on the next. Units and words around the mathematics are left out;
    if they make it doubtful that a side was read whole ("Total for day 4 = 2 * 16"), the equation
    is not called false.

    Example:
        >>> equations(r"We get $12 \times 3 = 36$, that is 36 - 6 = 29 left.")
        [Equation(text='12*3=36', holds=True), Equation(text='36-6=29', holds=False)]
    """
    solution = solution[:LONGEST]
    lines = annotated(solution)
    subjects = None if lines else Subjects(_joined(solution))
    found: list[Equation] = []
    for line in _lines(subjects.text) if subjects is not None else lines:
        # A problem's samples repeat each other's lines; keeping long ones costs too much memory.
        stated = _known_line(line) if len(line) <= _LONGEST_KEPT else _of_line(line)
        if subjects is not None and any(equation.holds is False for equation in stated):
            stated = _with_doubts(stated, line, subjects)
        found += stated
    return found if subjects is None else _without_steps_to_refuted(found)


def _without_steps_to_refuted(found: list[Equation]) -> list[Equation]:
    """Take back what led to an equation that the text takes back: 1 = 3 + 4 after 1 = 9^(1/2) + 4.

    Such steps have sides of the same values.
    """
    settled = found[-1:]
    for this in reversed(found[:-1]):
        later = settled[-1]
        if this.holds is False and later.holds is None:
            known = [value(side) for side in this.text.split("=", 1)]
            if None not in known and known == [value(side) for side in later.text.split("=", 1)]:
                this = this._replace(holds=None)
        settled.append(this)
    return settled[::-1]


def annotated(solution: str) -> list[str]:
    """Return the matches of `<<([^>]*)>>`, in time linear in the text's length.

    Example:
        >>> annotated("<<3+4=7>>7, <<2*2=>4 and <<1+1=2>>")
        ['3+4=7', '1+1=2']
    """
    found = []
    at = 0
    while (start := solution.find("<<", at)) >= 0 and (end := solution.find(">", start)) >= 0:
        if solution.startswith(">>", end):
            found.append(solution[start + 2 : end])
        at = end + 1 + solution.startswith(">>", end)
    return found


def value(expression: str) -> float | None:
    """Return the value of an expression with currency, percent and commas; None without one.

    Example:
        >>> value("2 * ($1,000 + 50%)"), value("two")
        (3000.0, None)
    """
    try:
        found = evaluate(tokenized(expression))
    except NoExpressionError:
        return None
    return None if found is None or isnan(found) else found


def _joined(text: str) -> str:
    """Return the text, each equation on one line."""
    text = text.replace("＝", "=")
    if "=" not in text:
        return ""
    if "\\" in text or "[asy]" in text:
        text = _NEWLINE.sub("\n", _SIGN_NEXT.sub(" ", _LEFT_OUT.sub(r" \\hidden ", text)))
    return _GOES_ON.sub(r"\1 ", _CONTINUED.sub(" = ", text))


def _lines(text: str) -> list[str]:
    """Return the sentences that have an equals sign; an equation ends with its sentence."""
    found = []
    for line in text.split("\n"):
        if "=" in line:
            start = 0
            for match in _SENTENCE.finditer(line):
                if match.start() - start > _LONGEST_MARKER:
                    found.append(line[start : match.start()])
                    start = match.end()
            found.append(line[start:])
    return [sentence for sentence in found if "=" in sentence]


def _with_doubts(
    stated: tuple[Equation, ...], line: str, subjects: Subjects
) -> tuple[Equation, ...]:
    """Return a line's equations; those that the text gives reason to doubt are not called false."""
    after = words_after(subjects.text, subjects.text.find(line) + len(line))
    settled = []
    for equation in stated:
        if equation.holds is False:
            claim = doubts.Claim(equation.text, sentence=line, after=after, subjects=subjects)
            equation = equation._replace(holds=None if doubts.is_doubtful(claim) else False)
        settled.append(equation)
    return tuple(settled)


@lru_cache(maxsize=1 << 16)
def _known_line(line: str) -> tuple[Equation, ...]:
    return _of_line(line)


def _of_line(line: str) -> tuple[Equation, ...]:
    found = []
    for run in runs_of(tokenized(line)):
        sides = sides_of(run)
        pairs = [_equation(left, right) for left, right in pairwise(sides)]
        if any(pairs):
            restated = [_restated(left, right) for left, right in pairwise(sides)]
            pairs = [pair or again for pair, again in zip(pairs, restated, strict=True)]
        if not any(pairs) and len(sides) > 1:
            pairs = [_labelled(sides[1])]
        found += [equation for equation in pairs if equation is not None]
    return tuple(found)


def _equation(left: Side, right: Side) -> Equation | None:
    """Return the equation of two sides; None without a computation or an expression."""
    if not left.tokens or not right.tokens:
        return None
    if right.tokens[-1].text == "!" and _holds(left.tokens, right.tokens[:-1]):
        right = replace(right, tokens=right.tokens[:-1])  # "3 + 4 = 7!"
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
    if agree is False and (_is_doubtful(left, right) or _differ_in_unit(left, right)):
        return None
    return Equation(text, agree)


def _holds(left: list[Token], right: list[Token]) -> bool:
    try:
        return _agree(left, right) is True
    except NoExpressionError:
        return False


def _is_doubtful(left: Side, right: Side) -> bool:
    """Return whether a side may have been read only in part, or may mean something else."""
    if not left.whole or not right.whole or (left.label and right.computes):
        return True
    if _is_conversion(left, right) or any(map(_is_stacked, (left, right))):
        return True
    return _is_rate(left, right) or _is_rate(right, left)


def _is_rate(side: Side, one: Side) -> bool:
    """Return whether it equates two quantities: (1 hour) / (60 minutes) = 1, 5 yaps / 3 = 1 bap."""
    if [token.text for token in one.tokens] != ["1"]:
        return False
    named = len(side.words) + any(token.text == "¢" for token in side.tokens)
    other = bool(side.words) and not any(one.unit.startswith(word[:3]) for word in side.words)
    return named > 1 or (bool(one.unit) and other)


def _is_conversion(left: Side, right: Side) -> bool:
    """Return whether it equates quotients of other units: 1 km / 60 s = 1000 meters / 60 s."""
    quotients = all(any(token.text == "/" for token in side.tokens) for side in (left, right))
    return quotients and bool(left.words) and bool(right.words) and left.words != right.words


def _is_stacked(side: Side) -> bool:
    """Return whether it has 50 / 1/2, by which some mean 50 / (1/2)."""
    texts = [token.text for token in side.tokens]
    return any(first == second == "/" for first, second in zip(texts, texts[2:], strict=False))


def _differ_in_unit(left: Side, right: Side) -> bool:
    """Return whether the sides count different things, as "1/2 hour = 30 minutes" does."""
    if left.unit and (right.computes or not left.computes):
        return True
    return bool(left.unit and right.unit) and left.unit != right.unit


def _restated(left: Side, right: Side) -> Equation | None:
    """Return a number restated in a chain that computes: `5 * 2 = 10 = 11`; None if unchanged."""
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
    """Return `Cost = 4 * 3` as an equation: a step of the path that cannot be checked."""
    if not side.computes or not side.whole:
        return None
    try:
        evaluate(side.tokens)
    except NoExpressionError:
        return None
    return Equation(f"={_written(side.tokens)}", None)


def _agree(left: list[Token], right: list[Token]) -> bool | None:
    """Return whether two sides are equal; a percent or cent sign means hundredths or is a mere
    label.

    None if a side's value is unknown.
    """
    lefts = [evaluate(left, percent=percent) for percent in _readings(left)]
    rights = [evaluate(right, percent=percent) for percent in _readings(right)]
    known = [(a, b) for a in lefts for b in rights if not (isnan(a or 0.0) or isnan(b or 0.0))]
    if not known:
        return None
    return any(a is not None and b is not None and _is_near(a, b) for a, b in known)


def _is_near(a: float, b: float) -> bool:
    """Return whether two numbers agree within the tolerance, or to the precision of floats."""
    return abs(a - b) < max(TOLERANCE, _FLOAT_ERROR * abs(a))


def _readings(tokens: list[Token]) -> tuple[float, ...]:
    return (0.01, 1.0) if any(token.text in HUNDREDTHS for token in tokens) else (1.0,)


def _written(tokens: list[Token]) -> str:
    """Write an equation in one way: no spaces, no commas, numbers without idle zeros."""
    return "".join(_number(t.text) if t.kind == "number" else t.text for t in tokens)


def _number(text: str) -> str:
    if "e" in text:
        return text
    whole, _, decimals = text.replace(",", "").partition(".")
    whole, decimals = whole.lstrip("0") or "0", decimals.rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole
