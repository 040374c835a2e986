r"""Reasons in a text not to call an equation false: what it refutes, rounds, or counts modulo.

Under `equations.py`, which asks only about equations that do not hold. Each reason needs words in
the text and numbers that fit them; no numbers if the text takes the equation back:

    42 / 8 = 5 with a remainder of 2         5 is the whole part of 42 / 8
    3.85 / 0.75 = 5.13, rounded              5.13 is 5.1333... to its last digit
    8 \cdot 7 = 1 \pmod{11}                  56 - 1 is a multiple of 11
    2 + 2 = 5, which is impossible           the text does not claim it
"""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from math import ceil, floor, isfinite, nan

from mathtune.paths.arithmetic import NoExpressionError, evaluate
from mathtune.paths.refutations import FARTHEST, has, is_refuted, words
from mathtune.paths.subjects import Subjects
from mathtune.paths.tokens import tokenized

_NEAR = 1e-6


class Claim:
    """An equation that does not hold, in the sentence that states it.

    `after`: the next sentence that is more than a formula.
    """

    def __init__(self, equation: str, *, sentence: str, after: str, subjects: Subjects) -> None:
        self.equation, self.subjects = equation, subjects
        self.sentence, self.after = sentence, after

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

    def says(self, sought: re.Pattern[str]) -> bool:
        """Return whether the sentence, or the next one with words, has such words."""
        return has(sought, self.sentence) or has(sought, self.after)


def _value(side: str) -> float | None:
    try:
        return evaluate(tokenized(side))
    except NoExpressionError:
        return nan


def is_doubtful(claim: Claim) -> bool:
    """Decide whether the text gives a reason not to call the equation false.

    Example:
        >>> plain = Subjects("")
        >>> is_doubtful(Claim("7/3=2.33", sentence="7 / 3 = 2.33", after="", subjects=plain))
        False
        >>> is_doubtful(Claim("7/3=2.33", sentence="About 7 / 3 = 2.33", after="", subjects=plain))
        True
    """
    return any(reason(claim) for reason in _REASONS)


def _is_refuted(claim: Claim) -> bool:
    """Return whether the text retracts or questions the equation."""
    return is_refuted(claim.sentence, claim.after)


def _is_undefined(claim: Claim) -> bool:
    """Return whether both sides divide by zero, or the text speaks of a division by zero."""
    missing = claim.values.count(None)
    return missing == 2 or (missing == 1 and claim.subjects.divides_by_zero)


_REMAINDER = words(
    r"remainder|\brem\b|left ?-?over|\bleft\b|quotient|\bwhole\b|\bfull\b|complete|floor|ceil"
    r"|\bround(?:ed|ing|s)? (?:\w+ )?(?:up|down|off|to)\b|integer|at most|at least|greatest|largest"
    r"|\bR ?=? ?\d|\bgoes into\b|entire|divid\w+ evenly"
)


def _is_a_quotient(claim: Claim) -> bool:
    """Return whether the right side is the whole part of a division, or the division written out.

    17 / 5 = 3 remainder 2; 17 / 5 = 3, since 3 * 5 = 15; 17 / 5 = 3 * 5 + 2; 4 / 5 = 0.
    """
    over, sign, divisor = claim.equation.partition("=")[0].rpartition("/")
    if not sign or claim.numbers is None:
        return False
    left, right = claim.numbers
    if over.strip("()") == f"{right:g}" or (right == 0 < left < 1):
        return True
    divisor = divisor.strip("()")
    if right == floor(left) and claim.says(_product(divisor, f"{right:g}")):
        return True
    if divisor.isdecimal() and right == floor(left):
        rest = round((left - right) * int(divisor))
        if has(_followed_by(f"{right:g}", f"{rest}"), claim.sentence):
            return True
    return right in (floor(left), ceil(left)) and claim.says(_REMAINDER)


