"""Sampled solutions with verdicts and scores: narrow files joined row by row, by problem.

`samples.jsonl` (texts), `grades.jsonl` and `scores.jsonl` hold the same (problem_id, index) in the
same order, so they are joined by walking them together; a problem's samples are adjacent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Graded, Problem, Sample, Scored

Columns = tuple[Path, ...]
"""Files that are joined row by row: samples first, then any of grades and scores."""


@dataclass(frozen=True)
class Joined:
    """One sample with its grade and score, if known."""

    sample: Sample
    grade: Graded | None
    score: float | None


def read_samples(columns: Columns) -> Iterator[Joined]:
    """Yield the samples of `columns`, joined row by row.

    A file's first line shows which kind of row it holds.

    Raises:
        InputError: files disagree about the sample of a row, or about the number of samples.
    """
    first, *rest = columns
    others = [jsonl.read(path, _kind(path)) for path in rest]
    for number, sample in enumerate(jsonl.read(first, Sample), start=1):
        grade, score = None, None
        for path, stream in zip(rest, others, strict=True):
            row = next(stream, None)
            if row is None:
                raise InputError(f"{path}: ends before row {number}; it must go with {first}.")
            if (row.problem_id, row.index) != (sample.problem_id, sample.index):
                raise InputError(
                    f"{path}, row {number}: sample {row.problem_id!r} {row.index}; expected "
                    f"{sample.problem_id!r} {sample.index}, as in {first}."
                )
            if isinstance(row, Graded):
                grade = row
            else:
                score = row.score
        yield Joined(sample, grade, score)
    for path, stream in zip(rest, others, strict=True):
        if next(stream, None) is not None:
            raise InputError(f"{path}: has more rows than {first}; they must go together.")


def read_groups(columns: Columns) -> Iterator[tuple[str, list[Joined]]]:
    """Yield (problem_id, that problem's samples) in file order.

    Raises:
        InputError: as `read_samples`, a problem's samples are not adjacent, or their indices are
        not 0, 1, 2, ..., each once.
    """
    seen: set[str] = set()
    for problem_id, rows in groupby(read_samples(columns), key=lambda row: row.sample.problem_id):
        if problem_id in seen:
            raise InputError(
                f"{columns[0]}: the samples of problem {problem_id!r} are not adjacent."
            )
        seen.add(problem_id)
        group = list(rows)
        _refuse_gaps(columns[0], problem_id, [row.sample.index for row in group])
        yield problem_id, group


def _refuse_gaps(path: Path, problem_id: str, indices: list[int]) -> None:
    """Raise InputError if samples are missing or double: every vote would be counted wrongly."""
    if sorted(indices) == list(range(len(indices))):
        return
    twice = [index for index in indices if indices.count(index) > 1]
    lacking = sorted(set(range(max(indices))) - set(indices))
    found = f"sample {twice[0]} twice" if twice else f"no sample {lacking[0]}"
    raise InputError(
        f"{path}: problem {problem_id!r} has {found}; expected the samples 0 to "
        f"{max(indices)}, each once. The file lost or gained lines after it was written: sample "
        "the problem again, or take the problem out of the file."
    )


def read_problems(path: Path) -> dict[str, Problem]:
    """Read a problem file into a dict by id, in file order.

    Raises:
        InputError: an id occurs twice, or a problem has an empty answer.
    """
    problems: dict[str, Problem] = {}
    for number, row in enumerate(jsonl.read(path, Problem), start=1):
        if row.id in problems:
            raise InputError(f"{path}, row {number}, field 'id': {row.id!r} occurs twice.")
        problems[row.id] = row
    return problems


def _kind(path: Path) -> type[Graded] | type[Scored]:
    _, line = next(jsonl.lines(path), (0, b""))
    if b'"verdict"' in line:
        return Graded
    if b'"score"' in line:
        return Scored
    raise InputError(
        f"{path}, line 1: neither a graded nor a scored row; expected a verdict or a score."
    )
