"""The sides of equations, cut out of a line's tokens. Under `equations.py`, which compares them.

"He pays 3 apples * $2 = $6 today"    [3 * 2] = [6]
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from mathtune.answers.latex.money import CURRENCIES
from mathtune.paths.arithmetic import BRACKETS_THAT_COMPUTE, HUNDREDTHS, POSTFIX
from mathtune.paths.tokens import ENGLISH, ROUNDED, Token


class Run(NamedTuple):
    """A stretch of mathematics with an equals sign; `before`: the word right before it, else "".

    `torn`: the text before it may belong to it: a function's name, an unknown sign. `cut`: the text
    after it may belong to it: 7 (1 + x).
    """

    tokens: list[Token]
    before: str
    torn: bool
    cut: bool


@dataclass(frozen=True)
class Side:
    """One side of an equals sign: its tokens, the first word after it, and if it is whole.

    `label`: it may be the end of a name, as in "Price of 4 apples / 4 = 5.20 / 4". `words`: those
    inside it.
    """

    tokens: list[Token]
    unit: str
    whole: bool
    label: bool
    words: tuple[str, ...]

    @property
    def computes(self) -> bool:
        """Return whether it has an operator, or a bracket that computes: 2(3), ⌊3.5⌋."""
        return (
            any(t.kind == "operator" and t.text not in HUNDREDTHS for t in self.tokens)
            or any(
                t.kind == "open" and before.kind in ("number", "close")
                for before, t in pairwise(self.tokens)
            )
            or any(t.text in BRACKETS_THAT_COMPUTE for t in self.tokens)
        )


def runs_of(tokens: list[Token]) -> list[Run]:
    """Cut at words, at punctuation, and between two numbers; a unit after a number does not cut."""
    runs: list[Run] = []
    run: list[Token] = []
    start = position = 0  # `start`: the run's first token

    def end(*, cut: bool) -> None:
        if any(token.kind == "equals" for token in run):
            before, torn = _begun(tokens, start)
            runs.append(Run(run, before, torn, cut))

    while position < len(tokens):
        token = tokens[position]
        kind = token.kind
        operand_before = bool(run) and run[-1].kind in _OPERAND_ENDS
        if kind == "word" and operand_before and (unit := _unit(tokens, position)):
            run.append(unit[0])
            position += len(unit)
            continue
        if kind in ("word", "stop"):
            if operand_before and (kind == "word" or _is_unknown(token)):
                run.append(token._replace(kind="word"))  # the last side's unit
            if run:
                end(cut=operand_before and _goes_on(tokens, position))
                run = []
            position += 1
            start = position
            continue
        if operand_before and (
            kind == "number" or (kind in ("letter", "open") and not token.glued)
        ):
            end(cut=run[-1].kind != "word")
            run, start = [], position
        run.append(token)
        position += 1
    end(cut=False)
    return runs


def _begun(tokens: list[Token], start: int) -> tuple[str, bool]:
    """Return the word before a run that begins at `start`, and if the text there belongs to it."""
    if start == 0:
        return "", False
    token = tokens[start - 1]
    if token.kind not in ("word", "stop"):
        return "", True  # 7 (1 + x)
    operand_before = start > 1 and tokens[start - 2].kind in _OPERAND_ENDS
    torn = _is_unknown(token) or _goes_before(tokens, start - 1)
    torn = torn or (operand_before and _goes_on(tokens, start - 1))
    torn = torn or (token.glued and _is_unknown(tokens[start - 2]))  # 2*1995AH - 7
    return (token.text if token.kind == "word" else ""), torn


def _goes_on(tokens: list[Token], position: int) -> bool:
    """Return whether a number goes on after the word or sign at `position`: 1 and 1/3, 3:5."""
    token, after = tokens[position], tokens[position + 1 : position + 4]
    if token.text == ",":
        return _is_decimal_comma(tokens, position)
    if token.text == ":":
        return bool(after) and (after[0].glued or _is_ratio(tokens, position))
    shape = [t.kind for t in after]
    if token.text == ".":  # 0.ababab
        return shape[:1] == ["word"] and after[0].glued and after[0].text.islower()
    if token.text in ("by", "C", "P"):  # 3 inches by 4 inches; 5 C 2
        return shape[:1] == ["number"]
    return token.text == "and" and (
        shape[:1] == ["open"]
        or (shape == ["number", "operator", "number"] and after[1].text == "/")
        or (shape[:2] == ["word", "word"] and after[1].text.lower() in _PARTS)  # 2 and a half
    )


def _is_decimal_comma(tokens: list[Token], position: int) -> bool:
    """Return whether a comma stands between two digits: 3,14 is one number to some."""
    around = tokens[position - 1 : position + 2]
    shape = [token.kind for token in around] == ["number", "stop", "number"]
    return shape and around[1].text == "," and around[1].glued and around[2].glued


def _is_ratio(tokens: list[Token], position: int) -> bool:
    """Return whether the colon at `position` is a proportion's second: 2^2 : 1^2 = 4 : 1."""
    if position < 2:
        return False
    shape = (tokens[position - 2].kind, tokens[position - 1].kind, tokens[position + 1].kind)
    before = tokens[max(0, position - _FARTHEST_COLON) : position - 2]
    return shape == ("equals", "number", "number") and any(t.text == ":" for t in before)


