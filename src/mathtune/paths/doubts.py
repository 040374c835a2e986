r"""Reasons in a text not to call an equation false: what it refutes, rounds, or counts modulo.

Under `equations.py`, which asks only about equations that do not hold. Each reason needs words of
the text and, except where the text takes the equation back, numbers that fit them:

    42 / 8 = 5 with a remainder of 2         5 is the whole part of 42 / 8
    3.85 / 0.75 = 5.13, rounded              5.13 is 5.1333... to its last digit
    8 \cdot 7 = 1 \pmod{11}                  56 - 1 is a multiple of 11
    2 + 2 = 5, which is impossible           the text does not claim it
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from math import ceil, floor, isfinite, nan

from mathtune.paths.arithmetic import NoExpressionError, evaluate
from mathtune.paths.tokens import tokenized

MOST_SENTENCES = 4
"""Sentences of formulas alone that are passed over on the way to the words after an equation."""

_FEW_WORDS = 7
_NEAR = 1e-6


class Claim:
    """An equation that does not hold, in the sentence that states it and the text around it.

    `after`: the next sentence that is more than a formula.
    """

    def __init__(self, equation: str, *, sentence: str, after: str, text: str) -> None:
        self.equation, self.sentence, self.after, self.text = equation, sentence, after, text

    @cached_property
    def values(self) -> tuple[float | None, float | None]:
        """Those of both sides; None: a division by zero, nan: not known."""
        left, _, right = self.equation.partition("=")
        return _value(left), _value(right)

    @cached_property
    def numbers(self) -> tuple[float, float] | None:
        """The values of both sides, if they have one."""
        left, right = self.values
        if left is None or right is None or not isfinite(left) or not isfinite(right):
            return None
        return left, right

    def says(self, words: re.Pattern[str]) -> bool:
        """Whether the sentence, or the next one of words, has them."""
        return bool(words.search(self.sentence) or words.search(self.after))


def _value(side: str) -> float | None:
    try:
        return evaluate(tokenized(side))
    except NoExpressionError:
        return nan


def is_doubtful(claim: Claim) -> bool:
    """Decide whether the text gives a reason not to call the equation false."""
    return any(reason(claim) for reason in _REASONS)


def sentences(text: str) -> Iterator[tuple[str, str]]:
    """Yield each sentence of a text, and all that follows it.

    Example:
        >>> [sentence for sentence, _ in sentences("One. Two is 2.5 here.\\nThree?")]
        ['One.', 'Two is 2.5 here.', 'Three?']
    """
    start = 0
    for match in _END.finditer(text):
        yield text[start : match.start()], text[match.end() :]
        start = match.end()
    yield text[start:], ""


def words_after(rest: str) -> str:
    """The first sentence of `rest` that is more than a formula; "" if only formulas follow."""
    for number, (sentence, _) in enumerate(sentences(rest)):
        if number > MOST_SENTENCES:
            break
        words = len(_WORDS.findall(_COMMAND.sub(" ", sentence)))
        if words >= _FEW_WORDS or (words > 0 and _REFUTED.search(sentence)):
            return sentence
    return ""


_END = re.compile(r"(?<=[.!?])\s+|\s*\n\s*")
_WORDS = re.compile(r"[A-Za-z]{2,}")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_REFUTED = re.compile(
    r"contradict|impossible|absurd|extraneous|undefined|indeterminate|inconsistent"
    r"|\bno (?:\w+ )?(?:solutions?|values?)\b"
    r"|(?:n['’]t|\bnot|\bnever|\bcannot) (?:\w+ )?(?:true|correct|possible|valid|equal|hold|holds|satisf\w*"
    r"|works?|working|solutions?|match\w*|consistent|help|fit|defined|integers?|allowed|be)\b"
    r"|\b(?:false|incorrect|invalid|wrong|fails?|failed|violat\w*|untrue|mistake|nonsense)\b"
    r"|\\n(?:eq?|ot)(?![A-Za-z])|≠|!=",
    re.IGNORECASE,
)
_TAKING_UP = re.compile(
    r"\W*(?:(?:but|however|so|and|clearly|since|as|thus|therefore|hence|obviously|again),? )*"
    r"(?:this|that|which|these|it|the (?:\w+ )?(?:equation|statement|equality|case|sides?|result)"
    r"|contradiction|impossible|there|no|we|wait|oops|not|both)\b|\W*(?:so |thus |hence )?\W*[a-z] ?=",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"\?\W*$|\b(?:whether|suppose|supposing|(?:check|checking|see|verify|test|testing) if"
    r"|would (?:be|mean|give|imply|need|require)|should (?:be|equal))\b",
    re.IGNORECASE,
)


def _is_refuted(claim: Claim) -> bool:
    """Whether the sentence, or the next one of words, takes the equation back or only asks it."""
    if _REFUTED.search(claim.sentence) or _ASKED.search(claim.sentence):
        return True
    return bool(_TAKING_UP.match(claim.after) and _REFUTED.search(claim.after))


_UNDEFINED = re.compile(
    r"undefined|indeterminate|defin|infin|\\infty|∞|asymptot|limit|\\lim|denominator"
    r"|divi\w+ by (?:zero|0)|slope|vertical",
    re.IGNORECASE,
)


def _is_undefined(claim: Claim) -> bool:
    """Whether a division by zero is meant: on both sides, or in a text that speaks of it."""
    missing = claim.values.count(None)
    return missing == 2 or (missing == 1 and bool(_UNDEFINED.search(claim.text)))


_REMAINDER = re.compile(
    r"remainder|\brem\b|left ?-?over|\bleft\b|quotient|\bwhole\b|\bfull\b|complete|floor|ceil|\bround(?:ed|ing|s)? (?:\w+ )?(?:up|down|off|to)\b"
    r"|integer|at most|at least|greatest|largest|\bR ?\d|\bgoes into\b|entire|divid\w+ evenly",
    re.IGNORECASE,
)


def _is_a_quotient(claim: Claim) -> bool:
    """Whether the right side is the whole part of a division, or the division written out.

    17 / 5 = 3 remainder 2; 17 / 5 = 3 * 5 + 2.
    """
    over, divided, _ = claim.equation.partition("=")[0].rpartition("/")
    if not divided or claim.numbers is None:
        return False
    left, right = claim.numbers
    if over.strip("()") == f"{right:g}":
        return True
    return right in (floor(left), ceil(left)) and claim.says(_REMAINDER)


_ROUNDED = re.compile(
    r"nearest|\brounded\b|\bround(?:ing)? (?:\w+ )?(?:up|down|off|to)\b|approx|\babout\b|roughly|≈|\\sim(?![A-Za-z])|estimate|decimal|significant|almost"
    r"|[<>≤≥]|\\[lg](?:eq?|t)(?![A-Za-z])",
    re.IGNORECASE,
)
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")
_MONEY = 2
"""Decimals that an exact sum of money has."""
_SLIGHT = 0.005
"""Relative: what is computed with rounded numbers is as near as this."""


def _is_rounded(claim: Claim) -> bool:
    """Whether the text says that it rounds this number, and the sides are as near as its digits.

    What is computed with decimals of three places or more, as 60 * 0.0833, need only be as near.
    """
    if claim.numbers is None:
        return False
    left, right = claim.numbers
    error = abs(left - right)
    numbers = [match[0] for match in _NUMBERS.finditer(claim.equation)]
    decimals = [len(number.partition(".")[2]) for number in numbers]
    long = [
        0.5 * 10.0**-places / float(number)
        for number, places in zip(numbers, decimals, strict=True)
        if places > _MONEY and float(number)
    ]
    if long and error <= 1.01 * max(long) * max(abs(left), abs(right)):
        return True
    later = numbers[-1] in claim.after and _ROUNDED.search(claim.after)
    if not later and not _ROUNDED.search(claim.sentence):
        return False
    if left.is_integer() and not any(decimals):
        zeros = len(f"{right:.0f}") - len(f"{right:.0f}".rstrip("0"))
        return zeros > 0 and error <= 10**zeros / 2
    return error <= max(10.0 ** -decimals[-1], _SLIGHT * abs(left) if any(decimals) else 0.0)


_MODULUS = re.compile(
    r"\\[pb]?mod(?:ulo)?\s*\{?\s*(\d+)|\bmod(?:ulo)?[ $({\\]{1,3}(\d+)", re.IGNORECASE
)
_DIVIDED = re.compile(
    r"remainder[^.]{0,80}?divided by \$?(\d+)|divided by \$?(\d+)[^.]{0,60}?remainder"
)
_LAST_DIGITS = (
    (re.compile(r"(?:units?|ones|last|final) digit", re.IGNORECASE), 10),
    (re.compile(r"(?:last|final) two digits|tens digit", re.IGNORECASE), 100),
    (re.compile(r"(?:last|final) three digits|hundreds digit", re.IGNORECASE), 1000),
    (re.compile(r"parity|\bbinary\b", re.IGNORECASE), 2),
    (re.compile(r"o['’]clock|\b[ap]\.?m\b\.?", re.IGNORECASE), 12),
)
_CONGRUENT = re.compile(r"\\equiv|≡|congruen|\\[pb]?mod(?![a-z])|\bmodulo\b|modular", re.IGNORECASE)


def _is_congruent(claim: Claim) -> bool:
    """Whether the sides differ by a multiple of a number that the text counts modulo.

    In a text of congruences a fraction or a negative power is an inverse, and is not checked.
    """
    if claim.numbers is None:
        return False
    difference = claim.numbers[0] - claim.numbers[1]
    if abs(difference - round(difference)) > _NEAR:
        inverse = any(sign in claim.equation for sign in ("^{-", "^-", "/"))
        return inverse and bool(_CONGRUENT.search(claim.text))
    found = [int(one or other) for one, other in _MODULUS.findall(claim.text)]
    found += [int(one or other) for one, other in _DIVIDED.findall(claim.text)]
    found += [modulus for said, modulus in _LAST_DIGITS if said.search(claim.text)]
    return any(modulus > 1 and round(difference) % modulus == 0 for modulus in found)


_BASE = re.compile(
    r"\d_\{?\d|\bbase(?:[- ]?\$?\d|[- ]\$?[a-z]\b(?! of)|[- ](?:two|three|four|five|six|seven|eight|nine))|\bbases\b"
)
_SHAPED = re.compile(r"height|triang|area|prism|pyramid|cone", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
_LARGEST_BASE = 16


def _is_in_a_base(claim: Claim) -> bool:
    """Whether it holds for whole numbers in some other base, in a text about bases."""
    text = claim.text
    if "." in claim.equation or not _BASE.search(text) or _SHAPED.search(text):
        return False
    largest = max(map(int, set("".join(_DIGITS.findall(claim.equation)))))
    for base in range(largest + 1, _LARGEST_BASE + 1):
        there = _DIGITS.sub(lambda digits, base=base: str(int(digits[0], base)), claim.equation)
        numbers = Claim(there, sentence="", after="", text="").numbers
        if numbers is not None and abs(numbers[0] - numbers[1]) < _NEAR:
            return True
    return False


_DEFINED = re.compile(r"\b[a-z]\s*(?:\*|\\ast|\\star)\s*[a-z]\s*=")
_LIKE_ONE = re.compile(r"\(?\d+\*\d+\)?(?:\*\d+)?=.*(?:\^|\d\().*")


def _is_an_operation(claim: Claim) -> bool:
    """Whether `*` is an operation that the problem defines: 2 * 6 = 2^6 + 6^2."""
    if "*" not in claim.sentence:
        return False
    return bool(_DEFINED.search(claim.text) or _LIKE_ONE.fullmatch(claim.equation))


_SIZE = re.compile(r"\d\s?[xX]\s?\d+(?:\s?[xX]\s?\d+)?\s+[A-Za-z]")
_SHAPE = re.compile(r"\d+-\d+-\d+=\d+-\d+-\d+")
_CENTS = re.compile(r"\bcents?\b|¢", re.IGNORECASE)


def _is_a_name(claim: Claim) -> bool:
    """Whether numbers are a size or a shape: a 2 x 4 x 10 board, a 3-4-5 triangle."""
    size = re.match(r"\d+(?:\*\d+)+=", claim.equation) and _SIZE.search(claim.sentence)
    return bool(size or _SHAPE.fullmatch(claim.equation))


def _is_in_cents(claim: Claim) -> bool:
    """Whether one side counts dollars and the other cents, in a text that has cents."""
    if claim.numbers is None or not _CENTS.search(claim.text):
        return False
    left, right = claim.numbers
    return abs(left - 100 * right) < _NEAR or abs(100 * left - right) < _NEAR


_REASONS = (
    _is_refuted,
    _is_undefined,
    _is_a_quotient,
    _is_rounded,
    _is_congruent,
    _is_in_a_base,
    _is_an_operation,
    _is_a_name,
    _is_in_cents,
)
