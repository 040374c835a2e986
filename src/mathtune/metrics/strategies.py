"""The strategies, which pick one of a problem's samples. Pure functions over its clusters.

Liu et al. 2023, sections 3.2 and 5. A problem's samples are given as `Clusters`; a strategy picks
from many subsets at once, the rows of a boolean matrix, as curves over N need:

    subsets   bool (R, n)   the samples that are in each subset; one row, all True: the problem
    standing  `Standings`   each subset's clusters: most votes first, then earliest sample first
    picks     int  (R,)     the position of each subset's pick; -1: no sample has an answer

The order of clusters never looks at scores; equal scores, and equal sums of them, go to the
earliest sample. A sample without an answer is in no cluster: it is never picked, but it counts in
N.

    Maj1       maj1(clusters, subsets)
    RR.All     best_scored(standings(clusters, subsets))
    RR.MajK    best_scored(standings(clusters, subsets, top=k))
    W.RR       heaviest(standings(clusters, subsets))
    W.RR.MajK  heaviest(standings(clusters, subsets, top=k))
    Maj1.TopN  maj1(clusters, top_scored(clusters, subsets, count))
    MajK@N     any_right(standings(clusters, subsets, top=k))    an oracle
    Pass@N     any_right(standings(clusters, subsets))           an oracle
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, log2
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mathtune.metrics.arrays import Bools, Floats, Ints
from mathtune.rows.records import Graded, Verdict

Strategy = Literal["Maj1", "RR.All", "RR.MajK", "W.RR", "W.RR.MajK", "Maj1.TopN", "W.RR.calculator"]
"""The strategies over samples; greedy (Pass@1) picks the one solution that was not sampled.

W.RR.calculator is W.RR with each weight multiplied by the calculator's (`baselines.py`).
"""


@dataclass(frozen=True)
class Clusters:
    """One problem's n samples in C clusters.

    `of` int (n,): the cluster of each sample, -1 without an answer; clusters are numbered in the
    order of their earliest sample. `correct` bool (C,): each cluster's verdict. `scores` float
    (n,), higher is better, or None if nothing was scored. `weights` float (n,), the terms of sums
    of scores; None: the scores themselves.
    """

    of: Ints
    correct: Bools
    scores: Floats | None = None
    weights: Floats | None = None

    @cached_property
    def right(self) -> Bools:
        """bool (n + 1,): True for a sample whose cluster is correct; then False for pick -1."""
        return np.append(self.correct, False)[np.append(self.of, -1)]

    @cached_property
    def by_rank(self) -> Ints:
        """int (n + 1,): positions from the best to the worst score, then -1.

        Equal scores: earliest first. Samples without an answer come last.
        """
        scores = np.zeros(len(self.of)) if self.scores is None else self.scores
        keys = (np.arange(len(self.of)), -scores, self.of < 0)
        return np.append(np.lexsort(keys), -1)

    @cached_property
    def rank(self) -> Ints:
        """int (n,): each sample's place in `by_rank`."""
        rank = np.empty(len(self.of), dtype=np.int64)
        rank[self.by_rank[:-1]] = np.arange(len(self.of))
        return rank

    @cached_property
    def units(self) -> Floats:
        """float (n,): the weights as whole multiples of a power of two, whose sums are exact.

        Sums then do not depend on the order of addition, and equal sums are equal.
        """
        scores = self.scores if self.weights is None else self.weights
        scores = np.ones(len(self.of)) if scores is None else scores
        largest = float(np.max(np.abs(scores), initial=0.0))
        if largest == 0.0:
            return np.zeros(len(scores))
        bits = 52 - ceil(log2(len(scores) + 1)) - ceil(log2(largest))
        return np.rint(np.ldexp(scores, bits))

    @cached_property
    def members(self) -> Bools:
        """bool (C, answered): the members of each cluster, samples in the order of `grouped`."""
        order, _ = self.grouped
        return self.of[order] == np.arange(len(self.correct))[:, None]

    @cached_property
    def grouped(self) -> tuple[Ints, Ints]:
        """Positions of answered samples, cluster after cluster, and where each cluster starts."""
        order = np.argsort(self.of, kind="stable")[np.count_nonzero(self.of < 0) :]
        return order, np.searchsorted(self.of[order], np.arange(len(self.correct)))


