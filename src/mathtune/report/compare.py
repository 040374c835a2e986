"""Two or more runs of the same problems side by side: `mathtune report RUN1 RUN2`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from mathtune.errors import InputError, many
from mathtune.metrics.seeds import SINGLE
from mathtune.report import cells, figures, seeds
from mathtune.report.cells import (
    NONE,
    Table,
    accuracy,
    bounds,
    difference,
    p_value,
    with_other_seeds,
)
from mathtune.report.page import picture, rendered
from mathtune.report.results import Compared, Measured, read_run
from mathtune.rows import jsonl
from mathtune.run.fingerprint import differences

SHOWN = 500
"""The most changed problems of a row that the page lists; it also says how many there are."""
START = 120
"""The number of characters of a problem in that list."""


def compared(folders: Sequence[Path]) -> Compared:
    """Read the runs and compare the rows that all of them have.

    Raises:
        InputError: a folder holds no run, no row is in all of them, or a row is of other problems.
    """
    results = tuple(seeds.over_seeds(read_run(folder)) for folder in folders)
    found = [{row.name: row for row in one.rows} for one in results]
    shared = [name for name in found[0] if all(name in rows for rows in found[1:])]
    if not shared:
        have = "; ".join(
            f"{folder} has {', '.join(rows) or 'none'}"
            for folder, rows in zip(folders, found, strict=True)
        )
        raise InputError(f"{folders[0]}: no measured row is in all runs: {have}.")
    rows = {name: tuple(one[name] for one in found) for name in shared}
    for name, each in rows.items():
        for folder, row in zip(folders[1:], each[1:], strict=True):
            _refuse_other_problems(name, each[0], row, folders[0], folder)
    minus = {
        name: tuple(seeds.differences(row, each[0], name=name) for row in each[1:])
        for name, each in rows.items()
    }
    return Compared(_names(folders), tuple(folders), results, rows, minus)


def write(found: Compared, page: Path) -> Path:
    """Write the page, its figure and the Markdown next to it; return the page's path."""
    drawn = {f"{page.stem}-differences": ("Paired differences", figures.differences(found))}
    page.parent.mkdir(parents=True, exist_ok=True)
    svg = next(iter(figures.save(drawn, page.parent / "figures").values()))
    caption = (
        f"Points above (right) or below (left) {found.names[0]}, paired problem by problem, with "
        "95 % intervals, which include other seeds if there are several"
    )
    title = " and ".join(found.names) if len(found.names) == 2 else f"{len(found.names)} runs"
    answer, tables, differ = sentence(found), accuracies(found), settings(found)
    text = rendered(
        "compare.html",
        title=title,
        sentence=answer,
        figure={"svg": figures.inline(svg), "caption": caption},
        tables=tables,
        names=found.names,
        changed=[
            {"name": name, "count": len(problems), "problems": problems[:SHOWN]}
            for name in found.rows
            if (problems := _changed(found, name, page.parent))
        ],
        settings=differ,
    )
    jsonl.write_text(page, text)
    parts = [f"# {cells.plain(title)}\n", f"{cells.plain(answer)}\n"]
    parts += [picture(f"{page.stem}-differences", caption)]
    shown = tables if differ is None else [*tables, differ]
    parts += [cells.markdown(table) for table in shown]
    jsonl.write_text(page.with_suffix(".md"), "\n".join(parts))
    return page


def sentence(found: Compared) -> str:
    """Return the answer in words: the gain of one solution per problem in the report's row."""
    reference = found.results[0].reference
    rows = list(found.rows)
    name = reference.name if reference is not None and reference.name in rows else rows[0]
    each = found.rows[name]
    parts = []
    for other, row, minus in zip(found.names[1:], each[1:], found.minus[name], strict=True):
        metric = _one(each[0], row)
        won, lost = _counted(each[0], row, metric)
        change = with_other_seeds(minus[metric])
        parts.append(
            f"{other} is {100 * change['difference']:+z.1f} points "
            f"{bounds(change['low'], change['high'], '+')} from {found.names[0]} in {metric} "
            f"({p_value(change['p'])}; better on {won} problems, worse on {lost})"
        )
    more = f" {many(len(rows) - 1, 'more row is', 'more rows are')} below." if len(rows) > 1 else ""
    return f"On {len(each[0].outcomes)} problems, row {name}: {'; '.join(parts)}.{more}"


def accuracies(found: Compared) -> list[Table]:
    """Return one table per row: its metrics in each run, and the differences to the first."""
    return [_row(found, name) for name in found.rows]