@lru_cache(maxsize=1 << 8)
def _product(one: str, other: str) -> re.Pattern[str]:
    """Return the pattern of a product, in either order: 160 \\times 3."""
    times = r"\s*(?:\\times|\\cdot|[*×·x])\s*"
    one, other = re.escape(one), re.escape(other)
    return re.compile(rf"(?<![\d.])(?:{one}{times}{other}|{other}{times}{one})(?![\d.]*\d)")


@lru_cache(maxsize=1 << 8)
def _followed_by(quotient: str, rest: str) -> re.Pattern[str]:
    """Return the pattern of a quotient and its remainder, a number by itself: 1 hour 15 minutes."""
    alone = r"(?![\d.,]*\d)(?!\s*[-+*/^=×÷%]|\s*\\(?:times|cdot|div))"
    between = r"[^\d=+*/^]{1,40}"
    return re.compile(rf"=\s*\$?{quotient}\b{between}(?<![-.$]){rest}{alone}")


_ROUNDED = words(
    r"nearest|\brounded\b|\bround(?:ing|s)? (?:\w+ )?(?:up|down|off|to)\b|approx|\babout\b|roughly"
    r"|≈|\\sim(?![A-Za-z])|repeating|recurring|estimate|decimal|significant|almost"
    r"|[<>≤≥]|\\[lg](?:eq?|t)(?![A-Za-z])"
)
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")
_MONEY = 2
"""Decimals that an exact sum of money has."""
_SLIGHT = 0.005
"""The relative error allowed for results that are computed from rounded numbers."""


def _is_rounded(claim: Claim) -> bool:
    """Return whether the text rounds this number and the sides agree to its digits.

    A result computed from decimals of three places or more, as 60 * 0.0833, needs no words, nor
    does a root or a power: 50^(1/2) = 7.07 has no other decimals, and nobody writes 1.05^9 out.
    """
    if claim.numbers is None:
        return False
    left, right = claim.numbers
    error = abs(left - right)
    numbers = [match[0] for match in _NUMBERS.finditer(claim.equation)]
    decimals = [len(number.partition(".")[2]) for number in numbers]
    rounded = [
        0.5 * 10.0**-places / float(number)
        for number, places in zip(numbers, decimals, strict=True)
        if places > _MONEY and float(number)
    ]
    if rounded and error <= 1.01 * max(rounded) * max(abs(left), abs(right)):
        return True
    if decimals[-1] and "^" in claim.equation and error <= 0.51 * 10.0 ** -decimals[-1]:
        return True
    later = numbers[-1] in claim.after and has(_ROUNDED, claim.after)
    if not later and not has(_ROUNDED, claim.sentence):
        return False
    if left.is_integer() and not any(decimals):
        zeros = len(f"{right:.0f}") - len(f"{right:.0f}".rstrip("0"))
        return zeros > 0 and error <= 10**zeros / 2
    return error <= max(10.0 ** -decimals[-1], _SLIGHT * abs(left) if any(decimals) else 0.0)


def _is_congruent(claim: Claim) -> bool:
    """Return whether the sides differ by a multiple of a number that the text counts modulo.

    In a text of congruences a fraction or a negative power is an inverse, and is not checked.
    """
    if claim.numbers is None:
        return False
    difference = claim.numbers[0] - claim.numbers[1]
    if abs(difference - round(difference)) > _NEAR:
        inverse = any(sign in claim.equation for sign in ("^{-", "^-", "/"))
        return inverse and claim.subjects.has_congruences
    return any(round(difference) % modulus == 0 for modulus in claim.subjects.moduli)


_DIGITS = re.compile(r"\d+")
_BINARY = re.compile(r"\b[01]{5,}\b")
_LARGEST_BASE = 16


