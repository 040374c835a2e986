# ruff: noqa: ARG002, F722 (the signatures of transformers; jaxtyping's dimension names)
"""transformers' Trainer with our losses, normalised over the accumulated batch."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
import transformers
from torch import Tensor, nn
from torch.utils.data import Dataset

from mathtune import bill, objectives
from mathtune.errors import InputError
from mathtune.training import checkpoint, fused
from mathtune.training.batches import Batch, Order, collate
from mathtune.training.examples import TEXTS, Item
from mathtune.training.settings import Objective, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jaxtyping import Bool, Float


Reading = Literal["padded", "packed", "fused"]
"""How the model reads: rows of padded sequences, one packed row, or that with fused layers."""


@dataclass(frozen=True)
class Read:
    """What the model says of a micro-batch of I items with K texts each.

    `log_p[i, k]` is the log p of a text, `lengths[i, k]` its tokens. `items` and `tokens` count the
    whole accumulated batch, `correct` is each item's label."""

    log_p: Float[Tensor, "I K"]
    lengths: Float[Tensor, "I K"]
    correct: Bool[Tensor, " I"]
    items: Tensor
    tokens: Tensor


def _mle(read: Read, _: Settings) -> Tensor:
    return objectives.mle(read.log_p[:, 0], tokens=read.tokens)


def _cls_margin(read: Read, settings: Settings) -> Tensor:
    right = objectives.log_score(read.log_p[:, 0], read.log_p[:, 1])
    wrong = objectives.log_score(read.log_p[:, 2], read.log_p[:, 3])
    return objectives.cls_margin(right, wrong, margin=settings.margin, pairs=read.items)


def _cls_xent(read: Read, _: Settings) -> Tensor:
    return objectives.cls_xent(
        read.log_p[:, 0], read.log_p[:, 1], read.correct, labelled=read.items
    )


def _ctr(read: Read, settings: Settings) -> Tensor:
    compared = read.log_p / read.lengths if settings.per_token else read.log_p
    loss = objectives.ctr_margin(
        compared[:, 0], compared[:, 1], margin=settings.margin, pairs=read.items
    )
    mle = objectives.mle(read.log_p[:, 0], tokens=read.tokens)
    return objectives.joint(loss, mle, alpha=settings.alpha)


def _mul_margin(read: Read, settings: Settings) -> Tensor:
    mle = objectives.mle(read.log_p[:, 4], tokens=read.tokens)
    return objectives.joint(_cls_margin(read, settings), mle, alpha=settings.alpha)


def _mul_xent(read: Read, settings: Settings) -> Tensor:
    # A batch may hold no correct solution: its mle term is 0 / 1.
    mle = objectives.mle(read.log_p[:, 2], tokens=read.tokens.clamp(min=1))
    return objectives.joint(_cls_xent(read, settings), mle, alpha=settings.alpha)


LOSSES: dict[Objective, Callable[[Read, Settings], Tensor]] = {
    "mle": _mle,
    "cls-margin": _cls_margin,
    "cls-xent": _cls_xent,
    "ctr": _ctr,
    "mul-margin": _mul_margin,
    "mul-xent": _mul_xent,
}
"""What a micro-batch adds to the loss of the accumulated batch, by objective."""


def _right_above_wrong(log_p: Tensor, _: Tensor) -> Tensor:
    right = objectives.log_score(log_p[:, 0], log_p[:, 1])
    wrong = objectives.log_score(log_p[:, 2], log_p[:, 3])
    return (right > wrong).float().mean()


def _label_found(log_p: Tensor, correct: Tensor) -> Tensor:
    return ((log_p[:, 0] > log_p[:, 1]) == correct).float().mean()


ACCURACIES: dict[Objective, Callable[[Tensor, Tensor], Tensor | None]] = {
    "mle": lambda *_: None,  # that of a generator is measured on its samples
    "cls-margin": _right_above_wrong,
    "cls-xent": _label_found,
    "ctr": lambda log_p, _: (log_p[:, 0] > log_p[:, 1]).float().mean(),
    "mul-margin": _right_above_wrong,
    "mul-xent": _label_found,
}
"""The share of items told apart, from their log p and labels: in pairs the right solution stands
above the wrong one of its problem, else the likelier label word is the true one."""


