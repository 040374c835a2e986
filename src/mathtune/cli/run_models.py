"""The models of a run, whose folder may be given as a model. Used by solve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mathtune.errors import InputError
from mathtune.run.names import PLAN

if TYPE_CHECKING:
    from mathtune.report.steps import StepRecord

Role = Literal["generator", "evaluator"]


def model_in(name: str, role: Role = "generator") -> str:
    """Return the model `name` stands for: of a train step's folder, a run's folder, or itself.

    For a run: the model that wrote (or judged) the samples of the row its report is about, else of
    the first row that has one.

    Raises:
        InputError: the run has no such model, or has not made it yet.

    Example:
        >>> model_in("embedded")
        'embedded'
    """
    folder = Path(name).expanduser()
    if (folder / "model" / "config.json").is_file():
        return str(folder / "model")
    return _of_run(folder, role) if (folder / PLAN).is_file() else name


def _of_run(folder: Path, role: Role) -> str:
    from mathtune.report.results import measured_by, read_run
    from mathtune.report.steps import maker

    results = read_run(folder)
    steps = {step.name: step for step in results.steps}
    if results.reference is None:
        raise InputError(f"{folder}: nothing is measured yet, so this run has no model to use.")
    reference = results.reference
    for row in [reference, *(row for row in results.rows if row is not reference)]:
        for path in measured_by(row, steps).config["samples"]:
            step = maker(path, steps)
            if step is not None and _is(step, role):
                inside = folder / step.config["model"]
                return str(inside) if inside.exists() else str(step.config["model"])
    trained = ", ".join(step.name for step in results.steps if step.stage == "train")
    raise InputError(
        f"{folder}: no measured row has a {role}; expected the folder of a train step of this run"
        f"{trained and f': {trained}'}."
    )


def _is(step: StepRecord, role: Role) -> bool:
    """Return whether in a step a model wrote samples, or judged them."""
    from mathtune.report.steps import judges

    return step.stage == "sample" if role == "generator" else judges(step)
