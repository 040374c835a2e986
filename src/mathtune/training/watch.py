# ruff: noqa: ARG002 (the signatures are those of transformers)
"""The observer of a training: writes the curve, keeps the best weights, decides when to save and
when to end. Between trainer and fit.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from accelerate.utils import reduce
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mathtune.rows import jsonl
from mathtune.run import bill, ranks
from mathtune.run.progress import Progress, say
from mathtune.run.trackers import Tracker
from mathtune.training import checkpoint
from mathtune.training.curve import CURVE, CurvePoint, exhausted, kept
from mathtune.training.settings import Plan, TrainingSettings

BEST = "best"


SHOWN = {
    "train/loss": "loss",
    "train/learning_rate": "learning_rate",
    "train/grad_norm": "gradient_norm",
    "eval/loss": "validation_loss",
    "eval/accuracy": "validation_accuracy",
    "eval/auc": "validation_auc",
}
"""The trackers' names for the curve's fields, which are those of transformers."""


class Watch(TrainerCallback):
    """Writes the curve, logs, shows progress, keeps the best weights, decides when to save."""

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        progress: Progress,
        settings: TrainingSettings,
        trackers: Sequence[Tracker],
        *,
        validated: bool,
    ) -> None:
        self.folder, self.plan, self.progress = folder, plan, progress
        self.settings, self.trackers = settings, trackers
        path = folder / CURVE
        self.points = (
            list(jsonl.read(path, CurvePoint)) if path.exists() and path.stat().st_size else []
        )
        self.stopped = False
        """True if training ends early; all processes end after the same update."""
        self._asked = False
        self._due = False
        self._meter = bill.Meter()
        self._validated = validated

    def stop(self) -> None:
        """Ask for a checkpoint and an end after the update under way."""
        self._asked = True

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """Save at the end of an epoch only after its validation; never at the very end."""
        self._due = False
        self.stopped = _any(self._asked, args)
        if self.stopped:
            control.should_save = control.should_training_stop = True
        if state.global_step >= self.plan.updates:
            self.stopped = control.should_save = False
            control.should_evaluate |= self.settings.validate_every is not None and self._validated
        elif state.global_step % self.plan.updates_per_epoch == 0:
            self._due, control.should_save = control.should_save, False
        return control

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        control.should_save = self._due
        if self.stopped and state.global_step % self.plan.updates_per_epoch:
            control.should_evaluate = False  # the epoch did not end, it was interrupted
        return control

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        logs = kwargs["logs"]
        state.log_history.clear()  # it would grow with every checkpoint; the curve holds it
        if "loss" not in logs:
            return
        point = CurvePoint(
            update=state.global_step,
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            gradient_norm=logs["grad_norm"],
        )
        self._write(point)
        used = self._meter.read()
        rate = used["trained_tokens"] / max(used["wall_s"], 0.01)
        self.progress.advance(note=f"loss {logs['loss']:.4f}, {rate:,.0f} tokens/s")

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        metrics = kwargs["metrics"]
        point = CurvePoint(
            update=state.global_step,
            validation_loss=metrics["eval_loss"],
            validation_accuracy=metrics["eval_accuracy"],
            validation_auc=metrics["eval_auc"],
        )
        self._write(point)
        if exhausted(self.points, self.settings):
            say(f"  no better validation in {self.settings.patience}: training ends here")
            control.should_training_stop = True
        choosing = self.settings.choose != "last"
        if ranks.first() and choosing and kept(self.points, self.settings) == point:
            partial = self.folder / f"{BEST}.partial"
            with checkpoint.writing(partial):
                shutil.rmtree(partial, ignore_errors=True)
                checkpoint.save_weights(kwargs["model"], partial)
                shutil.rmtree(self.folder / BEST, ignore_errors=True)
                partial.rename(self.folder / BEST)

    def _write(self, point: CurvePoint) -> None:
        self.points.append(point)
        if not ranks.first():
            return
        with (self.folder / CURVE).open("ab") as stream:
            stream.write(msgspec.json.encode(point) + b"\n")
        found = {name: getattr(point, field) for name, field in SHOWN.items()}
        numbers = {name: value for name, value in found.items() if value is not None}
        for tracker in self.trackers:
            tracker.numbers(numbers, at=point.update)


def _any(said: bool, args: TrainingArguments) -> bool:
    """Return whether it is true on any process; SIGTERM reaches them at different times."""
    if args.world_size == 1:
        return said
    return bool(reduce(torch.tensor(float(said), device=args.device)))
