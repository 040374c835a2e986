"""A forward call for models shaped like Llama, in few large operations. Used by decode and scoring.

The same mathematics as the model's own forward call, arranged for many short rows: one product for
queries, keys and values, one for gate and up; each norm's weight multiplied into the product after
it; the attention's scale into the queries' weights; rotary pairs adjacent, so that rotating them is
one complex product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import linear, rms_norm, silu

from mathtune.engines.transformers.shared_attention import Reader, Rule

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SHAPES = ("llama", "mistral", "qwen2")
"""Model types with this structure: RMS norms, rotary queries and keys, a gated feed-forward."""
MOST_PARAMETERS = 2**28
"""The largest model that is rearranged: weights are held twice, and larger models spend their time
in products anyway.
"""


_PLAIN = Rule(scale=1.0)
"""The rule of attention here: the scale is already in the queries' weights."""


def fits(model: PreTrainedModel) -> bool:
    """Return whether `FusedForward` can compute this model, and is faster."""
    config = model.config
    if config.model_type not in SHAPES or config.hidden_act != "silu":
        return False
    if getattr(model, "hf_quantizer", None) is not None:
        return False  # its weights cannot be rearranged
    if getattr(config, "sliding_window", None) is not None:
        return False  # `ModelForward` applies it; here it would silently be left out
    first = model.model.layers[0]
    plain = first.self_attn.o_proj.bias is None and first.mlp.gate_proj.bias is None
    small = sum(weight.numel() for weight in model.parameters()) <= MOST_PARAMETERS
    return plain and small and model.dtype == torch.float32


class FusedForward:
    """Logits for rows of tokens, with a reader's attention: as `ModelForward`, but faster.

    It copies and rearranges the weights: later changes of the model do not reach it. Its keys are
    ordered differently from the model's own, so it must read the prompts, too.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._eps = model.config.rms_norm_eps
        self._rotary = model.model.rotary_emb
        self._embedding = model.get_input_embeddings().weight
        self._layers = [_Layer(layer, self._eps) for layer in model.model.layers]
        self._head = model.get_output_embeddings().weight * model.model.norm.weight

    def __call__(self, ids: Tensor, positions: Tensor, reader: Reader, *, kept: int = 1) -> Tensor:
        """Return logits [B, kept, vocabulary] at the last `kept` of the tokens `ids` [B, S]."""
        hidden = self._embedding[ids]
        cos, sin = self._rotary(hidden, position_ids=positions)
        half = cos.shape[-1] // 2
        turn = torch.complex(cos[..., :half], sin[..., :half])[:, :, None]  # [B, S, 1, half]
        for number, layer in enumerate(self._layers):
            # After the last layer, only the kept positions are needed.
            going_on = kept if layer is self._layers[-1] else ids.shape[1]
            hidden = layer(number, hidden, turn, reader, going_on)
        return linear(rms_norm(hidden, hidden.shape[2:], eps=self._eps), self._head)


class _Layer:
    """One layer's weights, rearranged."""

    def __init__(self, layer: torch.nn.Module, eps: float) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self._eps, self._d = eps, attention.head_dim
        order = _pairs(self._d).to(attention.q_proj.weight.device)

        def rearranged(side: str) -> Tensor:
            query, key, value = (
                getattr(projection, side)
                for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            query = query.unflatten(0, (-1, self._d))[:, order].flatten(0, 1) * attention.scaling
            key = key.unflatten(0, (-1, self._d))[:, order].flatten(0, 1)
            return torch.cat((query, key, value))

        self._before = rearranged("weight") * layer.input_layernorm.weight
        self._bias = None if attention.q_proj.bias is None else rearranged("bias")
        self._heads = attention.q_proj.out_features // self._d
        self._kv_heads = attention.k_proj.out_features // self._d
        self._out = attention.o_proj.weight.T
        gate_up = torch.cat((mlp.gate_proj.weight, mlp.up_proj.weight))
        self._gate_up = gate_up * layer.post_attention_layernorm.weight
        self._down = mlp.down_proj.weight.T

    def __call__(
        self, number: int, hidden: Tensor, turn: Tensor, reader: Reader, kept: int
    ) -> Tensor:
        """Return hidden states [B, kept, D] after this layer; `hidden` [B, S, D] is overwritten."""
        rows, _, width = hidden.shape
        turned = self._heads + self._kv_heads
        mixed = linear(rms_norm(hidden, (width,), eps=self._eps), self._before, self._bias)
        mixed = mixed.unflatten(-1, (-1, self._d))
        pairs = torch.view_as_complex(mixed[:, :, :turned].unflatten(-1, (-1, 2)))
        both = torch.view_as_real(pairs * turn).flatten(-2).transpose(1, 2)
        query, key = both.split((self._heads, self._kv_heads), 1)
        value = mixed[:, :, turned:].transpose(1, 2)
        attended = reader.attend(number, query[:, :, -kept:], key, value, _PLAIN)
        flat = hidden[:, -kept:].reshape(rows * kept, width)
        flat.addmm_(attended.reshape(rows * kept, -1), self._out)
        gate, up = linear(rms_norm(flat, (width,), eps=self._eps), self._gate_up).chunk(2, -1)
        return flat.addmm_(silu(gate).mul_(up), self._down).view(rows, kept, width)


def _pairs(d: int) -> Tensor:
    """Return the order that makes rotary partners adjacent: 0, d/2, 1, d/2 + 1, ..."""
    return torch.arange(d).view(2, -1).T.flatten()
