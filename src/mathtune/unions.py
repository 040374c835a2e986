"""Graded samples of several models, read side by side, problem by problem. Under collect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mathtune.errors import InputError
from mathtune.records import Problem, Verdict
from mathtune.samples import Columns, Joined, read_groups, read_samples

Source = tuple[str, Columns]
"""A set of graded samples and the name it goes by."""


@dataclass(frozen=True)
class Candidate:
    """What collecting needs of a sample. `answer` stands for its cluster."""

    text: str
    verdict: Verdict
    answer: str | None
    source: str


def named(samples: Sequence[Columns]) -> list[Source]:
    """Name each set after its step's folder; sets of one folder are numbered.

    Example:
        >>> [name for name, _ in named([(Path("a/s.jsonl"),), (Path("a/t.jsonl"),)])]
        ['a', 'a-2']
    """
    names = [columns[0].parent.name or columns[0].stem for columns in samples]
    seen: Counter[str] = Counter()
    found = []
    for name, columns in zip(names, samples, strict=True):
        seen[name] += 1
        found.append((name if seen[name] == 1 else f"{name}-{seen[name]}", columns))
    return found


def united(
    sources: Sequence[Source], problems: dict[str, Problem], *, k: int | None
) -> Iterator[tuple[str, list[Candidate]]]:
    """Yield every problem, in the problem file's order, with its samples of all sources.

    Sources are read side by side. Only where one's order differs from the problem file's are its
    samples held until their turn comes. `k`: only the first k of each source, by index.

    Raises:
        InputError: samples of problems that are not in the problem file, not graded, or fewer than
        k; or sources that sampled different problems.
    """
    present = {name: _problem_ids(columns, problems) for name, columns in sources}
    (first, base), *others = sources
    for name, columns in others:
        differing = present[name] ^ present[first]
        if differing:
            raise InputError(
                f"{columns[0]}: samples of other problems than {base[0]} ({len(differing)} are in "
                f"one of them only, {min(differing)!r} for one); a union needs the same problems."
            )
    streams = [_Stream(name, columns, present[name], k) for name, columns in sources]
    for problem_id in problems:
        yield problem_id, [c for stream in streams for c in stream.take(problem_id)]


def _problem_ids(columns: Columns, problems: dict[str, Problem]) -> set[str]:
    found = {joined.sample.problem_id for joined in read_samples(columns[:1])}
    unknown = found - problems.keys()
    if unknown:
        raise InputError(
            f"{columns[0]}: samples of {len(unknown)} problems that are not in the problem file, "
            f"{min(unknown)!r} for one; training on them would be leakage."
        )
    return found


class _Stream:
    """One source's groups, given out by problem."""

    def __init__(self, name: str, columns: Columns, present: set[str], k: int | None) -> None:
        self._name, self._path, self._present, self._k = name, columns[0], present, k
        self._groups = read_groups(columns)
        self._held: dict[str, list[Candidate]] = {}

    def take(self, problem_id: str) -> list[Candidate]:
        """The problem's candidates in this source; none where it was not sampled."""
        if problem_id not in self._present:
            return []
        while problem_id not in self._held:
            found, rows = next(self._groups)
            self._held[found] = self._candidates(found, rows)
        return self._held.pop(problem_id)

    def _candidates(self, problem_id: str, rows: Sequence[Joined]) -> list[Candidate]:
        if self._k is not None:
            if len(rows) < self._k:
                raise InputError(
                    f"{self._path}: problem {problem_id!r} has {len(rows)} samples; "
                    f"expected at least k = {self._k}."
                )
            rows = sorted(rows, key=lambda row: row.sample.index)[: self._k]
        found = []
        for row in rows:
            grade = row.grade
            if grade is None:
                raise InputError(f"{self._path}: its samples are not graded; run grade first.")
            found.append(Candidate(row.sample.text, grade.verdict, grade.answer, self._name))
        return found
