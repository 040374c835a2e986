"""The models of a run: its folder may be named where a model is asked for. Used by solve."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mathtune.errors import InputError
from mathtune.run.stage import PLAN

Role = Literal["generator", "evaluator"]


def model_in(name: str, role: Role = "generator") -> str:
    """The model that `name` stands for: a train step's folder, a run's folder, else the name.

    Of a run: the model that wrote (or judged) the samples of the row its report is about.

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
    from mathtune.report.results import ROW, read_run

    results = read_run(folder)
    steps = {step.name: step for step in results.steps}
    if results.reference is None:
        raise InputError(f"{folder}: nothing is measured yet, so no model stands for this run.")
    row = results.reference.name
    measured = steps[row] if row in steps else steps[f"{row}{ROW}"]
    for path in measured.config["samples"]:
        step = steps.get(Path(path).parent.as_posix())
        if step is None or (step.stage, role) not in (("sample", "generator"), ("score", role)):
            continue
        if step.stage == "score" and step.config["scorer"] != role:
            continue
        inside = folder / step.config["model"]
        return str(inside) if inside.exists() else str(step.config["model"])
    trained = ", ".join(step.name for step in results.steps if step.stage == "train")
    raise InputError(
        f"{folder}: row {row} has no {role}; expected the folder of a train step of this run"
        f"{trained and f': {trained}'}."
    )
