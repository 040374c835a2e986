"""Subjects of a text that give its equations another meaning: moduli, other bases, cents.

Under `doubts.py`. They are looked for in the whole text, not only in an equation's sentence.
"""

from __future__ import annotations

import re
from functools import cached_property

from mathtune.paths.refutations import words

_UNDEFINED = words(
    r"undefined|indeterminate|defin|infin|\\infty|∞|asymptot|limit|\\lim|denominator"
    r"|divi\w+ by (?:zero|0)|slope|vertical"
)
_CONGRUENT = words(r"\\equiv|≡|congruen|\\[pb]?mod(?![a-z])|\bmodulo\b|modular")
_MODULI = tuple(
    map(
        words,
        (
            r"\\[pb]?mod(?:ulo)?\s*\{?\s*(\d+)",
            r"\bmod(?:ulo)?[ $({\\]{0,3}(\d+)",
            r"(?-i:\bZ|ℤ|\\mathbb\s*\{?[ZF]\}?)\s*(?:_\s*\{?|/)\s*(\d+)",
            r"\b(\d+)-hour clock",
            r"remainder[^.]{0,80}?divided by \$?(\d+)",
            r"divided by \$?(\d+)[^.]{0,60}?remainder",
        ),
    )
)
_LAST_DIGITS = (
    (words(r"(?:units?|ones|last|final) digit"), 10),
    (words(r"(?:last|final) two digits|tens digit"), 100),
    (words(r"(?:last|final) three digits|hundreds digit"), 1000),
    (words(r"parity|\bbinary\b"), 2),
    (words(r"o['’]clock|\b[ap]\.?m\b\.?"), 12),
)
_BASE = re.compile(
    r"\d_\{?\d|\bbases\b|\bbase(?:[- ]?\$?\d|[- ]\$?[a-z]\b(?! of)"
    r"|[- ](?:two|three|four|five|six|seven|eight|nine))"
)
_SHAPED = words(r"height|triang|area|prism|pyramid|cone")
_DEFINED = re.compile(r"\b[a-z]\s*(?:\*|\\ast|\\star)\s*[a-z]\s*=")
_CENTS = words(r"\bcents?\b|¢")


class Subjects:
    """The subjects of a whole text; each property is looked up once, when first needed.

    Example:
        >>> Subjects("17 = 5 (mod 12), says a 12-hour clock.").moduli
        [12, 12]
        >>> Subjects("The base is 5 cm and the height 2.").has_bases
        False
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def moduli(self) -> list[int]:
        """The numbers that it counts modulo."""
        found = [int(modulus) for said in _MODULI for modulus in said.findall(self.text)]
        found += [modulus for said, modulus in _LAST_DIGITS if said.search(self.text)]
        return [modulus for modulus in found if modulus > 1]

    @cached_property
    def has_congruences(self) -> bool:
        """True if it speaks of congruences."""
        return bool(_CONGRUENT.search(self.text))

    @cached_property
    def has_bases(self) -> bool:
        """True if it writes numbers in several bases; the base of a triangle does not count."""
        return bool(_BASE.search(self.text)) and not _SHAPED.search(self.text)

    @cached_property
    def divides_by_zero(self) -> bool:
        """True if it speaks of values that do not exist."""
        return bool(_UNDEFINED.search(self.text))

    @cached_property
    def defines_star(self) -> bool:
        """True if it defines a * b."""
        return bool(_DEFINED.search(self.text))

    @cached_property
    def has_cents(self) -> bool:
        """True if it counts cents."""
        return bool(_CENTS.search(self.text))
