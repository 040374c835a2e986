"""Layers of Llama's shape in few large operations, with their gradients. Below fit.

On a CPU a third of a small model's training step is spent outside its matrix products: on norms,
rotations and gates that each pass over memory, and on copies kept for the backward pass. Here a
layer is two functions with hand-written gradients, around the attention:

    before      q, k, v = turn(norm(x) Wq), turn(norm(x) Wk), norm(x) Wv
    after       y = x + attended Wo;   out = y + (silu(norm(y) Wg) * norm(y) Wu) Wd
    log_p       log p of given tokens from the last hidden states

Only values that one pass over memory cannot recompute are kept. The parameters stay those of the
model, so that optimizer, checkpoints and distributed wrappers notice no difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import silu

from mathtune.training import segment_attention
from mathtune.training.segment_attention import Segment

SHAPES = ("llama", "mistral", "qwen2")
"""Model types with this structure: RMS norms, rotary queries and keys, a gated feed-forward."""
LOGITS_AT_ONCE = 2**24
"""The logits (64 MB) made at once: the head processes its positions in such chunks."""
LOGITS_KEPT = 2**26
"""The most logits (256 MB) kept for the backward pass; if there are more, all are made again.
"""


def fits(model: Any) -> bool:
    """Return whether `install` fits this model: its shape, on a CPU, float32, no adapters."""
    config = model.config
    if (
        config.model_type not in SHAPES
        or not segment_attention.fits(model)
        or model.device.type != "cpu"
    ):
        return False
    layer = model.model.layers[0]
    linear = [layer.self_attn.o_proj, layer.mlp.gate_proj, layer.mlp.up_proj, layer.mlp.down_proj]
    plain = all(type(m) is nn.Linear and m.bias is None for m in linear)
    return plain and config.hidden_act == "silu" and model.dtype == torch.float32


def install(model: Any) -> None:
    """Let the layers of a model that `fits` compute with the functions of this module."""
    for layer in model.model.layers:
        layer.forward = MethodType(_layer, layer)


def remove(model: Any) -> None:
    """Undo `install`."""
    for layer in model.model.layers:
        del layer.forward


def _layer(
    self: Any,
    hidden: Tensor,
    *,
    position_embeddings: tuple[Tensor, Tensor],
    segments: tuple[Segment, ...],
    **_: Any,
) -> Tensor:
    """Return the forward call of a decoder layer: hidden states [1, N, D] in and out."""
    attention, mlp, d = self.self_attn, self.mlp, self.self_attn.head_dim
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    cos, sin = (part[0, :, None] for part in position_embeddings)
    parts = _Before.apply(
        hidden[0],
        self.input_layernorm.weight,
        cos,
        sin,
        self.input_layernorm.variance_epsilon,
        *(projection.weight for projection in projections),
        *(projection.bias for projection in projections),
    )
    query, key, value = (part.unflatten(1, (-1, d))[None] for part in parts)
    attended = segment_attention.attend(query, key, value, segments, attention.scaling)
    out = _After.apply(
        hidden[0],
        attended[0].flatten(1),
        self.post_attention_layernorm.weight,
        self.post_attention_layernorm.variance_epsilon,
        attention.o_proj.weight,
        mlp.gate_proj.weight,
        mlp.up_proj.weight,
        mlp.down_proj.weight,
    )
    return out[None]


@contextmanager
def reading(head: nn.Linear, positions: Tensor, tokens: Tensor) -> Iterator[None]:
    """Let the output layer return log p of `tokens` at `positions`, both [R], instead of logits.

    The model is called as always, so that distributed wrappers stay in place.
    """

    def forward(hidden: Tensor) -> Tensor:
        return token_log_p(hidden.flatten(0, 1)[positions], head.weight, tokens)

    head.forward = forward
    try:
        yield
    finally:
        del head.forward


def token_log_p(hidden: Tensor, head: Tensor, tokens: Tensor) -> Tensor:
    """Return log p of one token per row [R] from hidden states [R, D] and output weights [V, D].

        log p(t) = h w_t - log sum_v exp(h w_v)

    As `objectives.token_log_p` of the logits, which are held once, chunk by chunk: the backward
    pass turns them into their own gradient, or makes them again if there are several chunks.
    """
    return _LogP.apply(hidden, head, tokens)


class _Before(torch.autograd.Function):
    """x [N, D] -> query, key (turned) and value, each [N, heads * d]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, norm: Tensor, *rest: Any) -> tuple[Tensor, ...]:
        cos, sin, eps, *weights = rest
        weights, biases = weights[:3], weights[3:]
        scale = _norm_scale(x, eps)
        normed = (x * scale).mul_(norm)
        outs = [
            normed @ w.T if b is None else torch.addmm(b, normed, w.T)
            for w, b in zip(weights, biases, strict=True)
        ]
        for out in outs[:2]:
            _turn(out, cos, sin)
        ctx.save_for_backward(x, norm, scale, cos, sin, *weights)
        ctx.biased = [bias is not None for bias in biases]
        return tuple(outs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, norm, scale, cos, sin, *weights = ctx.saved_tensors
        grads = tuple(grad.contiguous() for grad in grads)
        turned = [_turn(grad.clone(), cos, -sin) for grad in grads[:2]]
        grads = (*turned, grads[2])
        normed = (x * scale).mul_(norm)
        of_weights = [grad.T @ normed for grad in grads]
        of_biases = [grad.sum(0) if b else None for grad, b in zip(grads, ctx.biased, strict=True)]
        of_normed = grads[0] @ weights[0]
        for grad, weight in zip(grads[1:], weights[1:], strict=True):
            of_normed.addmm_(grad, weight)
        of_x, of_norm = _norm_backward(of_normed, x, norm, scale)
        return of_x, of_norm, None, None, None, *of_weights, *of_biases


class _After(torch.autograd.Function):
    """x [N, D] and the heads' attention [N, heads * d] -> the layer's output [N, D]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, attended: Tensor, norm: Tensor, *rest: Any) -> Tensor:
        eps, out, gate, up, down = rest
        middle = torch.addmm(x, attended, out.T)
        scale = _norm_scale(middle, eps)
        normed = (middle * scale).mul_(norm)
        gated, upped = normed @ gate.T, normed @ up.T
        ctx.save_for_backward(attended, norm, middle, scale, gated, upped, out, gate, up, down)
        return torch.addmm(middle, silu(gated).mul_(upped), down.T)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        attended, norm, middle, scale, gated, upped, out, gate, up, down = ctx.saved_tensors
        of_product = grad @ down
        activated = silu(gated)
        of_up = of_product * activated
        of_gate = torch.ops.aten.silu_backward(of_product.mul_(upped), gated)
        of_down = grad.T @ activated.mul_(upped)
        normed = (middle * scale).mul_(norm)
        of_gate_weight, of_up_weight = of_gate.T @ normed, of_up.T @ normed
        of_normed = (of_gate @ gate).addmm_(of_up, up)
        of_middle, of_norm = _norm_backward(of_normed, middle, norm, scale)
        of_middle += grad
        of_out = of_middle.T @ attended
        of_attended = of_middle @ out
        weights = (of_out, of_gate_weight, of_up_weight, of_down)
        return of_middle, of_attended, of_norm, None, *weights


class _LogP(torch.autograd.Function):
    """Hidden states [R, D], output weights [V, D] and tokens [R] -> log p [R]."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, tokens: Tensor) -> Tensor:
        rows = max(1, LOGITS_AT_ONCE // len(head))
        keep = len(hidden) * len(head) <= LOGITS_KEPT
        found, kept = [], []
        for h, t in zip(hidden.split(rows), tokens.split(rows), strict=True):
            logits = h @ head.T
            sums = logits.logsumexp(1, keepdim=True)
            found.append((logits.gather(1, t[:, None]) - sums)[:, 0])
            kept += [logits.sub_(sums)] if keep else []
        ctx.save_for_backward(hidden, head, tokens, *kept)
        return torch.cat(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        hidden, head, tokens, *kept = ctx.saved_tensors
        rows = max(1, LOGITS_AT_ONCE // len(head))
        of_hidden, of_head = torch.empty_like(hidden), torch.empty_like(head)
        chunks = (x.split(rows) for x in (hidden, tokens, grad, of_hidden))
        for number, (h, t, g, of_h) in enumerate(zip(*chunks, strict=True)):
            log_p = kept[number] if kept else torch.log_softmax(h @ head.T, 1)
            of_logits = log_p.exp_().mul_(-g[:, None]).scatter_add_(1, t[:, None], g[:, None])
            torch.mm(of_logits, head, out=of_h)
            if number:
                of_head.addmm_(of_logits.T, h)
            else:
                torch.mm(of_logits.T, h, out=of_head)
        return of_hidden, of_head, None


def _norm_scale(x: Tensor, eps: float) -> Tensor:
    """Return 1 / sqrt(mean x^2 + eps), [N, 1]."""
    squares = torch.linalg.vector_norm(x, dim=1, keepdim=True).square_()
    return squares.div_(x.shape[1]).add_(eps).rsqrt_()


def _norm_backward(grad: Tensor, x: Tensor, norm: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients of x and weight in norm(x) = x scale(x) weight; `grad` is overwritten.

    dx = scale (g w - x scale^2 mean(g w x))
    """
    unit = x * scale
    of_norm = (grad * unit).sum(0)
    grad = grad.mul_(norm)
    along = torch.linalg.vecdot(grad, unit)[:, None].div_(x.shape[1])
    return grad.addcmul_(unit, along, value=-1).mul_(scale), of_norm


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the pairs (i, i + d/2) of every head of x [N, heads * d] in place; -sin undoes it."""
    heads = x.unflatten(1, (-1, cos.shape[-1]))
    first, second = heads.chunk(2, -1)
    cos, sin = cos[..., : first.shape[-1]], sin[..., : first.shape[-1]]
    across = second * sin
    second.mul_(cos).addcmul_(first, sin)
    first.mul_(cos).sub_(across)
    return x
