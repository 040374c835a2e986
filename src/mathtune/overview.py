"""What the terminal shows of a run: its plan, its state, one problem with its clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from mathtune import jsonl
from mathtune.errors import InputError
from mathtune.run import METRICS, PLAN, STARTED, STEP, Run
from mathtune.samples import read_problems


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
    rows = [step for step in read_plan(folder)["steps"] if step["stage"] == "measure"]
    finished = [step for step in rows if (folder / step["name"] / METRICS).exists()]
    names = [step["name"] for step in finished]
    if row is not None and row not in names:
        raise InputError(f"{row}: no finished row; there are {', '.join(names) or 'none'}.")
    for step in finished:
        if row in (None, step["name"]):
            config = step["config"]
            problems = read_problems(folder / config["problems"])
            if problem_id in problems:
                samples = _samples_of(folder, config["samples"], problem_id)
                return _problem(step["name"], problems[problem_id], samples)
    raise InputError(f"{problem_id}: no such problem in {row or ', '.join(names) or 'any row'}.")
