r"""Units in plain words behind a number: `9 (apples)`, `10 years old`, `6 slices of pizza`.

Golds of word problems are written so. For the grader `math`.
"""

import re

from mathtune.answers.latex.text import TEXT_COMMAND
from mathtune.answers.latex.units import MULTIPLES, known, names, singular

_NUMBER = (
    r"[-−]?\\?\$?\s?(?:(?:[0-9]+\s)?[0-9]+\s?/\s?[0-9]+|\\[dt]?frac\s*\{[0-9]+\}\s*\{[0-9]+\}"
    r"|[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]*\.?[0-9]+)"
)
_WORDED = re.compile(
    rf"\s*(?P<value>{_NUMBER}|(?P<time>[0-9]+\s?:\s?[0-9]+))\s*(?:\\[,;: !]|~)*\s*"
    r"(?:\((?P<inside>[^()]{1,60})\)|(?P<words>[A-Za-z][A-Za-z .,'/-]{1,60}))\s*\.?\s*"
)
_UNIT = re.compile(r"[%°]|[A-Za-z][A-Za-z .,'/²³-]*(?:\^\{?[23]\}?)?")
_TEXT = re.compile(rf"{TEXT_COMMAND.pattern}\{{([^{{}}]*)\}}")
# Words that make another number of it, bound it, or are mathematics.
_NO_UNITS = names(
    "and or not no pi squared cubed factorial more less fewer than least most minus plus over mod"
    " half halves third thirds fourth fourths quarters fifth fifths squares sqrt sin cos tan log ln"
    " exp to from is are was equals infinity only if when x y z"
)
_SIZES = names("square sq cubic half double dozen pair") | frozenset(MULTIPLES)


def worded(text: str) -> tuple[str, str] | None:
    r"""Return number and unit of a number with its unit in words; None for any other text.

    >>> worded("9 (apples)"), worded("10 years old"), worded("2 or more")
    (('9', 'apples'), ('10', 'years old'), None)
    """
    if ")" not in text and " " not in text:
        return None
    match = _WORDED.fullmatch(_TEXT.sub(r" \1", text) if "\\" in text else text)
    if match is None or (match["time"] and not match["inside"]):
        return None
    unit = (match["inside"] or match["words"]).strip()
    words = re.findall(r"[a-z]+", unit.lower())
    if not _UNIT.fullmatch(unit):
        return None
    # `5 xy` is a product of letters.
    longest = max(map(len, words), default=0)
    if words and longest < (3 if match["inside"] else 4) and not any(map(known, words)):
        return None
    single = any(len(word) == 1 and word != "a" and not known(word) for word in words)
    if single or not _NO_UNITS.isdisjoint(words):
        return None
    return match["value"].strip(), unit.replace("²", "^2").replace("³", "^3")


def in_text(number: str, unit: str) -> str:
    """Return the quantity as the parser reads it; a sign behind its number."""
    return f"{number}{unit}" if unit in ("%", "°") else rf"{number} \text{{ {unit}}}"


def one_names_the_other(unit: str, other: str) -> bool:
    """Return whether one of two nouns has more words before it: `red balloons`, `balloons`.

    >>> one_names_the_other("red balloons", "balloon"), one_names_the_other("square feet", "feet")
    (True, False)
    """
    short, long = sorted(([singular(w.lower()) for w in u.split()] for u in (unit, other)), key=len)
    more = long[: len(long) - len(short)]
    return (
        bool(short)
        and long[len(more) :] == short
        and not known(short[-1])
        and _SIZES.isdisjoint(more)
    )
