"""Stage `exemplars`: solved problems drawn from a named set, to put before each problem (few-shot).

Between prepare and sample.
"""

from __future__ import annotations

import random
from pathlib import Path

from pydantic import Field

from mathtune.answers import extract
from mathtune.engines import prompts
from mathtune.errors import InputError, many
from mathtune.rows import jsonl
from mathtune.rows.metrics import ExemplarsMetrics
from mathtune.rows.records import Example
from mathtune.run.stage import File, Stage


class Exemplars(Stage[Path]):
    """Draw exemplars, one solution per problem. Handle: their file, for `few_shot` of sample.

    Example:
        >>> Exemplars(solutions="solutions.jsonl").outputs(Path("shots")).as_posix()
        'shots/exemplars.jsonl'
    """

    solutions: File
    """The solutions to draw from; the exemplars have their style."""
    shots: int = Field(default=4, ge=1)
    """The number of exemplars; 4 in Liu et al. 2023."""
    form: prompts.Form = "plain"
    """minerva: end each solution with Minerva's sentence and its final answer; only solutions with
    an answer are drawn. Other forms: the solutions unchanged.
    """
    longest: int = Field(default=1_200, ge=1)
    """The longest solution that is drawn, in characters: the exemplars precede every problem."""
    seed: int = 0
    """Seed of the draw."""

    def outputs(self, folder: Path) -> Path:
        """Return the exemplars' file."""
        return folder / "exemplars.jsonl"

    def run(self, folder: Path) -> ExemplarsMetrics:
        """Write the exemplars.

        Raises:
            InputError: too few problems have a solution that can be drawn.
        """
        fitting: dict[str, Example] = {}
        rows = list(jsonl.read(self.solutions, Example))
        random.Random(self.seed).shuffle(rows)
        for row in rows:
            shown = self._shown(row)
            if shown is not None and len(shown.solution) <= self.longest:
                fitting.setdefault(row.problem_id, shown)
        if len(fitting) < self.shots:
            have = many(len(fitting), "problem has", "problems have")
            raise InputError(
                f"{self.solutions}: {have} a solution that can be an exemplar; expected at least "
                f"{self.shots}."
            )
        drawn = list(fitting.values())[: self.shots]
        jsonl.write(self.outputs(folder), drawn)
        return ExemplarsMetrics(of=len(rows), problems=[row.problem_id for row in drawn])

    def _shown(self, row: Example) -> Example | None:
        if self.form != "minerva":
            return row
        answer = extract(row.solution)
        if answer is None:
            return None
        return Example(
            problem_id=row.problem_id,
            problem=row.problem,
            solution=prompts.minerva_solution(row.solution, answer.text),
            source=row.source,
        )
