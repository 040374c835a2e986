"""Turn scores into weights that can be summed: W.RR needs weights >= 0. Under `measure.py`.

An evaluator's S is already a weight. Logits, log-probabilities and rewards are not: a sum of
negative numbers falls with every vote, and W.RR would prefer the smallest cluster. Re-ranking by
the best score (RR) uses the scores themselves; only sums use weights.

    as-is    w = s                                  scores that are never negative
    softmax  w = exp(s - max of its problem)        log-probabilities: never positive
    sigmoid  w = 1 / (1 + exp(-s))                  logits: both signs, none beyond `LARGEST_LOGIT`
    rank     w = (rank from the worst, ties shared) / n    rewards of any other range

A sample without a score (NaN) has weight 0.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np

from mathtune.metrics.arrays import Bools, Floats, Ints
from mathtune.metrics.calibration import at_thresholds, mid_ranks

WeightRule = Literal["auto", "as-is", "softmax", "sigmoid", "rank"]

LARGEST_LOGIT = 30.0
"""Beyond this a sigmoid is 0 or 1 to the last digits, and different scores would weigh the same."""


def rule_for(scores: Floats) -> WeightRule:
    """Return the rule that fits the range of `scores` float (S,); NaN: no score.

    Example:
        >>> [rule_for(np.array(s)) for s in ([0.1, 0.9], [-3.0, -0.1], [-4.0, 5.0], [-90.0, 70.0])]
        ['as-is', 'softmax', 'sigmoid', 'rank']
    """
    known = scores[np.isfinite(scores)]
    if len(known) == 0 or known.min() >= 0.0:
        return "as-is"
    if known.max() <= 0.0:
        return "softmax"
    return "sigmoid" if np.abs(known).max() <= LARGEST_LOGIT else "rank"


def weights_of(scores: Floats, starts: Ints, rule: WeightRule) -> Floats:
    """Return the weight of each sample; problem p's samples are `starts[p]:starts[p + 1]`.

    Raises:
        ValueError: the rule is as-is and a score is negative.

    Example:
        >>> weights_of(np.array([-1.0, -1.0, 3.0]), np.array([0, 3]), "rank").round(2).tolist()
        [0.5, 0.5, 1.0]
    """
    if rule == "auto":
        rule = rule_for(scores)
    known = np.isfinite(scores)
    if rule == "as-is":
        if known.any() and scores[known].min() < 0.0:
            raise ValueError("negative scores cannot be weights as they are")
        found = scores if known.all() else scores.copy()
    elif rule == "sigmoid":
        found = 1.0 / (1.0 + np.exp(-np.clip(scores, -700.0, 700.0)))
    else:
        found = np.zeros(len(scores))
        for start, end in pairwise(starts.tolist()):
            inside = known[start:end]
            if inside.any():
                part = scores[start:end][inside]
                found[start:end][inside] = (
                    np.exp(part - part.max()) if rule == "softmax" else mid_ranks(part) / len(part)
                )
    found[~known] = 0.0
    return found


LEAK = 0.99
"""A score that separates right from wrong in this fraction of samples is taken for the verdict."""
FEW_VALUES = 10
MANY_SAMPLES = 50


def equals_verdict(scores: Floats, right: Bools) -> bool:
    """Return whether a threshold on the scores gives nearly every verdict: a label, not a judge.

    With more than two values, the set must be too large for chance; with many, no exception is
    allowed.

    Example:
        >>> equals_verdict(np.array([1.0, 0.0, 1.0]), np.array([True, False, True]))
        True
    """
    known = np.isfinite(scores)
    scores, right = scores[known], right[known]
    positives = int(np.count_nonzero(right))
    if positives in (0, len(right)):
        return False
    true, false = at_thresholds(scores, right)
    agree = true + (false[-1] - false)
    share = float(agree.max()) / len(right)
    if len(agree) == 2:
        return share >= LEAK
    return len(right) >= MANY_SAMPLES and share >= (LEAK if len(agree) <= FEW_VALUES else 1.0)
