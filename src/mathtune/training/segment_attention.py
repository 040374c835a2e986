"""Attention over sequences that follow each other in one row, without padding. Between batches and
trainer.

A packed batch is one row of segments. A segment sees itself, causally, and, if it continues another
one (a shared prompt that is read once), all of that one. It sees nothing else.

Only attention knows about the segments. On a CPU it processes them one by one; on an accelerator,
where many small calls would take longer than their work, it is one call over padded rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "mathtune_packed"
MODELS = ("llama", "mistral", "qwen2", "qwen3", "olmo2", "granite", "smollm3")
"""Model types with plain attention (no soft caps, sinks or position biases)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """`length` adjacent tokens that continue segment number `parent` (-1: none)."""

    length: int
    parent: int = -1


def fits(model: Any) -> bool:
    """Return whether this model's attention can be replaced by ours."""
    if model.device.type not in ("cpu", "cuda"):
        return False
    config = model.config
    windowed = getattr(config, "sliding_window", None) is not None and getattr(
        config, "use_sliding_window", True
    )
    dropout = getattr(config, "attention_dropout", 0.0)
    return (
        config.model_type in MODELS
        and model._supports_attention_backend
        and not windowed
        and not dropout
    )


def attend(
    query: Tensor, key: Tensor, value: Tensor, segments: tuple[Segment, ...], scale: float
) -> Tensor:
    """Return the attention of each segment to itself and to the segment that it continues.

    query [1, N, heads, d], key and value [1, N, kv_heads, d] -> [1, N, heads, d].
    """
    way = one_by_one if query.device.type == "cpu" else side_by_side
    return way(query, key, value, segments, scale)


def one_by_one(
    query: Tensor, key: Tensor, value: Tensor, segments: tuple[Segment, ...], scale: float
) -> Tensor:
    """Attend without a padded token, in one call per segment."""
    lengths = [segment.length for segment in segments]
    # One split has one backward pass; separate slices would each fill a gradient of the whole row.
    queries, keys, values = (x.split(lengths, dim=1) for x in (query, key, value))
    out = []
    for segment, q, k, v in zip(segments, queries, keys, values, strict=True):
        mask = None
        if segment.parent >= 0:
            k = torch.cat((keys[segment.parent], k), 1)
            v = torch.cat((values[segment.parent], v), 1)
            mask = _continuing(segment.length, segments[segment.parent].length, query.device)
        out.append(_attended(q, k, v, mask, scale))
    return torch.cat(out, 1)


def side_by_side(
    query: Tensor, key: Tensor, value: Tensor, segments: tuple[Segment, ...], scale: float
) -> Tensor:
    """Attend in one call: every segment that no other continues is a row, after the one it
    continues.

    A beginning that several rows share is computed in each and taken from the first.
    """
    grid, cells = _rows(segments, query.device)
    query, key, value = (
        x[0].index_select(0, grid.flatten()).unflatten(0, grid.shape) for x in (query, key, value)
    )
    return _attended(query, key, value, None, scale).flatten(0, 1).index_select(0, cells)[None]


@lru_cache(maxsize=4)
def _rows(segments: tuple[Segment, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return each row's tokens [rows, longest], padded on the right (causal attention ignores the
    padding), and for each token [N] the first cell of this grid that holds it.
    """
    lengths = torch.tensor([segment.length for segment in segments])
    tokens = torch.arange(int(lengths.sum())).split(lengths.tolist())
    parents = [segment.parent for segment in segments]
    rows = [
        torch.cat((tokens[parent], tokens[number])) if parent >= 0 else tokens[number]
        for number, parent in enumerate(parents)
        if number not in parents
    ]
    grid = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    real = torch.arange(grid.shape[1]) < torch.tensor([[len(row)] for row in rows])
    holding = real.flatten().nonzero()[:, 0]
    cells = torch.full((int(lengths.sum()),), grid.numel())
    cells = cells.scatter_reduce(0, grid.flatten()[holding], holding, "amin")
    return grid.to(device), cells.to(device)


def _attended(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float
) -> Tensor:
    """Return attention: [B, Q, heads, d], keys and values [B, K, kv_heads, d] -> [B, Q, heads, d];
    causal without a mask.
    """
    query, key, value = (x.transpose(1, 2) for x in (query, key, value))
    seen = scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=mask is None, scale=scale, enable_gqa=True
    )
    return seen.transpose(1, 2)


def _continuing(length: int, before: int, device: torch.device) -> Tensor:
    """Return the mask of `length` tokens over the `before` tokens they continue and themselves."""
    shape = (length, before + length)
    return torch.ones(shape, dtype=torch.bool, device=device).tril(before)


def _attention(
    module: nn.Module,  # noqa: ARG001 (the signature is that of transformers)
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001 (the segments say what is visible)
    scaling: float | None = None,
    segments: tuple[Segment, ...] = (),
    **_: Any,
) -> tuple[Tensor, None]:
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    query, key, value = (x.transpose(1, 2) for x in (query, key, value))
    return attend(query, key, value, segments, scale), None


AttentionInterface.register(NAME, _attention)
