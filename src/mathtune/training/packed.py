"""Attention over sequences that stand one behind the other, without padding. Between batches and
trainer.

A packed batch is one row of segments. A segment sees itself, causally, and, where it continues
another one (a shared prompt that is read once), all of that one. Nothing else is visible to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "mathtune_packed"
MODELS = ("llama", "mistral", "qwen2", "qwen3", "olmo2", "granite", "smollm3")
"""Model types whose attention is the plain one (no soft caps, sinks or position biases)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """`length` tokens side by side that continue the segment number `parent` (-1: none)."""

    length: int
    parent: int = -1


def fits(model: Any) -> bool:
    """Whether this model's attention can be replaced by ours, and it pays: on a CPU."""
    if model.device.type != "cpu":
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
    """Attention of each segment to itself and to what it continues.

    query [1, N, heads, d], key and value [1, N, kv_heads, d] -> [1, N, heads, d].
    """
    lengths = [segment.length for segment in segments]
    # One split has one backward; as many slices would each fill a gradient of the whole row.
    queries, keys, values = (x.split(lengths, dim=1) for x in (query, key, value))
    out = []
    for segment, q, k, v in zip(segments, queries, keys, values, strict=True):
        mask = None
        if segment.parent >= 0:
            k = torch.cat((keys[segment.parent], k), 1)
            v = torch.cat((values[segment.parent], v), 1)
            mask = _continuing(segment.length, segments[segment.parent].length, query.device)
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        seen = scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None, scale=scale, enable_gqa=True
        )
        out.append(seen.transpose(1, 2))
    return torch.cat(out, 1)


def _continuing(length: int, before: int, device: torch.device) -> Tensor:
    """What `length` tokens see of the `before` that they continue and of themselves."""
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
