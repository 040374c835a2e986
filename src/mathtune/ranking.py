"""The strategies: which of a problem's sampled solutions is picked. Pure functions over its clusters.

Liu et al. 2023, sections 3.2 and 5. A problem's samples are given as `Clusters`; a strategy is asked
about many subsets of them at once (rows of a boolean matrix), which is what curves over N need:

    subsets  bool (R, n)   row r holds the samples that are in subset r; R = 1 and all True: the problem
    ordered  `Standings`   each subset's clusters, most votes first, equal votes: earliest sample first
    picks    int  (R,)     the position of each subset's picked sample; -1: no sample has an answer

The order of clusters never looks at scores; equal scores, and equal sums of scores, go to the earliest
sample. A sample without an answer is in no cluster: it is never picked, but it counts in N.

    Maj1       maj1(standings(clusters, subsets))
    RR.All     best_scored(standings(clusters, subsets))
    RR.MajK    best_scored(standings(clusters, subsets, top=k))
    W.RR       heaviest(standings(clusters, subsets))
    W.RR.MajK  heaviest(standings(clusters, subsets, top=k))
    Maj1.TopN  maj1(standings(clusters, top_scored(clusters, subsets, count)))
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

from mathtune.records import Graded, Verdict

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

Strategy = Literal["Maj1", "RR.All", "RR.MajK", "W.RR", "W.RR.MajK", "Maj1.TopN"]
"""The strategies over samples; greedy (Pass@1) picks the one solution that was not sampled."""


@dataclass(frozen=True)
class Clusters:
    """One problem's n samples in C clusters.

    `of` int (n,): the cluster of each sample, -1 without an answer; clusters are numbered in the order
    of their earliest sample. `correct` bool (C,): each cluster's verdict. `scores` float (n,), higher
    is better, or None where nothing was scored.
    """

    of: Ints
    correct: Bools
    scores: Floats | None = None

    @cached_property
    def right(self) -> Bools:
        """bool (n + 1,): whether each sample's cluster is correct; the last entry, for pick -1, is False."""
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
        """float (n,): the scores as whole multiples of a power of two, so that sums of them are exact.

        Sums then do not depend on the order of addition, and equal sums are equal.
        """
        scores = np.ones(len(self.of)) if self.scores is None else self.scores
        largest = float(np.max(np.abs(scores), initial=0.0))
        if largest == 0.0:
            return np.zeros(len(scores))
        bits = 52 - ceil(log2(len(scores) + 1)) - ceil(log2(largest))
        return np.rint(np.ldexp(scores, bits))

    @cached_property
    def grouped(self) -> tuple[Ints, Ints]:
        """The positions of answered samples, cluster after cluster, and where each cluster starts."""
        order = np.argsort(self.of, kind="stable")[np.count_nonzero(self.of < 0) :]
        return order, np.searchsorted(self.of[order], np.arange(len(self.correct)))


