"""The paths of graded samples as rows to learn from, and their counts. Under collect."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mathtune.paths.select import Rule, Selection, path_of, selections
from mathtune.paths.union import Candidate
from mathtune.rows.metrics import NearMetrics, PathsMetrics, SourceMetrics
from mathtune.rows.records import Example, Problem, Row, Verdict
from mathtune.rows.samples import Columns


class Counted(Row, frozen=True):
    """A problem's counts: samples, correct ones, and distinct correct paths."""

    problem_id: str
    samples: int
    correct: int
    paths: int


class Chosen(NamedTuple):
    """A problem's samples, the correct ones, and the selection of those that are kept."""

    problem_id: str
    candidates: list[Candidate]
    correct: list[Candidate]
    chosen: Selection


@dataclass(frozen=True)
class PathChoice:
    """The settings of `Collect` that choose paths; `workers`: processes that read solutions."""

    rule: Rule
    dedup: bool
    gold: bool
    most: int | None
    seed: int
    workers: int


class PathRows:
    """The rows of keep="paths" or "counts", and the counts of their making."""

    def __init__(self, choice: PathChoice, counts: Counter[str]) -> None:
        self.choice, self.counts = choice, counts
        self.histogram: Counter[int] = Counter()
        self.found: Counter[str] = Counter()
        self.exclusive: Counter[str] = Counter()
        self.correct: Counter[str] = Counter()

    def rows(
        self, problems: dict[str, Problem], groups: Iterable[tuple[str, list[Candidate]]]
    ) -> Iterator[Example]:
        """Yield gold and kept solutions by problem; gold even of problems without samples."""
        for chosen in self._chosen(groups):
            problem = problems[chosen.problem_id]
            self.counts["problems"] += 1
            if self.choice.gold:
                yield from self._gold(problem)
            for candidate in self._kept(chosen):
                self.counts["kept"] += 1
                yield Example(
                    problem_id=problem.id,
                    problem=problem.problem,
                    solution=candidate.text,
                    source=candidate.source,
                )

    def numbers(self, groups: Iterable[tuple[str, list[Candidate]]]) -> Iterator[Counted]:
        """Return the counts of every problem: samples, correct ones, and distinct correct paths."""
        for chosen in self._chosen(groups):
            self.counts["problems"] += 1
            before = self.counts["correct"], self.counts["distinct_paths"]
            self._kept(chosen)
            yield Counted(
                problem_id=chosen.problem_id,
                samples=len(chosen.candidates),
                correct=self.counts["correct"] - before[0],
                paths=self.counts["distinct_paths"] - before[1],
            )

    def metrics(
        self, sources: Sequence[tuple[str, Columns]], near: NearMetrics | None
    ) -> PathsMetrics:
        """Return the counts, the means per problem, and the paths that only one source has."""
        problems = self.counts["problems"]
        return PathsMetrics(
            **self.counts,
            rows=self.counts["kept"] + self.counts["gold"],
            correct_per_problem=round(self.counts["correct"] / problems, 6),
            paths_per_problem=round(self.counts["distinct_paths"] / problems, 6),
            histogram={str(paths): self.histogram[paths] for paths in sorted(self.histogram)},
            sources={
                name: SourceMetrics(
                    correct=self.correct[name],
                    paths=self.found[name],
                    exclusive_paths=self.exclusive[name],
                )
                for name, _ in sources
            },
            near_test=near,
        )

    def _gold(self, problem: Problem) -> Iterator[Example]:
        if problem.solution is None:
            self.counts["without_gold_solution"] += 1
            return
        self.counts["gold"] += 1
        self.counts["gold_with_false_equation"] += path_of(problem.solution) is None
        yield Example(
            problem_id=problem.id,
            problem=problem.problem,
            solution=problem.solution,
            source="gold",
        )

    def _chosen(self, groups: Iterable[tuple[str, list[Candidate]]]) -> Iterator[Chosen]:
        """Yield the selection of every problem, in order; many samples use several processes."""

        def asked() -> Iterator[tuple[tuple[str, list[Candidate], list[Candidate]], list[str]]]:
            for problem_id, candidates in groups:
                correct = [c for c in candidates if c.verdict is Verdict.correct]
                if self.choice.rule == "default":
                    correct.sort(key=lambda c: (c.text, c.source))
                yield (problem_id, candidates, correct), [c.text for c in correct]

        for known, chosen in selections(
            asked(), rule=self.choice.rule, workers=self.choice.workers
        ):
            yield Chosen(*known, chosen)

    def _kept(self, problem: Chosen) -> list[Candidate]:
        correct, chosen = problem.correct, problem.chosen
        self._count(problem.candidates, correct, chosen.paths)
        self.counts["false_equation_dropped"] += chosen.false
        self.counts["without_equations"] += chosen.without_equations
        if self.choice.dedup:
            kept = [correct[index] for index in chosen.kept]
        else:
            kept = [c for c, path in zip(correct, chosen.paths, strict=True) if path is not None]
        self.counts["repeated_path_dropped"] += len(correct) - chosen.false - len(kept)
        if self.choice.most is not None and len(kept) > self.choice.most:
            self.counts["over_most_dropped"] += len(kept) - self.choice.most
            kept = drawing(problem.problem_id, self.choice.seed).sample(kept, self.choice.most)
        return kept

    def _count(
        self,
        candidates: Sequence[Candidate],
        correct: Sequence[Candidate],
        paths: Sequence[str | None],
    ) -> None:
        self.counts.update(samples=len(candidates), correct=len(correct))
        sources: dict[str, set[str]] = {}
        for candidate, path in zip(correct, paths, strict=True):
            self.correct[candidate.source] += 1
            if path is not None:
                sources.setdefault(path, set()).add(candidate.source)
        self.counts["distinct_paths"] += len(sources)
        self.histogram[len(sources)] += 1
        for names in sources.values():
            self.found.update(names)
            if len(names) == 1:
                self.exclusive.update(names)


def drawing(problem_id: str, seed: int) -> random.Random:
    """Return a problem's own random generator, independent of other draws and their order."""
    digest = hashlib.sha256(f"{seed}\0{problem_id}".encode()).digest()
    return random.Random(digest)