def _row(found: Compared, name: str) -> Table:
    each, minus = found.rows[name], found.minus[name]
    first = found.names[0]
    metrics = [
        metric for metric in each[0].metrics if all(metric in one for one in minus)
    ]  # in the order of the first run's table
    body = [
        (
            metric,
            *(accuracy(row.metrics, metric) for row in each),
            *(difference(one, metric) for one in minus),
        )
        for metric in metrics
        if not metric.startswith("cost")
    ]
    inside = [one.get("within_auc") for one in minus]
    if all(inside):
        cells = (
            f"{one['difference']:+.3f} [{one['low']:+.3f}, {one['high']:+.3f}] {p_value(one['p'])}"
            for one in inside
            if one
        )
        body.append(("AUC within problems", *[NONE] * len(each), *cells))
    sizes = {row.n for row in each}
    note = (
        f"Percent of {len(each[0].outcomes)} problems, graded by "
        f"{', '.join(dict.fromkeys(row.document.grader for row in each))}; differences in "
        "points, paired, with 95 % intervals and the p of a sign-flip test, then, with several "
        "seeds, those that include other seeds."
    )
    if any(len(row.each) == 1 for row in each) and each[0].origin.updates is not None:
        note += f" {SINGLE[0].upper()}{SINGLE[1:]}."
    if len(sizes) > 1:
        drawn = ", ".join(f"{row.n} in {one}" for row, one in zip(each, found.names, strict=True))
        note += f" The number of samples differs: {drawn}."
    header = ("", *found.names, *(f"{other} – {first}" for other in found.names[1:]))
    return Table(name, header, body, note)


def settings(found: Compared) -> Table | None:
    """Return the settings in which runs differ from the first, by step; None: they do not."""
    first = {step.name: step for step in found.results[0].steps}
    body = []
    for name, result in zip(found.names[1:], found.results[1:], strict=True):
        for step in result.steps:
            if step.name not in first:
                body.append((step.name, name, f"only in {name}"))
                continue
            changes = differences(first[step.name].config, step.config)
            if changes:
                body.append((step.name, name, "; ".join(changes)))
        ours = {step.name for step in result.steps}
        body += [(step, name, f"not in {name}") for step in first if step not in ours]
    note = f"Was: in {found.names[0]}."
    return Table("", ("step", "run", "settings"), body, note) if body else None


def _refuse_other_problems(
    name: str, ours: Measured, theirs: Measured, first: Path, other: Path
) -> None:
    odd = sorted(ours.outcomes.keys() ^ theirs.outcomes.keys())
    odd += [
        key
        for key, problem in ours.problems.items()
        if key in theirs.problems
        and (problem.problem, problem.answer)
        != (theirs.problems[key].problem, theirs.problems[key].answer)
    ]
    if odd:
        raise InputError(
            f"{other}: row {name!r} is of other problems than in {first}: {odd[0]!r} is not the "
            f"same in both, of {len(odd)}; expected runs of the same problems."
        )


def _one(*rows: Measured) -> str:
    """Return the metric of one solution per problem that all rows have."""
    return "Pass@1" if all(row.first == "Pass@1" for row in rows) else "mean"


def _counted(ours: Measured, theirs: Measured, metric: str) -> tuple[int, int]:
    """Return the numbers of problems where the metric rose, and where it fell."""
    changes = [
        theirs.outcomes[i].values[metric] - ours.outcomes[i].values[metric] for i in ours.outcomes
    ]
    return sum(change > 0 for change in changes), sum(change < 0 for change in changes)


def _changed(found: Compared, name: str, page_folder: Path) -> list[dict[str, Any]]:
    each = found.rows[name]
    problems = []
    for problem_id, problem in each[0].problems.items():
        marks = [_marks(row, problem_id) for row in each]
        if len(set(marks)) == 1:
            continue
        runs = [
            {
                "text": f"{mark}  {round(100 * row.outcomes[problem_id].values['mean'])} % right",
                "link": _link(folder, row, problem_id, page_folder),
            }
            for mark, row, folder in zip(marks, each, found.folders, strict=True)
        ]
        start = jsonl.writable(problem.problem[:START])
        problems.append({"id": problem_id, "start": start, "runs": runs})
    return problems


def _marks(row: Measured, problem_id: str) -> str:
    values = row.outcomes[problem_id].values
    names = ("Pass@1", f"Maj1@{row.n}")
    return " ".join(
        f"{'✓' if values[name] >= 0.5 else '✗'} {'greedy' if name == 'Pass@1' else 'majority'}"
        for name in names
        if name in values
    )


def _link(folder: Path, row: Measured, problem_id: str, page_folder: Path) -> str | None:
    page = folder / "report.html"
    if not page.exists():
        return None
    where = urlencode({"row": row.each[0].name, "problem": problem_id})
    return f"{Path(os.path.relpath(page, page_folder)).as_posix()}#{where}"


def _names(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return the folders' last parts, as many as needed to distinguish them."""
    whole = [folder.resolve().parts for folder in folders]
    for length in range(1, max(map(len, whole)) + 1):
        names = tuple("/".join(parts[-length:]) for parts in whole)
        if len(set(names)) == len(names):
            return names
    raise InputError(f"{folders[0]}: named twice; expected different runs.")
