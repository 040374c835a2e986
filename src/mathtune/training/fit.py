# ruff: noqa: ARG002 (the signatures are those of transformers)
"""One training from its start, or its last checkpoint, to its end. Between trainer and stage.

folder/
  training.jsonl   one row per update and per validation (struct `Point`)
  checkpoints/     the newest complete checkpoint, while training goes on
  best/            the weights with the least validation loss so far, when they are kept
"""

from __future__ import annotations

import math
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import transformers
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mathtune import bill, jsonl
from mathtune.errors import InputError
from mathtune.progress import Progress, say
from mathtune.records import Row
from mathtune.training import checkpoint, fused, packed
from mathtune.training.examples import Item
from mathtune.training.settings import Lora, Settings
from mathtune.training.trainer import Reading, Trainer

CURVE = "training.jsonl"
CHECKPOINTS = "checkpoints"
BEST = "best"

TOKENS_AT_ONCE = 2048
LOGITS_AT_ONCE = 2**26
"""What a micro-batch holds at most when its size is not set: little enough for a laptop."""


class Point(Row, frozen=True):
    """After so many updates: the loss of the last one's batch, or that of the validation items."""

    update: int
    loss: float | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None


@dataclass(frozen=True)
class Plan:
    """How many updates, and how a batch passes through the model."""

    updates: int
    updates_per_epoch: int
    micro_batch_size: int
    bfloat16: bool
    """Whether the arithmetic is done in bfloat16 while the trained weights stay float32."""


