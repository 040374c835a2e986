r"""The grader `math`: would a reader accept an answer, given this gold?

It starts from the equivalence relation and then forgives what one side leaves out or writes in
another way: a unit, a percent or degree sign, a base, a label, a qualifier, a sentence around one
number. It never forgives a rounded value, another base, unit, variable, bracket or order, or a list
with a member too few or too many. An answer or a value beyond the limits is `undecided`.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from mathtune.answers import marks
from mathtune.answers.graders import cjk, constants, qualifiers, unit_words
from mathtune.answers.graders.forgiveness import (
    Agreement,
    agreement,
    beyond_keys,
    has_marks,
)
from mathtune.answers.graders.quantities import may_hold_unit_letters, with_units
from mathtune.answers.graders.wording import (
    chain_end,
    choice,
    choice_label,
    choices,
    is_sentence,
    readings,
    same_words,
    without_label,
)
from mathtune.answers.latex.clean import halved, unwrapped
from mathtune.answers.latex.limits import NotMathError, TooLargeError
from mathtune.answers.latex.nodes import Node
from mathtune.answers.latex.parse import parse
from mathtune.answers.values import numbers
from mathtune.answers.values.fast_path import exact_number
from mathtune.answers.values.keys import Key, canonical_key, node_key
from mathtune.rows.records import Verdict

VERSION = "5"


class Judgement(NamedTuple):
    """A verdict; if correct, what was forgiven, by name."""

    verdict: Verdict
    forgiven: frozenset[str] = frozenset()


def judge(answer: str, gold: str) -> Verdict:
    r"""Return the verdict of the grader `math`. Neither text is blank.

    >>> judge(r"x = 25\%", "25")
    <Verdict.correct: 'correct'>
    >>> judge("(1, 2]", "(1, 2)")
    <Verdict.wrong: 'wrong'>
    """
    verdict = quick(answer, gold)
    return judged(answer, gold).verdict if verdict is None else verdict


def quick(answer: str, gold: str) -> Verdict | None:
    """Return the verdict on equal texts and on two plain numbers or fractions, else None."""
    if answer == gold:
        return Verdict.correct
    ours = exact_number(answer)
    golds = None if ours is None else exact_number(gold)
    if ours is None or golds is None:
        return None
    return Verdict.correct if ours == golds else Verdict.wrong


def judged(answer: str, gold: str) -> Judgement:
    """Return the verdict and what was forgiven."""
    if len(answer) + len(gold) > _REMEMBERED:
        return _judged(answer, gold)
    return _judged_before(answer, gold)


_REMEMBERED = 400
"""The longest pair, in characters, whose judgement is kept: votes and samples repeat pairs."""


@lru_cache(maxsize=20_000)
def _judged_before(answer: str, gold: str) -> Judgement:
    return _judged(answer, gold)


def _judged(answer: str, gold: str) -> Judgement:
    ours, golds = canonical_key(answer), canonical_key(gold)
    if ours == golds:
        return Judgement(Verdict.correct)
    try:
        with numbers.metered():
            found = _accepted(answer, gold)
            if found is not None:
                return Judgement(Verdict.correct, found)
    except (TooLargeError, RecursionError):
        return Judgement(Verdict.undecided)
    large = any(isinstance(key, tuple) and key[0] == "large" for key in (ours, golds))
    return Judgement(Verdict.undecided if large else Verdict.wrong)


def _accepted(written: str, wanted: str) -> Agreement:
    answer, gold = unwrapped(written), unwrapped(wanted)
    labels = choice_label(answer), choice_label(gold)
    if labels[0] and labels[1] and labels[0][0] != labels[1][0]:
        return None
    if labels != (None, None):
        found = _by_choice(answer, gold, *labels)
        if found is not None:
            return found
    found = _compared(
        answer, gold, beyond_keys if (answer, gold) == (written, wanted) else agreement
    )
    if found is not None:
        return found
    for read in (without_label, _boxed):
        found = _by_reading(answer, gold, read)
        if found is not None:
            return found
    for reread in _REREAD:
        found = reread(answer, gold)
        if found is not None:
            return found
    return None


def _compared(
    answer: str, gold: str, agree: Callable[[Node, Node], Agreement] = agreement
) -> Agreement:
    """Compare two texts as they are, with letters as units, as words, and as a sentence."""
    ours, golds = _tree(answer), _tree(gold)
    if ours is not None and golds is not None:
        found = agree(ours, golds)
        if found is None:
            found = _as_quantities(answer, gold, ours, golds)
        if found is not None:
            return found
    if same_words(answer, gold) or (choices(gold) and choices(answer) == choices(gold)):
        return frozenset(("the same words",))
    if golds is None and (end := chain_end(gold)):
        return _compared(answer, end)
    if golds is None or golds[0] == "rel":
        return None
    # Short words may read as products of variables: `It is 5`. With two units they decide.
    both = ours is not None and ours[0] == "unit" and (golds[0] == "unit" or has_marks(golds))
    if both or (ours is not None and not is_sentence(answer)):
        return None
    for reading in readings(answer):
        tree = _tree(reading)
        found = None if tree is None else agreement(tree, golds)
        if found is not None:
            return found | {"the one value in a sentence"}
    return None


def _as_quantities(answer: str, gold: str, ours: Node, golds: Node) -> Agreement:
    measured = (
        with_units(ours) if may_hold_unit_letters(answer, glued=True) else ours,
        with_units(golds) if may_hold_unit_letters(gold, glued=False) else golds,
    )
    return None if measured == (ours, golds) else agreement(*measured)


def _by_reading(answer: str, gold: str, read: Callable[[str], str]) -> Agreement:
    """Compare what `read` takes out of the two texts, if it leaves out a part of either."""
    ours, golds = read(answer), read(gold)
    return None if (ours, golds) == (answer, gold) else _compared(ours, golds)


def _boxed(text: str) -> str:
    """Return the boxed text, if the text is more than one box; any other text as it is."""
    if "boxed" not in text and "fbox" not in text:
        return text
    text = halved(text)
    mark = marks.boxed(text)
    if mark is None or not mark.answer or not _AROUND_BOXES.fullmatch(marks.without_boxes(text)):
        return text
    return mark.answer


# Words, spaces and separators; `-\boxed{5}` and `\boxed{5}^2` are not what is in the box. Atomic:
# a long word could be split into shorter ones in exponentially many ways.
_AROUND_BOXES = re.compile(
    r"(?!.*\b(?:not|no|never|wrong)\b)(?>\\(?:text|mathrm|textbf)\s*\{[^{}]*\}|[A-Za-z]{2,}"
    r"|[-+*=_~#]{3,}|[\s.,:;$*]|\\[()\[\],;:! ]|\\q?quad(?![a-z])"
    r"|\b[A-Za-z](?:_\w|_\{\w+\})?\s*=)*+"
)
SAME_FAMILY = frozenset(("the same family of values",))
_LONGEST_CORE = 30
_INEQUALITY = re.compile(r"[<>≤≥]|\\(?:leq?|geq?|lt|gt)(?![a-z])")


def _by_qualifier(answer: str, gold: str) -> Agreement:
    (core, said), (gold_core, gold_said) = qualifiers.split(answer), qualifiers.split(gold)
    if not said and not gold_said:
        return _same_turns(answer, gold) if "\\" in answer and "=" in gold else None
    bounded = bool(_INEQUALITY.search(core) or _INEQUALITY.search(gold_core))
    if not qualifiers.compatible(said, gold_said, bounded=bounded):
        return None
    if len(core) > _LONGEST_CORE and _tree(core) is None:
        return None  # a sentence, which was read as a whole
    found = _compared(core, gold_core)
    if found is None and qualifiers.says_integer(said + gold_said):
        ours, golds = _tree(core), _tree(gold_core)
        if ours is not None and golds is not None and qualifiers.same_family(ours, golds):
            return SAME_FAMILY
    return None if found is None else found | {"qualifier forgiven"}


def _same_turns(answer: str, gold: str) -> Agreement:
    r"""Compare `x = 30^\circ + 360^\circ k` with its like in another letter for the turns."""
    if not (qualifiers.is_turns(answer) and qualifiers.is_turns(gold)):
        return None
    ours, golds = _tree(answer), _tree(gold)
    if ours is None or golds is None or not ours[0] == golds[0] == "rel":
        return None
    return SAME_FAMILY if qualifiers.same_family(ours, golds) else None


def _by_choice(
    answer: str, gold: str, ours: tuple[str, str] | None, golds: tuple[str, str] | None
) -> Agreement:
    """Compare two texts of which one has the letter of a choice, with these `choice_label`s."""
    if (ours is None) == (golds is None):
        return None
    letter = golds[0] if golds else gold
    if same_words(answer, letter) and choice(letter):
        return frozenset(("the choice by its letter",))
    found = _compared(ours[1] if ours else answer, golds[1] if golds else gold)
    return None if found is None else found | {"letter of the choice forgiven"}


def _by_remark(answer: str, gold: str) -> Agreement:
    cores = qualifiers.without_remark(answer), qualifiers.without_remark(gold)
    if cores == (None, None):
        return None
    found = _compared(cores[0] or answer, cores[1] or gold)
    return None if found is None else found | {"remark forgiven"}


_TRIPLES = re.compile(r"\s*[1-9][0-9]{2}(?:,[1-9][0-9]{2})+\s*")


def _by_commas(answer: str, gold: str) -> Agreement:
    """Read `100,200,300` as a list if the other side is one; otherwise it is a number."""
    if _TRIPLES.fullmatch(answer) and ", " in gold:
        return _compared(answer.replace(",", ", "), gold)
    if _TRIPLES.fullmatch(gold) and ", " in answer:
        return _compared(answer, gold.replace(",", ", "))
    return None


_END_POINT = r"[^()\[\],;]{1,60}"
_BOUND = re.compile(r"\\left|\\right|\s+")
_UNBOUNDED = rf"(?:[(\[]-(?:\\infty|∞),{_END_POINT}[)\]]|[(\[]{_END_POINT},\+?(?:\\infty|∞)[)\]])"
_INTERVALS = re.compile(
    rf"{_UNBOUNDED}(?:(?:,|;|and|or|\\(?:text|mbox)\{{,?(?:and|or)\}}){_UNBOUNDED})+"
)
_BETWEEN = re.compile(r"(?<=[)\]])[^()\[\]]+(?=[(\[])")


def _by_intervals(answer: str, gold: str) -> Agreement:
    r"""Compare `(-\infty, 1), (3, \infty)` with the union: points have no infinite coordinate."""
    ours, golds = (_BOUND.sub("", text.replace("$", "")) for text in (answer, gold))
    listed = [_INTERVALS.fullmatch(text) is not None for text in (ours, golds)]
    if listed in ([False, False], [True, True]):
        return None
    ours, golds = (_BETWEEN.sub(r"\\cup ", text) for text in (ours, golds))
    return _compared(ours, golds)


def _without_words(answer: str, gold: str) -> Agreement:
    """Compare without Chinese, Japanese or Korean words; two different units are different."""
    ours, golds = cjk.in_signs(answer), cjk.in_signs(gold)
    if ours is None and golds is None:
        return None
    (text, unit), (gold_text, gold_unit) = ours or (answer, ""), golds or (gold, "")
    if unit and gold_unit and unit != gold_unit:
        return None
    if (unit and _has_unit(gold_text)) or (gold_unit and _has_unit(text)):
        return None
    found = _compared(text, gold_text)
    return None if found is None else found | {"words forgiven"}


def _by_unit(answer: str, gold: str) -> Agreement:
    """Compare `9 (apples)` and `10 years old` as quantities."""
    ours, golds = unit_words.worded(answer), unit_words.worded(gold)
    if ours is None and golds is None:
        return None
    if ours and golds and unit_words.one_names_the_other(ours[1], golds[1]):
        return _compared(ours[0], golds[0])
    return _compared(
        answer if ours is None else unit_words.in_text(*ours),
        gold if golds is None else unit_words.in_text(*golds),
    )


def _by_constant(answer: str, gold: str) -> Agreement:
    """Compare antiderivatives whose constants have different names."""
    both = constants.with_one_name(answer, gold)
    found = None if both is None else _compared(*both)
    return None if found is None else found | {"name of the constant"}


_REREAD = (
    _by_qualifier,
    _by_remark,
    _by_commas,
    _by_intervals,
    _without_words,
    _by_unit,
    _by_constant,
)


def _has_unit(text: str) -> bool:
    tree = _tree(text)
    return tree is None or tree[0] == "unit" or with_units(tree)[0] == "unit"


def measured_key(text: str) -> Key:
    """Return the key of an answer whose letters behind a number are read as units, as in `5 m`."""
    if may_hold_unit_letters(text, glued=False):
        try:
            with numbers.metered():
                return node_key(with_units(parse(text)))
        except (NotMathError, TooLargeError, RecursionError):
            pass
    return canonical_key(text)


def _tree(text: str) -> Node | None:
    try:
        return parse(text)
    except NotMathError:
        return None