def clusters_of(grades: Sequence[Graded], scores: Sequence[float] | None = None) -> Clusters:
    """Return the clusters of one problem's graded samples, in their order.

    Undecided is not correct; see `answer_of` for the verdict of a cluster.

    Example:
        >>> def row(index, answer, verdict, cluster):
        ...     return Graded(problem_id="a", index=index, answer=answer, rule="last-number",
        ...                   verdict=verdict, cluster=cluster)
        >>> rows = [row(0, "7", Verdict.wrong, 0), row(1, "8", Verdict.correct, 1)]
        >>> clusters_of(rows, [0.2, 0.9]).correct
        array([False,  True])
    """
    numbers: dict[int, int] = {}
    members: list[list[Graded]] = []
    of = np.full(len(grades), -1, dtype=np.int64)
    for position, grade in enumerate(grades):
        if grade.cluster is None:
            continue
        number = numbers.setdefault(grade.cluster, len(numbers))
        if number == len(members):
            members.append([])
        members[number].append(grade)
        of[position] = number
    correct = np.array([answer_of(rows)[1] is Verdict.correct for rows in members], dtype=bool)
    return Clusters(of, correct, None if scores is None else np.asarray(scores, dtype=np.float64))


def answer_of(cluster: Sequence[Graded]) -> tuple[str | None, Verdict]:
    """Return a cluster's most frequent answer text (equally frequent: the earliest), and its
    verdict: that of the cluster, even if other members were graded differently.
    """
    # Counter.most_common keeps the order of first appearance among equally frequent texts.
    text = Counter(row.answer for row in cluster).most_common(1)[0][0]
    return text, next(row.verdict for row in cluster if row.answer == text)


def part(clusters: Clusters, positions: Ints) -> Clusters:
    """Keep only the samples at these positions, in their order.

    Example:
        >>> whole_one = Clusters(np.array([0, 1, 2, 1]), np.array([True, False, True]))
        >>> part(whole_one, np.array([1, 2])).correct
        array([False,  True])
    """
    kept = clusters.of[positions]
    names, first = np.unique(kept[kept >= 0], return_index=True)
    names = names[np.argsort(first)]
    number = np.full(len(clusters.correct) + 1, -1, dtype=np.int64)
    number[names] = np.arange(len(names))
    scores = None if clusters.scores is None else clusters.scores[positions]
    weights = None if clusters.weights is None else clusters.weights[positions]
    return Clusters(number[kept], clusters.correct[names], scores, weights)


def first(clusters: Clusters, n: int) -> Clusters:
    """Keep only the first n samples: the report shows these of a problem with more."""
    return clusters if len(clusters.of) == n else part(clusters, np.arange(n))


@dataclass(frozen=True)
class Standings:
    """The clusters of each subset in order: most votes first, equal votes by their earliest sample.

    All arrays are (R, K); in a row, columns past the subset's last cluster hold 0 votes.
    `first`: the position of the cluster's earliest sample in the subset (n where none). `best`: the
    rank of its best-scored sample (n where none). `weight`: the sum of its scores, in
    `Clusters.units` (-inf where none). `correct`: its verdict (False where none).
    """

    clusters: Clusters
    votes: NDArray[np.integer]
    first: NDArray[np.integer]
    best: NDArray[np.integer]
    weight: Floats
    correct: Bools

    @property
    def leader(self) -> Ints:
        """Return the pick of `maj1`."""
        return np.where(self.votes[:, 0] > 0, self.first[:, 0], -1)

    def first_clusters(self, top: int) -> Standings:
        """Return the same subsets with only their first `top` clusters."""
        columns = slice(0, top)
        return Standings(
            self.clusters,
            votes=self.votes[:, columns],
            first=self.first[:, columns],
            best=self.best[:, columns],
            weight=self.weight[:, columns],
            correct=self.correct[:, columns],
        )

    def prefixes(self) -> Standings:
        """Turn a single row into one row per K up to n: row k - 1 keeps the first k clusters."""
        n, columns = len(self.clusters.of), self.votes.shape[1]
        kept = np.tri(n, columns, dtype=bool)
        return Standings(
            self.clusters,
            votes=np.where(kept, self.votes, 0),
            first=np.where(kept, self.first, n),
            best=np.where(kept, self.best, n),
            weight=np.where(kept, self.weight, -np.inf),
            correct=kept & self.correct,
        )


