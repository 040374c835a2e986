"""From a run folder to what people read: figures, tables, report.md and report.html.

results   what a run folder holds
gap       how much of the gap between Pass@1 and Pass@N each way to answer closes
tables    the tables, for the page, Markdown and the terminal
figures   the figures
study     the tables of a scaling study, and study_figures its figures
browser   problems, clusters and solutions, compressed for the page
page      report.html and report.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mathtune import jsonl

if TYPE_CHECKING:
    from rich.table import Table

    from mathtune.measurement import Outcome
    from mathtune.records import Problem
    from mathtune.report.results import Groups

__all__ = ["build", "page_for_samples", "terminal"]


def build(run_folder: Path) -> Path:
    """Write report.html, report.md, figures/ and metrics.json of a run; return the page's path.

    Steps that are not finished are left out. metrics.json holds every finished step's metrics by
    the step's name, no time, path or host.

    Raises:
        InputError: the folder holds no run.
    """
    from mathtune.report import page, results

    found = results.read_run(run_folder)
    metrics = {step.name: step.metrics for step in found.steps if step.finished}
    jsonl.write_json(run_folder / "metrics.json", metrics)
    return page.write(found, run_folder)


def terminal(run_folder: Path) -> list[Table]:
    """The tables that end a run: models, strategies, comparisons, evaluators, cost of each step."""
    from mathtune.report import results, study, tables

    studied = study.tables(results.read_run(run_folder))
    return [*tables.terminal(run_folder), *map(tables.grid, studied)]


def page_for_samples(
    path: Path,
    *,
    title: str,
    document: dict[str, Any],
    outcomes: Mapping[str, Outcome],
    problems: Mapping[str, Problem],
    groups: Callable[[], Groups],
) -> Path:
    """Write the same page for measured samples from elsewhere; `groups` reads them anew."""
    from mathtune.report import page
    from mathtune.report.results import Measured, Results

    row = Measured(title, document, outcomes, problems, groups)
    return page.write(Results(title, [row]), path.parent, name=path.stem)
