r"""Model text cut into mathematical tokens: LaTeX, currency, percent and commas in one spelling.

    r"\$1{,}200 \times \frac{1}{2}"      1,200 * ( ( 1 ) / ( 2 ) )

Under `arithmetic.py`, which computes, and `equations.py`, which finds equations. Spellings that do
not depend on running text are those of answers, `answers.latex.spellings`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from mathtune.answers.latex.spellings import GROUPED, REPEATING, plain_signs, repeated


class Token(NamedTuple):
    """`kind` is one of number, letter, operator, open, close, equals, word, stop."""

    kind: str
    text: str
    glued: bool = False
    """True if no space separates it from the token before."""


class Rewrite(NamedTuple):
    """A substitution that is tried only if the text holds one of the parts `having`."""

    having: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]


ROUNDED = "rounded"
"""The word that stands for the dots of 3.33..."""


def _named(match: re.Match[str]) -> str:
    r"""Return the words of `\text{Cost of 2 books}`; a number in them is a name, not an operand."""
    words = match[1]
    first = _LETTER.search(words)
    if first is None or _COMPUTING.search(words):
        return words
    return f" {words[: first.start()]}{_DIGITS.sub('', words[first.start() :])} "


def _fraction_of(match: re.Match[str]) -> str:
    r"""Return a repeating decimal as a fraction: 0.8\overline{3} is 75/90."""
    found = repeated(match[1] if match[1] != "." else "0.", match[2] or match[3])
    return f"(({found.numerator})/({found.denominator}))"


_WHOLE = {"lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉"}
_COMPUTING = re.compile(r"[-+*/=×÷^]")
_LETTER, _DIGITS = re.compile("[A-Za-z]"), re.compile(r"\d+(?:[.,]\d+)*")

_STRIPPED = tuple(
    Rewrite(tuple(having.split()) or (" ",), re.compile(pattern), replacement)
    for having, pattern, replacement in (
        ("- * • . ) # :", r"^[ \t]*(?:[-*•]|\d{1,2}[.)]|#+|Step \d+[:.])[ \t]+", ""),
        ("\\ {, ' ’", rf"(?<=\d)(?:{GROUPED}|['’])(?=\d{{3}}(?!\d))", ","),
        ("color", r"\\(?:text)?color\s*(?:\[[^\[\]]*\])?\s*\{[^{}]*\}", ""),
        ("\\left \\right", r"(?:(?<=[\w)}])\s+)?\\left(?=[(\[{\\|.])|\s*\\right(?=[)\]}\\|.])", ""),
        ("\\sqrt", r"(?<=[\w)}])\s+(?=\\sqrt(?![A-Za-z]))", ""),
        ("quad", r"\\q?quad(?![A-Za-z])(?!\s*(?:[-+*/=&<>]|\\(?:times|cdot|div|[lg]eq?)))", " ; "),
        ("\\ &", r"\\(?:left|right|displaystyle|quad|qquad)(?![A-Za-z])|\\[,;:! ]|&", " "),
        ("\\overline \\bar \\dot", rf"(\d+\.\d*|\.){REPEATING.pattern}", _fraction_of),
        # LaTeX takes one digit: 3^15^2 is 3^1 5^2
        ("^", r"\^(\d)(?=\d+\s*\^)", r"^\1*"),
        ("\\operatorname", r"\\operatorname\*?\s*\{\s*([A-Za-z]*)\s*\}", r" \\\1 "),
        ("_", r"(?<=[A-Za-z})])_(?:\{[^{}]*\}|\d+|\w)", ""),
        # "(50 times)", "(since ...": a remark, no factor
        ("\\text", r"\\text\w*\s*\{\s*\([^{}]*[A-Za-z]{3}[^{}]*\}", " ; "),
        (
            "\\text \\mbox \\mathrm",
            r"\\(?:text\w*|mbox|mathrm)\s*\{([^{}A-Za-z]*[A-Za-z][^{}\d]*\d[^{}]*)\}",
            _named,
        ),
        (
            "\\text \\math \\mbox \\boxed \\operatorname \\underline",
            r"\\(?:text\w*|math\w+|mbox|boxed|operatorname|underline)\s*\{([^{}]*)\}",
            r" \1 ",
        ),
        ("vert", r"\\(?:l|r)?vert(?![A-Za-z])", "|"),
        ("floor ceil", r"\\([lr](?:floor|ceil))(?![A-Za-z])", lambda match: _WHOLE[match[1]]),
        ("\\circ", r"\^\s*\{?\s*\\circ\s*\}?", " "),
        (":", r"\b(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?\b", r" \\clock "),
        # a number in another base cannot be computed with here
        ("_", r"(\d+)_(?:\{(\d+)\}|(\d))", r"(\1*n^\2\3)"),
        # "15 cm^2": a power of a unit
        ("^", r"(?<=[A-Za-z]{2})\s*\^\s*(?:[23]\b|\{[23]\})", ""),
        ("… ... dots", r"(?<=\d)\s*(?:\.{3}|…|\\[lc]?dots(?![A-Za-z]))", rf" {ROUNDED} "),
    )
)
_REWRITTEN = tuple(
    Rewrite(tuple(having.split()) or (" ",), re.compile(pattern), replacement)
    for having, pattern, replacement in (
        ("\\times \\cdot", r"\\(?:times|cdot)(?![A-Za-z])", "*"),
        ("\\div", r"\\div(?![A-Za-z])", "/"),
        ("—", "—", "-"),
        ("\\%", r"\\%", "%"),
        ("\\] $$", r"\\\]|\$\$", " ; "),
        ("$-", r"(?<=[a-z] )\$(?=-\d)", " ; "),
        ("-$ -\\$ -€ -£", r"(?<![\d)}\w])-\\?[$€£](?=[\d.])", "-"),
        ("$", r"(?<![A-Za-z])(?:US|HK|NZ|AU?|CA?)\\?\$(?=\d)", " "),
        ("\\( \\) \\[ $ € £ ¥ ₹", r"\\[()\[]|\\?[$€£¥₹]", " "),
        (" ", r"(?<![\d.])(\d{1,3}) (?=\d{3}(?: \d{3})*(?!\d|\.\d))", r"\1"),
        ("**", r"(?<=[\d)])\*\*(?=[\d(])", "^"),
        ("** __", r"\*\*|__", " "),
        (
            "x X",
            r"(?<=\d)\s*[xX]\s*(?=[\d.])|(?<=\d)\s+[xX]\s+(?=\()|(?<=[a-z)])\s+x\s+(?=[\d(.])",
            "*",
        ),
        ("/", r"(?<![\d./^])(\d+)\s+(\d+)/(\d+)(?![\d/.])", r"(\1+\2/\3)"),
        ("cent", r"(?<=\d)\s*cents?\b", "¢"),
        ("Rs", r"\bRs\.?\s*(?=\d)", " "),
        ("percent per cent", r"(?<=\d)\s*per ?cent\b", "%"),
        ("of", r"(?<=[\d%])\s+of\s+(?=[\d(])", "*"),
    )
)
_ARGUMENT = r"\s*(?:\{((?:[^{}^]|\^(?:\{[^{}]*\})?)*)\}|(\d|(?<=\s)[a-z]))"
_FRACTION = re.compile(rf"(?:(?<![\d.])(\d+)\s*)?\\[dtc]?frac{_ARGUMENT}{_ARGUMENT}")
_ROOT = re.compile(rf"\\sqrt(?:\[(\d+)\])?{_ARGUMENT}|(?:\\|\b)sqrt()\s*\(([^()]*)\)")
_CHOICES = re.compile(rf"\\[dt]?binom{_ARGUMENT}{_ARGUMENT}")
_NESTED = 40
_NUMBER = (
    r"(?>(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[0-9]++)(?:\.[0-9]++)?"
    r"(?:e(?:[0-9]++|[-+][0-9]{2,}+))?|\.[0-9]++)"
)
_GLUED_UNITS = (
    "(?i:[ckm]?m|[km]?g|ml|ft|in|yds?|mi|oz|lbs?|hrs?|mins?|secs?|[kmgt]b|mph|kph|hp|gal|[ap]m)"
)
_TOKEN = re.compile(
    rf"(?P<number>{_NUMBER}(?:(?![A-Za-z]{{2}})|(?={_GLUED_UNITS}(?![A-Za-z]))))"
    r"|(?P<letter>(?<![A-Za-z\\'’])[A-Za-z](?:[0-9]++(?!\.[0-9]))?['’]*+(?![A-Za-z]))"
    r"|(?P<operator>[-+*/^%¢]|!(?![=!]))"
    r"|(?P<open>[({⌊⌈])|(?P<close>[)}⌋⌉])"
    r"|(?P<equals>(?<![<>!=:])=(?!=))"
    r"|(?P<word>\\?[A-Za-z][A-Za-z'’-]*)"
    rf"|(?P<stop>{_NUMBER}|\S)"
)
ENGLISH = {"a", "A", "I"}
"""Words of one letter."""


def tokenized(text: str) -> list[Token]:
    """Return the tokens of a line of model text; a letter is a word unless mathematics adjoins it.

    Example:
        >>> [token.text for token in tokenized("3 apples + $1,200 = x")]
        ['3', 'apples', '+', '1,200', '=', 'x']
    """
    text = _rewritten(plain_signs(text), _STRIPPED)
    for _ in range(_NESTED if "\\" in text or "sqrt" in text else 0):
        text, fractions = _FRACTION.subn(_divided, text)
        text, roots = _ROOT.subn(_root, text)
        text, choices = _CHOICES.subn(_chosen, text) if "binom" in text else (text, 0)
        if not fractions + roots + choices:
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
    return _with_absolute_values(found) if "|" in text else found


def _with_absolute_values(tokens: list[Token]) -> list[Token]:
    """Read two bars as brackets if the first opens and the second closes on one side of =."""
    found = list(tokens)
    opened: int | None = None
    for at, token in enumerate(tokens):
        operand_before = at > 0 and tokens[at - 1].kind in ("number", "letter", "close")
        if token.kind == "equals":
            opened = None
        elif token.text != "|":
            continue
        elif opened is None:
            opened = None if operand_before else at
        elif operand_before:
            found[opened] = tokens[opened]._replace(kind="open")
            found[at] = token._replace(kind="close")
            opened = None
    return found


def _divided(match: re.Match[str]) -> str:
    """Write a fraction as a division; after a whole number it makes a mixed one: 2\\frac{1}{2}."""
    whole, *parts = match.groups()
    over, under = (parts[at] if parts[at] is not None else parts[at + 1] for at in (0, 2))
    if whole is not None and over.isdecimal() and under.isdecimal() and int(over) < int(under):
        return f"({whole}+{over}/{under})"
    return f"{whole or ''}(({over})/({under}))"


def _root(match: re.Match[str]) -> str:
    """Write a root as a power."""
    degree, braced, single, _, bracketed = match.groups()
    inside = next(part for part in (braced, single, bracketed) if part is not None)
    return f"(({inside})^(1/{degree or 2}))"


def _chosen(match: re.Match[str]) -> str:
    r"""Write a binomial coefficient with factorials: \binom{5}{2} is 5!/(2!*3!)."""
    over, under = (match[1] or match[2], match[3] or match[4])
    return f"((({over})!)/((({under})!)*(({over})-({under}))!))"


def _rewritten(text: str, rewrites: tuple[Rewrite, ...]) -> str:
    for having, pattern, replacement in rewrites:
        for part in having:
            if part in text:
                text = pattern.sub(replacement, text)
                break
    return text


def _is_variable(text: str, match: re.Match[str], glued: bool) -> bool:
    """Return whether a letter stands for a number: mathematics or a glued number follows."""
    if len(match.group()) > 1:
        return True  # x1, p'
    after = text[match.end() : match.end() + 3].lstrip(" ")[:1]
    if (after and after in "+-*/^=") or (glued and text[match.start() - 1].isdigit()):
        return True
    return match.group() not in ENGLISH and (after in ("", ")", ".", ",", ";", "}") or glued)
