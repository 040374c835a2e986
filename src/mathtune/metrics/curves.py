"""The value of a problem's samples: Pass@N, voting and re-ranking over N and over K, per problem.

Values are per problem, in [0, 1]; a metric is their mean over problems (intervals: `intervals.py`).
Metrics of N samples are averages over subsets of the n that were drawn, never "the first N": exact
if a formula exists (Pass@N, RR.All) or every subset can be listed, else over seeded subsets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from mathtune.metrics import strategies, ties
from mathtune.metrics.arrays import Bools, Floats, Ints
from mathtune.metrics.strategies import Clusters
from mathtune.metrics.ties import Ties


@dataclass(frozen=True)
class Plan:
    """The curves to compute: for n samples per problem, subset sizes up to n, at a given K.

    `more`: subset sizes besides powers of two and n; those above n are left out. A problem may have
    more than n samples: its values are then averages over subsets of all of them.
    """

    n: int
    k: int = 8
    subsets: int = 200
    seed: int = 0
    more: tuple[int, ...] = ()
    ties: Ties = "earliest"

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


SUBSETS_OVER_K = 20
"""The number of subsets that curves over K average for a problem with more than n samples."""


@dataclass(frozen=True)
class Curves:
    """Per problem and point: `over_n` float (P, names, sizes), `over_k` float (P, OVER_K, n)."""

    plan: Plan
    mean: Floats
    over_n: Floats
    over_k: Floats


def pass_at(n: int, right: int, size: int) -> float:
    """Return the chance that `size` of `n` samples hold one of the `right` right ones (Pass@N).

        1 - C(n - right, size) / C(n, size)

    Unbiased over subsets (Chen et al. 2021); size = n is the plain oracle of Liu et al. 2023.

    Example:
        >>> pass_at(4, 1, 2)
        0.5
    """
    return 1.0 - comb(n - right, size) / comb(n, size)


def best_scored_at(right_by_rank: Bools, size: int) -> float:
    """Return the chance that the best-scored of `size` samples is right (RR.All), exact.

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
    """Return subsets of n samples as rows, bool (R, n): all if at most `count` exist.

    Else `count` random ones, cut from random orders of all samples, so that every sample is used
    almost equally often. They depend on n, size, count and seed only: every problem has the same.

    Example:
        >>> subsets_of(3, 2, count=3, seed=0).astype(int).tolist()
        [[1, 1, 0], [1, 0, 1], [0, 1, 1]]
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
    """Return all curves of all problems. Without scores, the re-ranking columns are those of equal
    scores.

    Raises:
        ValueError: a problem has fewer than `plan.n` samples.
    """
    drawn: dict[int, _Drawn] = {}
    mean = np.empty(len(problems))
    over_n = np.empty((len(problems), len(plan.over_n), len(plan.sizes)))
    over_k = np.empty((len(problems), len(OVER_K), plan.n))
    for number, clusters in enumerate(problems):
        count = len(clusters.of)
        if count < plan.n:
            raise ValueError(f"a problem has {count} samples; expected at least {plan.n}")
        if count not in drawn:
            drawn[count] = _Drawn.of(plan, count)
        subsets = drawn[count]
        mean[number] = clusters.right[:-1].mean()
        sampled = _sampled(clusters, plan, subsets.stacked)
        bounds = subsets.bounds
        means = np.add.reduceat(sampled, bounds[:-1], axis=1) / np.diff(bounds)
        over_n[number] = _over_n(clusters, plan, means, subsets)
        over_k[number] = _over_k(clusters, plan)
    return Curves(plan, mean, over_n, over_k)


@dataclass(frozen=True)
class _Drawn:
    """The subsets of `count` samples, size after size, and the values that have a formula.

    `passed` float (count + 1, sizes): `pass_at` by how many are right. `picked` float (count,
    sizes): the chance that the sample of a rank is the best of a subset; `best_scored_at` sums
    them.
    """

    stacked: Bools
    bounds: Ints
    passed: Floats
    picked: Floats

    @staticmethod
    def of(plan: Plan, count: int) -> _Drawn:
        sizes = plan.sizes
        parts = [subsets_of(count, size, count=plan.subsets, seed=plan.seed) for size in sizes]
        one_right = np.eye(count, dtype=bool)
        picked = [[best_scored_at(one_right[i], size) for size in sizes] for i in range(count)]
        rights = range(count + 1)
        return _Drawn(
            np.asfortranarray(np.concatenate(parts)),  # samples are gathered: see `standings`
            np.cumsum([0, *(len(part) for part in parts)]),
            np.array([[pass_at(count, right, size) for size in sizes] for right in rights]),
            np.array(picked),
        )


def _sampled(clusters: Clusters, plan: Plan, subsets: Bools) -> Floats:
    """Return float (7, R): per subset, the values without a formula; those of the top K clusters
    are differences from all clusters.
    """
    every = strategies.standings(clusters, subsets)
    top = every.first_clusters(plan.k)
    right = clusters.right
    found = np.empty((7, len(subsets)))
    if plan.ties == "expected":
        scores = ties.best_scores(every)
        found[0] = ties.leaders(every)
        found[1] = ties.any_right_of_top(every, plan.k) - strategies.any_right(every)
        found[2] = ties.largest_of_top(every, plan.k, scores) - ties.largest(every, scores)
        found[3] = ties.largest(every, every.weight)
        found[4] = ties.largest_of_top(every, plan.k, every.weight)
        found[5] = ties.leaders_of_best(clusters, subsets, plan.k)
    else:
        best = strategies.top_scored(clusters, subsets, plan.k)
        found[1] = _minus(strategies.any_right(top), strategies.any_right(every))
        found[2] = _minus(right[strategies.best_scored(top)], right[strategies.best_scored(every)])
        found[0] = right[every.leader]
        found[3] = right[strategies.heaviest(every)]
        found[4] = right[strategies.heaviest(top)]
        found[5] = right[strategies.maj1(clusters, best)]
    found[6] = top.votes.sum(axis=1) - every.votes.sum(axis=1)
    return found


def _over_n(clusters: Clusters, plan: Plan, means: Floats, drawn: _Drawn) -> Floats:
    """Return float (names, sizes): each curve at each subset size, in the order of `Plan.over_n`.

    A value over the top K clusters is the exact one over all clusters plus the sampled difference:
    unbiased, less noisy, and never above its own limit.
    """
    maj1, maj_k, rr_k, w_rr, w_rr_k, top_k, read = means
    passed = drawn.passed[np.count_nonzero(clusters.right)]
    if plan.ties == "expected":
        rr_all = ties.right_by_rank(clusters) @ drawn.picked
    else:
        rr_all = clusters.right[clusters.by_rank[:-1]] @ drawn.picked
    cost = np.mean(clusters.of >= 0) + read / np.array(plan.sizes)
    return np.stack(
        [passed, maj1, passed + maj_k, rr_all, rr_all + rr_k, w_rr, w_rr_k, top_k, cost]
    )


def _minus(ours: Bools, theirs: Bools) -> NDArray[np.int8]:
    return ours.astype(np.int8) - theirs.astype(np.int8)


def _over_k(clusters: Clusters, plan: Plan) -> Floats:
    """Return float (OVER_K, n): each curve at K = 1..n, averaged over subsets of n samples."""
    count = len(clusters.of)
    if count == plan.n:
        return _all_k(clusters, plan.ties)
    some = min(plan.subsets, SUBSETS_OVER_K)
    rows = subsets_of(count, plan.n, count=some, seed=plan.seed)
    parts = [_all_k(strategies.part(clusters, np.flatnonzero(row)), plan.ties) for row in rows]
    return np.mean(parts, axis=0)


def _all_k(clusters: Clusters, broken: Ties) -> Floats:
    """Return float (OVER_K, n): each curve at K = 1..n, of all n samples."""
    n, right = len(clusters.of), clusters.right
    prefixes = strategies.standings(clusters, strategies.whole(clusters)).prefixes()
    if broken == "expected":
        whole, k = np.ones((n, n), dtype=bool), np.arange(1, n + 1)
        every = strategies.standings(clusters, whole)
        found: list[Floats | Bools] = [
            ties.any_right_of_top(every, k),
            ties.largest_of_top(every, k, ties.best_scores(every)),
            ties.largest_of_top(every, k, every.weight),
            ties.leaders_of_best(clusters, whole, k),
        ]
    else:
        found = [
            strategies.any_right(prefixes),
            right[strategies.best_scored(prefixes)],
            right[strategies.heaviest(prefixes)],
            right[strategies.maj1(clusters, _best_prefixes(clusters))],
        ]
    return np.stack([*found, strategies.cost(prefixes, n)]).astype(np.float64)


def _best_prefixes(clusters: Clusters) -> Bools:
    """Return bool (n, n): row i holds the best-scored i + 1 samples."""
    n = len(clusters.of)
    best = np.zeros((n, n), dtype=bool)
    best[:, clusters.by_rank[:-1]] = np.tri(n, dtype=bool)
    return best


def votes_at(problems: Iterable[Clusters], plan: Plan, sizes: Sequence[int]) -> Floats:
    """Return Maj1@N of every problem at any subset sizes, float (P, sizes)."""
    drawn: dict[int, list[Bools]] = {}
    found = []
    for clusters in problems:
        count = len(clusters.of)
        if count not in drawn:
            drawn[count] = [
                np.asfortranarray(subsets_of(count, size, count=plan.subsets, seed=plan.seed))
                for size in sizes
            ]
        found.append([_votes(clusters, plan.ties, part).mean() for part in drawn[count]])
    return np.array(found)


def _votes(clusters: Clusters, broken: Ties, subsets: Bools) -> Floats:
    """Return Maj1 of each subset, float (R,)."""
    if broken == "expected":
        return ties.leaders(strategies.standings(clusters, subsets))
    return clusters.right[strategies.maj1(clusters, subsets)].astype(np.float64)
