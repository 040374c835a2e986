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
        """query [B, heads, Q, d], key and value [B, kv_heads, S, d] -> [B, Q, heads, d].

        Q is S, or less where only the last positions' results are wanted.
        """
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
                f"{type(module).__name__} uses {feature}, which the embedded engine lacks; use "
                "engine=vllm, a server (engine=openai), or another model."
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


class ModelForward:
    """Logits for rows of tokens by the model itself, its attention given to a reader."""

    def __init__(self, model: PreTrainedModel) -> None:
        install(model)
        self._model = model

    def __call__(self, ids: Tensor, positions: Tensor, reader: Reader, *, kept: int = 1) -> Tensor:
        """Logits [B, kept, vocabulary] at the last `kept` of the tokens `ids` [B, S]."""
        return self._model(
            input_ids=ids,
            position_ids=positions,
            use_cache=False,
            logits_to_keep=kept,
            reader=reader,
        ).logits


class Forward(Protocol):
    """What reads tokens: `ModelForward`, or `fused.FusedForward` where that can."""

    def __call__(self, ids: Tensor, positions: Tensor, reader: Reader, *, kept: int = 1) -> Tensor:
        """Logits [B, kept, vocabulary] at the last `kept` of the tokens `ids` [B, S]."""
        ...


class Prompts:
    """Reads prompts padded on the left, [P, L] tokens, and keeps their keys and values by layer.

    Attributes:
        real: [P, L], which columns hold tokens and which padding.
        padded: whether there is any padding.
    """

    def __init__(self, lengths: Tensor, longest: int) -> None:
        columns = torch.arange(longest, device=lengths.device)
        self.real = columns >= longest - lengths[:, None]
        self.padded = bool((lengths < longest).any())
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self._mask = _Mask(_causal(self.real))

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Causal attention within each prompt."""
        assert layer == len(self.keys)
        self.keys.append(key.contiguous())
        self.values.append(value.contiguous())
        return self._mask.attend(query, key, value, scale)

    def select(self, kept: Tensor) -> None:
        """Forget all prompts but those at the indices `kept`."""
        self.real = self.real[kept]
        self.keys = [keys[kept] for keys in self.keys]
        self.values = [values[kept] for values in self.values]


class Continuing:
    """Reads rows padded on the left, [B, S] tokens; row b continues the prompt `groups[b]`."""

    def __init__(self, prompts: Prompts, groups: Tensor, lengths: Tensor, longest: int) -> None:
        self._prompts, self._groups = prompts, groups
        real = torch.arange(longest, device=lengths.device) >= longest - lengths[:, None]
        prefix = prompts.real[groups][:, None].expand(-1, longest, -1)
        self._mask = _Mask(torch.cat((prefix, _causal(real)), -1))

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Attention to the prompt, and causal attention to the row's own tokens."""
        # With many queries a row, the copy of one layer's prompt is small beside the products.
        key = torch.cat((self._prompts.keys[layer][self._groups], key), 2)
        value = torch.cat((self._prompts.values[layer][self._groups], value), 2)
        return self._mask.attend(query, key, value, scale)


class _Mask:
    """Attention in which query q of row b sees the keys where `seen` [B, Q, N] is true."""

    def __init__(self, seen: Tensor) -> None:
        self._seen = seen
        self._biases: dict[int, Tensor] = {}

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """query [B, heads, Q, d], key and value [B, kv_heads, N, d] -> [B, Q, heads, d].

        Fewer queries than `seen` has are the last ones.
        """
        rows, heads, many, d = query.shape
        group = heads // key.shape[1]
        if many not in self._biases:  # made once for all layers
            seen = self._seen[:, -many:]
            bias = torch.zeros(seen.shape, dtype=query.dtype, device=query.device)
            self._biases[many] = bias.masked_fill_(~seen, -torch.inf).repeat(1, group, 1)[:, None]
        # Heads that share a key head stand as further queries of it: no key is replicated.
        query = query.reshape(rows, key.shape[1], group * many, d)
        mask = self._biases[many]
        out = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
        return out.view(rows, heads, many, -1).transpose(1, 2)


def _causal(real: Tensor) -> Tensor:
    """What each of a row's tokens sees of the row: [B, S, S] from `real` [B, S].

    A padding token sees itself, or its softmax would have nothing to sum.
    """
    columns = torch.arange(real.shape[1], device=real.device)
    earlier = (columns[:, None] >= columns) & real[:, None]
    return earlier | (columns[:, None] == columns)
