"""The first rows of a file by their paths; sentences that name its fields. Under `roles`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

from mathtune.data.files import names
from mathtune.data.files.options import first_of, options
from mathtune.data.files.paths import MISSING, leaves, reach
from mathtune.data.files.question_field import with_passage
from mathtune.data.files.texts import NoTextError, finite, golds, question_of, solutions, verdict
from mathtune.errors import InputError

_METRIC = re.compile(
    r"(?:\w+_)?(?:acc(?:uracy)?|exact_match|em|f1|pass(?:@|_at_|_)\d+|symbolic_correct)"
    r"(?:[,_:@ ].*)?|score:std"
)
"""The names under which harnesses write what a run has reached."""

Texts = list[list[str | None]]
"""The texts of each row at a path; None: it has none."""


@dataclass
class Head:
    """The first rows of a file, by paths."""

    name: str
    rows: Sequence[dict[str, Any]]
    _columns: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            for path, value in leaves(row):
                column = self._columns.setdefault(path, [])
                column += [MISSING] * (number - len(column))
                column.append(value)
        for column in self._columns.values():
            column += [MISSING] * (len(self.rows) - len(column))

    @cached_property
    def names(self) -> list[str]:
        """The names of the rows' fields, in order."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    @cached_property
    def options(self) -> str | None:
        """The path of the options that problems offer; None: there is none."""
        found = dict.fromkeys(
            path[: match.end()]
            for path in self.paths
            for match in re.finditer(r"[^.]+", path)
            if names.are_options(match.group())
        )
        return next((path for path in found if any(map(options, self.column(path)))), None)

    def offers(self, path: str) -> bool:
        """Return whether a path is inside the options: `choices.label`."""
        return self.options is not None and path.startswith(f"{self.options}.")

    def first_option(self, gold: str) -> int | None:
        """Return the number of the first option if the golds number the options; else None.

        Raises:
            InputError: they do, and do not tell whether it is 0 or 1.
        """
        if self.options is None:
            return None
        offers = [options(value) for value in self.column(self.options)]
        return first_of([one[0] if one else None for one in self.golds(gold)], offers)

    @property
    def paths(self) -> list[str]:
        """The paths of all leaves, in order."""
        return list(self._columns)

    def has(self, path: str) -> bool:
        """Return whether a row has this path, even if it is no leaf."""
        return path in self._columns or any(reach(row, path) is not MISSING for row in self.rows)

    def column(self, path: str) -> list[Any]:
        """Return the values at a path, MISSING for a row without one."""
        if path not in self._columns:
            return [reach(row, path) for row in self.rows]
        return self._columns[path]

    def texts(self, path: str) -> Texts | None:
        """Return each row's texts at a path; None if the value is not text."""
        found: Texts = []
        for value in self.column(path):
            try:
                found.append([] if value is MISSING else solutions(value))
            except NoTextError:
                return None
        return found if any(text for row in found for text in row) else None

    def golds(self, path: str) -> list[tuple[str, ...]]:
        """Return each row's golds at a path, empty if the value is no gold."""
        found = []
        for value in self.column(path):
            try:
                found.append(() if value is MISSING else golds(value))
            except NoTextError:
                found.append(())
        return found

    @cached_property
    def problems(self) -> list[str]:
        """The rows' questions, which distinguish their problems at first sight."""
        for path in names.called(self.paths, names.QUESTIONS):
            joined = with_passage(path, self.rows)
            questions = [question_of(value) for value in self.column(joined)]
            if all(questions):
                return questions
        for path in names.called(self.paths, names.IDS):
            if "." not in path:
                return [str(value) for value in self.column(path)]
        return [str(number) for number in range(len(self.rows))]


def refuse_missing(head: Head, path: str, option: str) -> NoReturn:
    more = f" and {len(head.paths) - 30} more" if len(head.paths) > 30 else ""
    raise InputError(
        f"{head.name}: {option} names the field '{path}', which no row has; "
        f"the fields are {', '.join(head.paths[:30])}{more}."
    )


def refuse_two(
    head: Head, role: str, rivals: Sequence[str], extracted: Sequence[str] = ()
) -> NoReturn:
    one, two, *more = rivals
    why = f" ('{extracted[0]}' is always the sample's own answer)" if extracted else ""
    rest = f" and {len(more) - 20} more" if len(more) > 20 else ""
    others = f" (and {', '.join(more[:20])}{rest})" if more else ""
    raise InputError(
        f"{head.name}: both '{one}' and '{two}'{others} may be the {role}{why}; "
        f"choose with --fields {role}={one} or --fields {role}={two}."
    )


def refuse_summary(head: Head, most: int = 1) -> None:
    """Refuse rows (at most so many) with an accuracy and without a question: a run's summary.

    Raises:
        InputError: they are.
    """
    found = [path for path in head.paths if _METRIC.fullmatch(path.rpartition(".")[2].lower())]
    measured = [path for path in found if finite(head.column(path)[0]) not in (None, 0, 1)]
    questions = names.called(head.paths, [name for name in names.QUESTIONS if name != "task"])
    asks = any(question_of(value) for path in questions for value in head.column(path))
    if len(head.rows) <= most and measured and not asks:
        raise InputError(
            f"{head.name}: is the summary of a run ({measured[0]} is "
            f"{head.column(measured[0])[0]}), not its samples; expected the file with a row per "
            "sample, or per problem."
        )


def _refuse_verdicts(head: Head) -> None:
    """Refuse rows with a verdict of each of several models, and without texts."""
    judged = [path for path in head.paths if _judges(head, path)]
    known = (*names.IDS, *names.QUESTIONS)
    others = (one for one in head.paths if one not in judged and names.leaf(one) not in known)
    if len(judged) < 2 or any(names.sample_rank(one) == 0 and head.texts(one) for one in others):
        return
    if all(len(set(map(str, head.column(path)))) == 1 for path in judged):
        return  # settings
    more = f" and {len(judged) - 6} more" if len(judged) > 6 else ""
    raise InputError(
        f"{head.name}: the fields {', '.join(judged[:6])}{more} hold verdicts (true and false, or "
        "1 and 0), as of several models, and no field holds samples; expected their texts."
    )


def _judges(head: Head, path: str) -> bool:
    values = [value for value in head.column(path) if value not in (MISSING, None)]
    known = names.leaf(path) in (*names.IDS, *names.LEVELS, *names.SUBJECTS)
    said = (verdict(value) is not None or finite(value) in (0, 1) for value in values)
    return bool(values) and not known and all(said)


def refuse_shape(head: Head, solution: str | None = None) -> NoReturn:
    fields = ", ".join(head.paths[:30]) or "(none)"
    refuse_summary(head, most=len(head.rows))
    _refuse_verdicts(head)
    if solution is not None:
        named = (one for one in head.paths if names.is_strong_gold(one) or names.is_weak_gold(one))
        for path in named:
            if any(isinstance(value, bool) for value in head.column(path)):
                raise InputError(
                    f"{head.name}: '{path}' holds booleans, which may mean yes or true; expected a "
                    'gold that is the text of right answers, such as "yes".'
                )
        raise InputError(
            f"{head.name}: the solution is '{solution}', but no field is a gold among {fields}; "
            "say which with --fields gold=NAME, or give the golds in another file: --problems FILE."
        )
    raise InputError(
        f"{head.name}: none of the fields {fields} is known to hold solutions; "
        "say which with --fields solution=NAME,gold=NAME,problem=NAME."
    )
