"""Attention in which many rows share one prompt's keys and values, unreplicated. Used by the
engine.

Transformers lets a model's attention be replaced by a function (`AttentionInterface`); everything
else of the model stays as its authors wrote it. Ours hands each layer's queries, keys and values to
a *reader*, passed to the model's forward call as `reader=...`:

Prompts     reads prompts, one row each, and keeps their keys and values
Decoding    one new token a row; scores against the row's prompt are one product per prompt for all
its rows Continuing  many tokens a row after a shared prefix (for scoring)
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

from mathtune.errors import InputError

NAME = "mathtune_shared_prompt"


class Reader(Protocol):
    """Takes one layer's new queries, keys and values; gives what its rows attend to."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """query [B, heads, Q, d], key and value [B, kv_heads, Q, d] -> [B, Q, heads, d]."""
        ...


def _attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001 (the reader masks)
    scaling: float | None = None,
    reader: Reader | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    for feature in ("softcap", "s_aux", "sliding_window", "position_bias"):
        if kwargs.get(feature) is not None:
            raise InputError(
                f"{type(module).__name__} uses {feature}, which the embedded engine lacks; "
                "use another model."
            )
    assert reader is not None
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return reader.attend(module.layer_idx, query, key, value, scale), None


AttentionInterface.register(NAME, _attention)


def install(model: PreTrainedModel) -> None:
    """Make the model read through readers from now on.

    Raises:
        InputError: the model's attention cannot be replaced.
    """
    if not model._supports_attention_backend:
        raise InputError(
            f"model {model.name_or_path!r}: the embedded engine cannot run {type(model).__name__}, "
            "whose attention transformers does not let it replace; use another model."
        )
    model.set_attn_implementation(NAME)


class Prompts:
    """Reads prompts padded on the left, [P, L] tokens, and keeps their keys and values, layer by
    layer.
    """

    def __init__(self, lengths: Tensor, longest: int) -> None:
        columns = torch.arange(longest, device=lengths.device)
        self.real = columns >= longest - lengths[:, None]  # [P, L]
        self.padded = bool((lengths < longest).any())
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        if self.padded:
            causal = columns[:, None] >= columns
            # A padding token attends to itself, or its softmax would have nothing to sum.
            itself = columns[:, None] == columns
            self._mask = ((causal & self.real[:, None]) | itself)[:, None]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Causal attention within each prompt."""
        assert layer == len(self.keys)
        self.keys.append(key.contiguous())
        self.values.append(value.contiguous())
        mask = self._mask if self.padded else None
        return _attend(query, key, value, scale, mask, causal=not self.padded)

    def select(self, kept: Tensor) -> None:
        """Forget all prompts but those at the indices `kept`."""
        self.real = self.real[kept]
        self.keys = [keys[kept] for keys in self.keys]
        self.values = [values[kept] for values in self.values]


class Continuing:
    """Reads rows padded on the left, [B, S] tokens, each of which continues the prefix
    `groups[row]`.
    """

    def __init__(self, prompts: Prompts, groups: Tensor, lengths: Tensor, longest: int) -> None:
        self._prompts, self._groups = prompts, groups
        columns = torch.arange(longest, device=lengths.device)
        real = columns >= longest - lengths[:, None]
        causal = (columns[:, None] >= columns) & real[:, None]
        causal |= columns[:, None] == columns  # padding attends to itself
        prefix = prompts.real[groups][:, None].expand(-1, longest, -1)
        self._mask = torch.cat((prefix, causal), -1)[:, None]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Attention to the prefix, and causal attention to the row's own tokens."""
        # With many queries a row the copy of one layer's prefix is small beside the products.
        key = torch.cat((self._prompts.keys[layer][self._groups], key), 2)
        value = torch.cat((self._prompts.values[layer][self._groups], value), 2)
        return _attend(query, key, value, scale, self._mask, causal=False)


def _attend(
    query: Tensor, key: Tensor, value: Tensor, scale: float, mask: Tensor | None, *, causal: bool
) -> Tensor:
    out = scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        is_causal=causal,
        scale=scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return out.transpose(1, 2)
