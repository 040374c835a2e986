"""The steps of a run folder, and the origin of the model behind a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, TypeVar

import msgspec

from mathtune.data import declared
from mathtune.data.card import CARD
from mathtune.data.declared import OnHub
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.metrics import Metrics, TrainMetrics
from mathtune.run import finished
from mathtune.run.documents import PlannedStep, Record
from mathtune.run.names import METRICS, STEP
from mathtune.stages.prepare import NAMED

Document = dict[str, Any]

M = TypeVar("M", bound=Metrics)

_UNFINISHED = Record(revision=0, bill={}, made_with={})


@dataclass(frozen=True)
class StepRecord:
    """A step of the plan; `metrics`, `bill` and `made_with` are empty until it is finished.

    `revision`: the stage's when the step was made; 0 until it is finished.
    """

    name: str
    stage: str
    config: Document
    metrics: Document
    bill: Mapping[str, float]
    made_with: Mapping[str, Any]
    finished: bool
    folder: Path
    revision: int = 0
    reads: tuple[str, ...] = ()
    """The steps whose files it reads, as the plan names them."""

    def read(self, kind: type[M]) -> M:
        """Return the metrics as the struct of the step's stage.

        Raises:
            InputError: the step's metrics.json is not such a document.
        """
        try:
            return msgspec.convert(self.metrics, kind)
        except msgspec.ValidationError as error:
            raise InputError(
                f"{self.folder / METRICS}: not what stage {self.stage} measures ({error}). "
                f"{finished.remedy(self.folder.name)}"
            ) from None


@dataclass(frozen=True)
class Origin:
    """How the model behind a row was made, read from the steps that its samples depend on."""

    objectives: tuple[str, ...] = ()
    """The objectives it was trained with, one after the other; none: a model from elsewhere."""
    few_shot: bool = False
    """True if exemplars preceded the problem."""
    paths: StepRecord | None = None
    """The step that collected the distinct paths it learned from."""
    updates: int | None = None
    """The updates of its last training."""
    evaluator: str | None = None
    """The objective of the model that scored the samples; None: not scored, or not trained here."""
    own_evaluator: bool = True
    """True if that model and the generator were trained from the same base."""


def read_step(run_folder: Path, planned: PlannedStep) -> StepRecord:
    """Return a step of `plan.json`, with what its folder holds.

    Raises:
        InputError: a file of the step is damaged.
    """
    place = run_folder / planned.name
    done = (place / STEP).exists()
    record = msgspec.convert(finished.read(place), Record) if done else _UNFINISHED
    return StepRecord(
        name=planned.name,
        stage=planned.stage,
        config=planned.config,
        metrics=_measured(place) if done else {},
        bill=record.bill,
        made_with=record.made_with,
        finished=done,
        folder=place,
        revision=record.revision,
        reads=tuple(planned.reads),
    )


def _measured(place: Path) -> Document:
    try:
        return jsonl.read_json(place / METRICS)
    except InputError as error:
        raise InputError(f"{error} {finished.remedy(place.name)}") from None


def origin(measured: Document, finished: Mapping[str, StepRecord]) -> Origin:
    """Return the origin of the samples of a measure, as far as this run made them."""
    steps = [maker(path, finished) for path in measured["samples"]]
    sampled = steps[0]
    if sampled is None or sampled.stage != "sample":
        return Origin()
    trained = trainings(sampled.config["model"], finished)
    last = trained[-1] if trained else None
    learned = [maker(path, finished) for path in last.config["examples"]] if last else []
    scores = (step for step in steps if step is not None and step.stage == "score")
    judge = next((step.config["model"] for step in scores), None)
    judged = trainings(judge, finished) if judge is not None else []
    return Origin(
        objectives=tuple(step.config["objective"] for step in trained),
        few_shot=sampled.config["few_shot"] is not None,
        paths=next((step for step in learned if step and step.config.get("keep") == "paths"), None),
        updates=last.read(TrainMetrics).updates if last is not None else None,
        evaluator=judged[-1].config["objective"] if judged else None,
        own_evaluator=not judged or _base(judged) == _base(trained, sampled.config["model"]),
    )


def trainings(model: str, finished: Mapping[str, StepRecord]) -> list[StepRecord]:
    """Return the train steps of this run that led to a model, the first one first."""
    step = maker(model, finished)
    if step is None or step.stage != "train":
        return []
    return [*trainings(step.config["model"], finished), step]


def maker(path: str, steps: Mapping[str, StepRecord]) -> StepRecord | None:
    """Return the step of the run that wrote a file or folder."""
    return steps.get(PurePath(path).parent.as_posix())


def on_hub(problems: str, steps: Mapping[str, StepRecord]) -> OnHub | None:
    """Return the hub's names for the split that problems of this run are; None: it has none."""
    step = maker(problems, steps)
    if step is None or not (step.folder / CARD).exists():
        return None
    source, config = str(step.config["source"]), step.config
    found = declared.on_hub(
        source,
        PurePath(problems).stem,
        theirs=None if source in NAMED else config["split"],
        copied=jsonl.read_json(step.folder / CARD).get("read_from") != "hub",
    )
    if found is not None and (config["where"] or config["subset"] not in (None, found.subset)):
        return replace(found, subset=config["subset"] or found.subset, task_id=None, rows=None)
    return found


def judges(step: StepRecord) -> bool:
    """Return whether a model judged samples in a step."""
    # Plans of earlier versions do not name the scorer, since there was only one.
    return step.stage == "score" and step.config.get("scorer", "evaluator") == "evaluator"


def _base(trainings: Sequence[StepRecord], otherwise: str = "") -> str:
    """Return the model that the first training started from."""
    return trainings[0].config["model"] if trainings else otherwise
