"""Draw tokens from logits: temperature, top-p, one uniform number a token. Used by the engine."""

from __future__ import annotations

import torch
from torch import Tensor

LIKELIEST = 64
"""How many tokens are looked at first for top-p; rows that need more are sorted in full."""


def draw(logits: Tensor, uniforms: Tensor, *, temperature: float, top_p: float) -> Tensor:
    """One token a row, by inverting the cumulative distribution at a given uniform number.

        p = softmax(logits / temperature)
        top-p: the smallest set of likeliest tokens whose p sums to at least top_p, renormalised
        token = the first whose cumulative p exceeds u * (sum of p)

    A row's token depends on its logits and its number only, never on the rows beside it.
    Temperature 0 takes the likeliest token (the first of equals).

    Args:
        logits: [rows, vocabulary].
        uniforms: [rows], in [0, 1).

    Example:
        >>> logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]]))
        >>> [draw(logits, torch.tensor([u]), temperature=1.0, top_p=1.0).item() for u in (0.4, 0.6)]
        [0, 1]
    """
    if temperature == 0:
        return logits.argmax(-1)
    probabilities = torch.softmax(logits.float() / temperature, -1)
    if top_p == 1:
        return _invert(probabilities, uniforms)
    top, token = probabilities.max(-1)
    several = (top < top_p).nonzero()[:, 0]  # rows whose likeliest token is not the whole nucleus
    if len(several):
        token[several] = _from_nucleus(probabilities[several], uniforms[several], top_p)
    return token


def _from_nucleus(probabilities: Tensor, uniforms: Tensor, top_p: float) -> Tensor:
    """One token a row among the likeliest whose probabilities sum to at least top_p."""
    likely, tokens = probabilities.topk(min(LIKELIEST, probabilities.shape[-1]))
    if bool((likely.sum(-1) < top_p).any()):
        likely, tokens = probabilities.sort(descending=True)
    before = likely.cumsum(-1) - likely
    nucleus = torch.where(before < top_p, likely, 0.0)
    return tokens.gather(-1, _invert(nucleus, uniforms)[:, None])[:, 0]


def _invert(weights: Tensor, uniforms: Tensor) -> Tensor:
    """The first index whose cumulative weight exceeds `uniforms` times the total: never a weight of
    0.
    """
    cumulative = weights.cumsum(-1)
    total = cumulative[:, -1]
    # Rounding must not lift the target to the total: no index would lie beyond it.
    target = torch.minimum(uniforms * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, target[:, None], right=True)[:, 0]
