"""The tables of results with which a stage's command ends. Under stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table as Grid

from mathtune.report import cells, tables
from mathtune.report.gap import closed
from mathtune.report.results import read_folder
from mathtune.rows import jsonl
from mathtune.rows.metrics import GradeMetrics
from mathtune.run.names import METRICS
from mathtune.run.stage import Stage
from mathtune.stages.grade import Grade
from mathtune.stages.measure import Measure, graded_by


def of(stage: Stage[Any], folder: Path) -> list[Grid]:
    """Return the tables of a finished grade or measure; other stages only print a line."""
    if isinstance(stage, Grade):
        return [cells.grid(verdicts(jsonl.read_json(folder / METRICS, GradeMetrics)))]
    if isinstance(stage, Measure):
        results = read_folder(folder)
        found = tables.headline_tables(results, closed(results))
        return [cells.grid(table) for table in found]
    return []


def verdicts(found: GradeMetrics) -> cells.Table:
    """Return the number of samples per verdict, and per rule that found the answer."""
    body = [
        (verdict, f"{count:,}", f"{100 * count / max(found.samples, 1):.1f}")
        for verdict, count in found.verdicts.items()
    ]
    rules = ", ".join(f"{rule} {count:,}" for rule, count in found.rules.items())
    return cells.Table(
        f"{found.samples:,} samples",
        ("verdict", "samples", "percent"),
        body,
        f"Graded by {graded_by(found.grader, found.grader_version, found.extract)}. Answers "
        f"found by rule: {rules}.",
    )
