"""A run in the terminal: its plan, its state, one problem with its clusters."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Problem
from mathtune.rows.samples import Joined, read_groups, read_problems
from mathtune.run import failures, finished
from mathtune.run.documents import PlannedStep, read_plan
from mathtune.run.finished import STEP
from mathtune.run.folder_lock import is_locked
from mathtune.run.recipe_run import LOCK, Run
from mathtune.run.step import STARTED
from mathtune.stages.measure import read_outcomes
from mathtune.training.curve import CURVE

GROWING = ("samples.jsonl", "scores.jsonl", CURVE)
"""The files that a step appends to while it works."""


def plan_table(run: Run) -> Table:
    """The steps of a planned run: what `--dry-run` prints."""
    table = Table("step", "stage", "reads", title=str(run.folder))
    for step in run.steps.values():
        table.add_row(step.name, step.stage.kind(), ", ".join(step.reads))
    return table


def status_table(folder: Path) -> Table:
    """Every step of a run: finished (with its time), under way (with what is done), failed (and
    why), or waiting.
    """
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
    """Describe what an unfinished step has written: rows or updates, of how many, and when.

    Empty where the stage writes only when it is done.
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
    """The update that a training curve has reached; its last line may be torn."""
    lines = curve.read_bytes().rpartition(b"\n")[0].splitlines()
    return msgspec.json.decode(lines[-1])["update"] if lines else 0


def _rows_wanted(folder: Path, config: Mapping[str, Any]) -> int:
    """The rows that a sample or score step will have written; 0 if that is unknown."""
    problems = folder / config["problems"]
    if "samples" in config:
        samples = folder / config["samples"][0]
        return sum(1 for _ in jsonl.lines(samples)) if samples.exists() else 0
    if not problems.exists():
        return 0
    return sum(1 for _ in jsonl.lines(problems)) * (1 if config["greedy"] else config["n"])


def problem_view(folder: Path, problem_id: str, *, row: str | None) -> RenderableType:
    """One problem as a measured step saw it: gold answer, clusters, verdicts, scores, picks.

    Raises:
        InputError: no such problem, or no such measured step.
    """
    steps = read_plan(folder).steps
    measured = {
        step.name: step.config
        for step in steps
        if step.stage == "measure" and (folder / step.name / STEP).exists()
    }
    if row is not None and row not in measured:
        raise InputError(f"{row}: no measured row; there are {', '.join(measured) or 'none'}.")
    for name, config in measured.items():
        problems = read_problems(folder / config["problems"])
        if row in (None, name) and problem_id in problems:
            columns = tuple(folder / path for path in config["samples"])
            samples = next((rows for key, rows in read_groups(columns) if key == problem_id), [])
            outcome = read_outcomes(folder / name).get(problem_id)
            if outcome is None or not samples:
                raise InputError(
                    f"{folder / name}: was measured without problem {problem_id!r}, or its files "
                    f"were changed; --redo {name} measures it again."
                )
            return _problem(name, problems[problem_id], samples, outcome.picks)
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