def clusters_of(grades: Sequence[Graded], scores: Sequence[float] | None = None) -> Clusters:
    """The clusters of one problem's graded samples, in their order.

    A cluster's verdict is that of its most frequent answer text (equally frequent: the earliest), so
    that a cluster whose members were graded differently has one verdict. Undecided is not correct.

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
    correct = np.array([_verdict(rows) is Verdict.correct for rows in members], dtype=bool)
    return Clusters(of, correct, None if scores is None else np.asarray(scores, dtype=np.float64))


def _verdict(rows: Sequence[Graded]) -> Verdict:
    # Counter.most_common keeps the order of first appearance among equally frequent texts.
    text = Counter(row.answer for row in rows).most_common(1)[0][0]
    return next(row.verdict for row in rows if row.answer == text)


@dataclass(frozen=True)
class Standings:
    """The clusters of each subset in order: most votes first, equal votes by their earliest sample.

    All arrays are (R, K); in a row, columns past the subset's last cluster hold 0 votes.
    `first`: the position of the cluster's earliest sample in the subset (n where none). `best`: the
    rank of its best-scored sample (n where none). `weight`: the sum of its scores, in `Clusters.units`
    (-inf where none). `correct`: its verdict (False where none).
    """

    clusters: Clusters
    votes: Ints
    first: Ints
    best: Ints
    weight: Floats
    correct: Bools

    def first_clusters(self, top: int) -> Standings:
        """The same subsets with only their first `top` clusters."""
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
        """Of a single row, one row for each K: row k - 1 keeps the first k clusters, for k up to n."""
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
    """The one subset that holds every sample, bool (1, n)."""
    return np.ones((1, len(clusters.of)), dtype=bool)


def standings(clusters: Clusters, subsets: Bools, *, top: int | None = None) -> Standings:
    """Order the clusters of every subset; keep the first `top` of them (None: all)."""
    n, rows = len(clusters.of), len(subsets)
    order, starts = clusters.grouped
    if len(starts) == 0:
        none, empty = np.zeros((rows, 1), dtype=np.int64), np.full((rows, 1), n)
        return Standings(clusters, none, empty, empty, np.full((rows, 1), -np.inf), none > 0)
    inside = subsets[:, order]
    first = np.minimum.reduceat(np.where(inside, order.astype(np.int32), n), starts, axis=1)
    best = np.minimum.reduceat(
        np.where(inside, clusters.rank[order].astype(np.int32), n), starts, axis=1
    )
    onehot = clusters.of[order][:, None] == np.arange(len(starts))
    votes = inside.astype(np.float32) @ onehot.astype(np.float32)
    weight = inside.astype(np.float64) @ (onehot * clusters.units[order][:, None])
    # Votes and earliest sample in one number: sorting it orders the clusters, and dividing takes it
    # apart again; the earliest sample names its cluster.
    key = np.sort(votes.astype(np.int64) * (n + 1) + (n - first), axis=1)[:, ::-1][:, :top]
    votes_in_order, first_in_order = key // (n + 1), n - key % (n + 1)
    present = votes_in_order > 0
    cluster = np.where(present, np.append(clusters.of, 0)[first_in_order], 0)
    return Standings(
        clusters,
        votes=votes_in_order,
        first=first_in_order,
        best=np.where(present, np.take_along_axis(best, cluster, axis=1), n),
        weight=np.where(present, np.take_along_axis(weight, cluster, axis=1), -np.inf),
        correct=present & clusters.correct[cluster],
    )


def top_scored(clusters: Clusters, subsets: Bools, count: int) -> Bools:
    """Each subset's `count` best-scored samples that have an answer, bool (R, n)."""
    answered = np.count_nonzero(clusters.of >= 0)
    by_rank = clusters.by_rank[:answered]
    inside = subsets[:, by_rank]
    kept = np.zeros_like(subsets)
    kept[:, by_rank] = inside & (np.cumsum(inside, axis=1, dtype=np.int32) <= count)
    return kept


def maj1(standing: Standings) -> Ints:
    """Maj1: the earliest sample of the cluster with most votes."""
    first = standing.first[:, 0]
    return np.where(standing.votes[:, 0] > 0, first, -1)


def best_scored(standing: Standings) -> Ints:
    """RR: the best-scored sample of the clusters kept (RR.All of all, RR.MajK of the top K)."""
    return standing.clusters.by_rank[standing.best.min(axis=1)]


def heaviest(standing: Standings) -> Ints:
    """W.RR: the best-scored sample of the cluster, of those kept, with the largest sum of scores.

    The weight of a sample is its score S; the paper does not print its formula.
    """
    heaviest_of = standing.weight.max(axis=1, keepdims=True)
    n = len(standing.clusters.of)
    # Equal sums: the cluster with the earliest sample.
    column = np.where(standing.weight == heaviest_of, standing.first, n + 1).argmin(axis=1)
    return standing.clusters.by_rank[standing.best[np.arange(len(column)), column]]


def any_right(standing: Standings) -> Bools:
    """The oracle: whether any cluster kept is correct (Pass@N of all, MajK@N of the top K)."""
    return standing.correct.any(axis=1)


def cost(standing: Standings, size: int) -> Floats:
    """The fraction of a subset's `size` samples that the evaluator must read: those of the clusters kept."""
    return standing.votes.sum(axis=1) / size


def pick(clusters: Clusters, strategy: Strategy, *, k: int = 8) -> int | None:
    """The position of the sample that a strategy picks of all samples; None where none has an answer.

    `k` is the K of RR.MajK and W.RR.MajK and the N of Maj1.TopN.

    Example:
        >>> two_against_one = Clusters(np.array([0, 1, 0]), np.array([False, True]), np.array([.2, .9, .3]))
        >>> pick(two_against_one, "Maj1"), pick(two_against_one, "RR.All"), pick(two_against_one, "RR.MajK", k=1)
        (0, 1, 2)
    """
    subsets = whole(clusters)
    if strategy == "Maj1.TopN":
        subsets = top_scored(clusters, subsets, k)
    top = k if strategy.endswith("MajK") else None
    standing = standings(clusters, subsets, top=top)
    if strategy.startswith("Maj1"):
        found = int(maj1(standing)[0])
    else:
        found = int((heaviest if strategy.startswith("W.RR") else best_scored)(standing)[0])
    return None if found < 0 else found
