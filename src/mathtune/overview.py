"""What the terminal shows of a run: its plan, its state, one problem with its clusters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mathtune import jsonl
from mathtune.errors import InputError
from mathtune.records import Problem
from mathtune.run import PLAN, STARTED, STEP, Run
from mathtune.samples import Joined, read_groups, read_problems
from mathtune.stages.measure import read_outcomes


def plan_table(run: Run) -> Table:
    """The steps of a planned run: what `--dry-run` prints."""
    table = Table("step", "stage", "reads", title=str(run.folder))
    for step in run.steps.values():
        table.add_row(step.name, step.stage.kind(), ", ".join(step.reads))
    return table


def read_plan(folder: Path) -> dict[str, Any]:
    """A run's `plan.json`.

    Raises:
        InputError: the folder holds no run.
    """
    if not (folder / PLAN).exists():
        raise InputError(f"{folder}: no run here; expected a folder that `mathtune run` wrote.")
    return jsonl.read_json(folder / PLAN)


def status_table(folder: Path) -> Table:
    """Every step of a run: finished (with its time), under way, or waiting."""
    plan = read_plan(folder)
    table = Table("step", "stage", "state", "wall s", "CPU s", title=f"{plan['recipe']}: {folder}")
    for step in plan["steps"]:
        place = folder / step["name"]
        if (place / STEP).exists():
            cost = jsonl.read_json(place / STEP)["bill"]
            times = (f"{cost['wall_s']:.1f}", f"{cost['cpu_s']:.1f}")
            table.add_row(step["name"], step["stage"], "finished", *times)
        else:
            state = "under way" if (place / STARTED).exists() else "waiting"
            table.add_row(step["name"], step["stage"], state, "", "")
    return table


def problem_view(folder: Path, problem_id: str, *, row: str | None) -> RenderableType:
    """One problem as a measured step saw it: gold answer, clusters, verdicts, scores, picks.

    Raises:
        InputError: no such problem, or no such measured step.
    """
    steps = read_plan(folder)["steps"]
    measured = {
        step["name"]: step["config"]
        for step in steps
        if step["stage"] == "measure" and (folder / step["name"] / STEP).exists()
    }
    if row is not None and row not in measured:
        raise InputError(f"{row}: no measured row; there are {', '.join(measured) or 'none'}.")
    for name, config in measured.items():
        problems = read_problems(folder / config["problems"])
        if row in (None, name) and problem_id in problems:
            columns = tuple(folder / path for path in config["samples"])
            samples = next(rows for key, rows in read_groups(columns) if key == problem_id)
            picks = read_outcomes(folder / name)[problem_id].picks
            return _problem(name, problems[problem_id], samples, picks)
    where = row or ", ".join(measured) or "any row"
    raise InputError(f"{problem_id}: no such problem in {where}.")


def _problem(
    name: str, problem: Problem, samples: Sequence[Joined], picks: Mapping[str, int]
) -> RenderableType:
    """The problem, a table of its clusters, and the solution of each cluster's first sample."""
    clusters: dict[int | None, list[Joined]] = defaultdict(list)
    for sample in samples:
        clusters[sample.grade.cluster if sample.grade else None].append(sample)
    chosen: dict[int, list[str]] = defaultdict(list)
    for strategy, index in picks.items():
        chosen[index].append(strategy)
    table = Table("votes", "answer", "verdict", "summed score", "picked by", title=name)
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
