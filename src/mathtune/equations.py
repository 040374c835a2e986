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
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from mathtune.expressions import DEEPEST, NoExpressionError, Token, evaluate

TOLERANCE = 1e-3
"""How far apart two sides may be (Yuan et al. 2023, their code)."""

LONGEST = 20_000
"""Characters of a solution that are read; longer ones have gone wrong."""

_LONGEST_KEPT = 400

_ANNOTATION = re.compile(r"<<([^>]*)>>")
_NEWLINE = re.compile(r"\\\\|\\(?:begin|end)\s*\{[^{}]*\}")
_CONTINUED = re.compile(r"\n[\s&]*=")


class Equation(NamedTuple):
    """One normalised equation, `left=right`. `holds` is None where a side is not arithmetic."""

    text: str
    holds: bool | None


def equations(solution: str) -> list[Equation]:
    r"""The equations of a solution, in order: its `<<...>>` annotations, else those of its text.

    A chain a = b = c gives a=b and b=c; a line that begins with = goes on with the line before.
    Units and words around the mathematics are left out, and where they make it doubtful that a side
    was read whole ("Total for day 4 = 2 * 16"), the equation is not called false.

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
        return evaluate(_tokens(expression))
    except NoExpressionError:
        return None


def _lines(text: str) -> list[str]:
    """The lines that have an equals sign."""
    if "=" not in text:
        return []
    text = _CONTINUED.sub(" =", _NEWLINE.sub("\n", text))
    return [line for line in text.split("\n") if "=" in line]


@lru_cache(maxsize=1 << 16)
def _known_line(line: str) -> tuple[Equation, ...]:
    return _of_line(line)


def _of_line(line: str) -> tuple[Equation, ...]:
    found = []
    for run in _runs(_tokens(line)):
        sides = _sides(run)
        pairs = [_equation(left, right) for left, right in pairwise(sides)]
        if not any(pairs) and len(sides) > 1:
            pairs = [_labelled(sides[1])]
        found += [equation for equation in pairs if equation is not None]
    return tuple(found)


# ---- text to tokens


class Rewrite(NamedTuple):
    """A substitution, tried only where one of the characters `having` is in the text."""

    having: str
    pattern: re.Pattern[str]
    replacement: str


_STRIPPED = tuple(
    Rewrite(having, re.compile(pattern), replacement)
    for having, pattern, replacement in (
        ("-*•.)#:", r"^[ \t]*(?:[-*•]|\d{1,2}[.)]|#+|Step \d+[:.])[ \t]+", ""),
        ("\\&", r"\\(?:left|right|displaystyle|quad|qquad)(?![A-Za-z])|\\[,;:! ]|&", " "),
        ("_", r"(?<=[A-Za-z})])_(?:\{[^{}]*\}|\w)", ""),
        ("\\", r"\\(?:text\w*|math\w+|mbox|boxed|operatorname)\s*\{([^{}]*)\}", r" \1 "),
        ("{", r"\{,\}", ","),
    )
)
_REWRITTEN = tuple(
    Rewrite(having, re.compile(pattern), replacement)
    for having, pattern, replacement in (
        ("\\×·∗⋅", r"\\(?:times|cdot|ast)(?![A-Za-z])|[×·∗⋅]", "*"),
        ("\\÷", r"\\div(?![A-Za-z])|÷", "/"),
        ("−–—", r"[−–—]", "-"),
        ("\\", r"\\%", "%"),
        ("\\$€£", r"\\[()\[\]]|\\?[$€£]", " "),
        (" ", r"(?<![\d.])(\d{1,3}) (?=\d{3}(?: \d{3})*(?![\d.]))", r"\1"),
        ("*", r"(?<=[\d)])\*\*(?=[\d(])", "^"),
        ("*_", r"\*\*|__", " "),
        ("xX", r"(?<=\d)\s*[xX]\s*(?=[\d(.])", "*"),
        ("o", r"(?<=[\d%])\s+of\s+(?=[\d(])", "*"),
        ("/", r"(?<![\d./^])(\d+)\s+(\d+)/(\d+)(?![\d/.])", r"(\1+\2/\3)"),
        ("¢c", r"(?<=\d)\s*(?:cents?\b|¢|percent\b)", "%"),
    )
)
_FRACTION = re.compile(r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_TOKEN = re.compile(
    r"(?P<number>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![A-Za-z]{2})|\.\d+)"
    r"|(?P<letter>(?<![A-Za-z\\'’])[A-Za-z](?![A-Za-z'’]))"
    r"|(?P<operator>[-+*/^%])"
    r"|(?P<open>[({])|(?P<close>[)}])"
    r"|(?P<equals>(?<![<>!=:])=(?!=))"
    r"|(?P<word>\\?[A-Za-z][A-Za-z'’-]*)"
    r"|(?P<stop>\S)"
)
_ENGLISH = {"a", "A", "I"}


def _tokens(text: str) -> list[Token]:
    text = _rewritten(text, _STRIPPED)
    for _ in range(DEEPEST):
        text, count = _FRACTION.subn(r"((\1)/(\2))", text)
        if count == 0:
            break
    text = _rewritten(text, _REWRITTEN)
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


def _rewritten(text: str, rewrites: tuple[Rewrite, ...]) -> str:
    for having, pattern, replacement in rewrites:
        if any(character in text for character in having):
            text = pattern.sub(replacement, text)
    return text


def _is_variable(text: str, match: re.Match[str], glued: bool) -> bool:
    """A letter stands for a number where mathematics follows it, or a number is glued to it."""
    after = text[match.end() : match.end() + 3].lstrip(" ")[:1]
    if (after and after in "+-*/^=") or (glued and text[match.start() - 1].isdigit()):
        return True
    return match.group() not in _ENGLISH and (after in ("", ")", ".", ",", ";", "}") or glued)


# ---- tokens to sides of equations


class Run(NamedTuple):
    """A stretch of mathematics with an equals sign; `after_word`: words stand right before it."""

    tokens: list[Token]
    after_word: bool


@dataclass(frozen=True)
class Side:
    """One side of an equals sign: its tokens, the first word after it, and whether it is whole."""

    tokens: list[Token]
    unit: str
    whole: bool

    @property
    def computes(self) -> bool:
        """Whether it has an operator."""
        return any(t.kind == "operator" and t.text != "%" for t in self.tokens)


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
            if operand_before:
                run.tokens.append(token._replace(kind="word"))  # the last side's unit
            runs.append(run)
            run = Run([], token.kind == "word")
            continue
        if operand_before and (
            token.kind == "number" or (token.kind in ("letter", "open") and not token.glued)
        ):
            runs.append(run)
            run = Run([], False)
        run.tokens.append(token)
    runs.append(run)
    return [run for run in runs if any(token.kind == "equals" for token in run.tokens)]


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
            if words > _MOST_WORDS:
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


def _sides(run: Run) -> list[Side]:
    """Cut at the equals signs."""
    sides: list[Side] = []
    tokens: list[Token] = []
    for token in [*run.tokens, Token("equals", "=")]:
        if token.kind == "equals":
            sides.append(_side(tokens, label_before=run.after_word and not sides))
            tokens = []
        else:
            tokens.append(token)
    return sides


def _side(tokens: list[Token], *, label_before: bool) -> Side:
    unit = tokens[-1].text if tokens and tokens[-1].kind == "word" else ""
    kept = _balanced([token for token in tokens if token.kind != "word"])
    whole = True
    while kept and kept[-1].kind == "operator" and kept[-1].text != "%":
        kept.pop()
        whole = False
    # A dash that does not touch its number is a dash, not a sign.
    while kept and kept[0].kind == "operator" and not _is_sign(kept):
        kept.pop(0)
        whole = not label_before
    side = Side(kept, unit, whole)
    # "Total for day 4 = ...": the number belongs to the words.
    return Side(kept, unit, False) if label_before and not side.computes else side


def _is_sign(tokens: list[Token]) -> bool:
    return tokens[0].text == "-" and len(tokens) > 1 and tokens[1].glued


def _balanced(tokens: list[Token]) -> list[Token]:
    """Without brackets that do not match within the side."""
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
    return kept


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
    if not agree and (_differ_in_unit(left, right) or not left.whole or not right.whole):
        return None
    return Equation(text, agree)


def _differ_in_unit(left: Side, right: Side) -> bool:
    """Whether the sides count different things: "1/2 hour = 30 minutes", "2 miles = 2 * 5 feet"."""
    if left.unit and (right.computes or not left.computes):
        return True
    return bool(left.unit and right.unit) and left.unit != right.unit


def _labelled(side: Side) -> Equation | None:
    """`Cost = 4 * 3`: what words are said to be is a step of the path, and cannot be checked."""
    if not side.computes or not side.whole:
        return None
    try:
        evaluate(side.tokens)
    except NoExpressionError:
        return None
    return Equation(f"={_written(side.tokens)}", None)


def _agree(left: list[Token], right: list[Token]) -> bool:
    """Whether two sides are equal, reading a percent sign as hundredths or as a mere label."""
    lefts = [evaluate(left, percent=percent) for percent in _readings(left)]
    rights = [evaluate(right, percent=percent) for percent in _readings(right)]
    return any(
        a is not None and b is not None and abs(a - b) < TOLERANCE for a in lefts for b in rights
    )


def _readings(tokens: list[Token]) -> tuple[float, ...]:
    return (0.01, 1.0) if any(token.text == "%" for token in tokens) else (1.0,)


def _written(tokens: list[Token]) -> str:
    """One spelling: no spaces, no commas, numbers without idle zeros."""
    return "".join(_number(t.text) if t.kind == "number" else t.text for t in tokens)


def _number(text: str) -> str:
    whole, _, decimals = text.replace(",", "").partition(".")
    whole, decimals = whole.lstrip("0") or "0", decimals.rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole
