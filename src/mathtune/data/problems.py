"""Rows of any data set -> problems, by the roles of their fields. Over `rows`, before the splits.

A gold that is a solution is reduced to the answer that it marks. A row that cannot be used is
dropped, with its reason; `strict` makes the first such row an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

from mathtune.data.columns import IDS, columns_by
from mathtune.data.counts import Counts, shortened
from mathtune.data.files import names
from mathtune.data.files.options import either, first_of, options, options_field
from mathtune.data.files.paths import tops
from mathtune.data.files.texts import UNUSABLE, says_none
from mathtune.data.rows import Row, stable_id
from mathtune.data.values import (
    FIELDS,
    GoldRule,
    Golds,
    UnusableError,
    columns_of,
    golds_of,
    holds_several,
    inner,
    is_bare,
    label_of,
    question_at,
    solution_at,
    value_at,
)
from mathtune.data.where import Condition
from mathtune.errors import InputError
from mathtune.rows.records import Problem

Thoughts = Literal["keep", "drop"]


@dataclass(frozen=True)
class RowOptions:
    """The options for reading rows; the settings of `prepare` have the same names.

    `fields`: our names -> paths in the rows. `gold_rule`: how an answer is found in a gold that is
    a solution. `thoughts`: a solution keeps a reasoning model's thoughts.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    where: tuple[Condition, ...] = ()
    unusable: tuple[str, ...] = UNUSABLE
    gold_rule: GoldRule = "explicit"
    thoughts: Thoughts = "keep"
    strict: bool = False
    questions: bool = False
    """True: problems without a usable gold are kept, with none, to compare their texts."""
    inner: bool = False
    """True if the question is in the middle of a prompt: see `values.inner`."""

    def __post_init__(self) -> None:
        for name in self.fields:
            if name not in FIELDS:
                raise InputError(f"fields.{name}: no such field; fields are {', '.join(FIELDS)}.")

    @property
    def columns(self) -> frozenset[str] | None:
        """The top-level fields to read, if the settings determine them; None: any of them."""
        gold_named = "answer" in self.fields or columns_of(self.fields)["answer"] is None
        if not ("problem" in self.fields and gold_named):
            return None  # a field of another name may be the gold
        paths = [*self.fields.values(), *(one.path for one in self.where)]
        read = (top for path in paths for top in tops(path))
        return frozenset({*FIELDS, "options", "choices", *read, *paths})


def to_problems(
    rows: Iterable[Row],
    reading: RowOptions | None = None,
    counts: Counts | None = None,
    *,
    enough: Stop | None = None,
) -> list[Problem]:
    """Make problems of rows; drop those that cannot be used, and count them.

    A row without an answer takes the one its solution marks. A row without an id gets one made of
    its problem's text, so that it does not change when other rows come or go. `enough` decides when
    to stop reading.

    Raises:
        InputError: no row can be used, or `strict` is set and one row cannot; a condition names a
            field that no row has.

    Example:
        >>> row = Row("a.jsonl, line 1", {"id": 7, "question": "1 + 1?", "answer": 2})
        >>> (problem,) = to_problems([row], RowOptions(fields={"problem": "question"}))
        >>> problem.id, problem.problem, problem.answer
        ('7', '1 + 1?', '2')
    """
    reading, counts = reading or RowOptions(), Counts() if counts is None else counts
    problems: list[Problem] = []
    offers: list[Mapping[str, str]] = []
    ids = _Ids()
    met = [False] * len(reading.where)
    reader: _Reader | None = None
    last: Row | None = None
    for row in rows:
        counts.rows += 1
        try:
            if row.fault:
                raise UnusableError("broken row", f": {row.fault}")
            reader = reader or _Reader.of(row, reading, counts)
            last = row
            for number, condition in enumerate(reading.where):
                met[number] |= reader.has(row, condition)
            kept = reader.keeps(row)
            if kept is not None:
                counts.leave_out(kept)
                continue
            found = names.leaf(reader.columns["id"] or "") in IDS and "id" not in reading.fields
            problems.append(ids.named(reader.problem(row), row.where, found=found))
            offers.append(reader.offered)
        except UnusableError as error:
            if reading.strict:
                raise InputError(f"{row.where}{error.sentence}") from None
            counts.drop(error.reason, row.where)
            counts.first_fault = counts.first_fault or f"{row.where}{error.sentence}"
        if enough is not None and enough.after(row, len(problems)):
            break
    _refuse_unknown(reading.where, met, last)
    if not problems and counts.rows:
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.dropped.items())
        none = f"none of {counts.rows} rows can be used: {reasons}."
        raise InputError(counts.first_fault or none)
    counts.first_option = first_of([one.answer for one in problems], offers, counts.first_option)
    return [
        _lettered(one, offered, counts.first_option)
        for one, offered in zip(problems, offers, strict=True)
    ]


def _lettered(problem: Problem, offered: Mapping[str, str], first: int | None) -> Problem:
    if first is None or not offered:
        return problem
    answer, *accepted = either((problem.answer,), offered, first)
    return msgspec.structs.replace(problem, answer=answer, accepted=tuple(accepted))


class Stop(Protocol):
    """Decide after each row whether reading ends."""

    def after(self, row: Row, found: int) -> bool: ...


class Enough:
    """Stops reading a large source after so many problems and so many characters.

    A source of fewer characters is read whole, so that a draw is from all of it.
    """

    CHARACTERS = 16_000_000

    def __init__(self, problems: int) -> None:
        self.problems, self.characters, self.stopped = problems, 0, False

    def after(self, row: Row, found: int) -> bool:
        """Count a row; return whether reading may stop."""
        self.characters += _size(row.values)
        self.stopped = found >= self.problems and self.characters >= self.CHARACTERS
        return self.stopped


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_size, value.values())) + 64
    return sum(map(_size, value)) if isinstance(value, list) else 8


class _Reader:
    """One source's rows, by the columns of our fields."""

    def __init__(
        self, columns: Mapping[str, str | None], reading: RowOptions, counts: Counts
    ) -> None:
        self.columns, self.reading, self.counts = columns, reading, counts
        self.offered: Mapping[str, str] = {}
        """The options that the last problem offers, by letter."""
        self.gold_may_be_solution = not {"answer", "solution"} & set(reading.fields)

    @classmethod
    def of(cls, row: Row, reading: RowOptions, counts: Counts) -> _Reader:
        """Choose the columns by the first row."""
        counts.names = counts.names or tuple(map(str, row.values))
        return cls(columns_by(row.values, reading.fields), reading, counts)

    def has(self, row: Row, condition: Condition) -> bool:
        """Return whether the row or the problem has the condition's field."""
        return (
            value_at(row.values, condition.path) is not None
            or condition.path in row.values
            or (self._ours(row, condition) is not None)
        )

    def keeps(self, row: Row) -> str | None:
        """Return a condition that the row does not fulfil; None: it fulfils all."""
        for condition in self.reading.where:
            if not condition.keeps(row.values, self._ours(row, condition)):
                return f"where {condition.text} does not hold"
        return None

    def _ours(self, row: Row, condition: Condition) -> Any:
        path = self.columns.get(condition.path)
        return None if path is None else value_at(row.values, path)

    def problem(self, row: Row) -> Problem:
        """Return the row as a problem.

        Raises:
            UnusableError: it has no problem or no usable gold.
        """
        columns, values = self.columns, row.values
        problem = question_at(row, columns["problem"])
        if self.reading.inner:
            problem = inner(problem)
        path = columns["solution"]
        if "solution" not in self.reading.fields and holds_several(values, path):
            path = f"{path}.0"
            self.counts.several_solutions += 1
        solution = solution_at(row, path, thoughts=self.reading.thoughts == "keep")
        try:
            golds = golds_of(row, columns["answer"], solution, rule=self.reading.gold_rule)
        except UnusableError:
            if not self.reading.questions:
                raise
            return Problem(
                id=label_of(values, columns["id"]) or "",
                problem=problem,
                answer="",
                solution=solution,
            )
        usable = [one for one in golds.accepted if not says_none(one, self.reading.unusable)]
        if not usable:
            said = shortened(golds.answer)
            raise UnusableError(f"gold says {said!r}", f": the gold is {said!r}.")
        offering = options_field(values)
        self.offered = {} if offering is None else options(values[offering])
        if self.offered:
            usable = list(either(tuple(usable), self.offered))
        self._note(row, golds)
        if solution is None and self.gold_may_be_solution and golds.rule == "hashes":
            solution = golds.text  # GSM8K's form: one column is the solution and its answer
        if solution is not None and is_bare(solution, usable[0]):
            self.counts.bare_solutions += 1
            solution = None
        return Problem(
            id=label_of(values, columns["id"]) or "",
            problem=problem,
            answer=usable[0],
            solution=solution,
            level=label_of(values, columns["level"]),
            subject=label_of(values, columns["subject"]),
            accepted=tuple(usable[1:]),
        )

    def _note(self, row: Row, golds: Golds) -> None:
        """Count a row's gold; note the first gold, and the fields in which a role was found."""
        self.counts.golds_reduced += golds.rule is not None
        if self.counts.first is None:
            self.counts.first = (row.where, golds)
        if len(self.counts.roles) < len(self.columns):
            for ours, path in self.columns.items():
                found = ours in self.counts.roles
                if path and not found and value_at(row.values, path) is not None:
                    self.counts.roles[ours] = path


class _Ids:
    """The ids of a source's problems: those of the rows once, else made of the texts."""

    def __init__(self) -> None:
        self.first: dict[str, str] = {}
        self.repeats: dict[str, int] = {}

    def named(self, problem: Problem, where: str, *, found: bool = False) -> Problem:
        """Return the problem with its id. `found`: from a field that may not be an id and may
        repeat.

        Raises:
            UnusableError: the row's own id occurred before.
        """
        if not problem.id or (found and problem.id in self.first):
            stable = problem.id or stable_id(problem.problem)
            self.repeats.setdefault(stable, 1 if problem.id else 0)
            self.repeats[stable] += 1
            suffix = f"-{self.repeats[stable]}" if self.repeats[stable] > 1 else ""
            problem = msgspec.structs.replace(problem, id=stable + suffix)
        elif problem.id in self.first:
            raise UnusableError(
                "id repeated",
                f", field 'id': {problem.id!r} is there twice, first in {self.first[problem.id]}; "
                "expected every id once.",
            )
        self.first[problem.id] = where
        return problem


def _refuse_unknown(where: Iterable[Condition], met: list[bool], row: Row | None) -> None:
    """Raise InputError for a condition on a field that no row has: it would keep or drop all."""
    for condition, found in zip(where, met, strict=True):
        if not found and row is not None:
            raise InputError(
                f"where: no row has the field '{condition.path}'; the fields are "
                f"{', '.join(map(str, row.values))}."
            )


def passing(
    problems: Iterable[Problem], where: Iterable[Condition], counts: Counts
) -> list[Problem]:
    """Return the problems that fulfil conditions on our own fields; count the others as dropped."""
    kept = []
    for problem in problems:
        counts.rows += 1
        values = msgspec.to_builtins(problem)
        failed = next((c for c in where if not c.keeps(values)), None)
        if failed is None:
            kept.append(problem)
        else:
            counts.leave_out(f"where {failed.text} does not hold")
    return kept
