# ruff: noqa: ARG002 (the signatures of transformers; jaxtyping's dimension names)
"""transformers' Trainer with our losses, normalised over the accumulated batch."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from accelerate.utils import DistributedType, gather_object
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.utils.data import DataLoader, Dataset

from mathtune.engines.transformers import memory
from mathtune.errors import InputError
from mathtune.run import bill
from mathtune.run.progress import say
from mathtune.training import checkpoint, objectives
from mathtune.training.batches import Batch, MicroBatches, Order, collate
from mathtune.training.examples import LABEL_WORDS, TEXTS, Item
from mathtune.training.losses import ACCURACIES, LOSSES, Read, auc_within_problems, scores
from mathtune.training.reading import PACKED, BatchForm, token_log_p
from mathtune.training.settings import SOLVERS, TrainingSettings


class Trainer(transformers.Trainer):
    """transformers' Trainer for items of one objective.

    What differs: the loss reads the vocabulary at target tokens only; each term is divided by its
    own count over the accumulated batch; a loss or gradient that is not a finite number stops the
    training before it reaches the weights; checkpoints are atomic and hold no pickle.
    """

    loss_is_scaled_for_ga = True
    control: transformers.TrainerControl

    def __init__(
        self,
        model: nn.Module,
        args: transformers.TrainingArguments,
        *,
        settings: TrainingSettings,
        items: Sequence[Item],
        validation: Sequence[Item],
        callbacks: list[transformers.TrainerCallback],
        form: BatchForm,
    ) -> None:
        self.settings, self.form = settings, form
        self.trained = model
        """The model to save, without the wrappers of distributed training."""
        self.items = items
        self._pending: list[tuple[list[str], Tensor]] = []
        self._passed: list[tuple[Item, ...]] = []
        self._counted = torch.zeros(())
        self.most = args.per_device_train_batch_size
        """The most items per micro-batch: fewer than planned after an out-of-memory error."""
        # With more, a single process would spread its batches over all GPUs that it sees, and our
        # batches are not a grid of equal rows.
        args._n_gpu = min(args.n_gpu, 1)
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
        texts, packed = TEXTS[self.settings.objective], self.form in PACKED
        return partial(collate, texts=texts, packed=packed, idle=self.items[0])

    def training_step(
        self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None
    ) -> Tensor:
        """Run one micro-batch forward and backward, in smaller pieces once memory runs out.

        Losses are divided by counts of the whole accumulated batch, so that pieces add up. If
        memory runs out during a backward pass, the update is made again from its first micro-batch,
        and the losses counted for it so far are subtracted.
        """
        self._passed.append(inputs["items"])
        todo, counted = [inputs["items"]], torch.zeros(())
        while True:
            try:
                losses = [
                    super(Trainer, self).training_step(
                        model, self._collator()(piece), num_items_in_batch
                    )
                    for items in todo
                    for piece in _pieces(items, self.most)
                ]
            except RuntimeError as error:
                if not memory.ran_out(error):
                    raise
            else:
                loss = torch.stack(losses).sum() - counted.to(losses[0])
                self._counted = self._counted.to(loss) + loss
                return loss
            self._halve(model)  # here, where no exception holds the activations any more
            todo, counted = list(self._passed), self._counted

    def _halve(self, model: nn.Module) -> None:
        """Continue with half as many items at once, and drop the gradients of this update.

        Raises:
            InputError: they cannot be halved, or the processes could not all do so.
        """
        before, self.most = self.most, (self.most + 1) // 2
        if before == 1:
            raise InputError(
                "out of memory with a single example at once; expected a smaller model, "
                "max_length, lora or gradient_checkpointing."
            )
        if self.args.world_size > 1:
            raise InputError(
                f"out of memory on process {self.args.process_index} with {before} examples at "
                f"once; expected micro_batch_size={self.most} (the batch stays the same)."
            )
        say(
            f"  out of memory: continuing with {self.most} examples at once instead of {before}, "
            f"accumulated over as many more passes; the batch stays {self.settings.batch_size}"
        )
        model.zero_grad()
        self._pending.clear()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Tensor:
        """Return a micro-batch's part of the loss; the counts are those of all micro-batches."""
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
        names = [item.name for item in inputs["items"]]
        self._pending.append((names, read.log_p.detach()))
        loss = LOSSES[self.settings.objective](read, self.settings)
        if not names:
            loss = loss * 0
        # Gradients are averaged over processes, while the counts are already those of all of them.
        return loss * self.accelerator.num_processes

    def _log_p(self, model: nn.Module, batch: Any) -> Tensor:
        """Return log p of the batch's tokens [R]."""
        head = self.accelerator.unwrap_model(model).get_output_embeddings()
        words = LABEL_WORDS[self.settings.objective]
        exact = None
        if self.args.bf16 and words:  # they are few, so that float32 costs nothing
            exact = batch["texts"] % TEXTS[self.settings.objective] < words
        return token_log_p(model, head, batch, self.form, exact)

    def _get_num_items_in_batch(
        self, batch_samples: list[Batch], device: torch.device
    ) -> Tensor | None:
        """Return the counts of the whole accumulated batch, over all processes."""
        if not batch_samples:
            return None
        tokens = self._summed(torch.tensor([float(b["read_tokens"]) for b in batch_samples]))
        bill.add(trained_tokens=int(tokens.sum()))
        return self._counts(batch_samples)

    def _counts(self, batches: list[Batch]) -> Tensor:
        return self._summed(torch.stack([batch["counts"] for batch in batches]).sum(0))

    def _summed(self, values: Tensor) -> Tensor:
        """Return the sum over all processes."""
        values = values.to(self.args.device)
        return self.accelerator.reduce(values) if self.args.world_size > 1 else values

    def get_train_dataloader(self) -> DataLoader:
        """Return this process's micro-batches, each epoch in its own order."""
        return self._loader(
            Order(
                [item.length for item in self.items],
                batch_size=self.settings.batch_size,
                seed=self.settings.seed,
            )
        )

    def _loader(self, order: Order) -> DataLoader:
        shares = MicroBatches(
            order,
            micro_batch_size=self.args.per_device_train_batch_size,
            process=self.args.process_index,
            processes=self.args.world_size,
        )
        return DataLoader(
            cast(Dataset, self.items), batch_sampler=shares, collate_fn=self._collator()
        )

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Tensor:
        """Refuse a gradient that is not finite; called once per update, before the optimizer."""
        if grad_norm is None:
            grads = [p.grad for p in model.parameters() if p.grad is not None]
            grad_norm = nn.utils.get_total_norm(grads)
        if isinstance(grad_norm, DTensor):  # of sharded weights; each process has a part of it
            grad_norm = grad_norm.full_tensor()
        pending, self._pending = self._pending, []
        loss = self._summed(self._counted)
        self._passed, self._counted = [], torch.zeros(())
        if not torch.isfinite(loss + grad_norm):
            self._refuse(pending)
        return torch.as_tensor(grad_norm)

    def _refuse(self, pending: list[tuple[list[str], Tensor]]) -> None:
        update = self.state.global_step + 1
        bad = [
            name
            for names, log_p in pending
            for name, finite in zip(names, log_p.isfinite().all(1).tolist(), strict=False)
            if not finite
        ]
        bad, names = gather_object(bad), gather_object([n for ns, _ in pending for n in ns])
        what, names = ("loss", bad) if bad else ("gradient", names)
        saved = checkpoint.newest(self._folder)
        left = "there is no checkpoint yet" if saved is None else f"the last good one is {saved}"
        raise InputError(
            f"update {update}: the {what} is not a finite number, in {'; '.join(names[:8])}; "
            f"expected finite weights and a smaller learning rate ({left})."
        )

    def floating_point_ops(self, inputs: Any) -> int:
        """Return 0: transformers would visit all parameters for every micro-batch to count them."""
        return 0

    def evaluate(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Measure loss and accuracy over all validation items, each term divided by its count."""
        held_out = cast(Sequence[Item], self.eval_dataset)
        size, processes = self.most, self.args.world_size
        starts = range(self.args.process_index * size, len(held_out), processes * size)
        shares = [held_out[start : start + size] for start in starts]
        turns = -(-len(held_out) // (size * processes))  # every process calls it as often
        collate = self._collator()
        batches = [collate(share) for share in [*shares, *([[]] * (turns - len(shares)))]]
        counts = self._counts(batches)
        self.trained.eval()
        loss, hits = torch.zeros((), device=self.args.device), 0.0
        accuracy = None
        judged: list[tuple[str, float, bool]] = []
        for batch in batches:
            with torch.no_grad():
                loss += self.compute_loss(
                    self.model_wrapped, self._prepare_inputs(batch), num_items_in_batch=counts
                )
            names, log_p = self._pending.pop()
            correct = batch["correct"].to(log_p.device)
            accuracy = ACCURACIES[self.settings.objective](log_p, correct)
            hits += 0.0 if accuracy is None else float(accuracy) * len(names)
            if self.settings.objective not in SOLVERS:
                for item, found in zip(batch["items"], scores(log_p, correct), strict=False):
                    judged += [(item.readings[0].family, *one) for one in found]
        sums = self._summed(torch.stack([loss / processes, torch.tensor(hits).to(loss)]))
        metrics = {
            "eval_loss": float(sums[0]),
            "eval_accuracy": None if accuracy is None else float(sums[1] / counts[0]),
            "eval_auc": auc_within_problems(gather_object(judged)),
        }
        self.log({name: value for name, value in metrics.items() if value is not None})
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    @property
    def sharded(self) -> bool:
        """True if the weights are sharded: no process has all of them."""
        kinds = (DistributedType.FSDP, DistributedType.DEEPSPEED)
        return self.accelerator.distributed_type in kinds

    @property
    def _folder(self) -> Path:
        return Path(str(self.args.output_dir))

    def keep(self) -> None:
        """Write a checkpoint after the last update unless it exists; do not wait for processes."""
        latest, update = checkpoint.newest(self._folder), self.state.global_step
        if (
            update
            and not self.sharded
            and (latest is None or checkpoint.update_of(latest) < update)
        ):
            partial = self._folder / f"{checkpoint.name_of(update)}.partial"
            with checkpoint.writing(partial):
                self._fill(partial)
                checkpoint.save_random(partial, self.args.process_index)
                checkpoint.complete(partial)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        partial = self._folder / f"{checkpoint.name_of(self.state.global_step)}.partial"
        if self.sharded:
            say("  no checkpoint: weights are sharded (FSDP, DeepSpeed), only the end is saved")
            return
        with checkpoint.writing(partial):
            if self.is_world_process_zero():
                self._fill(partial)
            self.accelerator.wait_for_everyone()
            checkpoint.save_random(partial, self.args.process_index)
            self.accelerator.wait_for_everyone()
            if self.is_world_process_zero():
                checkpoint.complete(partial)
        self.accelerator.wait_for_everyone()

    def _fill(self, folder: Path) -> None:
        """Write the files that all processes have in common."""
        assert self.optimizer is not None
        shutil.rmtree(folder, ignore_errors=True)
        checkpoint.save_weights(self.trained, folder)
        checkpoint.save_optimizer(self.optimizer, self.lr_scheduler, folder)
        self.state.save_to_json(str(folder / "trainer_state.json"))

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: nn.Module | None = None
    ) -> None:
        checkpoint.load_weights(self.trained, Path(resume_from_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint_: str | None) -> None:
        if checkpoint_ is not None and self.optimizer is not None:
            checkpoint.load_optimizer(self.optimizer, self.lr_scheduler, Path(checkpoint_))

    def _load_rng_state(self, checkpoint_: str | None) -> None:
        if checkpoint_ is not None:
            checkpoint.load_random(Path(checkpoint_), self.args.process_index)


def _pieces(items: tuple[Item, ...], most: int) -> list[tuple[Item, ...]]:
    starts = range(0, max(1, len(items)), most)
    return [items[start : start + most] for start in starts]