def whole(clusters: Clusters) -> Bools:
    """Return the one subset that holds every sample, bool (1, n).

    Example:
        >>> whole(Clusters(np.array([0, 1]), np.array([True, False])))
        array([[ True,  True]])
    """
    return np.ones((1, len(clusters.of)), dtype=bool)


def standings(clusters: Clusters, subsets: Bools, *, top: int | None = None) -> Standings:
    """Order the clusters of every subset; keep the first `top` of them (None: all)."""
    n, rows = subsets.shape[1], np.arange(len(subsets))[:, None]
    order, starts = clusters.grouped
    if len(starts) == 0:
        none, empty = np.zeros((len(rows), 1), dtype=np.int64), np.full((len(rows), 1), n)
        return Standings(clusters, none, empty, empty, np.full(empty.shape, -np.inf), none > 0)
    inside = subsets.T[order]
    keys = np.ascontiguousarray(_keys(clusters, inside).T)
    keys.sort(axis=1)
    votes, first = _taken_apart(keys[:, ::-1][:, :top], n)
    present = votes > 0
    cluster = np.where(present, np.append(clusters.of, 0)[first], 0)
    best = _smallest(inside, clusters.rank[order], starts, n)
    weight = _sums(clusters.members * clusters.units[order], inside)
    return Standings(
        clusters,
        votes=votes,
        first=first,
        best=np.where(present, best[cluster, rows], n),
        weight=np.where(present, weight[cluster, rows], -np.inf),
        correct=present & clusters.correct[cluster],
    )


def maj1(clusters: Clusters, subsets: Bools) -> Ints:
    """Return Maj1: the earliest sample of the cluster with most votes.

    Example:
        >>> three = Clusters(np.array([0, 1, 1]), np.array([False, True]))
        >>> maj1(three, np.array([[True, True, True], [True, True, False]])).tolist()
        [1, 0]
    """
    order, starts = clusters.grouped
    if len(starts) == 0:
        return np.full(len(subsets), -1)
    votes, first = _taken_apart(_keys(clusters, subsets.T[order]).max(axis=0), subsets.shape[1])
    return np.where(votes > 0, first, -1)


def top_scored(clusters: Clusters, subsets: Bools, count: int | Ints) -> Bools:
    """Return each subset's `count` best-scored samples that have an answer, bool (R, n).

    `count`: one for all subsets, or one for each, int (R,).
    """
    by_rank = clusters.by_rank[: np.count_nonzero(clusters.of >= 0)]
    inside = subsets.T[by_rank]
    kept = np.zeros(subsets.shape, dtype=bool, order="F")
    kept.T[by_rank] = inside & (
        np.cumsum(inside, axis=0, dtype=np.min_scalar_type(len(by_rank))) <= count
    )
    return kept


def _keys(clusters: Clusters, inside: Bools) -> NDArray[np.int32]:
    """Return votes and earliest sample in one number, (C, R): the larger, the earlier in the order.

    `inside` bool (answered, R) is in the order of `grouped`. See `_taken_apart`.
    """
    n = len(clusters.of)
    order, starts = clusters.grouped
    first = _smallest(inside, order, starts, n).astype(np.int32)
    votes = _sums(clusters.members.astype(np.float32), inside)
    return (votes.astype(np.int32) << n.bit_length()) + (n - first)


