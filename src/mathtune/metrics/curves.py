"""What a problem's samples are worth: Pass@N, voting and re-ranking over N and over K, per problem.

Values are per problem, in [0, 1]; a metric is their mean over problems (intervals: `intervals.py`).
Metrics of N samples are averages over subsets of the n that were drawn, never "the first N": exact
where a formula exists (Pass@N, RR.All) or every subset can be listed, over seeded subsets
elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from mathtune.metrics import strategies
from mathtune.metrics.strategies import Clusters

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """Which curves are computed: for n samples a problem, subset sizes up to n, at a given K.

    `more`: subset sizes beside powers of two and n; those above n are left out.
    """

    n: int
    k: int = 8
    subsets: int = 200
    seed: int = 0
    more: tuple[int, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """The subset sizes N: powers of two below n, n, and `more`.

        Example:
            >>> Plan(6, more=(5, 9)).sizes
            (1, 2, 4, 5, 6)
        """
        powers = (2**i for i in range(self.n.bit_length()))
        return tuple(sorted(size for size in {*powers, self.n, *self.more} if size <= self.n))

    @property
    def over_n(self) -> tuple[str, ...]:
        """The names of the curves over N, as they are printed."""
        k = self.k
        scored = ("RR.All", f"RR.Maj{k}", "W.RR", f"W.RR.Maj{k}", f"Maj1.Top{k}")
        return ("Pass", "Maj1", f"Maj{k}", *scored, f"cost.Maj{k}")


OVER_K = ("MajK", "RR.MajK", "W.RR.MajK", "Maj1.TopN", "cost.MajK")
"""The names of the curves over K (the N of Maj1.TopN), of all n samples."""


@dataclass(frozen=True)
class Curves:
    """Per problem and point: `over_n` float (P, names, sizes), `over_k` float (P, OVER_K, n)."""

    plan: Plan
    mean: Floats
    over_n: Floats
    over_k: Floats


def pass_at(n: int, right: int, size: int) -> float:
    """The chance that `size` of `n` samples, `right` of them right, hold a right one (Pass@N).

        1 - C(n - right, size) / C(n, size)

    Unbiased over subsets (Chen et al. 2021); size = n is the plain oracle of Liu et al. 2023.

    Example:
        >>> pass_at(4, 1, 2)
        0.5
    """
    return 1.0 - comb(n - right, size) / comb(n, size)


def best_scored_at(right_by_rank: Bools, size: int) -> float:
    """The chance that the best-scored of `size` samples is right (RR.All), exact over subsets.

        sum_i right_i C(n - 1 - i, size - 1) / C(n, size)

    `right_by_rank` bool (n,), best score first: sample i is the pick if it is drawn and no better
    is.

    Example:
        >>> best_scored_at(np.array([False, True]), 1)
        0.5
    """
    n = len(right_by_rank)
    chances = [comb(n - 1 - int(i), size - 1) for i in np.flatnonzero(right_by_rank)]
    return sum(chances) / comb(n, size)


def subsets_of(n: int, size: int, *, count: int, seed: int) -> Bools:
    """Subsets of n samples as rows, bool (R, n): all of them where at most `count` exist.

    Else `count` random ones, cut from random orders of all samples, so that every sample is used
    almost equally often. They depend on n, size, count and seed only: every problem has the same.
    """
    if comb(n, size) <= count:
        chosen = np.array(list(combinations(range(n), size)))
    else:
        rng = np.random.default_rng([seed, n, size])
        orders = -(-count // (n // size))
        shuffled = rng.permuted(np.tile(np.arange(n), (orders, 1)), axis=1)
        chosen = shuffled[:, : n // size * size].reshape(-1, size)[:count]
    rows = np.zeros((len(chosen), n), dtype=bool)
    rows[np.arange(len(chosen))[:, None], chosen] = True
    return rows


def curves(problems: Sequence[Clusters], plan: Plan) -> Curves:
    """All curves of all problems. Without scores the re-ranking columns rank equal scores.

    Raises:
        ValueError: a problem has not `plan.n` samples.
    """
    parts = [subsets_of(plan.n, size, count=plan.subsets, seed=plan.seed) for size in plan.sizes]
    bounds = np.cumsum([0, *(len(part) for part in parts)])
    stacked = np.asfortranarray(np.concatenate(parts))  # samples are gathered: see `standings`
    exact = _Exact.of(plan)
    mean = np.empty(len(problems))
    over_n = np.empty((len(problems), len(plan.over_n), len(plan.sizes)))
    over_k = np.empty((len(problems), len(OVER_K), plan.n))
    for number, clusters in enumerate(problems):
        if len(clusters.of) != plan.n:
            raise ValueError(f"a problem has {len(clusters.of)} samples; expected {plan.n}")
        mean[number] = clusters.right[:-1].mean()
        sampled = _sampled(clusters, plan.k, stacked)
        means = np.add.reduceat(sampled, bounds[:-1], axis=1) / np.diff(bounds)
        over_n[number] = _over_n(clusters, plan, means, exact)
        over_k[number] = _over_k(clusters, plan.n)
    return Curves(plan, mean, over_n, over_k)


@dataclass(frozen=True)
class _Exact:
    """`passed` float (n + 1, sizes): `pass_at` by how many are right. `picked` float (n, sizes):
    the chance that the sample of a rank is the best of a subset; `best_scored_at` sums them.
    """

    passed: Floats
    picked: Floats

    @staticmethod
    def of(plan: Plan) -> _Exact:
        n, sizes = plan.n, plan.sizes
        one_right = np.eye(n, dtype=bool)
        return _Exact(
            np.array([[pass_at(n, right, size) for size in sizes] for right in range(n + 1)]),
            np.array([[best_scored_at(one_right[i], size) for size in sizes] for i in range(n)]),
        )


def _sampled(clusters: Clusters, k: int, subsets: Bools) -> Floats:
    """float (7, R): of every subset, what has no formula; what looks at the top K clusters as the
    difference to all clusters."""
    every = strategies.standings(clusters, subsets)
    top = every.first_clusters(k)
    right = clusters.right
    found = np.empty((7, len(subsets)))
    found[0] = right[every.leader]
    found[1] = _minus(strategies.any_right(top), strategies.any_right(every))
    found[2] = _minus(right[strategies.best_scored(top)], right[strategies.best_scored(every)])
    found[3] = right[strategies.heaviest(every)]
    found[4] = right[strategies.heaviest(top)]
    found[5] = right[strategies.maj1(clusters, strategies.top_scored(clusters, subsets, k))]
    found[6] = top.votes.sum(axis=1) - every.votes.sum(axis=1)
    return found


def _over_n(clusters: Clusters, plan: Plan, means: Floats, exact: _Exact) -> Floats:
    """float (names, sizes): each curve at each subset size, in the order of `Plan.over_n`.

    What looks at the top K clusters is the exact value for all clusters plus the sampled difference
    between the two: unbiased, nearer, and never above its own limit.
    """
    maj1, maj_k, rr_k, w_rr, w_rr_k, top_k, read = means
    by_rank = clusters.right[clusters.by_rank[:-1]]
    passed = exact.passed[np.count_nonzero(by_rank)]
    rr_all = by_rank @ exact.picked
    cost = np.mean(clusters.of >= 0) + read / np.array(plan.sizes)
    return np.stack(
        [passed, maj1, passed + maj_k, rr_all, rr_all + rr_k, w_rr, w_rr_k, top_k, cost]
    )


def _minus(ours: Bools, theirs: Bools) -> NDArray[np.int8]:
    return ours.astype(np.int8) - theirs.astype(np.int8)


def _over_k(clusters: Clusters, n: int) -> Floats:
    """float (OVER_K, n): each curve at K = 1..n, of all samples."""
    prefixes = strategies.standings(clusters, strategies.whole(clusters)).prefixes()
    # Row i holds the best-scored i + 1 samples: a lower triangle in the order of scores.
    best = np.zeros((n, n), dtype=bool)
    best[:, clusters.by_rank[:-1]] = np.tri(n, dtype=bool)
    right = clusters.right
    return np.stack(
        [
            strategies.any_right(prefixes),
            right[strategies.best_scored(prefixes)],
            right[strategies.heaviest(prefixes)],
            right[strategies.maj1(clusters, best)],
            strategies.cost(prefixes, n),
        ]
    ).astype(np.float64)


def votes_at(problems: Iterable[Clusters], plan: Plan, sizes: Sequence[int]) -> Floats:
    """Maj1@N of every problem at any subset sizes, float (P, sizes)."""
    parts = [
        np.asfortranarray(subsets_of(plan.n, size, count=plan.subsets, seed=plan.seed))
        for size in sizes
    ]
    return np.array(
        [
            [clusters.right[strategies.maj1(clusters, part)].mean() for part in parts]
            for clusters in problems
        ]
    )


def tie_rates(problems: Sequence[Clusters]) -> dict[str, float]:
    """The fraction of problems whose most votes, and whose best score, several clusters share."""
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
