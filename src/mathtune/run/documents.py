"""The JSON documents of a run folder that mathtune reads back: plan, finished step, forecast.

Written by recipe_run and step; read by `mathtune status`, the report and the next run.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.run.names import PLAN, STEP

DAMAGED = "The plan is damaged; the command that made the run writes it again."


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a plan: its stage, the steps it reads, and its resolved config."""

    name: str
    stage: str
    config: dict[str, Any]
    reads: list[str] = []


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """plan.json: the recipe's name, the version that planned it, and its steps in order."""

    recipe: str
    steps: list[PlannedStep]
    mathtune: str = "unknown"


class _MeasureConfig(msgspec.Struct):
    problems: str
    samples: list[str]
    greedy: list[str] | None
    choose_on: str | None
    cluster_by: str | None = None


class _TrainConfig(msgspec.Struct):
    model: str
    objective: str
    examples: list[str]


class _SampleConfig(msgspec.Struct):
    model: str
    few_shot: str | None


class _ScoreConfig(msgspec.Struct):
    model: str | None


_READ_AGAIN: dict[str, type] = {
    "measure": _MeasureConfig,
    "train": _TrainConfig,
    "sample": _SampleConfig,
    "score": _ScoreConfig,
}
"""The fields of a stage's config that the report reads."""


def read_plan(folder: Path) -> Plan:
    """Return the `plan.json` of a run folder.

    Raises:
        InputError: the folder holds no run, its plan is damaged, or a step lies outside the folder.
    """
    path = folder / PLAN
    if not path.exists():
        raise InputError(
            f"{folder}: no run here; expected the folder of a `mathtune run` or, for a report, of "
            "a `mathtune measure`. Files of samples: `mathtune measure FILE --report page.html`."
        )
    try:
        plan = jsonl.read_json(path, Plan)
    except InputError as error:
        raise InputError(f"{error} {DAMAGED}") from None
    for step in plan.steps:
        name = PurePosixPath(step.name)
        if name.is_absolute() or ".." in name.parts:
            raise InputError(f"{path}: step {step.name!r} lies outside the run folder.")
        if step.stage not in _READ_AGAIN or not (folder / step.name / STEP).exists():
            continue
        try:
            msgspec.convert(step.config, _READ_AGAIN[step.stage])
        except msgspec.ValidationError as error:
            raise InputError(f"{path}: config of step {step.name!r}: {error}. {DAMAGED}") from None
    return plan


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """step.json without the fingerprint: the finished step's cost, versions and settings.

    `settings`: its config as given, inputs as paths; None: written by an earlier version.
    """

    revision: int
    stage: str = ""
    settings: dict[str, Any] | None = None
    bill: dict[str, float]
    made_with: dict[str, str | int | None]


class PredictedCost(msgspec.Struct, frozen=True, kw_only=True):
    """The expected cost of a step."""

    flops: float
    hours: float


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """forecast.json: the cost of each train and sample step at so many FLOP/s."""

    speed: float
    steps: dict[str, PredictedCost]
