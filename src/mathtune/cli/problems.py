"""The problems of a run in the terminal: their list, and one with its clusters and picks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from mathtune.errors import InputError
from mathtune.report.results import ROW
from mathtune.rows.records import Problem
from mathtune.rows.samples import Joined, read_groups, read_problems
from mathtune.run.documents import read_plan
from mathtune.run.names import STEP
from mathtune.run.progress import visible
from mathtune.stages.measure import read_outcomes

LISTED = 200
"""The number of problems in a list; the others are counted."""
START = 60
"""The number of characters of a problem in a list."""


def problem_table(folder: Path, *, row: str | None) -> RenderableType:
    """Return the problems of a measured row (default: the first finished) and which are right.

    Raises:
        InputError: no such row, or nothing is measured yet.
    """
    measured = _measured(folder, row)
    if not measured:
        raise InputError(f"{folder}: nothing is measured yet.")
    name, config = next(iter(measured.items()))
    problems, outcomes = read_problems(folder / config["problems"]), read_outcomes(folder / name)
    first = next(iter(outcomes.values())).values if outcomes else {}
    shown = [key for key in first if key in ("mean", "W.RR") or key.startswith(("Maj1@", "Pass@"))]
    table = Table("problem", *map(escape, shown), "begins", title=escape(_shown(name)))
    for key, outcome in list(outcomes.items())[:LISTED]:
        values = (f"{100 * outcome.values[metric]:.0f} %" for metric in shown)
        begins = " ".join(visible(problems[key].problem, keep="").split())[:START]
        table.add_row(Text(key), *values, Text(begins))
    others = ", ".join(_shown(other) for other in _measured(folder, None) if other != name)
    left = len(outcomes) - LISTED
    table.caption = escape(
        (f"{left} more problems. " if left > 0 else "")
        + f"One of them: mathtune show {folder} PROBLEM."
        + (f" Other rows, with --row: {others}." if others else "")
    )
    return table


def _shown(name: str) -> str:
    """Return a row's name, as in the report."""
    return name.removesuffix(ROW)


def _measured(folder: Path, row: str | None) -> dict[str, Mapping[str, Any]]:
    """Return the configs of the finished measure steps by name, or only that of `row`.

    Raises:
        InputError: no such row.
    """
    found: dict[str, Mapping[str, Any]] = {
        step.name: step.config
        for step in read_plan(folder).steps
        if step.stage == "measure" and (folder / step.name / STEP).exists()
    }
    if row is None:
        return found
    for name, config in found.items():
        if row in (name, _shown(name)):
            return {name: config}
    raise InputError(
        f"{row}: no measured row; there are {', '.join(map(_shown, found)) or 'none'}."
    )


def problem_view(folder: Path, problem_id: str, *, row: str | None) -> RenderableType:
    """Return one problem as a measured step saw it: gold answer, clusters, verdicts, scores, picks.

    Raises:
        InputError: no such problem, or no such measured step.
    """
    measured = _measured(folder, row)
    for name, config in measured.items():
        problems = read_problems(folder / config["problems"])
        if problem_id in problems:
            columns = tuple(folder / path for path in config["samples"])
            samples = next((rows for key, rows in read_groups(columns) if key == problem_id), [])
            outcome = read_outcomes(folder / name).get(problem_id)
            if outcome is None or not samples:
                raise InputError(
                    f"{folder / name}: was measured without problem {problem_id!r}, or its files "
                    f"were changed; --redo {name} measures it again."
                )
            return _problem(_shown(name), problems[problem_id], samples, outcome.picks)
    where = ", ".join(map(_shown, measured)) or "any row"
    raise InputError(
        f"{problem_id}: no such problem in {where}; `mathtune show {folder}` lists them."
    )


def _problem(
    name: str, problem: Problem, samples: Sequence[Joined], picks: Mapping[str, int]
) -> RenderableType:
    """Return the problem, its table of clusters, and each cluster's first solution."""
    clusters: dict[int | None, list[Joined]] = defaultdict(list)
    for sample in samples:
        clusters[sample.grade.cluster if sample.grade else None].append(sample)
    chosen: dict[int, list[str]] = defaultdict(list)
    for strategy, index in picks.items():
        chosen[index].append(strategy)
    table = Table("votes", "answer", "verdict", "summed score", "picked by", title=escape(name))
    texts: list[RenderableType] = []
    order = sorted(clusters.items(), key=lambda item: (item[0] is None, -len(item[1]), item[0]))
    for _, members in order:
        grade = members[0].grade
        answer = grade.answer if grade and grade.answer is not None else "(no answer)"
        verdict = grade.verdict if grade else ""
        scores = [member.score for member in members if member.score is not None]
        total = f"{sum(scores):.3f}" if scores else ""
        by = [strategy for member in members for strategy in chosen[member.sample.index]]
        table.add_row(str(len(members)), Text(answer), verdict, total, Text(", ".join(by)))
        texts.append(Text(f"\n{answer}, sample {members[0].sample.index}:", style="bold"))
        texts.append(Text(members[0].sample.text))
    head = Text(f"{problem.id}\n{problem.problem}\ngold answer: {problem.answer}\n")
    return Group(head, table, *texts)
