"""What a stage's command ends with: the table of what it found. Beside stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table as Grid

from mathtune.report import cells, tables
from mathtune.report.gap import closed
from mathtune.report.results import read_folder
from mathtune.rows import jsonl
from mathtune.rows.metrics import GradeMetrics
from mathtune.run.stage import Stage
from mathtune.run.step import METRICS
from mathtune.stages.grade import Grade
from mathtune.stages.measure import Measure


def of(stage: Stage[Any], folder: Path) -> list[Grid]:
    """The tables of a finished grade or measure; none of other stages, which say it in a line."""
    if isinstance(stage, Grade):
        return [cells.grid(verdicts(jsonl.read_json(folder / METRICS, GradeMetrics)))]
    if isinstance(stage, Measure):
        results = read_folder(folder)
        found = tables.headline_tables(results, closed(results))
        return [cells.grid(table) for table in found]
    return []


def verdicts(found: GradeMetrics) -> cells.Table:
    """How many samples have each verdict, and by which rule their answers were found."""
    body = [
        (verdict, f"{count:,}", f"{100 * count / max(found.samples, 1):.1f}")
        for verdict, count in found.verdicts.items()
    ]
    rules = ", ".join(f"{rule} {count:,}" for rule, count in found.rules.items())
    return cells.Table(
        f"{found.samples:,} samples",
        ("verdict", "samples", "percent"),
        body,
        f"Graded by {found.grader} {found.grader_version} (answers: {found.extract}). Answers "
        f"found by rule: {rules}.",
    )
