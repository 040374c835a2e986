"""Stage `halve`: problems and their solutions to two halves, one to train on and one to sample.

Between prepare and train. A generator has memorised its training problems: its samples of them are
right more often, and wrong in other ways, than those of new problems. If two generators are each
trained on one half and sampled on the other, every training problem gets samples of a generator
that never saw it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from mathtune.errors import InputError, many
from mathtune.rows import jsonl
from mathtune.rows.metrics import HalfMetrics, HalveMetrics
from mathtune.rows.records import Example
from mathtune.rows.samples import read_problems
from mathtune.run.stage import File, Stage


@dataclass(frozen=True)
class Half:
    """One half: its problem file, and the solutions of the same problems."""

    problems: Path
    solutions: Path


class Halve(Stage[tuple[Half, Half]]):
    """Split training problems at random into two halves. Handle: both halves.

    Example:
        >>> first, second = Halve(problems="p.jsonl", solutions="s.jsonl").outputs(Path("halves"))
        >>> second.problems.as_posix()
        'halves/problems-2.jsonl'
    """

    problems: File
    """The training problems."""
    solutions: File
    """Solutions to learn from; each goes to the half of its problem."""
    seed: int = 0
    """Seed of the draw."""

    def outputs(self, folder: Path) -> tuple[Half, Half]:
        """Return the files of both halves."""
        first, second = (
            Half(folder / f"problems-{part}.jsonl", folder / f"solutions-{part}.jsonl")
            for part in (1, 2)
        )
        return first, second

    def run(self, folder: Path) -> HalveMetrics:
        """Write the four files, with rows in the order of the input.

        Raises:
            InputError: fewer than two problems, a solution of another problem, or a half without
                solutions.
        """
        problems = read_problems(self.problems)
        if len(problems) < 2:
            have = many(len(problems), "problem", "problems")
            raise InputError(f"{self.problems}: has {have}; expected at least 2.")
        ids = sorted(problems)
        random.Random(self.seed).shuffle(ids)
        first = set(ids[: len(ids) // 2])
        solutions: tuple[list[Example], list[Example]] = ([], [])
        for number, row in enumerate(jsonl.read(self.solutions, Example), start=1):
            if row.problem_id not in problems:
                raise InputError(
                    f"{self.solutions}, row {number}, field 'problem_id': {row.problem_id!r} is "
                    f"not in {self.problems}."
                )
            solutions[row.problem_id not in first].append(row)
        halves = []
        for number, (half, examples) in enumerate(
            zip(self.outputs(folder), solutions, strict=True)
        ):
            kept = [row for row in problems.values() if (row.id in first) == (number == 0)]
            if not examples:
                raise InputError(f"{self.solutions}: half {number + 1} has no solutions.")
            jsonl.write(half.problems, kept)
            jsonl.write(half.solutions, examples)
            halves.append(HalfMetrics(problems=len(kept), solutions=len(examples)))
        return HalveMetrics(half_1=halves[0], half_2=halves[1])
