"""A run in the terminal: its steps, what each is doing, and how far it has come."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from mathtune.rows import jsonl
from mathtune.run import failures, finished
from mathtune.run.documents import PlannedStep, read_plan
from mathtune.run.folder_lock import is_locked
from mathtune.run.names import LOCK, STARTED, STEP
from mathtune.training.curve import CURVE

GROWING = ("samples.jsonl", "scores.jsonl", CURVE)
"""The files that a step appends to while it works."""


def status_table(folder: Path) -> Table:
    """Return the state of every step of a run: finished, under way, failed, or waiting."""
    plan = read_plan(folder)
    working = is_locked(folder / LOCK)
    table = Table("step", "stage", "state", "wall s", "CPU s", title=f"{plan.recipe}: {folder}")
    done = [step for step in plan.steps if (folder / step.name / STEP).exists()]
    unmade = failures.Failures()
    total = 0.0
    for step in plan.steps:
        place = folder / step.name
        failure = failures.read(place)
        if step in done:
            cost = finished.read(place)["bill"]
            total += cost["wall_s"]
            times = (f"{cost['wall_s']:.1f}", f"{cost['cpu_s']:.1f}")
            table.add_row(step.name, step.stage, "finished", *times)
        elif failure is not None:
            unmade.reasons[step.name] = failure.reason
            table.add_row(step.name, step.stage, Text(f"failed: {failure.reason}"), "", "")
        elif (place / STARTED).exists():
            state = "under way" if working else "interrupted"
            rows = so_far(folder, step)
            table.add_row(step.name, step.stage, f"{state}{rows and ': ' + rows}", "", "")
        elif unmade.blocks(step.name, step.reads):
            needed = unmade.blocked[step.name]
            table.add_row(step.name, step.stage, f"not made: needs {needed}", "", "")
        else:
            table.add_row(step.name, step.stage, "waiting", "", "")
    table.caption = f"{len(done)} of {len(plan.steps)} steps finished in {total:.0f} s."
    if len(done) < len(plan.steps) and not working:
        table.caption += " No process works on it; the same command continues it."
    return table


def so_far(folder: Path, step: PlannedStep) -> str:
    """Describe the rows or updates that an unfinished step has written, of how many, and when.

    Empty if the stage only writes at its end.
    """
    place = folder / step.name
    found = next((path for path in map(place.joinpath, GROWING) if path.exists()), None)
    if found is None:
        return ""
    age = max(0.0, time.time() - found.stat().st_mtime)
    if found.name == CURVE:
        words = f"update {_last_update(found):,}"
    else:
        with found.open("rb") as stream:
            rows = sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b""))
        whole = _rows_wanted(folder, step.config)
        words = f"{rows:,} of {whole:,} rows ({rows / whole:.0%})" if whole else f"{rows:,} rows"
    return f"{words}, {age:.0f} s ago"


def _last_update(curve: Path) -> int:
    """Return the update that a training curve has reached; its last line may be torn."""
    lines = curve.read_bytes().rpartition(b"\n")[0].splitlines()
    return msgspec.json.decode(lines[-1])["update"] if lines else 0


def _rows_wanted(folder: Path, config: Mapping[str, Any]) -> int:
    """Return the number of rows that a sample or score step will write; 0: unknown."""
    problems = folder / config["problems"]
    if "samples" in config:
        samples = folder / config["samples"][0]
        return sum(1 for _ in jsonl.lines(samples)) if samples.exists() else 0
    if not problems.exists():
        return 0
    return sum(1 for _ in jsonl.lines(problems)) * (1 if config["greedy"] else config["n"])
