"""The grader `prm800k`: the verdicts of openai/prm800k's `grade_answer`, without evaluating text.

Two answers agree if a string form of theirs is the same, or if, element by element, their
difference is zero. The original asks sympy for that, on text that it evaluates as Python; here the
difference is taken at fixed points, exactly where it is rational. Its conservative rules are kept:
two fractions must agree as written, an integer only with an integer, and nothing is computed with
more than two unknown letters or with exponents of two digits.
"""

import re

from mathtune.answers.graders.prm800k_expression import (
    Expression,
    has_rounded_root,
    read,
    same_rounded,
)
from mathtune.answers.graders.prm800k_text import (
    plain_form,
    reads_as_integer,
    release_form,
    without_grouping,
)
from mathtune.answers.latex.limits import NotMathError, TooLargeError
from mathtune.answers.values import evaluate as ev
from mathtune.answers.values import numbers
from mathtune.rows.records import Verdict

VERSION = "2"

MAX_TEXT = 2_000
_INTEGER = re.compile(r"-?(?:[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})")
_BRACKETS = "()[]"
_FRACTION = re.compile(r"^-?[0-9]+.?/0*[1-9][0-9]*.?$")
_REFUSED = re.compile(r"\^[{(]|\^[0-9]+\^|\^[0-9][0-9]")
_FLOAT_BITS = 52
_LONG_BITS = 58


def judge(answer: str, gold: str) -> Verdict:
    r"""Return the verdict of the grader `prm800k`. Neither text is blank.

    >>> judge(r"\frac{1}{2}", "0.5")
    <Verdict.correct: 'correct'>
    >>> judge(r"\frac{2}{4}", r"\frac{1}{2}")
    <Verdict.wrong: 'wrong'>
    """
    verdict = quick(answer, gold)
    if verdict is not None:
        return verdict
    if len(answer) > MAX_TEXT or len(gold) > MAX_TEXT:
        return Verdict.undecided
    try:
        with numbers.metered():
            return Verdict.correct if _agree(answer, gold) else Verdict.wrong
    except (TooLargeError, RecursionError):
        return Verdict.undecided


def quick(answer: str, gold: str) -> Verdict | None:
    """Return the verdict on equal texts and on two plain integers, else None."""
    if answer == gold:
        return Verdict.correct
    if _INTEGER.fullmatch(answer) and _INTEGER.fullmatch(gold):
        same = int(answer.replace(",", "")) == int(gold.replace(",", ""))
        return Verdict.correct if same else Verdict.wrong
    return None


def _agree(answer: str, gold: str) -> bool:
    if release_form(answer) == release_form(gold):
        return True
    ours, golds = plain_form(answer), plain_form(gold)
    if ours == golds:
        return True
    if not ours or not golds:
        return False
    elements, wanted = _elements(ours), _elements(golds)
    if len(wanted) != len(elements):
        return False
    if len(wanted) > 1 and (ours[0] != golds[0] or ours[-1] != golds[-1]):
        return False
    return all(_same(ours, golds) for ours, golds in zip(elements, wanted, strict=True))


def _elements(text: str) -> list[str]:
    """Return the members of one bracketed tuple or interval, else the whole text."""
    text = without_grouping(text)
    inner = text[1:-1]
    bracketed = len(text) > 2 and text[0] in _BRACKETS and text[-1] in _BRACKETS
    if bracketed and not any(bracket in inner for bracket in _BRACKETS):
        return [element.strip() for element in inner.split(",")]
    return [text]


def _same(ours: str, golds: str) -> bool:
    if _FRACTION.search(ours) and _FRACTION.search(golds):
        return ours == golds
    if reads_as_integer(ours) != reads_as_integer(golds):
        return False
    both = f"({golds})-({ours})"
    if _unknown_letters(both) > 2 or _REFUSED.search(both):
        return False
    try:
        return _difference_is_zero(read(golds), read(ours))
    except NotMathError:
        return False


def _unknown_letters(text: str) -> int:
    return len({c for c in text.replace("sqrt", "").replace("frac", "") if c.isalpha()})


def _difference_is_zero(golds: Expression, ours: Expression) -> bool:
    long = golds.long or ours.long
    if golds.rounded or ours.rounded or long:
        same = same_rounded(golds.node, ours.node)
        if same is not None:
            return same
        if has_rounded_root(golds.node) != has_rounded_root(ours.node):
            return False
    points = range(ev.POINTS) if ev.symbols(golds.node) | ev.symbols(ours.node) else (0,)
    for point in points:
        left, right = ev.evaluate(golds.node, point), ev.evaluate(ours.node, point)
        if golds.rounded or ours.rounded:
            if not numbers.close(left, right, bits=_LONG_BITS if long else _FLOAT_BITS):
                return False
        elif numbers.value_key(left) != numbers.value_key(right):
            return False
    return True
