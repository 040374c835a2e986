"""Choose the field of the golds by the rows' values. Under `roles`."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from mathtune.answers import Verdict, compare, extract
from mathtune.data.files import names
from mathtune.data.files.head import Head, Texts, refuse_shape, refuse_two
from mathtune.data.files.paths import MISSING
from mathtune.data.files.texts import is_prose, says_none, verdict
from mathtune.errors import InputError

NEARLY_ALL = 0.95
"""The rows that must agree before a field counts as part, copy or reference of another.
"""
TEXTS_COMPARED = 200
SHORT = 80
"""The longest answer, in characters; longer texts are solutions."""

Golds = list[tuple[str, ...]]
"""The accepted golds of each row."""


def gold_field(head: Head, solution: str) -> str:
    """Return the field of the golds, given the solution's field."""
    columns = {
        path: column
        for path, column in gold_columns(head, exclude=(solution,)).items()
        if not names.is_beside(path, solution)
        if not path.startswith(f"{solution.split('.*')[0]}.") or "." not in path
        or _is_strong(path)
    }  # fmt: skip
    binary = [path for path in columns if _is_label(head.column(path))]
    if len(binary) < len(columns):
        columns = {path: column for path, column in columns.items() if path not in binary}
    if not columns:
        refuse_shape(head, solution)
    strong = [path for path in columns if _is_strong(path)]
    texts = head.texts(solution) or []
    weak = _answers([path for path in columns if path not in strong], columns, texts)
    for group in (strong, [] if strong and not _is_prose(columns[strong[0]]) else weak):
        rival = _rival(group, columns)
        if rival:
            extracted = [path for path in rival if _always_own(texts, columns[path])]
            refuse_two(head, "gold", rival, extracted)
    chosen = _shortest(_as_they_stand(head, strong or weak, columns), columns)
    if strong and weak and _is_prose(columns[chosen]) and not _alike(columns, chosen, weak[0]):
        refuse_two(head, "gold", (chosen, weak[0]), ())
    if strong and _is_prose(columns[chosen]) and weak:
        chosen = _shortest(weak, columns)
    return chosen


def gold_of_problems(head: Head) -> str:
    """Return the gold of a file of problems, whose solutions are references.

    Raises:
        InputError: it has none, or two that differ.
    """
    columns = gold_columns(head, exclude=())
    if not columns and head.paths == ["id", "response"]:  # `{"q0": "18", ...}`
        return "response"
    if not columns:
        shown = ", ".join(head.paths[:30])
        raise InputError(
            f"{head.name}: none of the fields {shown} is known to hold golds; expected rows with "
            "an id or a question, and a gold under a name such as gold or answer."
        )
    strong = [path for path in columns if _is_strong(path)] or list(columns)
    rival = _rival(strong, columns)
    if rival:
        raise InputError(
            f"{head.name}: both '{rival[0]}' and '{rival[1]}' may be the gold, and they differ; "
            "keep one of them."
        )
    return _shortest(strong, columns)


def checked_gold(head: Head, gold: str, solution: str | None) -> str:
    """Return a layout's gold, unless another field with a gold's name disagrees."""
    columns = gold_columns(head, exclude=(solution,) if solution else ())
    if gold not in columns:
        return gold
    others = [
        path
        for path in columns
        if path != gold
        and _is_strong(path) == _is_strong(gold)
        and not _is_label(head.column(path))
    ]
    rival = _rival([gold, *others], columns)
    if rival:
        texts = (head.texts(solution) if solution else None) or []
        refuse_two(head, "gold", rival, [p for p in rival if _always_own(texts, columns[p])])
    return gold


def gold_columns(head: Head, exclude: Sequence[str]) -> dict[str, Golds]:
    """Return the columns that may be golds, by path."""
    found = {}
    for path in head.paths:
        if (
            path in exclude
            or head.offers(path)
            or not (_is_strong(path) or names.is_weak_gold(path))
        ):
            continue
        values = [value for value in head.column(path) if value not in (MISSING, None)]
        if not values or any(isinstance(value, bool) for value in values):
            continue
        if _is_correct(path) and all(verdict(value) is not None for value in values):
            continue
        column = head.golds(path)
        if 2 * sum(map(bool, column)) >= len(column):
            found[path] = column
    return found


