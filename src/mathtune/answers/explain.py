r"""Say in one line why an answer is judged as it is. On top of the graders."""

import re
from fractions import Fraction

from mathtune.answers.graders import mathematical
from mathtune.answers.graders.table import Grader, compare
from mathtune.answers.graders.wording import choice
from mathtune.answers.values.keys import Key, canonical_key
from mathtune.rows.records import Verdict

_SHOWN = 60
_DOLLARS = re.compile(r"^\$+|(?<!\\)\$+$")
_DEGREES = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ)")
_KINDS = {
    "expression": "the same expression",
    "equation": "the same equation up to a factor",
    "labelled": "the same value of the same variable",
    "chain": "the same chain of values",
    "region": "the same set of values",
    "inequality": "the same inequality",
    "union": "the same set of numbers",
    "bag": "the same members in any order",
    "tuple": "the same members in order",
    "matrix": "the same matrix",
    "unit": "the same quantity",
    "base": "the same digits in the same base",
    "ratio": "the same ratio",
    "clock": "the same time",
    "congruent": "the same residue class",
    "point": "the same point",
    "text": "the same words",
    "infinity": "the same value",
}


def explain(given: str | None, gold: str, *, grader: Grader = "math") -> str:
    r"""Say in one line why `given` is judged as it is against `gold`. Never raises on any string.

    >>> explain(r"36^\circ", "36")
    'equal: 36° and 36, unit forgiven'
    >>> explain("0.5", r"\frac{1}{2}")
    'equal: 0.5 and \\frac{1}{2}, the same number'
    >>> explain("5 m", "5 cm")
    'different: 5 m and 5 cm, the units make it 5 against 1/20'
    >>> explain(None, "36")
    'no answer: nothing to compare with 36'
    """
    verdict = compare(given, gold, grader=grader)
    if verdict is Verdict.no_answer or given is None:
        return f"no answer: nothing to compare with {_shown(gold)}"
    if not gold.strip():
        return f"undecided: there is no gold to compare {_shown(given)} with"
    both = f"{_shown(given)} and {_shown(gold)}"
    if grader != "math":
        word = {Verdict.correct: "equal", Verdict.wrong: "different"}.get(verdict, "undecided")
        return f"{word}: {both}, by {grader}"
    if verdict is Verdict.correct:
        return f"equal: {both}, {_likeness(given, gold)}"
    if verdict is Verdict.undecided:
        return f"undecided: {both}, beyond the limits of what is computed"
    return f"different: {both}, {_difference(given, gold)}"


def _shown(text: str) -> str:
    """Return the text on one line, in plain signs, not too long."""
    text = " ".join(_DEGREES.sub("°", _DOLLARS.sub("", text.strip())).split())
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _likeness(given: str, gold: str) -> str:
    if given == gold:
        return "the same text"
    forgiven = mathematical.judged(given, gold).forgiven
    if forgiven:
        return ", ".join(sorted(forgiven))
    key = canonical_key(gold)
    if isinstance(key, tuple) and key and isinstance(key[0], str):
        return _KINDS.get(key[0], "the same value")
    return "the same number" if isinstance(key, Fraction) else "the same value"


def _difference(given: str, gold: str) -> str:
    choices = choice(given), choice(gold)
    if None not in choices and choices[0] != choices[1]:
        return f"choice {choices[0]} is not choice {choices[1]}"
    ours, golds = mathematical.measured_key(given), mathematical.measured_key(gold)
    if isinstance(ours, Fraction) and isinstance(golds, Fraction):
        return f"{_number(ours)} is not {_number(golds)}"
    kinds = [_kind(key) for key in (ours, golds)]
    if kinds == ["unit", "unit"]:
        assert isinstance(ours, tuple)
        assert isinstance(golds, tuple)
        if ours[2] != golds[2]:
            return "the units do not fit together"
        if isinstance(ours[1], Fraction) and isinstance(golds[1], Fraction):
            return f"the units make it {_number(ours[1])} against {_number(golds[1])}"
    if kinds[0] != kinds[1]:
        return f"{_NAMES.get(kinds[0], 'a number')} is not {_NAMES.get(kinds[1], 'a number')}"
    return f"not the same {_NAMES.get(kinds[0], 'number').removeprefix('a ').removeprefix('an ')}"


_NAMES = {
    "expression": "an expression",
    "equation": "an equation",
    "labelled": "a value of a variable",
    "chain": "a chain of values",
    "region": "a set of values",
    "inequality": "an inequality",
    "union": "a set of numbers",
    "bag": "a list",
    "tuple": "a tuple or interval",
    "matrix": "a matrix",
    "unit": "a quantity",
    "base": "a number in a base",
    "ratio": "a ratio",
    "clock": "a time",
    "congruent": "a residue class",
    "point": "a point",
    "text": "a text",
    "large": "a text beyond the limits",
}


def _kind(key: Key) -> str:
    return key[0] if isinstance(key, tuple) and key and isinstance(key[0], str) else "number"


def _number(value: Fraction) -> str:
    """Return a fraction in few digits."""
    if abs(value.numerator) < 10**9 and value.denominator < 10**9:
        return str(value)
    return f"{float(value):.12g}" if abs(value) < 10**300 else "a large number"
