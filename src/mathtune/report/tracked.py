"""The numbers and tables of a run, or of measured samples, that are logged to trackers."""

from __future__ import annotations

from mathtune.report import cells, cost, papers, study, tables
from mathtune.report.cells import Table
from mathtune.report.gap import Closed, closed
from mathtune.report.results import Results
from mathtune.report.seeds import over_seeds
from mathtune.run.trackers import Name, Place, opened


def tell(results: Results, names: tuple[Name, ...], place: Place) -> None:
    """Log the report to the trackers; remove tensorboard's earlier log of it.

    Raises:
        InputError: a tracker is not installed, or its login fails.
    """
    results = over_seeds(results)
    found = closed(results)
    for old in place.folder.glob("events.out.tfevents.*"):
        old.unlink()
    config = {step.name: step.config for step in results.steps}
    with opened(names, place, config) as trackers:
        for tracker in trackers:
            tracker.numbers(numbers(results, found), at=0)
            for table in all_tables(results, found):
                text = cells.markdown(table)
                tracker.table(table.title, table.header, table.rows, text=text)


def numbers(results: Results, found: list[Closed]) -> dict[str, float]:
    """Return every row's metrics in [0, 1], how well its scores judge, and the gaps closed.

    Intervals are in the tables.
    """
    values: dict[str, float] = {}
    for row in results.rows:
        values |= {f"{row.name}/{name}": one["value"] for name, one in row.metrics.items()}
        within = (row.document.evaluator or {}).get("within_auc")
        if within is not None:
            values[f"{row.name}/AUC within problems"] = within["value"]
    return values | {f"gap closed/{one.label}": one.part.value for one in found}


def all_tables(results: Results, found: list[Closed]) -> list[Table]:
    """Return the page's tables, from top to bottom."""
    shown = [*study.tables(results), *tables.accuracy_tables(results, found)]
    shown += papers.tables_of(results)
    if results.steps:
        shown += [cost.table(results, by_stage=True), cost.table(results)]
    return shown