def _is_strong(path: str) -> bool:
    return names.is_strong_gold(path) or _is_correct(path)


def _is_correct(path: str) -> bool:
    """Return whether a field may hold verdicts or, as AQuA's, the letter of the right option."""
    return names.leaf(path) == "correct"


def _rival(group: Sequence[str], columns: dict[str, Golds]) -> list[str]:
    """Return the first two fields of a group that disagree."""
    for number, path in enumerate(group):
        for other in group[:number]:
            if not _alike(columns, other, path):
                return [other, path]
    return []


def _answers(group: list[str], columns: dict[str, Golds], texts: Texts) -> list[str]:
    """Return the fields that hold answers, if others hold solutions that mark none.

    All of them if such an answer may be the sample's own.
    """
    short = [path for path in group if not _is_prose(columns[path])]
    if not short or any(_always_own(texts, columns[path]) for path in short):
        return group
    return short


def _alike(columns: dict[str, Golds], one: str, two: str) -> bool:
    """Return whether two fields agree wherever both have an answer.

    A solution that marks no answer has none if others in its field mark theirs.
    """
    both = zip(columns[one], columns[two], strict=True)
    pairs = [(a, b) for a, b in both if a and b and not (says_none(a[0]) or says_none(b[0]))]
    pairs = [(a, b) for a, b in pairs if is_prose(a[0]) == is_prose(b[0])] or pairs
    pairs = pairs[:TEXTS_COMPARED]
    equal = sum(any(_ends_in(x, y) or _ends_in(y, x) for x in a for y in b) for a, b in pairs)
    return equal >= NEARLY_ALL * len(pairs)


def _ends_in(text: str, gold: str) -> bool:
    """Return whether a text is the gold, or holds it among many words or after its last `=`.

    >>> _ends_in("12", "12.0"), _ends_in("It is 3 * 4 = 12.", "12"), _ends_in("3 and 12", "12")
    (True, True, False)
    """
    if text == gold or (len(text) > SHORT and gold in text):
        return True
    if text.rpartition("=")[2].strip(" .$") == gold:
        return True
    return compare(text, gold) is Verdict.correct


def _shortest(group: Sequence[str], columns: dict[str, Golds]) -> str:
    """Return the field with the shortest golds, of fields that agree."""

    def length(path: str) -> tuple[bool, float]:
        firsts = [len(gold[0]) for gold in columns[path] if gold]
        return _is_prose(columns[path]), fmean(firsts) if firsts else 0.0

    return min(group, key=length)


def _as_they_stand(head: Head, group: Sequence[str], columns: dict[str, Golds]) -> list[str]:
    """Return the group, first those fields whose golds are plain answers and not solutions."""

    def read(path: str) -> bool:
        values = zip(head.column(path), columns[path], strict=True)
        return any(isinstance(value, str) and gold and value != gold[0] for value, gold in values)

    return sorted(group, key=read)


def _is_prose(column: Golds) -> bool:
    firsts = [gold[0] for gold in column if gold]
    return 2 * sum(map(is_prose, firsts)) > len(firsts)


def _is_label(values: Sequence[Any]) -> bool:
    """Return whether values are verdicts, 0 and 1, rather than golds."""
    known = [value for value in values if value not in (MISSING, None)]
    flat = [one for value in known for one in (value if isinstance(value, list) else [value])]
    return bool(flat) and all(
        isinstance(one, int | float) and not isinstance(one, bool) and one in (0, 1) for one in flat
    )


def _always_own(texts: Texts, column: Golds) -> bool:
    """Return whether the gold is the sample's own answer in every row; False without `texts`."""
    if not texts:
        return False
    pairs = [(row[0], gold) for row, gold in zip(texts, column, strict=True) if row and gold]
    return len(pairs) > 1 and all(agrees_with(text, gold) for text, gold in pairs[:TEXTS_COMPARED])


def agrees_with(text: str | None, accepted: tuple[str, ...]) -> bool:
    answer = extract(text, rule="auto") if text else None
    if answer is None:
        return False
    return any(
        answer.text == gold or compare(answer.text, gold) is Verdict.correct for gold in accepted
    )
