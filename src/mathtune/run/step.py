"""The execution of one step: its folder is skipped, refused, continued or made. Below recipe_run.

ssft/
  started.json     the fingerprint of the work under way
  ...              what the stage writes
  metrics.json     what it measured: no time, path or host
  step.json        written last, by rename: its existence means complete
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.run import bill, provenance, ranks
from mathtune.run.children import Child, on_sigterm
from mathtune.run.fingerprint import differences, fingerprint, growth
from mathtune.run.folder_lock import locked
from mathtune.run.progress import say
from mathtune.run.stage import Stage

STARTED, STEP, METRICS = "started.json", "step.json", "metrics.json"
GROWN_FROM = "grown_from"
"""The key in started.json for the former values of the setting that may be raised."""


def execute(
    stage: Stage,
    folder: Path,
    *,
    name: str,
    redo: bool = False,
    place: str = "",
    hint: str | None = None,
) -> None:
    """Bring one step's folder to completion: skip, refuse, continue or execute.

    `place`: of the step in its run, for the line that announces it. `hint`: the option that makes
    it again; None: that of a recipe.

    Raises:
        InputError: the folder holds a finished step with other settings or inputs, or another
        process works in it.
    """
    if not ranks.first():
        if redo or not (folder / STEP).exists():
            stage.run(folder)
        return
    mark = fingerprint(stage)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent / f".{folder.name}.lock", folder=folder):
        if redo and folder.exists():
            shutil.rmtree(folder)
        if (folder / STEP).exists() and not _reopened(stage, folder, mark):
            refuse_changes(folder, mark, hint=hint or f"--redo {name}")
            say(f"{name}: finished before, skipped")
            return
        _execute(stage, folder, mark, name=name, place=place)


def _execute(stage: Stage, folder: Path, mark: dict[str, Any], *, name: str, place: str) -> None:
    _prepare_folder(stage, folder, mark, name=name)
    say(f"{name}: {stage.kind()}{place and f' ({place})'}")
    meter = bill.Meter()
    try:
        metrics = _isolated(stage, folder) if _wants_isolation(stage) else stage.run(folder)
    except (InputError, ModuleNotFoundError):
        if [path.name for path in folder.iterdir()] == [STARTED]:
            shutil.rmtree(folder)
        raise
    jsonl.write_json(folder / METRICS, metrics)
    record = {
        **mark,
        "settings": stage.described(relative_to=folder.parent),
        "bill": meter.read(),
        "made_with": provenance.record(),
    }
    jsonl.write_json(folder / STEP, record)
    (folder / STARTED).unlink()


def refuse_changes(folder: Path, mark: Mapping[str, Any], *, hint: str) -> None:
    """Raise if the finished step in `folder` differs from `mark` in any key that `mark` has.

    `hint`: the option that makes it again, as a user types it.
    """
    changed = differences(jsonl.read_json(folder / STEP), mark)
    if changed:
        raise InputError(
            f"{folder}: finished with other settings: {'; '.join(changed)}. "
            f"Use {hint} to make it again{_with_dependents(hint)}, or another --out."
        )


def _with_dependents(hint: str) -> str:
    return ", with the steps that depend on it" if " " in hint else ""


def _reopened(stage: Stage, folder: Path, mark: dict[str, Any]) -> bool:
    """Reopen a finished step that is only asked for more, and keep its rows."""
    before = growth(jsonl.read_json(folder / STEP), mark, stage.grows)
    if before is None:
        return False
    jsonl.write_json(folder / STARTED, {**mark, GROWN_FROM: [before]})
    (folder / STEP).unlink()
    (folder / METRICS).unlink(missing_ok=True)
    return True


def _prepare_folder(stage: Stage, folder: Path, mark: dict[str, Any], *, name: str) -> None:
    started = folder / STARTED
    if folder.exists():
        if started.exists():
            found = jsonl.read_json(started)
            if not differences(found, mark):
                return
            before = growth(found, mark, stage.grows)
            if before is not None:
                jsonl.write_json(started, {**mark, GROWN_FROM: [*grown_from(folder), before]})
                return
        if any(folder.iterdir()):
            say(f"{name}: left unfinished with other settings, started afresh")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    jsonl.write_json(started, mark)


def grown_from(folder: Path) -> list[int]:
    """Return the former values of the setting that may be raised, one per raise, rising."""
    started = folder / STARTED
    return jsonl.read_json(started).get(GROWN_FROM, []) if started.exists() else []


def _wants_isolation(stage: Stage) -> bool:
    if not stage.on_device or ranks.count() > 1:
        return False
    if find_spec("torch") is None:
        return False  # a server needs none; what does will say so
    import torch

    return torch.accelerator.is_available()


def _isolated(stage: Stage, folder: Path) -> Any:
    """Run the stage in a child process: device memory comes back, a crash names its step.

    SIGTERM goes on to the child: a training saves itself and leaves with exit code 0, other stages
    end at once; so do we.
    """
    child = Child(folder.name, partial(_in_child, stage), fresh=True)
    with child, on_sigterm(child.terminate):
        child.send(folder)
        return child.receive()


def _in_child(stage: Stage) -> Callable[[Path], Any]:
    return stage.run
