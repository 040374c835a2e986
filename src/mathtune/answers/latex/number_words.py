"""Numbers that are written as words: `twenty-five`, `one-third`, `two and a half`."""

import re
from fractions import Fraction

_COUNTED = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty"
)
_SMALL = {word: value for value, word in enumerate(_COUNTED.split())} | {
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_NUMBER_WORDS = _SMALL | {"hundred": 100}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {
    "half": 2, "third": 3, "fourth": 4, "quarter": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "fifteenth": 15,
    "sixteenth": 16, "twentieth": 20, "hundredth": 100, "thousandth": 1_000,
}  # fmt: skip
_WORD = re.compile(r"[A-Za-z]+")
_GAP = re.compile(r"(?:\s*-\s*|\s+)(?=[A-Za-z])")
_LEADING = re.compile(r"\s*(minus|negative)\s+", re.I)
FIRST_WORDS = frozenset(_NUMBER_WORDS) | {"a", "an", "half", "minus", "negative"}


def number_word(word: str) -> int | None:
    """Return the value of a written number up to a hundred, else None.

    >>> number_word("Four"), number_word("ford")
    (4, None)
    """
    return _NUMBER_WORDS.get(word.lower())


def joined_number(tens: int, word: str) -> int | None:
    """Return 25 for `twenty` and `five`; None for any other pair.

    >>> joined_number(20, "five"), joined_number(25, "five")
    (25, None)
    """
    ones = number_word(word)
    if ones is None or not 0 < ones < 10 or tens not in range(20, 100, 10):
        return None
    return tens + ones


def in_digits(text: str) -> str:
    r"""Write a number at the start of the text in digits; return any other text unchanged.

    >>> in_digits("one-third of it"), in_digits("two and a half"), in_digits("third")
    ('\\frac{1}{3} of it', '\\frac{5}{2}', 'third')
    """
    sign = _LEADING.match(text)
    start = sign.end() if sign else 0
    words, ends = _words(text, start)
    value, used = _mixed(words)
    if value is None:
        return text
    written = (
        str(value)
        if value.denominator == 1
        else f"\\frac{{{value.numerator}}}{{{value.denominator}}}"
    )
    return ("-" if sign else "") + written + text[ends[used - 1] :]


def _words(text: str, start: int) -> tuple[list[str], list[int]]:
    """Return the words from `start` in lower case, with their ends, up to the first non-word."""
    words: list[str] = []
    ends: list[int] = []
    match = _WORD.match(text, start)
    while match is not None and len(words) < 20:
        words.append(match.group().lower())
        ends.append(match.end())
        gap = _GAP.match(text, match.end())
        match = _WORD.match(text, gap.end()) if gap else None
    return words, ends


def _mixed(words: list[str]) -> tuple[Fraction | None, int]:
    """Return a number, a fraction, or both with `and` between, and the number of words it takes."""
    if not words:
        return None, 0
    part = _part(words, 0)
    if part is not None:
        return part
    whole, at = _cardinal(words, 0)
    if whole is None:
        return None, 0
    if at + 1 < len(words) and words[at] == "and":
        rest = _part(words, at + 1)
        if rest is not None:
            return whole + rest[0], rest[1]
    return Fraction(whole), at


def _part(words: list[str], at: int) -> tuple[Fraction, int] | None:
    """Read `half`, `a third`, `three quarters`; None for anything else."""
    if words[at] == "half":
        return Fraction(1, 2), at + (2 if words[at + 1 : at + 2] == ["a"] else 1)
    top, after = (1, at + 1) if words[at] in ("a", "an") else _cardinal(words, at)
    if top is None or after >= len(words):
        return None
    name = words[after]
    name = "half" if name == "halves" else name.removesuffix("s")
    return (Fraction(top, _PARTS[name]), after + 1) if name in _PARTS else None


def _cardinal(words: list[str], at: int) -> tuple[int | None, int]:
    """Return the whole number that begins at a word, and the position after it."""
    total: int = 0
    group: int | None = None
    last = 10**15
    while at < len(words):
        word = words[at]
        if word in _SMALL:
            small = _SMALL[word]
            tens = (group or 0) % 100
            if (
                group is not None
                and not (tens == 0 and group)
                and not (0 < small < 10 and tens in range(20, 100, 10))
            ):
                break
            group = (group or 0) + small
        elif word == "hundred" and group is not None and 0 < group < 100:
            group *= 100
        elif word in _SCALES and group and _SCALES[word] < last:
            last = _SCALES[word]
            total, group = total + group * last, None
        elif (
            word == "and"
            and at + 1 < len(words)
            and words[at + 1] in _SMALL
            and ((group and group % 100 == 0) or (total and group is None))
            and _part(words, at + 1) is None
        ):
            pass
        else:
            break
        at += 1
    if group is None and not total:
        return None, 0
    return total + (group or 0), at
