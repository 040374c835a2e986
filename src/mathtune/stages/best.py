"""Stage `best`: the row that validation chooses, and the last one before the first no better."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from pydantic import Field

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.metrics import BestMetrics, MeasureMetrics
from mathtune.run.names import METRICS
from mathtune.run.progress import say
from mathtune.run.stage import File, Stage


class Best(Stage[Path]):
    """Choose among measured rows of validation problems. Handle: its folder."""

    rows: dict[str, File] = Field(min_length=1)
    """Folders of finished measures, in the order in which they were made."""
    metric: str = "mean"
    """The metric of the rows that decides."""

    def outputs(self, folder: Path) -> Path:
        """Return the folder."""
        return folder

    def run(self, folder: Path) -> BestMetrics:  # noqa: ARG002 (its metrics are all it makes)
        """Find the best row, and the last one before the first that is no better.

        Raises:
            InputError: a row has no such metric.
        """
        values = {name: self._value(path) for name, path in self.rows.items()}
        names = list(values)
        stop = next(
            (one for one, two in pairwise(names) if values[two] <= values[one]),
            names[-1],
        )
        best = max(names, key=lambda name: (values[name], -names.index(name)))
        say(f"  best on validation: {best}; stopping when the next is no better: {stop}")
        return BestMetrics(metric=self.metric, values=values, best=best, stopped_at=stop)

    def _value(self, folder: Path) -> float:
        metrics = jsonl.read_json(folder / METRICS, MeasureMetrics).metrics
        if self.metric not in metrics:
            raise InputError(f"{folder}: no metric {self.metric!r}; it has {', '.join(metrics)}.")
        return float(metrics[self.metric]["value"])
