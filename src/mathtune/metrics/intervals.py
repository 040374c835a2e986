"""How sure a figure is: bootstrap intervals and paired sign-flip tests, over problems.

Rows are problems, the unit that was drawn; columns are metrics. Runs with other seeds of the same
problems are averaged within a problem first (`average_seeds`), so that seeds are not counted as
problems.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 10_000
"""Bootstrap resamples and sign flips: their sampling error is far below an interval's width."""

_BLOCK = 500
_CELLS = 1_000_000
"""Resamples are drawn in blocks of so many rows, or of so many numbers where problems are many."""
_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """A mean paired difference, its 95 % interval and the two-sided p of "no difference"."""

    difference: float
    low: float
    high: float
    p: float


def bootstrap(
    values: Floats, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Floats, Floats]:
    """The bounds (2.5 % and 97.5 %) of the mean of each column, over resampled rows.

    `values` float (P, M), one row a problem. Percentile bootstrap; the same resamples serve every
    column, so bounds can be compared. Returns two float (M,).

    Example:
        >>> low, high = bootstrap(np.array([[0.0], [1.0]]))
        >>> low, high
        (array([0.]), array([1.]))
    """
    means = resampled_means(values, resamples=resamples, seed=seed)
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def resampled_means(values: Floats, *, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """The mean of each column of `values` (P, M) in each resample of its rows, (resamples, M)."""
    return np.concatenate(
        [w @ values / len(values) for w in resampled_problems(len(values), resamples, seed)]
    )


def bootstrap_ratio(
    over: Floats, under: Floats, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """sum(over) / sum(under), both float (P,), and its interval: a mean over some problems."""
    parts = np.stack([over, under], axis=1)
    sums = np.concatenate([w @ parts for w in resampled_problems(len(over), resamples, seed)])
    kept = sums[sums[:, 1] > 0]
    low, high = np.percentile(kept[:, 0] / kept[:, 1], [2.5, 97.5])
    return Interval(float(over.sum() / under.sum()), float(low), float(high))


def intervals(values: Floats, *, resamples: int = RESAMPLES, seed: int = 0) -> list[Interval]:
    """The mean of each column of `values` (P, M) with its bootstrap interval."""
    low, high = bootstrap(values, resamples=resamples, seed=seed)
    columns = zip(values.mean(axis=0), low, high, strict=True)
    return [Interval(float(v), float(a), float(b)) for v, a, b in columns]


def paired(
    ours: Floats, theirs: Floats, *, resamples: int = RESAMPLES, seed: int = 0
) -> list[Difference]:
    """Compare two sets of columns, float (P, M) each, problem by problem: mean of ours - theirs."""
    differences = ours - theirs
    low, high = bootstrap(differences, resamples=resamples, seed=seed)
    return [
        Difference(
            float(column.mean()),
            float(a),
            float(b),
            sign_flip(column, resamples=resamples, seed=seed),
        )
        for column, a, b in zip(differences.T, low, high, strict=True)
    ]


def sign_flip(differences: Floats, *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """The two-sided p of a paired permutation test: how often random signs reach the sum.

        p = (1 + #{flips : |sum_i s_i d_i| >= |sum_i d_i|}) / (1 + resamples)

    Differences of 0 do not matter, and where the others are few every assignment of signs is
    counted and p is exact.

    Example:
        >>> sign_flip(np.array([1.0, 1.0, 0.0, 1.0]))
        0.25
    """
    moved = differences[np.abs(differences) > _TOLERANCE]
    bound = abs(moved.sum()) - _TOLERANCE * max(1, len(moved))
    if 2 ** len(moved) <= resamples:
        bits = np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved)) & 1
        sums = (1.0 - 2.0 * bits) @ moved
        return float(np.mean(np.abs(sums) >= bound))
    rng = np.random.default_rng(seed)
    reached = 0
    for rows in _blocks(resamples, len(moved)):
        signs = 1.0 - 2.0 * rng.integers(0, 2, size=(rows, len(moved)), dtype=np.int8)
        reached += int(np.count_nonzero(np.abs(signs @ moved) >= bound))
    return (1 + reached) / (1 + resamples)


def average_seeds(runs: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """One run per seed, problem -> metric -> value; returns the mean over runs within each problem.

    Raises:
        ValueError: the runs are not of the same problems.
    """
    first, *rest = runs
    if any(run.keys() != first.keys() for run in rest):
        raise ValueError("the runs are not of the same problems")
    return {
        problem: {
            metric: float(np.mean([run[problem][metric] for run in runs]))
            for metric in values
            if all(metric in run[problem] for run in rest)
        }
        for problem, values in first.items()
    }


def resampled_problems(problems: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each problem is in each resample, in blocks of float (rows, P).

    For statistics that are no mean over problems; the same resamples as everywhere.
    """
    rng = np.random.default_rng(seed)
    for rows in _blocks(resamples, problems):
        drawn = rng.integers(0, problems, size=(rows, problems))
        drawn += np.arange(rows)[:, None] * problems
        counts = np.bincount(drawn.ravel(), minlength=rows * problems)
        yield counts.reshape(rows, problems).astype(np.float64)


def _blocks(resamples: int, columns: int) -> Iterator[int]:
    """The rows of each block; the sizes depend on the numbers only, as the draws do."""
    most = max(1, min(_BLOCK, _CELLS // max(1, columns)))
    for start in range(0, resamples, most):
        yield min(most, resamples - start)
