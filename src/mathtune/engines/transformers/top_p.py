"""Draw tokens from logits: temperature, top-p, one uniform number per token. Used by decode."""

from __future__ import annotations

import torch
from torch import Tensor

LIKELIEST = 64
"""How many tokens are looked at first for top-p; rows that need more are sorted in full."""


def draw(
    logits: Tensor, of: Tensor, uniforms: Tensor, *, temperature: float, top_p: float
) -> Tensor:
    """Draw one token per sample: invert its row's cumulative distribution at its uniform number.

        p = softmax(logits / temperature)
        top-p: the smallest set of likeliest tokens whose p sums to at least top_p, renormalised
        token = the first whose cumulative p exceeds u * (sum of p)

    A sample's token depends only on its row's logits and its number, never on other rows.
    Temperature 0 takes the likeliest token (the first of equals).

    Args:
        logits: [rows, vocabulary].
        of: [samples], the row that each draws from.
        uniforms: [samples], in [0, 1).

    Example:
        >>> logits, of = torch.log(torch.tensor([[0.5, 0.3, 0.2]])), torch.tensor([0, 0])
        >>> draw(logits, of, torch.tensor([0.4, 0.6]), temperature=1.0, top_p=1.0).tolist()
        [0, 1]
    """
    if temperature == 0:
        return logits.argmax(-1)[of]
    probabilities = torch.softmax(logits.float() / temperature, -1)
    if top_p == 1:
        return _invert(probabilities, of, uniforms)
    top, token = probabilities.max(-1)
    token = token[of]
    several = top < top_p  # rows whose likeliest token is not the whole nucleus
    drawn = several[of]
    if bool(drawn.any()):
        within = (several.cumsum(0) - 1)[of[drawn]]
        token[drawn] = _from_nucleus(probabilities[several], within, uniforms[drawn], top_p)
    return token


def _from_nucleus(probabilities: Tensor, of: Tensor, uniforms: Tensor, top_p: float) -> Tensor:
    """Draw one token per sample from the smallest set of likeliest tokens that reaches top_p."""
    likely, tokens = probabilities.topk(min(LIKELIEST, probabilities.shape[-1]))
    if bool((likely.sum(-1) < top_p).any()):
        likely, tokens = probabilities.sort(descending=True)
    before = likely.cumsum(-1) - likely
    nucleus = torch.where(before < top_p, likely, 0.0)
    return tokens[of, _invert(nucleus, of, uniforms)]


def _invert(weights: Tensor, of: Tensor, uniforms: Tensor) -> Tensor:
    """Return the first index whose cumulative weight exceeds `uniforms` times the total, so that a
    weight of 0 is never drawn.
    """
    cumulative = weights.cumsum(-1)[of]
    total = cumulative[:, -1]
    # Rounding must not lift the target to the total: no index would lie beyond it.
    target = torch.minimum(uniforms * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, target[:, None], right=True)[:, 0]
