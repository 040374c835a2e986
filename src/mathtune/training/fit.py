"""One training from its start, or its last checkpoint, to its end. Between trainer and stage.

folder/
  training.jsonl   one row per update and per validation (struct `CurvePoint`)
  checkpoints/     the newest complete checkpoint, while training goes on
  best/            the best weights so far by validation, if those are chosen
  tensorboard/     tensorboard's files, if `report_to` names it
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers
from accelerate import PartialState
from transformers import TrainingArguments

from mathtune.engines.transformers import memory, merging, models
from mathtune.errors import InputError, one_line
from mathtune.run import ranks, trackers
from mathtune.run.children import on_sigterm
from mathtune.run.names import CHECKPOINTS
from mathtune.run.progress import Progress, say
from mathtune.training import adapters, checkpoint, curve, llama_layers, segment_attention
from mathtune.training.examples import Item
from mathtune.training.reading import PACKED, BatchForm
from mathtune.training.saving import ModelFolder, too_large
from mathtune.training.settings import Plan, TrainingSettings
from mathtune.training.trainer import Trainer
from mathtune.training.watch import BEST, Watch

TOKENS_AT_ONCE = {"cpu": 2**11, "mps": 2**11, "cuda": 2**13}
LOGITS_AT_ONCE = {"cpu": 2**26, "mps": 2**26, "cuda": 2**28}
"""The largest micro-batch if its size is not set: small enough for a laptop, or for a 7B model with
`gradient_checkpointing` and adapters on a GPU of 24 GB (docs/scaling.md)."""
_SAVED = "activation" if hasattr(TrainingArguments, "activation_checkpointing") else "gradient"


def planned(
    settings: TrainingSettings,
    items: Sequence[Item],
    *,
    equal_to: int | None,
    vocabulary: int,
    bfloat16: bool,
    device: str = "cpu",
) -> Plan:
    """Work out the updates and the micro-batch (for a model with `vocabulary` tokens on a kind of
    device).

    `equal_to` is the number of updates of another training that this one must match, with as many
    passes over the items as needed.

    Raises:
        InputError: the micro-batch does not divide the batch.
    """
    per_epoch = math.ceil(len(items) / settings.batch_size)
    updates = math.ceil(settings.epochs * per_epoch)
    if settings.updates is not None:
        updates = min(updates, settings.updates)
    if equal_to is not None:
        updates = equal_to
    share, rest = divmod(settings.batch_size, ranks.count())
    if rest:
        raise InputError(
            f"batch_size: found {settings.batch_size}; expected a multiple of the "
            f"{ranks.count()} processes."
        )
    micro = settings.micro_batch_size
    if micro is None:
        tokens = max(item.length * len(item.readings) for item in items)
        logits = max(sum(len(r.tokens) for r in item.readings) for item in items) * vocabulary
        most = max(1, min(TOKENS_AT_ONCE[device] // tokens, LOGITS_AT_ONCE[device] // logits))
        micro = max(n for n in range(1, share + 1) if share % n == 0 and n <= most)
    if share % micro:
        whose = "" if share == settings.batch_size else f" over {ranks.count()} processes"
        raise InputError(
            f"micro_batch_size: found {micro}; expected a divisor of batch_size "
            f"{settings.batch_size}{whose}."
        )
    return Plan(updates, per_epoch, micro, bfloat16)


def fit(
    model: Any,
    items: Sequence[Item],
    validation: Sequence[Item],
    *,
    settings: TrainingSettings,
    plan: Plan,
    saved: ModelFolder,
) -> None:
    """Train `model` on its device and save it as `saved`.

    Continues from the newest checkpoint next to `saved`, to the same weights as without the
    interruption. Saving is tried before the first update; if it still fails later, a checkpoint
    keeps the trained weights.

    Raises:
        InputError: a loss or gradient is not a finite number, or something cannot be written.
        SystemExit: SIGTERM came; a checkpoint was written, and the exit code is 0.
    """
    folder = saved.path.parent
    transformers.set_seed(settings.seed)
    base = model
    longest = max(item.length for item in (*items, *validation))
    form = batch_form(model, settings, plan, longest=longest)
    given = arguments(settings, plan, folder, model=model, validate=bool(validation))
    together = given.distributed_state or PartialState()
    together.wait_for_everyone()  # the first process has cleared the folder
    latest = checkpoint.newest(folder / CHECKPOINTS)
    done = 0 if latest is None else checkpoint.update_of(latest)
    model = _prepared(base, settings, saved, done=done)
    if ranks.first():
        curve.cut(folder / curve.CURVE, done)
    together.wait_for_everyone()
    with (
        installed(base, form),
        Progress("train", total=plan.updates - done, unit="updates") as progress,
        _trackers(settings, folder) as open_trackers,
    ):
        watch = Watch(folder, plan, progress, settings, open_trackers, validated=bool(validation))
        trainer = Trainer(
            model,
            given,
            settings=settings,
            items=items,
            validation=validation,
            callbacks=[watch],
            form=form,
        )
        _refuse_sharded(trainer)
        if latest is not None and (done == plan.updates or curve.exhausted(watch.points, settings)):
            checkpoint.load_weights(model, latest)
        else:
            with on_sigterm(watch.stop), _memory_named():
                trainer.train(resume_from_checkpoint=None if latest is None else str(latest))
    if watch.stopped:
        start = "the start" if trainer.sharded else "the checkpoint"
        say(f"  stopped by SIGTERM; the same command continues from {start}")
        together.wait_for_everyone()
        together.destroy_process_group()  # its threads abort a process that ends before them
        raise SystemExit(0)
    together.wait_for_everyone()
    _save(model, saved, trainer)


def _prepared(model: Any, settings: TrainingSettings, saved: ModelFolder, *, done: int) -> Any:
    """Set the attention and add adapters as chosen; before the first update, try out saving."""
    if done:
        say(f"  continued after update {done}, its last checkpoint")
    saved.prepare(model)
    fresh = ranks.first() and not done
    whole = settings.lora is None or settings.lora.merge
    if fresh and whole:
        _refuse_overflow(model, settings)
        saved.try_out(model)
    if settings.attention != "auto":
        _set_attention(model, settings.attention)
    if settings.lora is not None:
        model = adapters.added(model, settings.lora)
    if fresh and not whole:
        saved.try_out(model)
    return model


def _refuse_overflow(model: Any, settings: TrainingSettings) -> None:
    """Raise InputError if `save_dtype` cannot hold the weights even before the training."""
    if settings.save_dtype is None:
        return
    if large := too_large(model.named_parameters(), getattr(torch, settings.save_dtype)):
        raise InputError(
            f"save_dtype: found {settings.save_dtype}, which cannot hold {len(large)} of the "
            f"model's weights, first {large[0]}; expected bfloat16 or float32."
        )


def _trackers(
    settings: TrainingSettings, folder: Path
) -> AbstractContextManager[list[trackers.Tracker]]:
    """Open the trackers on the first process, under the run's name in them."""
    place = trackers.Place.of(folder)
    if settings.tracker_run is not None:
        place = replace(place, name=settings.tracker_run)
    wanted = settings.report_to if ranks.first() else ()
    return trackers.opened(wanted, place, settings.model_dump(mode="json"))