def _sums(weights: NDArray[np.floating], inside: Bools) -> NDArray[np.floating]:
    """Return the sum of each cluster's members in each subset, (C, R), of whole numbers: exact."""
    # BLAS kernels can flag invalid values in lanes that hold none of our numbers.
    with np.errstate(invalid="ignore"):
        return weights @ inside.astype(weights.dtype)


def _smallest(inside: Bools, values: Ints, starts: Ints, n: int) -> NDArray[np.unsignedinteger]:
    """Return the smallest value of each cluster's members in each subset, (C, R); n if none.

    Small unsigned numbers, a product instead of a choice, and a loop over clusters are each several
    times faster than the plain way; most of the time is spent here.
    """
    small = np.min_scalar_type(n)
    left = inside.view(np.uint8).astype(small, copy=False) * (n - values).astype(small)[:, None]
    found = np.empty((len(starts), inside.shape[1]), dtype=small)
    ends = [*starts[1:].tolist(), len(values)]
    for cluster, (start, end) in enumerate(zip(starts.tolist(), ends, strict=True)):
        np.maximum.reduce(left[start:end], axis=0, out=found[cluster])
    return small.type(n) - found


def _taken_apart(keys: NDArray[np.int32], n: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return votes and earliest sample (n where there are no votes) of `_keys`."""
    bits = n.bit_length()
    return keys >> bits, n - (keys & ((1 << bits) - 1))


def best_scored(standing: Standings) -> Ints:
    """Return RR: the best-scored sample of the clusters kept (RR.All: all, RR.MajK: the top K)."""
    return standing.clusters.by_rank[standing.best.min(axis=1)]


def heaviest(standing: Standings) -> Ints:
    """Return W.RR: the best-scored sample of the kept cluster with the largest sum of scores.

    The weight of a sample is its score S >= 0 (scores of another range: `weights.py`); the paper
    does not print its formula.
    """
    heaviest_of = standing.weight.max(axis=1, keepdims=True)
    n = len(standing.clusters.of)
    # Equal sums: the cluster with the earliest sample.
    column = np.where(standing.weight == heaviest_of, standing.first, n + 1).argmin(axis=1)
    return standing.clusters.by_rank[standing.best[np.arange(len(column)), column]]


def any_right(standing: Standings) -> Bools:
    """Return the oracle: is any cluster kept correct? (Pass@N of all, MajK@N of the top K.)

    Example:
        >>> two = Clusters(np.array([0, 0, 1]), np.array([False, True]))
        >>> any_right(standings(two, whole(two))), any_right(standings(two, whole(two), top=1))
        (array([ True]), array([False]))
    """
    return np.any(standing.correct, axis=1)


def cost(standing: Standings, size: int) -> Floats:
    """Return the samples that the evaluator must read, as a fraction of `size` samples."""
    return standing.votes.sum(axis=1) / size


def pick(clusters: Clusters, strategy: Strategy, *, k: int = 8) -> int | None:
    """Return the position of the sample that a strategy picks; None if no sample has an answer.

    `k` is the K of RR.MajK and W.RR.MajK and the N of Maj1.TopN.

    Example:
        >>> scores = np.array([0.2, 0.9, 0.3])
        >>> two_to_one = Clusters(np.array([0, 1, 0]), np.array([False, True]), scores)
        >>> pick(two_to_one, "Maj1"), pick(two_to_one, "RR.All"), pick(two_to_one, "RR.MajK", k=1)
        (0, 1, 2)
    """
    subsets = whole(clusters)
    if strategy == "Maj1.TopN":
        subsets = top_scored(clusters, subsets, k)
    if strategy.startswith("Maj1"):
        found = maj1(clusters, subsets)
    else:
        standing = standings(clusters, subsets, top=k if strategy.endswith("MajK") else None)
        found = (heaviest if strategy.startswith("W.RR") else best_scored)(standing)
    return int(found[0]) if found[0] >= 0 else None
