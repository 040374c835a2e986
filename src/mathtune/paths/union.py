"""Graded samples of several models, read in parallel, problem by problem. Under collect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import chain, combinations, count

from mathtune.errors import InputError, many
from mathtune.rows.records import Problem, Verdict
from mathtune.rows.samples import Columns, Joined, read_groups, read_samples

Source = tuple[str, Columns]
"""A set of graded samples and its name."""


@dataclass(frozen=True)
class Candidate:
    """The parts of a sample that collecting needs. `answer` stands for its cluster."""

    text: str
    verdict: Verdict
    answer: str | None
    source: str


def named(samples: Sequence[Columns]) -> list[Source]:
    """Name each set after its step's folder; sets of one folder are numbered.

    Example:
        >>> from pathlib import Path
        >>> [name for name, _ in named([(Path("a/s.jsonl"),), (Path("a/t.jsonl"),)])]
        ['a', 'a-2']
    """
    names = distinct(columns[0].parent.name or columns[0].stem for columns in samples)
    return list(zip(names, samples, strict=True))


def distinct(names: Iterable[str]) -> list[str]:
    """Return the names, those that are there already with the first free number from 2 on.

    Example:
        >>> distinct(["a", "b", "a", "a-2"])
        ['a', 'b', 'a-2', 'a-2-2']
    """
    found: dict[str, None] = {}
    for name in names:
        numbered = (f"{name}-{number}" for number in count(2))
        found[next(one for one in chain([name], numbered) if one not in found)] = None
    return list(found)


def united(
    sources: Sequence[Source], problems: dict[str, Problem], *, k: int | None
) -> Iterator[tuple[str, list[Candidate]]]:
    """Yield every problem, in the problem file's order, with its samples of all sources.

    Sources are read in parallel. If a source's order differs from the problem file's, its samples
    are held until their turn comes. `k`: only the first k of each source, by index.

    Raises:
        InputError: samples of problems that are not in the problem file, not graded, or fewer than
            k; or sources that share only some problems: they must have the same ones, or be parts
            without any in common, as the halves of `halve` are. All are raised before the first
            problem is yielded.
    """
    present = {name: _counted(columns, problems, k) for name, columns in sources}
    for (first, base), (name, columns) in combinations(sources, 2):
        differing = present[name].keys() ^ present[first].keys()
        if differing and not present[name].keys().isdisjoint(present[first]):
            raise InputError(
                f"{columns[0]}: samples of other problems than {base[0]} ({len(differing)} are in "
                f"one of them only, {min(differing)!r} for one); expected sets of the same "
                "problems, or of parts that have none in common."
            )
    streams = [_Stream(name, columns, present[name].keys(), k) for name, columns in sources]
    return (
        (problem_id, [c for stream in streams for c in stream.take(problem_id)])
        for problem_id in problems
    )


def _counted(columns: Columns, problems: dict[str, Problem], k: int | None) -> Counter[str]:
    """Return how many samples each problem has.

    Raises:
        InputError: as `united`.
    """
    first = next(read_samples(columns), None)
    if first is not None and first.grade is None:
        raise InputError(f"{columns[0]}: its samples are not graded; run grade first.")
    found = Counter(joined.sample.problem_id for joined in read_samples(columns[:1]))
    unknown = found.keys() - problems.keys()
    if unknown:
        strangers = many(len(unknown), "problem that is", "problems that are")
        raise InputError(
            f"{columns[0]}: samples of {strangers} not in the problem file, "
            f"{min(unknown)!r} for one; training on them would be leakage."
        )
    for problem_id, samples in found.items():
        if k is not None and samples < k:
            raise InputError(
                f"{columns[0]}: problem {problem_id!r} has {samples} samples; "
                f"expected at least k = {k}."
            )
    return found


class _Stream:
    """One source's groups, given out by problem."""

    def __init__(self, name: str, columns: Columns, present: Set[str], k: int | None) -> None:
        self._name, self._present, self._k = name, present, k
        self._groups = read_groups(columns)
        self._held: dict[str, list[Candidate]] = {}

    def take(self, problem_id: str) -> list[Candidate]:
        """Return the problem's candidates in this source; none if it was not sampled."""
        if problem_id not in self._present:
            return []
        while problem_id not in self._held:
            found, rows = next(self._groups)
            self._held[found] = self._candidates(rows)
        return self._held.pop(problem_id)

    def _candidates(self, rows: Sequence[Joined]) -> list[Candidate]:
        if self._k is not None:
            rows = sorted(rows, key=lambda row: row.sample.index)[: self._k]
        return [
            Candidate(row.sample.text, row.grade.verdict, row.grade.answer, self._name)
            for row in rows
            if row.grade is not None  # one file grades all of them or none
        ]