def _refuse_sharded(trainer: Trainer) -> None:
    """Raise InputError for settings that sharded weights do not allow."""
    settings = trainer.settings
    if trainer.sharded and (settings.lora is not None or settings.choose != "last"):
        raise InputError(
            "lora, choose: found one of them with sharded weights (FSDP, DeepSpeed); expected "
            "neither, or launch/ddp.yaml."
        )


def _save(model: Any, saved: ModelFolder, trainer: Trainer) -> None:
    """Save the trained model, with the best weights if those are chosen, and the adapters merged.

    Raises:
        InputError: it cannot be written; a checkpoint of the last update remains.
    """
    settings = trainer.settings
    merged = settings.lora is not None and settings.lora.merge
    weights = None
    if trainer.sharded:
        weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if not ranks.first():
        return
    if saved.card is not None:
        ended = curve.ended(saved.path.parent, settings)
        saved.card["auc_within_problems"] = ended.validation_auc
    if merged:
        trainer.keep()  # small, and a merge cannot be undone
    try:
        if settings.choose != "last":
            checkpoint.load_weights(model, saved.path.parent / BEST)
        done = merging.merge(model) if merged else model
        saved.write(*_narrowed(done, weights, settings))
    except BaseException:
        if not merged:
            trainer.keep()
        raise


