"""Ties: how often they decide, and the strategies' values if ties are broken at random.

The strategies break ties by the earliest sample, so that every pick can be looked up. These are the
expected values instead: clusters with equal votes are ordered at random, which also decides who is
among the K first, and of clusters with an equal sum (or best score) each is as likely. Next
to `strategies.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mathtune.metrics import strategies
from mathtune.metrics.arrays import Bools, Floats, Ints
from mathtune.metrics.strategies import Clusters, Standings

Ties = Literal["earliest", "expected"]
"""How ties are broken: by the earliest sample, or in expectation over the tied ones."""

_ORDERS = 24
"""Random orders of equal scores, for Maj1.TopN, which has no formula."""


def largest(standing: Standings, keys: NDArray[np.number]) -> Floats:
    """Return float (R,): the fraction of the clusters with the largest of `keys` that is correct.

    `keys` (R, K): the best scores for RR.All, the weights for W.RR, the votes for Maj1.

    Example:
        >>> two = Clusters(np.array([0, 1]), np.array([False, True]), np.array([0.5, 0.5]))
        >>> standing = strategies.standings(two, strategies.whole(two))
        >>> largest(standing, standing.weight)
        array([0.5])
    """
    most = keys.max(axis=1, keepdims=True)
    return _part_correct(standing, (keys == most) & (standing.votes > 0))


def leaders(standing: Standings) -> Floats:
    """Return Maj1, float (R,): the fraction of the clusters with most votes that is correct.

    Example:
        >>> two = Clusters(np.array([0, 1]), np.array([False, True]))
        >>> leaders(strategies.standings(two, strategies.whole(two)))
        array([0.5])
    """
    return largest(standing, standing.votes)


def best_scores(standing: Standings) -> Floats:
    """Return each cluster's best score, float (R, K); -inf where there is no cluster."""
    scores = standing.clusters.scores
    if scores is None:
        return np.where(standing.votes > 0, 0.0, -np.inf)
    return np.append(scores, -np.inf)[standing.clusters.by_rank[standing.best]]


def _part_correct(standing: Standings, tied: Bools) -> Floats:
    count = tied.sum(axis=1)
    return (tied & standing.correct).sum(axis=1) / np.maximum(count, 1)


def any_right_of_top(standing: Standings, k: int | Ints) -> Floats:
    """Return MajK, float (R,): the chance that a correct cluster is among the K first.

    Of m clusters with as many votes as the Kth, j correct, s have room among the first K:

        1 - C(m - j, s) / C(m, s)        unless one with more votes is correct

    Example:
        >>> three = Clusters(np.array([0, 1, 2]), np.array([False, True, False]))
        >>> any_right_of_top(strategies.standings(three, strategies.whole(three)), 2).round(3)
        array([0.667])
    """
    above, tied, room = _at_the_border(standing, k)
    found: Floats = np.any(above & standing.correct, axis=1).astype(np.float64)
    for row in np.flatnonzero((found == 0.0) & np.any(tied & standing.correct, axis=1)):
        m, right = int(tied[row].sum()), int((tied[row] & standing.correct[row]).sum())
        found[row] = 1.0 - comb(m - right, int(room[row])) / comb(m, int(room[row]))
    return found


def largest_of_top(standing: Standings, k: int | Ints, keys: Floats) -> Floats:
    """Return RR.MajK or W.RR.MajK, float (R,): the chance that the pick is correct.

    The pick is the cluster with the largest of `keys`, float (R, K), among the K first.
    """
    above, tied, room = _at_the_border(standing, k)
    kept = above | tied
    most = np.where(kept, keys, -np.inf).max(axis=1, keepdims=True)
    found = _part_correct(standing, kept & (keys == most))  # right if all tied ones fit
    for row in np.flatnonzero(tied.sum(axis=1) > room):
        found[row] = _largest_of_row(
            keys[row], standing.correct[row], above[row], tied[row], int(room[row])
        )
    return found