def planned(
    settings: Settings,
    items: Sequence[Item],
    *,
    equal_to: int | None,
    vocabulary: int,
    bfloat16: bool,
) -> Plan:
    """Work out the updates and the micro-batch (for a model with `vocabulary` tokens).

    `equal_to` is the number of updates of another training that this one must match; passes over
    the items are then as many as that takes.

    Raises:
        InputError: the micro-batch does not divide the batch.
    """
    per_epoch = math.ceil(len(items) / settings.batch_size)
    updates = math.ceil(settings.epochs * per_epoch)
    if settings.updates is not None:
        updates = min(updates, settings.updates)
    if equal_to is not None:
        updates = equal_to
    micro = settings.micro_batch_size
    if micro is None:
        tokens = max(item.length * len(item.readings) for item in items)
        logits = max(sum(len(r.tokens) for r in item.readings) for item in items) * vocabulary
        most = max(1, min(TOKENS_AT_ONCE // tokens, LOGITS_AT_ONCE // logits))
        sizes = range(1, settings.batch_size + 1)
        micro = max(n for n in sizes if settings.batch_size % n == 0 and n <= most)
    if settings.batch_size % micro:
        raise InputError(
            f"micro_batch_size: found {micro}; expected a divisor of batch_size "
            f"{settings.batch_size}."
        )
    return Plan(updates, per_epoch, micro, bfloat16)


def fit(
    model: Any,
    items: Sequence[Item],
    validation: Sequence[Item],
    *,
    settings: Settings,
    plan: Plan,
    folder: Path,
) -> Any:
    """Train `model` (its device is where it is trained) and return the model to save.

    Continues from the newest checkpoint in `folder`, to the same weights as without the
    interruption.

    Raises:
        InputError: a loss or gradient is not a finite number, or a checkpoint cannot be written.
        SystemExit: SIGTERM came; a checkpoint was written, and the exit code is 0.
    """
    transformers.set_seed(settings.seed)
    used_cache = model.config.use_cache
    base = model
    reading = way_of_reading(model, settings, plan)
    if settings.lora is not None:
        model = _with_adapters(model, settings.lora)
    latest = checkpoint.newest(folder / CHECKPOINTS)
    done = 0 if latest is None else int(latest.name.rpartition("-")[2])
    if done:
        say(f"  continued after update {done}, its last checkpoint")
    _cut_curve(folder / CURVE, done)
    with (
        _installed(base, reading),
        Progress("train", total=plan.updates - done, unit="updates") as progress,
    ):
        watch = _Watch(folder, plan, progress, settings)
        trainer = Trainer(
            model,
            _arguments(settings, plan, folder, model=model, validate=bool(validation)),
            settings=settings,
            items=items,
            validation=validation,
            callbacks=[watch],
            reading=reading,
        )
        with _on_sigterm(watch.stop):
            trainer.train(resume_from_checkpoint=None if latest is None else str(latest))
    if watch.stopped:
        say("  stopped by SIGTERM; the same command continues from the checkpoint")
        raise SystemExit(0)
    if settings.keep == "best":
        checkpoint.load_weights(model, folder / BEST)
    if settings.lora is not None:
        model = model.merge_and_unload()
    model.config.use_cache = used_cache  # transformers switches it off while training
    return model


def way_of_reading(model: Any, settings: Settings, plan: Plan) -> Reading:
    """The fastest way of reading that serves this model and these settings."""
    if not packed.fits(model):
        return "padded"
    whole = settings.lora is None and not plan.bfloat16
    return "fused" if whole and fused.fits(model) else "packed"


@contextmanager
def _installed(model: Any, reading: Reading) -> Iterator[None]:
    """Prepare the model for this way of reading, and leave it as it was."""
    before = model.config._attn_implementation
    if reading != "padded":
        model.set_attn_implementation(packed.NAME)
    if reading == "fused":
        fused.install(model)
    try:
        yield
    finally:
        if reading == "fused":
            fused.remove(model)
        model.set_attn_implementation(before)


def ended(folder: Path, settings: Settings) -> dict[str, float]:
    """How the training ended, read from its curve.

    `loss` is the mean over the last tenth of the updates, `validation_loss` (and `_accuracy`) that
    of the weights kept, which are those after `kept_update`.
    """
    points = list(jsonl.read(folder / CURVE, Point))
    losses = [point.loss for point in points if point.loss is not None]
    last = losses[-math.ceil(len(losses) / 10) :]
    found = {"updates": len(losses), "loss": sum(last) / len(last), "final_loss": losses[-1]}
    kept = _kept(points, settings)
    if kept is not None and kept.validation_loss is not None:
        found |= {"validation_loss": kept.validation_loss, "kept_update": kept.update}
        if kept.validation_accuracy is not None:
            found["validation_accuracy"] = kept.validation_accuracy
    return found


def _kept(points: list[Point], settings: Settings) -> Point | None:
    """The validation of the weights to keep: the last, or the best (of equal ones the first)."""
    validated = [point for point in points if point.validation_loss is not None]
    if not validated:
        return None
    if settings.keep == "last":
        return validated[-1]
    if settings.best_by == "accuracy":
        return max(validated, key=lambda point: point.validation_accuracy or 0.0)
    return min(validated, key=lambda point: point.validation_loss or 0.0)


def clear(folder: Path) -> None:
    """Remove what only an unfinished training needs."""
    for name in (CHECKPOINTS, BEST):
        shutil.rmtree(folder / name, ignore_errors=True)


class _Watch(TrainerCallback):
    """Writes the curve, shows progress, keeps the best weights, settles when to save."""

    def __init__(self, folder: Path, plan: Plan, progress: Progress, settings: Settings) -> None:
        self.folder, self.plan, self.progress = folder, plan, progress
        self.settings = settings
        self.stopped = False
        self._due = False
        self._meter = bill.Meter()

    def stop(self) -> None:
        """Ask for a checkpoint and an end after the update under way."""
        self.stopped = True

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """A checkpoint at the end of an epoch waits for its validation; none at the very end."""
        self._due = False
        if self.stopped:
            control.should_save = control.should_training_stop = True
        if state.global_step >= self.plan.updates:
            self.stopped = control.should_save = False
        elif state.global_step % self.plan.updates_per_epoch == 0:
            self._due, control.should_save = control.should_save, False
        return control

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        control.should_save = self._due
        if self.stopped and state.global_step % self.plan.updates_per_epoch:
            control.should_evaluate = False  # the epoch has not ended, it was left
        return control

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        logs = kwargs["logs"]
        state.log_history.clear()  # it would grow with every checkpoint; the curve has it
        if "loss" not in logs:
            return
        point = Point(
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
        point = Point(
            update=state.global_step,
            validation_loss=metrics["eval_loss"],
            validation_accuracy=metrics["eval_accuracy"],
        )
        self._write(point)
        points = list(jsonl.read(self.folder / CURVE, Point))
        if self.settings.keep == "best" and _kept(points, self.settings) == point:
            partial = self.folder / f"{BEST}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            checkpoint.save_weights(kwargs["model"], partial)
            shutil.rmtree(self.folder / BEST, ignore_errors=True)
            partial.rename(self.folder / BEST)

    def _write(self, point: Point) -> None:
        with (self.folder / CURVE).open("ab") as stream:
            stream.write(msgspec.json.encode(point) + b"\n")


@contextmanager
def _on_sigterm(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` where SIGTERM (a cluster takes the machine back) would have ended the process."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return
    before = signal.signal(signal.SIGTERM, lambda *_: stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _arguments(
    settings: Settings, plan: Plan, folder: Path, *, model: Any, validate: bool
) -> TrainingArguments:
    schedules = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
    return TrainingArguments(
        output_dir=str(folder / CHECKPOINTS),
        per_device_train_batch_size=plan.micro_batch_size,
        per_device_eval_batch_size=plan.micro_batch_size,
        gradient_accumulation_steps=settings.batch_size // plan.micro_batch_size,
        max_steps=plan.updates,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=schedules[settings.schedule],
        warmup_steps=math.ceil(settings.warmup * plan.updates),
        weight_decay=settings.weight_decay,
        adam_beta1=settings.betas[0],
        adam_beta2=settings.betas[1],
        max_grad_norm=0.0 if settings.clip is None else settings.clip,
        optim="adamw_torch_fused",
        gradient_checkpointing=settings.gradient_checkpointing,
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        eval_strategy="epoch" if validate else "no",
        save_strategy="steps",
        save_steps=settings.save_every,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        seed=settings.seed,
        use_cpu=model.device.type == "cpu",
        bf16=plan.bfloat16,
    )


def _with_adapters(model: Any, lora: Lora) -> Any:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets) or "all-linear",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        modules = model.named_modules()
        names = {name.rpartition(".")[2] for name, m in modules if isinstance(m, nn.Linear)}
        raise InputError(
            f"lora.targets: found {', '.join(lora.targets)}, which the model does not have; "
            f"expected some of {', '.join(sorted(names))}."
        ) from error


def _cut_curve(path: Path, done: int) -> None:
    """Drop the points after the checkpoint: their updates are about to be made again."""
    if path.exists():
        jsonl.repair(path)
        points = [msgspec.json.decode(line, type=Point) for _, line in jsonl.lines(path)]
        jsonl.write(path, [point for point in points if point.update <= done])