_FARTHEST_COLON = 8


def _goes_before(tokens: list[Token], position: int) -> bool:
    """Return whether the word at `position` makes what follows only a part: log 8, 3 boxes of 4."""
    token, after = tokens[position], tokens[position + 1]
    if token.kind != "word":
        return False
    word = token.text.lower()
    known = position > 0 and tokens[position - 1].kind
    if after.kind == "open":
        function = len(word) == 1 and token.text not in ENGLISH
        return after.glued or function or known == "number"  # f(2); 12 inches (6 * 2)
    if word != "of":
        return word in _BEFORE_A_PART
    if known != "word":
        return False
    named = tokens[position - 1].text.lower() in _PARTS
    return named or (position > 1 and tokens[position - 2].kind == "number")


_BEFORE_A_PART = set(
    re.findall(
        r"\w+",
        "than by times plus minus twice double triple squared cubed over modulo mod base log ln lg "
        "sin cos tan cot sec csc lcm gcd gcf hcf max min sqrt root floor ceil exp",
    )
)
_PARTS = set(
    re.findall(
        r"\w+",
        "half third thirds quarter quarters fourth fourths fifth fifths sixth tenth tenths twice "
        "average mean percent percentage root square cube power log logarithm base multiple",
    )
)
"""Words before "of" that compute something from the whole text after them."""
_INEXACT = {ROUNDED, "remainder", "rem", "r", "approximately", "approx", "about"}
"""Words after a number that show that more belongs to it."""
_RELATIONS = (
    r"\implies \Rightarrow \Longrightarrow \iff \Leftrightarrow \to \rightarrow \therefore "
    r"\because \text \le \leq \ge \geq \lt \gt \ne \neq \approx \sim \equiv \hline \begin \end"
)
_SEPARATING = {*".,;:?<>≤≥≈≠→⇒[]\"'’“”‘`", *_RELATIONS.split(" ")}
"""Signs and LaTeX commands that end an expression; others may be part of one: 5!, 2\\pi."""
_OPERAND_ENDS = ("number", "letter", "close", "word")
_MOST_WORDS = 3
_SHORT_UNITS = set(re.findall(r"\w+", "cm mm km kg mg ml ft in yd mi oz lb hr hp gb mb kb"))
_JOINING = set(
    re.findall(
        r"\w+",
        "and or so then thus hence therefore but if when where while since because that which is "
        "are was were gives give has have with we means",
    )
)
"""Words that begin something else and occur in no unit."""


def _unit(tokens: list[Token], position: int) -> list[Token]:
    """Return the words at `position` ("apples", "hours/day") if mathematics follows them."""
    unit: list[Token] = []
    words = 0
    for number in range(position, len(tokens)):
        token = tokens[number]
        if token.kind == "word":
            words += 1
            if words > _MOST_WORDS or _is_unknown(token) or token.text.lower() in _JOINING:
                return []
            if token.text in _SEPARATING:
                return []
        elif token.kind in ("equals", "close"):
            return unit
        elif token.kind != "operator":
            return []
        elif token.text != "/" or tokens[number + 1 : number + 2] == []:
            return [] if token.text == "^" or (token.text == "-" and token.glued) else unit
        elif tokens[number + 1].kind != "word":
            return unit
        unit.append(token)
    return []


def _is_unknown(token: Token) -> bool:
    """Return whether it may compute something that this reader does not know."""
    if token.kind == "word":
        return not token.text[0].isalpha() and token.text not in _SEPARATING
    return token.kind == "stop" and token.text not in _SEPARATING


