"""Votes that stop early: accuracy over the samples used, if sampling ends once the lead is sure.

After each sample the two largest clusters have a and b votes. With a uniform prior the chance that
the first is the more frequent of the two in the long run is

    P(Beta(a + 1, b + 1) > 1/2) = P(Binomial(a + b + 1, 1/2) <= a)

and sampling stops when it reaches a limit (Aggarwal et al. 2023, "adaptive consistency"). If a
judge scores the samples, a and b are sums of scores in [0, 1] instead of votes.

`curve` measures the cost and accuracy of stopping one sample at a time; `solve` and `serve` call
`ended` and `next_wave` while they sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from math import comb
from typing import Any, Literal

import mpmath
import numpy as np

from mathtune.metrics.arrays import Floats, Ints
from mathtune.metrics.intervals import intervals, paired
from mathtune.metrics.strategies import Clusters

LIMITS = (0.7, 0.8, 0.9, 0.95, 0.99)
"""The limits of the curve; 0.95 is the usual one."""
ORDERS = 40
"""The number of random orders of a problem's samples that its values are averaged over."""
_CELLS = 4_000_000
"""The number of votes held at once; many samples get fewer orders."""


Ending = Literal["decided", "sure", "samples"]
"""Why sampling ends: the lead cannot be overtaken, it is sure enough, or all samples are used."""


@lru_cache(maxsize=65_536)
def lead_is_sure(first: float, second: float) -> float:
    """Return the chance that the cluster with `first` votes beats that with `second` in the long
    run.

    Votes may be sums of scores: then it is the incomplete beta function at 1/2.

    Example:
        >>> lead_is_sure(1, 0), round(lead_is_sure(4, 0), 3), round(lead_is_sure(3.2, 0), 3)
        (0.75, 0.969, 0.946)
    """
    if first != int(first) or second != int(second):
        return float(mpmath.betainc(second + 1, first + 1, 0, 0.5, regularized=True))
    draws = int(first + second) + 1
    return sum(comb(draws, i) for i in range(int(first) + 1)) / 2**draws


def leading(clusters: Clusters) -> tuple[float, float]:
    """Return the votes of the two largest clusters, or with scores the two largest sums.

    Example:
        >>> right = np.array([True, False])
        >>> leading(Clusters(np.array([0, 1, 0, -1]), right))
        (2.0, 1.0)
        >>> leading(Clusters(np.array([0, 1, 0, -1]), right, np.array([0.25, 0.75, 0.25, 0.0])))
        (0.75, 0.5)
    """
    answered = clusters.of >= 0
    weights = None if clusters.scores is None else clusters.scores[answered]
    sums = np.bincount(clusters.of[answered], weights, minlength=2)
    second, first = np.partition(sums.astype(np.float64), -2)[-2:]
    return float(first), float(second)


def ended(clusters: Clusters, *, most: int, stop_at: float | None) -> Ending | None:
    """Return why sampling ends with these of at most `most` samples; None: it continues.

    `stop_at` None: it ends only with all samples. A sample weighs at most 1, so a lead above the
    number of remaining samples cannot be overtaken.
    """
    left = most - len(clusters.of)
    if left <= 0:
        return "samples"
    if stop_at is None:
        return None
    first, second = leading(clusters)
    if first - second > left:
        return "decided"
    return "sure" if lead_is_sure(first, second) >= stop_at else None


def next_wave(clusters: Clusters, *, most: int, stop_at: float | None, least: int = 1) -> int:
    """Return the size of the next wave: the fewest samples that could end sampling, at least
    `least`.

    With `least` 1, waves never draw more samples than drawing one at a time would, if each further
    sample weighs 1: all of them could agree with the lead.

    Example:
        >>> none = Clusters(np.zeros(0, dtype=int), np.zeros(0, dtype=bool))
        >>> next_wave(none, most=32, stop_at=0.95), next_wave(none, most=32, stop_at=None)
        (4, 32)
    """
    left = most - len(clusters.of)
    if stop_at is None:
        return left
    first, second = leading(clusters)
    for more in range(1, left):
        if first + more - second > left - more or lead_is_sure(first + more, second) >= stop_at:
            return min(left, max(more, least))
    return left


def stopped(
    problems: Sequence[Clusters], limits: Sequence[float] = LIMITS, *, seed: int = 0
) -> tuple[Floats, Floats]:
    """Return samples used and accuracy of the votes so far, float (P, limits) each.

    If no limit is reached, all samples are used. Of clusters with equal votes, the fraction that is
    correct counts. A sample without an answer is used but does not vote.
    """
    rng = np.random.default_rng(seed)
    found = [_one(clusters, np.array(limits), rng) for clusters in problems]
    return np.array([used for used, _ in found]), np.array([right for _, right in found])


def _one(clusters: Clusters, limits: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    n, kinds = len(clusters.of), len(clusters.correct)
    if kinds == 0:
        return np.full(len(limits), float(n)), np.zeros(len(limits))
    orders = max(1, min(ORDERS, _CELLS // (n * kinds)))
    drawn = rng.permuted(np.tile(clusters.of, (orders, 1)), axis=1)
    votes = np.cumsum(drawn[:, :, None] == np.arange(kinds), axis=1, dtype=np.int32)
    two = np.partition(np.pad(votes, ((0, 0), (0, 0), (1, 0))), -2, axis=2)[:, :, -2:]
    sure = _table(n)[two[:, :, 1], two[:, :, 0]]
    rows = np.arange(orders)
    used, right = [], []
    for limit in limits:
        reached = sure >= limit
        at = np.where(reached.any(axis=1), reached.argmax(axis=1), n - 1)
        final = votes[rows, at]
        tied = (final == final.max(axis=1, keepdims=True)) & (final > 0)
        part = (tied & clusters.correct).sum(axis=1) / np.maximum(tied.sum(axis=1), 1)
        used.append(float((at + 1).mean()))
        right.append(float(part.mean()))
    return np.array(used), np.array(right)


@lru_cache(maxsize=8)
def _table(n: int) -> Floats:
    """Return `lead_is_sure` of every pair of votes up to n, float (n + 1, n + 1)."""
    return np.array(
        [
            [lead_is_sure(a, b) if b <= a and a + b <= n else 0.0 for b in range(n + 1)]
            for a in range(n + 1)
        ]
    )


def curve(
    problems: Sequence[Clusters],
    votes: Floats,
    *,
    resamples: int,
    seed: int,
    groups: Ints | None = None,
) -> list[dict[str, Any]]:
    """Return a row per limit: `stop`, mean `samples` used, `Maj1` then, and `over_maj1`.

    `votes`: Maj1 of all samples of each problem, which `over_maj1` compares with.
    """
    used, right = stopped(problems, seed=seed)
    shown = intervals(right, groups=groups)
    pairs = paired(right, votes[:, None], resamples=resamples, seed=seed, groups=groups)
    return [
        {
            "stop": limit,
            "samples": float(used[:, column].mean()),
            "Maj1": asdict(shown[column]),
            "over_maj1": asdict(pairs[column]),
        }
        for column, limit in enumerate(LIMITS)
    ]
