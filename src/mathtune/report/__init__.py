"""From a run folder to what people read: figures, tables, report.md and report.html.

steps     a run folder's steps, and where each model comes from
results   what a run folder holds
gap       how much of the gap between Pass@1 and Pass@N each way to answer closes
cells     one table, for the page, Markdown and the terminal
groups    metrics for each level or subject
tables    the tables of accuracies, strategies and comparisons
papers    the papers' tables, ours beside theirs
cost      the bill: seconds, tokens, device-hours, FLOPs
figures   the figures; curves over N, K and a training
study     the tables of a scaling study, and study_figures its figures
browser   problems, clusters and solutions, compressed for the page
page      report.html and report.md
compare   two or more runs
tracked   metrics and tables for trackers
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mathtune.rows import jsonl
from mathtune.run import provenance
from mathtune.run.names import METRICS, PLAN

if TYPE_CHECKING:
    from rich.table import Table

    from mathtune.metrics.measure import Outcome
    from mathtune.report.results import Groups, Results
    from mathtune.rows.metrics import MeasureMetrics
    from mathtune.rows.records import Problem
    from mathtune.run.trackers import Name

__all__ = [
    "build",
    "build_comparison",
    "of_samples",
    "page_for_samples",
    "tell",
    "tell_of_samples",
    "terminal",
]


def build(run_folder: Path) -> Path:
    """Write report.html, report.md and figures/ of a run or a stage's folder; return the page.

    Steps that are not finished are left out. A run's metrics.json is written too: it holds every
    finished step's metrics by the step's name, no time, path or host.

    Raises:
        InputError: the folder holds neither.
    """
    from mathtune.report import page, results

    found = results.read_folder(run_folder)
    if (run_folder / PLAN).exists():
        metrics = {step.name: step.metrics for step in found.steps if step.finished}
        jsonl.write_json(run_folder / METRICS, metrics)
    return page.write(found, run_folder)


def tell(run_folder: Path, names: tuple[Name, ...]) -> None:
    """Log a run's metrics and tables to trackers; tensorboard's files go into RUN/tensorboard/.

    Raises:
        InputError: the folder holds no run, or the login of a tracker fails.
    """
    from mathtune.report import results, tracked
    from mathtune.run.trackers import Place

    if names:
        tracked.tell(results.read_folder(run_folder), names, Place.of(run_folder.absolute()))


def terminal(run_folder: Path) -> list[Table]:
    """Return the tables that end a run; the report has more of them."""
    from mathtune.report import cells, cost, study, tables
    from mathtune.report.gap import closed
    from mathtune.report.results import read_folder
    from mathtune.report.seeds import over_seeds

    results = over_seeds(read_folder(run_folder))
    studied = study.tables(results, brief=True)
    shown = [*tables.headline_tables(results, closed(results)), *studied]
    return [cells.grid(table) for table in (*shown, cost.table(results, brief=True))]


def build_comparison(run_folders: Sequence[Path], page: Path) -> tuple[Path, list[Table]]:
    """Write the page that compares runs of the same problems; return its path and its tables.

    Raises:
        InputError: a folder holds no run, or the runs have no row of the same problems.
    """
    from mathtune.report import cells, compare

    found = compare.compared(run_folders)
    shown = [cells.grid(table) for table in compare.accuracies(found)]
    return compare.write(found, page), shown


def of_samples(
    title: str,
    *,
    document: MeasureMetrics,
    outcomes: Mapping[str, Outcome],
    problems: Mapping[str, Problem],
    groups: Callable[[], Groups],
    cluster: Mapping[str, str] | None = None,
) -> Results:
    """Return measured samples from elsewhere as results of one row; `groups` reads them anew.

    `cluster`: the cluster of each problem; None: drawn one by one.
    """
    from mathtune.report.results import Measured, Results

    row = Measured(title, document, outcomes, problems, groups, cluster=cluster)
    return Results(title, [row], made_with=provenance.environment())


def page_for_samples(results: Results, path: Path) -> Path:
    """Write the same page for measured samples from elsewhere."""
    from mathtune.report import page

    return page.write(results, path.parent, name=path.stem)


def tell_of_samples(results: Results, names: tuple[Name, ...]) -> None:
    """Log measured samples to trackers; tensorboard's files go into tensorboard/TITLE here.

    Raises:
        InputError: a tracker is not installed, or its login fails.
    """
    from mathtune.report import tracked
    from mathtune.run.trackers import Place

    title = results.title
    tracked.tell(results, names, Place(title, None, Path("tensorboard") / title))