def _narrowed(
    model: Any, weights: dict[str, Any] | None, settings: TrainingSettings
) -> tuple[Any, dict[str, Any] | None]:
    """Return a model, and the weights of a sharded one, in `save_dtype`; as they were trained, and
    said so, if one of them grew too large for it.
    """
    if settings.save_dtype is None:
        return model, weights
    dtype = getattr(torch, settings.save_dtype)
    alone = settings.lora is not None and not settings.lora.merge
    named = weights.items() if weights else model.named_parameters()
    if large := too_large((one for one in named if not alone or one[1].requires_grad), dtype):
        say(
            f"  save_dtype: {settings.save_dtype} cannot hold {len(large)} of the trained weights, "
            f"first {large[0]}; all are saved as they were trained"
        )
        return model, weights
    return model.to(dtype), weights and {name: one.to(dtype) for name, one in weights.items()}


def batch_form(
    model: Any, settings: TrainingSettings, plan: Plan, *, longest: int = 0
) -> BatchForm:
    """Return the fastest form of batches that fits the model, the settings and the longest item."""
    steady = models.steady_length(model)
    if steady is not None and longest > steady:
        return "single"  # the other rows of a batch would get the longest row's frequencies
    if settings.attention != "auto" or not segment_attention.fits(model):
        return "padded"
    whole = settings.lora is None and not plan.bfloat16
    return "fused" if whole and llama_layers.fits(model) else "packed"


def _set_attention(model: Any, name: str) -> None:
    """Let the model use an attention of transformers.

    Raises:
        InputError: the model does not have it, or it does not work on this device.
    """
    try:
        model.set_attn_implementation(name)
    except (ValueError, ImportError) as error:
        raise InputError(
            f"attention: found {name!r}, which this model refuses ({one_line(error)})."
        ) from error


@contextmanager
def installed(model: Any, form: BatchForm) -> Iterator[None]:
    """Prepare the model for this form of batches during the block; restore it afterwards."""
    before, used_cache = model.config._attn_implementation, getattr(model.config, "use_cache", None)
    if form in PACKED:
        model.set_attn_implementation(segment_attention.NAME)
    if form == "fused":
        llama_layers.install(model)
    try:
        with memory.keeping(model.device):
            yield
    finally:
        if form == "fused":
            llama_layers.remove(model)
        model.set_attn_implementation(before)
        if used_cache is not None:
            model.config.use_cache = used_cache  # transformers switches it off for the training


@contextmanager
def _memory_named() -> Iterator[None]:
    """Explain an out-of-memory error that smaller batches cannot avoid."""
    try:
        yield
    except RuntimeError as error:
        if not memory.ran_out(error):
            raise
        raise InputError(
            "out of memory in AdamW's update or in a validation; expected a smaller model, "
            "micro_batch_size or max_length, or lora."
        ) from error


def clear(folder: Path) -> None:
    """Remove the files that only an unfinished training needs."""
    for name in (CHECKPOINTS, BEST):
        shutil.rmtree(folder / name, ignore_errors=True)


def arguments(
    settings: TrainingSettings, plan: Plan, folder: Path, *, model: Any, validate: bool
) -> TrainingArguments:
    schedules = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
    validations = "epoch" if settings.validate_every is None else "steps"
    return TrainingArguments(
        output_dir=str(folder / CHECKPOINTS),
        per_device_train_batch_size=plan.micro_batch_size,
        per_device_eval_batch_size=plan.micro_batch_size,
        gradient_accumulation_steps=settings.batch_size // (plan.micro_batch_size * ranks.count()),
        max_steps=plan.updates,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=schedules[settings.schedule],
        warmup_steps=math.ceil(settings.warmup * plan.updates),
        weight_decay=settings.weight_decay,
        adam_beta1=settings.betas[0],
        adam_beta2=settings.betas[1],
        max_grad_norm=0.0 if settings.clip is None else settings.clip,
        optim="adamw_torch_fused" if settings.optimizer == "adamw" else "adamw_bnb_8bit",
        use_liger_kernel=settings.liger,
        **{f"{_SAVED}_checkpointing": settings.gradient_checkpointing},  # renamed in 5.24
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        eval_strategy=validations if validate else "no",
        eval_steps=settings.validate_every,
        save_strategy="steps",
        save_steps=settings.save_every,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        seed=settings.seed,
        use_cpu=model.device.type == "cpu",
        bf16=plan.bfloat16,
        ddp_backend="gloo" if ranks.count() > 1 and model.device.type == "cpu" else None,
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,
    )
