"""Attention in which many rows share one copy of a prompt's keys and values. Used by decode and
scoring.

Transformers lets a function replace a model's attention (`AttentionInterface`); the rest of the
model stays as its authors wrote it. Ours hands each layer's queries, keys and values to a *reader*,
passed to the model's forward call as `reader=...`:

Prompts     reads prompts, one row each, and keeps their keys and values
Packed      concatenated rows that continue each other (for scoring; in line_attention.py)
KVCache     one new token per row; scores against the prompt are one product per prompt for all its
            rows (in kv_cache.py)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

NAME = "mathtune_shared_prompt"


class UnsharedError(Exception):
    """A model's attention cannot be handed to a reader; the message says why."""


@dataclass(frozen=True)
class Rule:
    """A layer's rule of attention: the score of a query and a key is `scale` times their product.

    `cap`: a score s becomes cap * tanh(s / cap). `window`: a token sees itself and the `window` - 1
    tokens before it; None: all earlier ones. Layers of one model may differ.
    """

    scale: float
    cap: float | None = None
    window: int | None = None

    def capped(self, scores: Tensor) -> Tensor:
        """Apply the cap to the scores, in place."""
        return scores if self.cap is None else scores.div_(self.cap).tanh_().mul_(self.cap)


class Reader(Protocol):
    """Takes one layer's new queries, keys and values; returns the attention of its rows."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, rule: Rule) -> Tensor:
        """query [B, heads, Q, d], key and value [B, kv_heads, S, d] -> [B, Q, heads, d].

        Q is S, or less if only the last positions' results are wanted.
        """
        ...


def _attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001 (the reader masks)
    scaling: float | None = None,
    softcap: float | None = None,
    sliding_window: int | None = None,
    reader: Reader | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    for feature in ("s_aux", "position_bias"):
        if kwargs.get(feature) is not None:
            raise UnsharedError(f"{type(module).__name__} uses {feature}")
    assert reader is not None
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    rule = Rule(scale, softcap, sliding_window)
    # Some models take the result apart with `view`, as they may with that of their own attention.
    return reader.attend(module.layer_idx, query, key, value, rule).contiguous(), None


AttentionInterface.register(NAME, _attention)


class ModelForward:
    """Logits for rows of tokens from the model itself, whose attention a reader replaces from now
    on.

    Raises:
        UnsharedError: the model's attention cannot be replaced, or does more than readers know.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        if not model._supports_attention_backend:
            raise UnsharedError("transformers does not let its attention be replaced")
        before = model.config._attn_implementation
        self.usual = before if before != NAME else "eager"
        """The attention that the model has without readers."""
        model.set_attn_implementation(NAME)
        self._model = model
        self._check()

    def __call__(self, ids: Tensor, positions: Tensor, reader: Reader, *, kept: int = 1) -> Tensor:
        """Return logits [B, kept, vocabulary] at the last `kept` of the tokens `ids` [B, S]."""
        return self._model(
            input_ids=ids,
            position_ids=positions,
            use_cache=False,
            logits_to_keep=kept,
            reader=reader,
        ).logits

    @torch.inference_mode()
    def _check(self) -> None:
        """Raise UnsharedError for layers that keep any state other than keys and values."""
        config, device = self._model.config.get_text_config(), self._model.device
        found, first = _Calls(), torch.zeros(1, 1, dtype=torch.long, device=device)
        self(first, first, found)
        kinds = getattr(config, "layer_types", None) or [None] * config.num_hidden_layers
        if found.layers != list(range(len(kinds))) or len(found.shapes) > 1:
            raise UnsharedError("its layers do not all have keys and values of one shape")
        windows = ["sliding_attention" if rule.window else "full_attention" for rule in found.rules]
        if any(kind not in (None, window) for kind, window in zip(kinds, windows, strict=True)):
            raise UnsharedError(f"it has layers of another kind ({sorted(set(kinds))})")
        if "sliding_attention" not in windows and kinds[0] is None and _windowed(config):
            raise UnsharedError("its attention may have a window that only its masks know")


def _windowed(config: Any) -> bool:
    """Return whether a config names a window that is shorter than the model's context."""
    window = getattr(config, "sliding_window", None)
    context = getattr(config, "max_position_embeddings", None)
    used = window is not None and getattr(config, "use_sliding_window", True)
    return bool(used and (context is None or window < context))


class _Calls:
    """A reader that notes which layers call it."""

    def __init__(self) -> None:
        self.layers: list[int] = []
        self.rules: list[Rule] = []
        self.shapes: set[torch.Size] = set()

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, rule: Rule) -> Tensor:
        """Return zeros."""
        self.layers.append(layer)
        self.rules.append(rule)
        self.shapes |= {key.shape, value.shape}
        return torch.zeros_like(query.transpose(1, 2))


