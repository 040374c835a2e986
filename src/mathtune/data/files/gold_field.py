"""Choose the field of the golds by what the rows hold. Under `roles`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mathtune.answers import Verdict, compare, extract
from mathtune.data.files import names
from mathtune.data.files.head import Head, refuse_shape, refuse_two
from mathtune.data.files.paths import MISSING
from mathtune.data.files.texts import is_prose
from mathtune.errors import InputError

NEARLY_ALL = 0.95
"""So many rows must agree before a field is taken for part, copy or reference of another."""
TEXTS_COMPARED = 200
SHORT = 80
"""Characters of an answer, at most; longer texts are solutions."""

Golds = list[tuple[str, ...]]
"""The accepted golds of each row."""


def gold_field(head: Head, solution: str) -> str:
    """Return the field of the golds, beside this solution."""
    columns = {
        path: column
        for path, column in gold_columns(head, exclude=(solution,)).items()
        if not path.startswith(f"{solution.split('.*')[0]}.") or "." not in path
        or names.is_strong_gold(path)
    }  # fmt: skip
    binary = [path for path in columns if _is_label(head.column(path))]
    if len(binary) < len(columns):
        columns = {path: column for path, column in columns.items() if path not in binary}
    if not columns:
        refuse_shape(head, solution)
    strong = [path for path in columns if names.is_strong_gold(path)]
    weak = [path for path in columns if path not in strong]
    texts = head.texts(solution) or []
    for group in (strong, weak):
        rival = _rival(group, columns)
        if rival:
            own = [path for path in rival if _always_own(texts, columns[path])]
            refuse_two(head, "gold", rival, own)
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
    if not columns:
        shown = ", ".join(head.paths[:30])
        raise InputError(f"{head.name}: none of the fields {shown} is known to hold golds.")
    strong = [path for path in columns if names.is_strong_gold(path)] or list(columns)
    rival = _rival(strong, columns)
    if rival:
        raise InputError(
            f"{head.name}: both '{rival[0]}' and '{rival[1]}' may be the gold, and they differ; "
            "keep one of them."
        )
    return _shortest(strong, columns)


def checked_gold(head: Head, gold: str, solution: str | None) -> str:
    """Return a layout's gold, unless another field with a gold's name says something else."""
    columns = gold_columns(head, exclude=(solution,) if solution else ())
    if gold not in columns:
        return gold
    others = [
        path
        for path in columns
        if path != gold
        and names.is_strong_gold(path) == names.is_strong_gold(gold)
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
        if path in exclude or not (names.is_strong_gold(path) or names.is_weak_gold(path)):
            continue
        values = [value for value in head.column(path) if value not in (MISSING, None)]
        if not values or any(isinstance(value, bool) for value in values):
            continue
        column = head.golds(path)
        if 2 * sum(map(bool, column)) >= len(column):
            found[path] = column
    return found


def _rival(group: Sequence[str], columns: dict[str, Golds]) -> list[str]:
    """Return the first two fields of a group that do not say the same."""
    for number, path in enumerate(group):
        for other in group[:number]:
            if not _alike(columns, other, path):
                return [other, path]
    return []


def _alike(columns: dict[str, Golds], one: str, two: str) -> bool:
    pairs = [(a, b) for a, b in zip(columns[one], columns[two], strict=True) if a and b]
    equal = 0
    for a, b in pairs[:TEXTS_COMPARED]:
        equal += any(
            x == y or compare(x, y) is Verdict.correct or (len(x) > SHORT and y in x)
            or (len(y) > SHORT and x in y)
            for x in a for y in b
        )  # fmt: skip
    return equal >= NEARLY_ALL * len(pairs[:TEXTS_COMPARED])


def _shortest(group: Sequence[str], columns: dict[str, Golds]) -> str:
    """Return the first field of a group whose golds are no prose; they say the same."""
    return min(group, key=lambda path: _is_prose(columns[path]))


def _as_they_stand(head: Head, group: Sequence[str], columns: dict[str, Golds]) -> list[str]:
    """The group with those fields first whose golds need no reading: an answer, no solution."""

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


def _always_own(texts: list[list[str | None]], column: Golds) -> bool:
    """Return whether a gold is the sample's own answer in every row."""
    pairs = [(row[0], gold) for row, gold in zip(texts, column, strict=True) if row and gold]
    return len(pairs) > 1 and all(agrees_with(text, gold) for text, gold in pairs[:TEXTS_COMPARED])


def agrees_with(text: str | None, accepted: tuple[str, ...]) -> bool:
    answer = extract(text, rule="auto") if text else None
    if answer is None:
        return False
    return any(
        answer.text == gold or compare(answer.text, gold) is Verdict.correct for gold in accepted
    )
