r"""Read plain numbers and fractions exactly, without a parser. The fast path of every comparison.

Three quarters of real answers are `72`, `-1.5`, `1,000`, `3/4` or `\frac{3}{4}`: they are settled
here, as exact fractions, in a microsecond. Everything else goes to the parser.
"""

import re
from fractions import Fraction

# Longer numbers are left to the parser and its limits.
_DIGITS = 4_000

_SIGN = r"(?P<sign>[-+−]?)\s*"
_INTEGER = r"(?:[0-9]{1,3}(?:(?:,|\{,\}|,\\!|\\,|\\!)[0-9]{3})+(?![0-9])|[0-9]+)"
_PLAIN = re.compile(rf"{_SIGN}(?P<whole>{_INTEGER})?(?:\.(?P<decimals>[0-9]*))?")
_FRACTION = re.compile(
    rf"{_SIGN}(?:"
    r"\\[dtc]?frac\s*\{\s*(?P<a>-?[0-9]+)\s*\}\s*\{\s*(?P<b>[0-9]+)\s*\}"
    r"|\\[dtc]?frac\s*(?P<c>[0-9])\s*(?P<d>[0-9])"
    r"|(?P<e>[0-9]+)\s*/\s*(?P<f>[0-9]+))"
)
_NOT_DIGITS = re.compile(r"[^0-9]")


def exact_number(text: str) -> Fraction | None:
    r"""Return the value of a plain number or fraction, or None for any other text.

    >>> exact_number("1,000.50")
    Fraction(2001, 2)
    >>> exact_number(r"-\frac{3}{6}")
    Fraction(-1, 2)
    >>> exact_number("x") is None
    True
    """
    if len(text) > _DIGITS:
        return None
    text = text.strip()
    match = _PLAIN.fullmatch(text)
    if match:
        return _decimal(match)
    match = _FRACTION.fullmatch(text)
    if match is None:
        return None
    top = match["a"] or match["c"] or match["e"]
    bottom = int(match["b"] or match["d"] or match["f"])
    if bottom == 0:
        return None
    value = Fraction(int(top), bottom)
    return -value if match["sign"] in ("-", "−") else value


def _decimal(match: re.Match[str]) -> Fraction | None:
    whole, decimals = match["whole"], match["decimals"]
    if not whole and not decimals:
        return None
    digits = _NOT_DIGITS.sub("", whole or "0")
    value = Fraction(int(digits + (decimals or "")), 10 ** len(decimals or ""))
    return -value if match["sign"] in ("-", "−") else value
