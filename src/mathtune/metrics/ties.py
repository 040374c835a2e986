"""Ties: how often they decide, and the strategies' values if ties are broken at random.

The strategies break ties by the earliest sample, so that every pick can be looked up. The functions
here return expected values over tied clusters (or equal scores). Next to `strategies.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mathtune.metrics import strategies
from mathtune.metrics.strategies import Bools, Clusters, Standings

Floats = NDArray[np.float64]

Ties = Literal["earliest", "expected"]
"""How ties are broken: by the earliest sample, or in expectation over the tied ones."""


def leaders(standing: Standings) -> Floats:
    """Return Maj1, float (R,): the fraction of the clusters with most votes that is correct.

    Example:
        >>> two = Clusters(np.array([0, 1]), np.array([False, True]))
        >>> leaders(strategies.standings(two, strategies.whole(two)))
        array([0.5])
    """
    most = standing.votes.max(axis=1, keepdims=True)
    return _part_correct(standing, (standing.votes == most) & (standing.votes > 0))


def heaviest(standing: Standings) -> Floats:
    """Return W.RR, float (R,): the fraction of the clusters of largest sum that is correct."""
    most = standing.weight.max(axis=1, keepdims=True)
    return _part_correct(standing, (standing.weight == most) & (standing.votes > 0))


def _part_correct(standing: Standings, tied: Bools) -> Floats:
    count = tied.sum(axis=1)
    return (tied & standing.correct).sum(axis=1) / np.maximum(count, 1)


def right_by_rank(clusters: Clusters) -> Floats:
    """Return float (n,): for each rank by score, the fraction right among its equal scores.

    Example:
        >>> scores = np.array([0.5, 0.9, 0.5])
        >>> right_by_rank(Clusters(np.array([0, 1, 2]), np.array([True, False, False]), scores))
        array([0. , 0.5, 0.5])
    """
    order = clusters.by_rank[:-1]
    right = clusters.right[order].astype(np.float64)
    if clusters.scores is None:
        return right
    answered = clusters.of[order] >= 0
    scores = clusters.scores[order]
    new = (scores[1:] != scores[:-1]) | (answered[1:] != answered[:-1])
    starts = np.flatnonzero(np.append(True, new))
    lengths = np.diff(np.append(starts, len(scores)))
    return np.repeat(np.add.reduceat(right, starts) / lengths, lengths)


def expected(clusters: Clusters, k: int) -> dict[str, float]:
    """Return each strategy's expected value over ties, of all samples, by its short name."""
    whole = strategies.whole(clusters)
    every = strategies.standings(clusters, whole)
    found = {"Maj1": float(leaders(every)[0])}
    if clusters.scores is not None:
        top = strategies.top_scored(clusters, whole, k)
        found |= {
            "RR.All": float(right_by_rank(clusters)[0]),
            "W.RR": float(heaviest(every)[0]),
            f"W.RR.Maj{k}": float(heaviest(every.first_clusters(k))[0]),
            f"Maj1.Top{k}": float(leaders(strategies.standings(clusters, top))[0]),
        }
    return found


def rates(problems: Sequence[Clusters]) -> dict[str, float]:
    """Return the fractions of problems in which several clusters share the most votes or best
    score.
    """
    votes = scores = 0
    for clusters in problems:
        standing = strategies.standings(clusters, strategies.whole(clusters))
        counts = standing.votes[0]
        votes += len(counts) > 1 and counts[0] == counts[1] > 0
        if clusters.scores is not None and len(clusters.correct):
            answered = clusters.of >= 0
            best = clusters.scores[answered].max()
            scores += len(np.unique(clusters.of[answered & (clusters.scores == best)])) > 1
    return {"votes": votes / len(problems), "scores": scores / len(problems)}
