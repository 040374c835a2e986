"""How a model reads a batch: log p of its target tokens, which alone meet the vocabulary."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from mathtune.engines.transformers.scoring import float32_logits
from mathtune.training import llama_layers, objectives

if TYPE_CHECKING:
    from collections.abc import Iterator


BatchForm = Literal["single", "padded", "packed", "fused"]
"""How the model reads: single rows, padded rows, one packed row, or a packed row with fused layers.
"""
PACKED = ("packed", "fused")
"""The forms in which a batch is one row."""


def token_log_p(
    model: nn.Module, head: nn.Module, batch: Any, form: BatchForm, exact: Tensor | None = None
) -> Tensor:
    """Return log p of a `batches.Batch`'s tokens [R], read by `model` with its output layer `head`.

    The logits of tokens in `exact`, bool [R], are made in float32, even in a bfloat16 training. The
    model is called as always, so that its wrappers (adapters, distributed training) stay in place;
    only `head` is told which positions to take.
    """
    given = {"input_ids": batch["input_ids"]}
    if batch["segments"] is not None:  # else the model counts: some do not begin at 0
        given |= {name: batch[name] for name in ("position_ids", "segments")}
    if form == "fused":
        with llama_layers.reading(head, batch["positions"], batch["tokens"]):
            return model(**given, use_cache=False).logits
    if form == "single":
        logits = torch.cat(list(_row_by_row(model, head, batch, exact)))
    else:
        with _reading_at(batch["positions"], head, exact):
            logits = model(**given, use_cache=False).logits
    return objectives.token_log_p(logits, batch["tokens"])


def _row_by_row(
    model: nn.Module, head: nn.Module, batch: Any, exact: Tensor | None
) -> Iterator[Tensor]:
    """Yield the logits at the positions of each row [R V], read by itself and without padding."""
    width = batch["input_ids"].shape[1]
    rows = batch["positions"] // width
    for number, row in enumerate(batch["input_ids"]):
        in_row = rows == number
        at = batch["positions"][in_row] - number * width
        with _reading_at(at, head, None if exact is None else exact[in_row]):
            yield model(input_ids=row[None, : int(at.max()) + 1], use_cache=False).logits


@contextmanager
def _reading_at(positions: Tensor, head: nn.Module, exact: Tensor | None) -> Iterator[None]:
    """Let the output layer see only the hidden states at `positions` of the flattened [B T] grid.

    The model's own forward does the rest, so that its changes to logits (scaling, soft caps) stay
    in place. Its logits become [R V].
    """

    def select(_: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        (hidden,) = args
        return (hidden.flatten(0, 1)[positions],)

    hook = head.register_forward_pre_hook(select)
    try:
        with nullcontext() if exact is None else float32_logits(head, exact):
            yield
    finally:
        hook.remove()
