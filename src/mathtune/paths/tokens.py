r"""Model text cut into mathematical tokens: LaTeX, currency, percent and commas in one spelling.

    r"\$1{,}200 \times \frac{1}{2}"      1,200 * ( ( 1 ) / ( 2 ) )

Under `arithmetic.py`, which computes, and `equations.py`, which finds equations.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Token(NamedTuple):
    """`kind` is one of number, letter, operator, open, close, equals, word, stop."""

    kind: str
    text: str
    glued: bool = False
    """Whether it follows the token before it without a space."""


class Rewrite(NamedTuple):
    """A substitution, tried only where one of the characters `having` is in the text."""

    having: frozenset[str]
    pattern: re.Pattern[str]
    replacement: str


ROUNDED = "rounded"
"""The word that stands for the dots of 3.33..."""

_STRIPPED = tuple(
    Rewrite(frozenset(having), re.compile(pattern), replacement)
    for having, pattern, replacement in (
        ("-*•.)#:", r"^[ \t]*(?:[-*•]|\d{1,2}[.)]|#+|Step \d+[:.])[ \t]+", ""),
        ("\\", r"(?<=\d)(?:,\\!|\{,\}(?:\\!)?)(?=\d{3}(?!\d))", ","),
        ("\\", r"(?:(?<=[\w)}])\s+)?\\left(?=[(\[{\\|.])|\s*\\right(?=[)\]}\\|.])", ""),
        ("\\", r"(?<=[\w)}])\s+(?=\\sqrt(?![A-Za-z]))", ""),
        ("\\", r"\\q?quad(?![A-Za-z])(?!\s*(?:[-+*/=&<>]|\\(?:times|cdot|div|[lg]eq?)))", " ; "),
        ("\\&", r"\\(?:left|right|displaystyle|quad|qquad)(?![A-Za-z])|\\[,;:! ]|&", " "),
        ("\\", r"(?<=\d)\.?\\(?:overline|bar|dot)\s*\{\d+\}|(?<=\d)\.?\\dot\s*\d", f" {ROUNDED} "),
        # LaTeX takes one digit: 3^15^2 is 3^1 5^2
        ("^", r"\^(\d)(?=\d+\s*\^)", r"^\1*"),
        ("\\", r"\\operatorname\*?\s*\{\s*([A-Za-z]*)\s*\}", r" \\\1 "),
        ("_", r"(?<=[A-Za-z})])_(?:\{[^{}]*\}|\w)", ""),
        ("\\", r"\\(?:text\w*|math\w+|mbox|boxed|operatorname)\s*\{([^{}]*)\}", r" \1 "),
        ("°\\", r"\^\s*\{?\s*\\circ\s*\}?|°", " "),
        ("²", "²", "^2"),
        ("³", "³", "^3"),
        (":", r"\b(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?\b", r" \\clock "),
        # a number in another base is none that can be computed with here
        ("_", r"(\d+)_(?:\{(\d+)\}|(\d))", r"(\1*n^\2\3)"),
        # "15 cm^2": a power of a unit
        ("^", r"(?<=[A-Za-z]{2})\s*\^\s*(?:[23]\b|\{[23]\})", ""),
        ("….\\", r"(?<=\d)\s*(?:\.{3}|…|\\[lc]?dots(?![A-Za-z]))", rf" {ROUNDED} "),
    )
)
_REWRITTEN = tuple(
    Rewrite(frozenset(having), re.compile(pattern), replacement)
    for having, pattern, replacement in (
        ("\\×·∗⋅", r"\\(?:times|cdot)(?![A-Za-z])|[×·∗⋅]", "*"),
        ("\\÷", r"\\div(?![A-Za-z])|÷", "/"),
        ("−–—", r"[−–—]", "-"),
        ("\\", r"\\%", "%"),
        ("\\$", r"\\\]|\$\$", " ; "),
        ("\\$€£¥₹", r"\\[()\[]|\\?[$€£¥₹]", " "),
        (" ", r"(?<![\d.])(\d{1,3}) (?=\d{3}(?: \d{3})*(?!\d|\.\d))", r"\1"),
        ("*", r"(?<=[\d)])\*\*(?=[\d(])", "^"),
        ("*_", r"\*\*|__", " "),
        ("xX", r"(?<=\d)\s*[xX]\s*(?=[\d(.])|(?<=[a-z)]) x (?=[\d(.])", "*"),
        ("o", r"(?<=[\d%])\s+of\s+(?=[\d(])", "*"),
        ("/", r"(?<![\d./^])(\d+)\s+(\d+)/(\d+)(?![\d/.])", r"(\1+\2/\3)"),
        ("c", r"(?<=\d)\s*cents?\b", "¢"),
        ("p", r"(?<=\d)\s*percent\b", "%"),
    )
)
_ARGUMENT = r"\s*(?:\{([^{}]*)\}|(\d))"
_FRACTION = re.compile(rf"(?:(?<![\d.])(\d+)\s*)?\\[dtc]?frac{_ARGUMENT}{_ARGUMENT}")
_ROOT = re.compile(
    rf"(?:\\sqrt(?:\[(\d+)\])?{_ARGUMENT}|(?:\bsqrt|√)\s*\(([^()]*)\)|√(\d+(?:\.\d+)?))"
)
_NESTED = 40
_TOKEN = re.compile(
    r"(?P<number>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?(?![A-Za-z]{2})|\.\d+)"
    r"|(?P<letter>(?<![A-Za-z\\'’])[A-Za-z](?![A-Za-z'’]))"
    r"|(?P<operator>[-+*/^%¢])"
    r"|(?P<open>[({])|(?P<close>[)}])"
    r"|(?P<equals>(?<![<>!=:])=(?!=))"
    r"|(?P<word>\\?[A-Za-z][A-Za-z'’-]*)"
    r"|(?P<stop>\S)"
)
ENGLISH = {"a", "A", "I"}
"""Words of one letter."""


def tokenized(text: str) -> list[Token]:
    """The tokens of a line of model text; a letter is a word unless mathematics stands beside it.

    Example:
        >>> [token.text for token in tokenized("3 apples + $1,200 = x")]
        ['3', 'apples', '+', '1,200', '=', 'x']
    """
    text = _rewritten(text, _STRIPPED)
    for _ in range(_NESTED if "\\" in text or "√" in text or "sqrt" in text else 0):
        text, fractions = _FRACTION.subn(_divided, text)
        text, roots = _ROOT.subn(_root, text)
        if not fractions + roots:
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


def _divided(match: re.Match[str]) -> str:
    """A fraction as a division; right after a whole number it makes a mixed one: 2\\frac{1}{2}."""
    whole, *parts = match.groups()
    over, under = (parts[at] if parts[at] is not None else parts[at + 1] for at in (0, 2))
    if whole is not None and over.isdecimal() and under.isdecimal() and int(over) < int(under):
        return f"({whole}+{over}/{under})"
    return f"{whole or ''}(({over})/({under}))"


def _root(match: re.Match[str]) -> str:
    """A root as a power."""
    degree, *parts = match.groups()
    inside = next(part for part in parts if part is not None)
    return f"(({inside})^(1/{degree or 2}))"


def _rewritten(text: str, rewrites: tuple[Rewrite, ...]) -> str:
    present = set(text)
    for having, pattern, replacement in rewrites:
        if not having.isdisjoint(present):
            rewritten = pattern.sub(replacement, text)
            if rewritten != text:
                text, present = rewritten, set(rewritten)
    return text


def _is_variable(text: str, match: re.Match[str], glued: bool) -> bool:
    """A letter stands for a number where mathematics follows it, or a number is glued to it."""
    after = text[match.end() : match.end() + 3].lstrip(" ")[:1]
    if (after and after in "+-*/^=") or (glued and text[match.start() - 1].isdigit()):
        return True
    return match.group() not in ENGLISH and (after in ("", ")", ".", ",", ";", "}") or glued)