def sides_of(run: Run) -> list[Side]:
    """Cut at the equals signs."""
    sides: list[Side] = []
    tokens: list[Token] = []
    end = Token("equals", "=", glued=True)
    for token in [*run.tokens, end]:
        if token.kind == "equals":
            ends = (not sides, token is end)
            side = _side(tokens, ends, before="" if sides else run.before)
            doubtful = (run.torn and not sides) or (run.cut and token is end)
            sides.append(replace(side, whole=False) if doubtful else side)
            tokens = []
        else:
            tokens.append(token)
    return sides


def _side(tokens: list[Token], ends: tuple[bool, bool], *, before: str) -> Side:
    """Return one side. `ends`: it is the first side of its equation; it is the last."""
    words = tuple(t.text.lower() for t in tokens if t.kind == "word")
    unit = tokens[-1].text if tokens and tokens[-1].kind == "word" else ""
    kept, whole = _balanced([token for token in tokens if token.kind != "word"], ends)
    whole = whole and unit.lower() not in _INEXACT and not any(map(_is_unknown, tokens))
    inner = tokens[:-1] if ends[1] else tokens
    whole = whole and not any(map(_is_product, inner)) and _SCALES.isdisjoint(words)
    while kept and kept[-1].kind == "operator" and kept[-1].text not in POSTFIX:
        kept.pop()
        whole = False
    # A dash apart from its number is no sign, except after an equals sign.
    while kept and kept[0].kind == "operator" and not _is_sign(kept, first=ends[0]):
        whole = whole and kept[0].text == "-" and not before
        kept.pop(0)
    # "days 1-6", "4 apples / 4"
    label = bool(before) and (_is_range(kept) or any(t.kind == "word" for t in tokens[1:-1]))
    side = Side(kept, unit, whole, label, words)
    if not before or (side.computes and not _is_named(tokens, before)):
        return side
    # "Total for day 4 = ...": the number belongs to the words.
    return replace(side, whole=False)


def _is_named(tokens: list[Token], before: str) -> bool:
    """Return whether the first number belongs to the word before it: day 1 * 2, in 3 boxes + 2."""
    word = before.lower()
    return word in _NUMBERED or (
        word in _PLACING and len(tokens) > 1 and [t.kind for t in tokens[:2]] == ["number", "word"]
    )


def _is_range(tokens: list[Token]) -> bool:
    """Return whether it is two whole numbers and a dash without spaces: 1-6."""
    shape = [(t.kind, t.text == "-", t.glued) for t in tokens[1:]]
    return shape == [("operator", True, True), ("number", False, True)]


_NUMBERED = set(
    re.findall(
        r"\w+",
        "day week month year grade level step round case trip option type group class team room "
        "page chapter question problem game lap number no player train store box side test",
    )
)
_PLACING = {"in", "with", "per", "after", "every", "each"}
_SCALES = set(
    re.findall(
        r"\w+", "hundred thousand million billion trillion dozen dozens halves thirds quarters"
    )
)
"""Words that multiply the number before them."""


def _is_product(token: Token) -> bool:
    """Return whether a word in an equation may be a product of letters or a length: bh, AB."""
    text = token.text
    return token.kind == "word" and (
        (2 <= len(text) <= 3 and text.isupper() and text.lower() not in CURRENCIES)
        or (len(text) == 2 and text.islower() and text not in _SHORT_UNITS)
    )


def _is_sign(tokens: list[Token], *, first: bool) -> bool:
    return tokens[0].text == "-" and len(tokens) > 1 and (tokens[1].glued or not first)


def _balanced(tokens: list[Token], ends: tuple[bool, bool]) -> tuple[list[Token], bool]:
    """Return the side without unmatched brackets, and whether they enclosed the whole side."""
    dropped: list[int] = []
    open_at: list[int] = []
    for position, token in enumerate(tokens):
        if token.kind == "open":
            open_at.append(position)
        elif token.kind == "close" and open_at:
            open_at.pop()
        elif token.kind == "close":
            dropped.append(position)
    unmatched = {*dropped, *open_at}
    kept = [t for at, t in enumerate(tokens) if at not in unmatched]
    first, last = ends
    around = (not dropped or (last and dropped[0] >= len(kept))) and (
        not open_at or (first and open_at == list(range(len(open_at))))
    )
    return kept, around
