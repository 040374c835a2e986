"""The execution of one step, whose folder is skipped, refused, continued or made. Below recipe_run.

ssft/
  started.json     the fingerprint of the work under way
  ...              what the stage writes
  metrics.json     its figures: no time, path or host
  step.json        written last, by rename: its existence means complete
  failed.json      instead: the reason of the failure (failures.py)
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mathtune.errors import InputError, ProcessDiedError
from mathtune.rows import jsonl
from mathtune.run import bill, failures, finished, ranks
from mathtune.run.children import Child, on_sigterm
from mathtune.run.failures import StepFailedError
from mathtune.run.fingerprint import differences, fingerprint, growth, inputs, without_free
from mathtune.run.folder_lock import locked
from mathtune.run.names import FAILED, METRICS, STARTED, STEP
from mathtune.run.progress import say
from mathtune.run.stage import Stage

MARKS = (STEP, STARTED, FAILED)
"""The files of which a step's folder has at least one, once it is not empty."""
GROWN_FROM = "grown_from"
"""The key in started.json for the former values of the setting that may be raised."""


def execute(
    stage: Stage,
    folder: Path,
    *,
    name: str,
    redo: bool = False,
    in_recipe: bool = False,
    place: str = "",
) -> None:
    """Bring one step's folder to completion: skip, refuse, continue or execute.

    `place`: the step's position in its run, for the line that announces it. In a recipe, a stage
    that gathers is made again if its files have changed, and a stage that fails leaves its reason
    in the folder.

    A link to a folder stays one: the work goes into the folder that it names.

    Raises:
        InputError: the folder holds a finished step with other settings or inputs, or what the
        stage reads, or another process works in it; or the stage fails.
        StepFailedError: the stage fails in a recipe.
    """
    if folder.is_symlink():
        folder = folder.resolve()
    if not ranks.first():
        if redo or not (folder / STEP).exists():
            stage.run(folder)
        return
    _refuse_inputs_inside(stage, folder)
    mark = fingerprint(stage)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent / f".{folder.name}.lock", folder=folder):
        _refuse_foreign(folder)
        if redo and folder.exists():
            _remove(folder)
        if _stays(stage, folder, mark, name=name, in_recipe=in_recipe):
            say(f"{name}: finished before, skipped")
            (folder / STARTED).unlink(missing_ok=True)  # a kill may have left it
            return
        _prepare_folder(stage, folder, mark, name=name)
        say(f"{name}: {stage.kind()}{place and f' ({place})'}")
        meter = bill.Meter()
        jsonl.write_json(folder / METRICS, _metrics(stage, folder, in_recipe=in_recipe))
        described = without_free(stage, stage.described(relative_to=folder.parent))
        finished.write(folder, mark, meter, described)
        (folder / STARTED).unlink()


def _refuse_foreign(folder: Path) -> None:
    """Raise InputError for a folder with files in it that is no step's: it would be emptied."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if names and not any(name.startswith(MARKS) for name in names):  # also half-written ones
        raise InputError(
            f"{folder}: holds files that are no step's, first {names[0]}; expected a new folder, "
            "an empty one, or that of a step."
        )


def _refuse_inputs_inside(stage: Stage, folder: Path) -> None:
    """Raise InputError if the stage reads what its own folder holds, which would be removed first,
    or if a model's work would lie in a folder that it reads: that would count as changed.
    """
    for path in inputs(stage):
        read, written = Path(path).resolve(), folder.resolve()
        if not read.exists():
            continue
        if read.is_relative_to(written):
            raise InputError(
                f"{folder}: holds {path}, which this step reads; expected another folder."
            )
        if stage.on_device and written.is_relative_to(read):
            raise InputError(
                f"{folder}: lies in {path}, which this step reads; expected a folder outside it."
            )


def _remove(folder: Path) -> None:
    """Remove a step's folder; if that is interrupted, the rest is still known as a step's."""
    jsonl.write_json(folder / STARTED, {})
    for path in folder.iterdir():
        if path.name != STARTED:
            finished.remove(path)
    shutil.rmtree(folder)


def _stays(stage: Stage, folder: Path, mark: dict[str, Any], *, name: str, in_recipe: bool) -> bool:
    """Return whether the folder holds the finished step as wanted.

    Raises:
        InputError: it holds another one, or its files were changed.
    """
    if not (folder / STEP).exists():
        return False
    finished.refuse_edits(folder, name=name)
    if _reopened(stage, folder, mark):
        return False
    if in_recipe and (changed := finished.regathered(folder, stage, mark)):
        say(f"{name}: {', '.join(changed)} changed, made again")
        _remove(folder)
        return False
    finished.refuse_changes(folder, stage, mark, name=name)
    return True


def _metrics(stage: Stage, folder: Path, *, in_recipe: bool) -> Any:
    """Do the stage's work; return its metrics."""
    try:
        return _isolated(stage, folder) if _wants_isolation(stage) else stage.run(folder)
    except (InputError, ProcessDiedError, ModuleNotFoundError) as error:
        if [path.name for path in folder.iterdir()] == [STARTED]:
            shutil.rmtree(folder)
        full_disk = isinstance(error.__cause__, OSError)
        if in_recipe and not isinstance(error, ModuleNotFoundError) and not full_disk:
            failures.write(folder, error)
            raise StepFailedError(str(error)) from error
        raise


def _reopened(stage: Stage, folder: Path, mark: dict[str, Any]) -> bool:
    """Reopen a finished step that must only make more rows, and keep those it has."""
    before = growth(finished.read(folder), mark, stage.grows)
    if before is None:
        return False
    jsonl.write_json(folder / STARTED, {**mark, GROWN_FROM: [before]})
    (folder / STEP).unlink()
    (folder / METRICS).unlink(missing_ok=True)
    return True


def _prepare_folder(stage: Stage, folder: Path, mark: dict[str, Any], *, name: str) -> None:
    started = folder / STARTED
    (folder / FAILED).unlink(missing_ok=True)
    if folder.exists():
        if started.exists():
            found = _started(started, name=name)
            if not differences(found, mark):
                return
            before = growth(found, mark, stage.grows)
            if before is not None:
                jsonl.write_json(started, {**mark, GROWN_FROM: [*grown_from(folder), before]})
                return
        if any(folder.iterdir()):
            say(f"{name}: left unfinished with other settings, started afresh")
        _remove(folder)
    folder.mkdir(parents=True)
    jsonl.write_json(started, mark)


def _started(path: Path, *, name: str) -> dict[str, Any]:
    try:
        return jsonl.read_json(path)
    except InputError as error:
        raise InputError(f"{error} {finished.remedy(name)}") from None


def grown_from(folder: Path) -> list[int]:
    """Return the former values of the setting that may be raised, in rising order."""
    started = folder / STARTED
    return jsonl.read_json(started).get(GROWN_FROM, []) if started.exists() else []


def _wants_isolation(stage: Stage) -> bool:
    if not stage.on_device or ranks.count() > 1:
        return False
    if find_spec("torch") is None:
        return False  # a server needs no torch; an engine that does says so itself
    import torch

    return torch.accelerator.is_available()


def _isolated(stage: Stage, folder: Path) -> Any:
    """Run the stage in a child process: device memory comes back, a crash names its step.

    SIGTERM is passed on to the child: a training saves its state and leaves with exit code 0, other
    stages end at once; so does this process.
    """
    child = Child(folder.name, partial(_in_child, stage), fresh=True)
    with child, on_sigterm(child.terminate):
        child.send(folder)
        return child.receive()


def _in_child(stage: Stage) -> Callable[[Path], Any]:
    return stage.run