class Trainer(transformers.Trainer):
    """transformers' Trainer for items of one objective.

    What differs: the loss reads the vocabulary only where a target stands; each term is divided by
    its own count over the accumulated batch; a loss or gradient that is no number stops before it
    reaches the weights; checkpoints are atomic and hold no pickle."""

    loss_is_scaled_for_ga = True
    control: transformers.TrainerControl

    def __init__(
        self,
        model: nn.Module,
        args: transformers.TrainingArguments,
        *,
        settings: Settings,
        items: Sequence[Item],
        validation: Sequence[Item],
        callbacks: list[transformers.TrainerCallback],
        reading: Reading,
    ) -> None:
        self.settings, self.reading = settings, reading
        self.trained = model
        """The model as it is saved: without what distributed training wraps around it."""
        self.items = items
        self._pending: list[tuple[list[str], Tensor]] = []
        super().__init__(
            model,
            args,
            data_collator=cast(Any, self._collator()),
            train_dataset=cast(Dataset, items),
            eval_dataset=cast(Dataset, validation) if validation else None,
            callbacks=callbacks,
        )
        self.remove_callback(transformers.trainer_callback.PrinterCallback)

    def _collator(self) -> Callable[[Sequence[Item]], Batch]:
        packed = self.reading != "padded"
        return partial(collate, texts=TEXTS[self.settings.objective], packed=packed)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Tensor:
        """What a micro-batch (a Batch) adds to the loss; the counts are of all micro-batches."""
        counts = inputs["counts"] if num_items_in_batch is None else num_items_in_batch
        texts = TEXTS[self.settings.objective]
        log_p = self._log_p(model, inputs)
        count = len(inputs["correct"]) * texts
        sums = objectives.text_log_p(log_p, inputs["texts"], count=count)
        lengths = torch.bincount(inputs["texts"], minlength=count)
        read = Read(
            log_p=sums.view(-1, texts),
            lengths=lengths.view(-1, texts),
            correct=inputs["correct"],
            items=counts[0],
            tokens=counts[1],
        )
        self._pending.append((inputs["names"], read.log_p.detach()))
        loss = LOSSES[self.settings.objective](read, self.settings)
        # Gradients are averaged over processes, while the counts are already those of all of them.
        return loss * self.accelerator.num_processes

    def _log_p(self, model: nn.Module, batch: Any) -> Tensor:
        """log p of the batch's tokens [R]; the vocabulary is read where one stands, only."""
        head = self.accelerator.unwrap_model(model).get_output_embeddings()
        given = {name: batch[name] for name in ("input_ids", "position_ids")}
        if batch["segments"] is not None:
            given["segments"] = batch["segments"]
        if self.reading == "fused":
            with fused.reading(head, batch["positions"], batch["tokens"]):
                return model(**given, use_cache=False).logits
        with _reading_at(batch["positions"], head):
            logits = model(**given, use_cache=False).logits
        return objectives.token_log_p(logits, batch["tokens"])

    def _get_num_items_in_batch(
        self, batch_samples: list[Batch], device: torch.device
    ) -> Tensor | None:
        """The counts of the whole accumulated batch, over all processes."""
        if not batch_samples:
            return None
        bill.add(trained_tokens=sum(batch["read_tokens"] for batch in batch_samples))
        return self._counts(batch_samples)

    def _counts(self, batches: list[Batch]) -> Tensor:
        counts = torch.stack([batch["counts"] for batch in batches]).sum(0).to(self.args.device)
        return self.accelerator.reduce(counts) if self.args.world_size > 1 else counts

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:
        return Order(
            [item.length for item in self.items],
            batch_size=self.settings.batch_size,
            seed=self.settings.seed,
        )

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Tensor:
        """Called once an update, before the optimizer: the place to refuse what is no number."""
        if grad_norm is None:
            grads = [p.grad for p in model.parameters() if p.grad is not None]
            grad_norm = nn.utils.get_total_norm(grads)
        pending, self._pending = self._pending, []
        if not torch.isfinite(grad_norm):
            self._refuse(pending)
        return grad_norm

    def _refuse(self, pending: list[tuple[list[str], Tensor]]) -> None:
        update = self.state.global_step + 1
        bad = [
            name
            for names, log_p in pending
            for name, finite in zip(names, log_p.isfinite().all(1).tolist(), strict=True)
            if not finite
        ]
        what, names = ("loss", bad) if bad else ("gradient", [n for ns, _ in pending for n in ns])
        saved = checkpoint.newest(self._folder)
        left = "there is no checkpoint yet" if saved is None else f"the last good one is {saved}"
        raise InputError(
            f"update {update}: the {what} is not a finite number, in {'; '.join(names[:8])}; "
            f"expected finite weights and a learning rate the model bears ({left})."
        )

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted: transformers would walk all parameters for every micro-batch."""
        return 0

    def evaluate(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Loss and accuracy over all validation items; each term divided by its count over all."""
        batches = list(self.get_eval_dataloader())
        counts = self._counts(batches)
        self.trained.eval()
        with torch.no_grad():
            parts = [
                self.compute_loss(
                    self.model_wrapped, self._prepare_inputs(b), num_items_in_batch=counts
                )
                for b in batches
            ]
        pending, self._pending = self._pending, []
        log_p = torch.cat([log_p for _, log_p in pending])
        correct = torch.cat([batch["correct"] for batch in batches]).to(log_p.device)
        accuracy = ACCURACIES[self.settings.objective](log_p, correct)
        metrics = {
            "eval_loss": float(torch.stack(parts).sum()),
            "eval_accuracy": None if accuracy is None else float(accuracy),
        }
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    @property
    def _folder(self) -> Path:
        return Path(str(self.args.output_dir))

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        partial = self._folder / f"{checkpoint.name_of(self.state.global_step)}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        assert self.optimizer is not None
        with checkpoint.writing(partial):
            checkpoint.save_weights(self.trained, partial)
            checkpoint.save_optimizer(self.optimizer, self.lr_scheduler, partial)
            checkpoint.save_random(partial)
            self.state.save_to_json(str(partial / "trainer_state.json"))
            checkpoint.complete(partial)

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: nn.Module | None = None
    ) -> None:
        checkpoint.load_weights(self.trained, Path(resume_from_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint_: str | None) -> None:
        if checkpoint_ is not None and self.optimizer is not None:
            checkpoint.load_optimizer(self.optimizer, self.lr_scheduler, Path(checkpoint_))

    def _load_rng_state(self, checkpoint_: str | None) -> None:
        if checkpoint_ is not None:
            checkpoint.load_random(Path(checkpoint_))


@contextmanager
def _reading_at(positions: Tensor, head: nn.Module) -> Iterator[None]:
    """Let the output layer see only the hidden states at `positions` of the flattened [B T] grid.

    The model's own forward does the rest, so that whatever it does to logits (scaling, soft caps)
    and whatever wraps it (adapters, distributed wrappers) stays in place. Its logits become [R V].
    """

    def select(_: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        (hidden,) = args
        return (hidden.flatten(0, 1)[positions],)

    hook = head.register_forward_pre_hook(select)
    try:
        yield
    finally:
        hook.remove()