def _is_in_a_base(claim: Claim) -> bool:
    """Return whether it holds in some other base, for whole numbers in a text about bases.

    Long numbers of 0 and 1 may be binary anywhere.
    """
    if "." in claim.equation:
        return False
    if _BINARY.search(claim.equation) and _holds(_in_base(claim.equation, _BINARY, 2)):
        return True
    if not claim.subjects.has_bases:
        return False
    largest = max(map(int, set("".join(_DIGITS.findall(claim.equation)))))
    bases = range(max(2, largest + 1), _LARGEST_BASE + 1)
    return any(_holds(_in_base(claim.equation, _DIGITS, base)) for base in bases)


def _in_base(equation: str, numbers: re.Pattern[str], base: int) -> str:
    """Return the equation with these of its numbers converted from a base to decimal."""
    return numbers.sub(lambda digits: str(int(digits[0], base)), equation)


def _holds(equation: str) -> bool:
    left, right = map(_value, equation.split("="))
    return left is not None and right is not None and abs(left - right) < _NEAR


_SIGN_OF_A_POWER = re.compile(r"(?<![\d)])-(\d+(?:\.\d+)?)\^")


def _is_a_power_of_a_negative(claim: Claim) -> bool:
    """Return whether it holds with the sign inside the power: some write -1^2 = 1."""
    inside = _SIGN_OF_A_POWER.sub(r"(-\1)^", claim.equation)
    return inside != claim.equation and _holds(inside)


def _begins_with_a_sign(claim: Claim) -> bool:
    """Return whether the dash that begins its line is a sign, not a list item: - 3 + 5 = 2."""
    return claim.sentence.lstrip().startswith("-") and _holds(f"-{claim.equation}")


_LIKE_A_DEFINITION = re.compile(r"\(?\d+\*\d+\)?(?:\*\d+)?=.*(?:\^|\d\().*")


def _is_an_operation(claim: Claim) -> bool:
    """Return whether `*` is an operation that the problem defines: 2 * 6 = 2^6 + 6^2."""
    if "*" not in claim.sentence:
        return False
    return claim.subjects.defines_star or bool(_LIKE_A_DEFINITION.fullmatch(claim.equation))


_SIZE = re.compile(r"\d\s?[xX]\s?\d+(?:\s?[xX]\s?\d+)?\s+(?![xX]\s?\d)[A-Za-z]")
_PRODUCT = re.compile(r"\d+(?:\*\d+)+=")
_SHAPE = re.compile(r"\d+-\d+-\d+=\d+-\d+-\d+")


def _is_a_name(claim: Claim) -> bool:
    """Return whether numbers name a size or a shape: a 2 x 4 x 10 board, a 3-4-5 triangle."""
    if _PRODUCT.match(claim.equation):
        return has(_SIZE, claim.sentence)
    return bool(_SHAPE.fullmatch(claim.equation))


_MEASURES = (
    "pound|lb|ounce|oz|gram|kilogram|kg|ton",
    "inch|feet|foot|ft|yard|mile|meter|metre|cm|km|mm",
    "second|minute|hour|day|week|month|year",
    "cup|pint|quart|gallon|liter|litre|ml",
)
_TWO_MEASURES = tuple(
    words(rf"\b({units})(?:e?s)?\b[^.]*?\b(?!\1(?:e?s)?\b)(?:{units})(?:e?s)?\b")
    for units in _MEASURES
)
_SUM = re.compile(r"\d[\s)]*[-+]")


def _is_of_two_measures(claim: Claim) -> bool:
    """Return whether it mixes two units of one measure: 4 pounds - 6 ounces = 58 ounces."""
    if not _SUM.search(claim.equation) or "*" in claim.equation or "/" in claim.equation:
        return False
    return any(has(two, claim.sentence[:FARTHEST]) for two in _TWO_MEASURES)


def _is_in_cents(claim: Claim) -> bool:
    """Return whether one side counts dollars and the other cents, in a text that has cents."""
    if claim.numbers is None or not claim.subjects.has_cents:
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
    _is_a_power_of_a_negative,
    _begins_with_a_sign,
    _is_an_operation,
    _is_a_name,
    _is_of_two_measures,
    _is_in_cents,
)
