"""average: measures under several seeds to one, averaged within each problem."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from mathtune import jsonl
from mathtune.errors import InputError
from mathtune.intervals import RESAMPLES, average_seeds
from mathtune.measurement import (
    Outcome,
    Settings,
    compare,
    metrics_of,
    over_maj1,
    rounded,
)
from mathtune.stage import File, Stage
from mathtune.stages.measure import OUTCOMES, read_outcomes


class Average(Stage[Path]):
    """Average several measures, one for each seed. Handle: its folder, as a measure's.

    Seeds are averaged within a problem before problems are resampled: three seeds of 500 problems
    are 500 values, not 1,500.

    Example:
        >>> Average(measures=("seed-0/row", "seed-1/row")).resamples
        10000
    """

    measures: tuple[File, ...] = Field(min_length=1)
    """Folders of measures of the same problems: other seeds of data draw, training or sampling."""
    against: dict[str, tuple[File, ...]] = Field(default_factory=dict)
    """What to compare with, by the name to show: the folders of its measures, one for each seed."""
    resamples: int = Field(default=RESAMPLES, ge=100)
    """Bootstrap resamples over problems, and sign flips."""
    seed: int = 0
    """Seed of the resamples."""

    def outputs(self, folder: Path) -> Path:
        """The folder: its `outcomes.jsonl` holds the averages, problem by problem."""
        return folder

    def run(self, folder: Path) -> dict[str, Any]:
        """Average, write the outcomes, return the metrics with intervals and comparisons.

        Raises:
            InputError: measures of other problems, or with another number of samples.
        """
        outcomes = averaged(self.measures)
        jsonl.write(folder / OUTCOMES, outcomes)
        values = {
            name: np.array([row.values[name] for row in outcomes]) for name in outcomes[0].values
        }
        documents = [jsonl.read_json(path / "metrics.json") for path in self.measures]
        settings = Settings(resamples=self.resamples, seed=self.seed)
        sampled = {document["n"] for document in documents}
        if len(sampled) > 1:
            raise InputError(
                f"{self.measures[0]} and others measure {sorted(sampled)} samples a problem; "
                "expected the same number for every seed."
            )
        each = {
            name: [document["metrics"][name]["value"] for document in documents] for name in values
        }
        return rounded(
            {
                "grader": documents[0]["grader"],
                "problems": len(outcomes),
                "n": documents[0]["n"],
                "seeds": len(documents),
                "metrics": metrics_of(values, settings),
                "each_seed": each,
                "over_maj1": over_maj1(values, documents[0]["n"], settings),
                "against": {
                    name: compare(
                        outcomes,
                        {row.problem_id: row for row in averaged(folders)},
                        settings,
                        name=name,
                    )
                    for name, folders in self.against.items()
                },
            }
        )


def averaged(folders: tuple[Path, ...]) -> list[Outcome]:
    """The mean of every problem's values over measures; picks differ by seed and are left out.

    Raises:
        InputError: the measures are not of the same problems.
    """
    runs = [
        {problem: row.values for problem, row in read_outcomes(folder).items()}
        for folder in folders
    ]
    for folder, run in zip(folders[1:], runs[1:], strict=True):
        odd = run.keys() ^ runs[0].keys()
        if odd:
            raise InputError(
                f"{folder}: problem {min(odd)!r} is not in both this measure and {folders[0]}; "
                "expected measures of the same problems."
            )
    return [
        Outcome(problem_id=problem, values=values, picks={})
        for problem, values in average_seeds(runs).items()
    ]
