"""The course of a training: a row per update and per validation. Next to checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mathtune.rows import jsonl
from mathtune.rows.records import Row
from mathtune.training.settings import TrainingSettings

CURVE = "training.jsonl"


class CurvePoint(Row, frozen=True):
    """The loss after some updates: of the last one's batch, or of the validation items."""

    update: int
    loss: float | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    validation_auc: float | None = None


class Ended(Row, frozen=True):
    """The end of a training.

    `loss` is the mean over the last tenth of the updates, `validation_loss` (`_accuracy`, `_auc`)
    that of the weights kept, those after `kept_update`. `validation_auc` is an evaluator's AUC
    within problems; None if no problem has a right and a wrong validation solution.
    """

    updates: int
    loss: float
    final_loss: float
    validation_loss: float | None = None
    kept_update: int | None = None
    validation_accuracy: float | None = None
    validation_auc: float | None = None


def ended(folder: Path, settings: TrainingSettings) -> Ended:
    """Summarise the end of a training from its curve."""
    points = list(jsonl.read(folder / CURVE, CurvePoint))
    losses = [point.loss for point in points if point.loss is not None]
    last = losses[-math.ceil(len(losses) / 10) :]
    chosen = kept(points, settings)
    return Ended(
        updates=len(losses),
        loss=sum(last) / len(last),
        final_loss=losses[-1],
        validation_loss=chosen.validation_loss if chosen is not None else None,
        kept_update=chosen.update if chosen is not None else None,
        validation_accuracy=chosen.validation_accuracy if chosen is not None else None,
        validation_auc=chosen.validation_auc if chosen is not None else None,
    )


def kept(points: Sequence[CurvePoint], settings: TrainingSettings) -> CurvePoint | None:
    """Return the validation of the weights to keep: the last, or the best (the first of equals)."""
    validated = [point for point in points if point.validation_loss is not None]
    if not validated:
        return None
    if settings.choose == "last":
        return validated[-1]
    return best(validated, settings)


def best(validated: Sequence[CurvePoint], settings: TrainingSettings) -> CurvePoint:
    """Return the best validation, by accuracy if that chooses, else by loss; ties: the first."""
    if settings.choose == "accuracy":
        return max(validated, key=lambda point: point.validation_accuracy or 0.0)
    return min(validated, key=lambda point: point.validation_loss or 0.0)


def exhausted(points: Sequence[CurvePoint], settings: TrainingSettings) -> bool:
    """Return whether the last `patience` validations were no better than the best."""
    validated = [point for point in points if point.validation_loss is not None]
    if settings.patience is None or not validated:
        return False
    since = len(validated) - 1 - validated.index(best(validated, settings))
    return since >= settings.patience


def cut(path: Path, done: int) -> None:
    """Drop the points after the checkpoint, whose updates are about to be made again."""
    if path.exists():
        jsonl.repair(path)
        points = [msgspec.json.decode(line, type=CurvePoint) for _, line in jsonl.lines(path)]
        jsonl.write(path, [point for point in points if point.update <= done])