class Forward(Protocol):
    """A forward call: `ModelForward`, or `llama_forward.FusedForward` for models it can compute."""

    def __call__(self, ids: Tensor, positions: Tensor, reader: Reader, *, kept: int = 1) -> Tensor:
        """Return logits [B, kept, vocabulary] at the last `kept` of the tokens `ids` [B, S]."""
        ...


class Prompts:
    """Reads prompts padded on the left, [P, L] tokens, and keeps their keys and values by layer.

    `beginning`: one prompt, read before, that all these prompts continue. Every token sees all of
    it: no layer's window may be shorter than a whole sample.

    Attributes:
        real: [P, L], False at padding. padded: True if there is any padding. window: the shortest
        window of the layers; None: they see everything.
    """

    def __init__(self, lengths: Tensor, longest: int, beginning: Prompts | None = None) -> None:
        columns = torch.arange(longest, device=lengths.device)
        self.real = columns >= longest - lengths[:, None]
        self.padded = bool((lengths < longest).any())
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.window: int | None = None
        self._beginning = beginning
        seen, back = _causal(self.real), (columns[:, None] - columns)[None]
        if beginning is not None:
            more = (beginning.longest, 0)
            seen, back = pad(seen, more, value=True), pad(back, more)
        self._mask = _Mask(seen, back)

    @property
    def longest(self) -> int:
        """L, the number of columns, padding included."""
        return self.real.shape[1]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, rule: Rule) -> Tensor:
        """Attend causally within each prompt."""
        assert layer == len(self.keys)
        self.keys.append(key.contiguous())
        self.values.append(value.contiguous())
        if rule.window is not None:
            self.window = min(rule.window, self.window or rule.window)
        if self._beginning is not None:
            key = _continued(self._beginning.keys[layer], key)
            value = _continued(self._beginning.values[layer], value)
        return self._mask.attend(query, key, value, rule)

    def select(self, kept: Tensor) -> None:
        """Forget all prompts except those at the indices `kept`."""
        self.real = self.real[kept]
        self.keys = [keys[kept] for keys in self.keys]
        self.values = [values[kept] for values in self.values]


class _Mask:
    """Attention in which query q of row b sees the keys where `seen` [B, Q, N] is true.

    `back` [B or 1, Q, N]: the distance in tokens from a query back to a key.
    """

    def __init__(self, seen: Tensor, back: Tensor) -> None:
        self._seen, self._back = seen, back
        self._biases: dict[tuple[int, int | None], Tensor] = {}

    def attend(self, query: Tensor, key: Tensor, value: Tensor, rule: Rule) -> Tensor:
        """Attend: query [B, heads, Q, d], key and value [B, kv_heads, N, d] -> [B, Q, heads, d].

        Fewer queries than `seen` has are the last ones.
        """
        rows, heads, many, d = query.shape
        group = heads // key.shape[1]
        if (many, rule.window) not in self._biases:  # made once for all layers of a kind
            seen = self._seen[:, -many:]
            if rule.window is not None:
                seen = seen & (self._back[:, -many:] < rule.window)
            self._biases[many, rule.window] = hiding(~seen, group, query.dtype)
        # Heads that share a key head become further queries of it: no key is replicated.
        query = query.reshape(rows, key.shape[1], group * many, d)
        out = attended(query, key, value, self._biases[many, rule.window], rule)
        return out.reshape(rows, heads, many, -1).transpose(1, 2)


def _continued(beginning: Tensor, side: Tensor) -> Tensor:
    """Put the columns of one beginning [1, kv_heads, C, d] before those of every prompt."""
    return torch.cat((beginning.expand(len(side), -1, -1, -1), side), 2)


def hiding(hidden: Tensor, group: int, dtype: torch.dtype) -> Tensor:
    """Return the bias of `attended`: [B, 1, group * Q, N], -inf where `hidden` [B, Q, N]."""
    bias = torch.zeros(len(hidden), group, *hidden.shape[1:], dtype=dtype, device=hidden.device)
    return bias.masked_fill_(hidden[:, None], -torch.inf).flatten(1, 2)[:, None]


def attended(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, rule: Rule) -> Tensor:
    """Compute softmax attention by the rule; `bias` is added to the scores, after the cap."""
    if rule.cap is None:
        return scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=rule.scale)
    scores = rule.capped((query * rule.scale) @ key.mT)
    return scores.add_(bias).softmax(-1, dtype=torch.float32).to(value.dtype) @ value


def _causal(real: Tensor) -> Tensor:
    """Return the tokens that each token of a row sees: [B, S, S] from `real` [B, S].

    A padding token sees itself: its softmax needs something to sum.
    """
    columns = torch.arange(real.shape[1], device=real.device)
    earlier = (columns[:, None] >= columns) & real[:, None]
    return earlier | (columns[:, None] == columns)
