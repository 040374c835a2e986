"""Draw tokens from logits: temperature, top-p, one uniform number per token. Used by decode."""

from __future__ import annotations

import torch
from torch import Tensor

from mathtune.engines.protocol import Sampling
from mathtune.errors import InputError

LIKELIEST = 64
"""The number of tokens tried first for top-p; rows that need more are sorted in full."""


def draw(logits: Tensor, of: Tensor, uniforms: Tensor, sampling: Sampling) -> Tensor:
    """Draw one token per sample: invert its row's cumulative distribution at its uniform number.

        p = softmax(logits / temperature)
        top-k: the k likeliest tokens;  min-p: those with at least min_p times the highest p
        top-p: the smallest set of likeliest of these whose p sums to at least top_p, renormalised
        token = the first whose cumulative p exceeds u * (sum of p)

    A sample's token depends only on its row's logits and its number, never on other rows.
    Temperature 0 takes the likeliest token (the first of equals).

    Raises:
        InputError: a logit is NaN or infinite (a token may be ruled out by minus infinity).

    Args:
        logits: [rows, vocabulary].
        of: [samples], the row that each draws from.
        uniforms: [samples], in [0, 1).

    Example:
        >>> logits, of = torch.log(torch.tensor([[0.5, 0.3, 0.2]])), torch.tensor([0, 0])
        >>> how = Sampling(n=2, temperature=1.0, top_p=1.0, max_tokens=1)
        >>> draw(logits, of, torch.tensor([0.4, 0.6]), how).tolist()
        [0, 1]
    """
    top_p = sampling.top_p
    if sampling.temperature == 0:
        highest, token = logits.max(-1)
        refuse_not_finite(highest)
        return token[of]
    logits = logits.float()
    if sampling.temperature != 1:
        logits = logits / sampling.temperature
    probabilities = torch.softmax(logits, -1)
    if sampling.top_k or sampling.min_p:
        probabilities = _truncated(probabilities, sampling)
    if top_p == 1:
        return _invert(probabilities, of, uniforms)
    top, token = probabilities.max(-1)
    refuse_not_finite(top)
    token = token[of]
    several = top < top_p  # rows whose nucleus has more than one token
    drawn = several[of]
    if bool(drawn.any()):
        within = (several.cumsum(0) - 1)[of[drawn]]
        token[drawn] = _from_nucleus(probabilities[several], within, uniforms[drawn], top_p)
    return token


def _truncated(probabilities: Tensor, sampling: Sampling) -> Tensor:
    """Return the renormalised probabilities of the tokens that top-k and min-p keep."""
    least = sampling.min_p * probabilities.max(-1, keepdim=True).values
    if 0 < sampling.top_k < probabilities.shape[-1]:
        likely = probabilities.topk(sampling.top_k).values
        least = torch.maximum(least, likely[:, -1:])
    kept = torch.where(probabilities >= least, probabilities, 0.0)
    return kept / kept.sum(-1, keepdim=True)


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
    cumulative = weights.cumsum(-1).index_select(0, of)
    total = cumulative[:, -1]
    refuse_not_finite(total)
    # Rounding must not raise the target to the total: no index would exceed it.
    target = torch.minimum(uniforms * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, target[:, None], right=True)[:, 0]


def refuse_not_finite(values: Tensor) -> None:
    """Raise InputError if a number from logits is NaN or infinite: one bad logit is enough."""
    if not bool(values.isfinite().all()):
        raise InputError(
            "the model's logits are not finite numbers (NaN or infinite), so no token can be "
            "chosen and nothing scored; expected undamaged weights, and dtype=float32 if the model "
            "overflows in float16 or bfloat16."
        )