def _largest_of_row(keys: Floats, correct: Bools, above: Bools, tied: Bools, room: int) -> float:
    """Return the same of one subset in which not all `tied` clusters have room.

    From the largest key down: of m tied clusters left to choose from, t have this key, and j of
    them are chosen (a hypergeometric chance); if none is, and no cluster above has the key, the
    next key decides.
    """
    expected, chance, m = 0.0, 1.0, int(tied.sum())
    for key in np.unique(keys[above | tied])[::-1]:
        sure, maybe = above & (keys == key), tied & (keys == key)
        t, part = int(maybe.sum()), correct[maybe].mean() if maybe.any() else 0.0
        for j in range(min(t, room) + 1):
            if j + sure.sum() > 0:
                chosen = comb(t, j) * comb(m - t, room - j) / comb(m, room)
                expected += chance * chosen * (correct[sure].sum() + j * part) / (sure.sum() + j)
        if sure.any() or m - t < room:
            break
        chance *= comb(m - t, room) / comb(m, room)
        m -= t
    return float(expected)


def _at_the_border(standing: Standings, k: int | Ints) -> tuple[Bools, Bools, Ints]:
    """Return the clusters with more votes than the Kth, those with as many, and how many fit."""
    votes = standing.votes
    last = np.minimum(np.broadcast_to(k, len(votes)), votes.shape[1]) - 1
    border = votes[np.arange(len(votes)), last][:, None]
    above, tied = votes > border, (votes == border) & (votes > 0)
    room = np.broadcast_to(k, len(votes)) - above.sum(axis=1)
    return above, tied, np.minimum(room, tied.sum(axis=1))


def leaders_of_best(clusters: Clusters, subsets: Bools, count: int | Ints) -> Floats:
    """Return Maj1.TopN, float (R,): Maj1 of the best-scored samples, equal ones in random order.

    The order decides only who is among the best; the votes of those are of the samples as they are.
    """
    found = [
        leaders(strategies.standings(clusters, strategies.top_scored(one, subsets, count)))
        for one in _in_random_orders(clusters)
    ]
    return np.mean(found, axis=0)


def _in_random_orders(clusters: Clusters) -> list[Clusters]:
    """Return the samples with ranks for scores, equal scores in random orders; one if none are."""
    scores = clusters.scores
    if scores is None or len(np.unique(scores)) == len(scores):
        return [clusters]
    rng = np.random.default_rng(0)
    keys = ((rng.random(len(scores)), scores) for _ in range(_ORDERS))
    ranks = [np.argsort(np.lexsort(key)).astype(np.float64) for key in keys]
    return [replace(clusters, scores=rank) for rank in ranks]


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
    """Return each strategy's expected value over ties, of all samples, by its short name.

    Example:
        >>> expected(Clusters(np.array([0, 1]), np.array([False, True])), k=2)
        {'Maj1': 0.5, 'Maj2': 1.0}
    """
    whole = strategies.whole(clusters)
    every = strategies.standings(clusters, whole)
    found = {"Maj1": leaders(every), f"Maj{k}": any_right_of_top(every, k)}
    if clusters.scores is not None:
        found |= {
            "RR.All": right_by_rank(clusters),
            f"RR.Maj{k}": largest_of_top(every, k, best_scores(every)),
            "W.RR": largest(every, every.weight),
            f"W.RR.Maj{k}": largest_of_top(every, k, every.weight),
            f"Maj1.Top{k}": leaders_of_best(clusters, whole, k),
        }
    return {name: float(values[0]) for name, values in found.items()}


def rates(problems: Sequence[Clusters]) -> dict[str, float]:
    """Return the fractions of problems whose clusters share the most votes or the best score.

    Example:
        >>> rates([Clusters(np.array([0, 1]), np.array([False, True]))])
        {'votes': 1.0, 'scores': 0.0}
    """
    votes = scores = 0
    for clusters in problems:
        standing = strategies.standings(clusters, strategies.whole(clusters))
        counts = standing.votes[0]
        votes += int(len(counts) > 1 and counts[0] == counts[1])
        if clusters.scores is not None and len(clusters.correct):
            answered = clusters.of >= 0
            best = clusters.scores[answered].max()
            scores += len(np.unique(clusters.of[answered & (clusters.scores == best)])) > 1
    return {"votes": votes / len(problems), "scores": scores / len(problems)}
