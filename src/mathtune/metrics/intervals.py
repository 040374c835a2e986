"""Intervals and paired tests for means over problems, sound at every size.

Rows are problems, the unit that was drawn; columns are metrics, every value in [0, 1]. One rule
serves every table (docs/statistics.md has its measured coverage):

    mean               Wilson's score interval; of fractions, with the number of problems of 0 or 1
                       that would have their variance; near 0 and 1, the Poisson bound
    paired difference  mean difference +- t standard errors
    p                  a sign-flip test

A variance estimated from few problems that differ is too small by chance. Every variance here is
therefore estimated with up to two imagined problems added (`_variance`), as the intervals of
Agresti and Caffo do for proportions. Problems that belong together (`groups`: templates,
translations) are one draw: their deviations are added before they are squared, and signs are
flipped together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf

import numpy as np

from mathtune.metrics.arrays import Bools, Floats, Ints
from mathtune.metrics.distributions import gamma_quantile, t_quantile

RESAMPLES = 10_000
"""The number of sign flips, and of resamples for statistics that are not means."""
POWER = 0.8
"""The chance of seeing the smallest detectable difference."""

_BLOCK = 500
_CELLS = 250_000
"""The size of a block of resamples, in rows, or in numbers if there are many problems."""
_TOLERANCE = 1e-12
_GUARD_WHOLE = 2.0
"""Imagined problems for a difference of -1, 0 and 1."""
_FEW_CHANGES, _FEW_PROBLEMS = 2.0, 60.0
"""A difference of fractions has one imagined problem; less than one if more problems than the first
deviate and fewer than the second were drawn.
"""
_ENOUGH = 4.0
"""If more problems than this deviate, a mean's imagined problem counts for less than one."""
_FEW = 3.5
"""With fewer expected rights (or wrongs), Wilson's bound is too narrow and Poisson's is used."""
_ONE_TAIL_OF_FEW = 0.05


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """A mean paired difference, its 95 % interval and the two-sided p of "no difference".

    `detectable`: the true difference that would be seen (p < 0.05) with a chance of 80 %.
    """

    difference: float
    low: float
    high: float
    p: float
    detectable: float


def intervals(values: Floats, *, groups: Ints | None = None) -> list[Interval]:
    """Return the mean of each column of `values` (P, M), each in [0, 1], with its interval.

    With n problems, mean m, and k standard errors to either side:

        e = n for values of 0 and 1;  m (1 - m) / variance of the mean, at least n, for fractions
        (m + k^2/2e +- k sqrt(m (1 - m) / e + k^2/4e^2)) / (1 + k^2/e)       (Wilson 1927)

    Each bound has a variance and an e of its own: the imagined problem is on its side, and no
    farther than 0 or 1. k is 1.96 for values of 0 and 1, else Student's t with n - 1 degrees of
    freedom. If fewer than 3.5 rights are expected, the lower bound is at most the 5 % quantile
    of a gamma variable of that shape, over e (Brown, Cai and DasGupta 2001); the upper one
    likewise.

    Example:
        >>> found, = intervals(np.zeros((30, 1)))
        >>> round(found.low, 4), round(found.high, 4)
        (0.0, 0.1135)
    """
    means = values.mean(axis=0)
    units = drawn_units(len(values), groups)
    whole = _all_in(values, (0.0, 1.0)) & (groups is None)
    spread = means * (1.0 - means)
    middle, reach, deviating = _imagined(values, groups)
    k = np.where(whole, t_quantile(inf), t_quantile(max(1, units - 1)))
    bounds = []
    for side in (means - np.maximum(0.0, middle - reach), np.minimum(1.0, middle + reach) - means):
        guard = np.minimum(1.0, _ENOUGH / deviating)
        with np.errstate(divide="ignore", invalid="ignore"):
            alike = spread / _variance(values, groups, guard=guard, size=side)
        sizes = np.where(whole | (spread < _TOLERANCE), units, np.maximum(alike, units))
        bounds.append(score_bounds(means, sizes, k))
    low, high = bounds[0][0], bounds[1][1]
    return [
        Interval(float(m), float(a), float(b)) for m, a, b in zip(means, low, high, strict=True)
    ]


def numbered(cluster: Mapping[str, str] | None, problems: Iterable[str]) -> Ints | None:
    """Return the number of each problem's cluster; None if problems were drawn one by one.

    Example:
        >>> numbered({"p": "b", "q": "a", "r": "b"}, ["p", "q", "r"]).tolist()
        [1, 0, 1]
    """
    if cluster is None:
        return None
    return np.unique([cluster[name] for name in problems], return_inverse=True)[1]


def drawn_units(problems: int, groups: Ints | None) -> int:
    """Return how many units were drawn: groups, or problems if they were drawn one by one.

    Example:
        >>> drawn_units(3, None), drawn_units(3, np.array([0, 0, 7]))
        (3, 2)
    """
    return problems if groups is None else len(np.unique(groups))


def score_bounds(means: Floats, sizes: Floats, k: Floats) -> tuple[Floats, Floats]:
    """Return Wilson's bounds of `means` of `sizes` draws of 0 or 1, `k` standard errors wide."""
    share = k**2 / sizes
    middle = means + share / 2
    half = np.sqrt(np.maximum(0.0, share * (means * (1.0 - means) + share / 4)))
    low, high = (middle - half) / (1 + share), (middle + half) / (1 + share)
    low = np.minimum(low, _few_rights(means, sizes))
    high = np.maximum(high, 1.0 - _few_rights(1.0 - means, sizes))
    return np.clip(low, 0.0, means), np.clip(high, means, 1.0)


def _few_rights(means: Floats, sizes: Floats) -> Floats:
    """Return the Poisson lower bound where few are expected; elsewhere 1, which has no effect."""
    expected = means * sizes
    bounds = np.ones_like(means)
    few = expected < _FEW
    none = expected < _TOLERANCE
    bounds[none] = 0.0
    rare = few & ~none
    if rare.any():
        bounds[rare] = gamma_quantile(expected[rare], _ONE_TAIL_OF_FEW) / sizes[rare]
    return bounds


def paired(
    ours: Floats,
    theirs: Floats,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    groups: Ints | None = None,
) -> list[Difference]:
    """Compare two sets of columns, float (P, M) each, problem by problem: mean of ours - theirs."""
    columns = ours - theirs
    half, k = half_widths(columns, groups=groups)
    means = columns.mean(axis=0)
    power = t_quantile(inf, tails=2 * (1 - POWER))
    found = []
    for number, column in enumerate(columns.T):
        value, reach = float(means[number]), float(half[number])
        found.append(
            Difference(
                value,
                max(-1.0, value - reach),
                min(1.0, value + reach),
                sign_flip(column, resamples=resamples, seed=seed, groups=groups),
                min(1.0, reach * (1 + power / float(k[number]))),
            )
        )
    return found


def intervals_of(
    values: Mapping[str, Floats], *, groups: Ints | None = None
) -> dict[str, dict[str, float]]:
    """Return name -> value, low, high of named columns, float (P,) each."""
    found = intervals(np.stack(list(values.values()), axis=1), groups=groups)
    return {name: asdict(one) for name, one in zip(values, found, strict=True)}


def gains_of(
    values: Mapping[str, Floats],
    names: Sequence[str],
    base: str,
    *,
    resamples: int,
    seed: int,
    groups: Ints | None = None,
) -> dict[str, dict[str, float]]:
    """Return name -> difference, low, high, p of the columns `names` minus the column `base`."""
    ours = np.stack([values[name] for name in names], axis=1)
    found = paired(ours, values[base][:, None], resamples=resamples, seed=seed, groups=groups)
    return {name: asdict(one) for name, one in zip(names, found, strict=True)}


def half_widths(columns: Floats, *, groups: Ints | None = None) -> tuple[Floats, Floats]:
    """Return half the interval's width of each column's mean difference, and its k, float (M,)
    each.

        k sqrt(variance of the mean)

    k is 1.96 for differences of -1, 0 and 1, else Student's t with n - 1 degrees of freedom.
    """
    whole = _all_in(columns, (-1.0, 0.0, 1.0)) & (groups is None)
    units = drawn_units(len(columns), groups)
    _, size, _ = _imagined(columns, groups)
    of_whole = _variance(columns, groups, guard=_GUARD_WHOLE, size=size)
    k = np.where(whole, t_quantile(inf), t_quantile(max(1, units - 1)))
    return k * np.sqrt(np.where(whole, of_whole, variance(columns, groups=groups))), k


def variance(values: Floats, *, groups: Ints | None = None) -> Floats:
    """Return the variance of the mean of each column of differences of fractions, float (M,).

    It counts min(1, max(2 / c, u / 60)) imagined problems, if c of u problems deviate: one matters
    less where many deviate, and costs less width where many were drawn.
    """
    _, size, deviating = _imagined(values, groups)
    units = drawn_units(len(values), groups)
    guard = np.minimum(1.0, np.maximum(_FEW_CHANGES / deviating, units / _FEW_PROBLEMS))
    return _variance(values, groups, guard=guard, size=size)


def _variance(
    values: Floats, groups: Ints | None, *, guard: float | Floats, size: Floats
) -> Floats:
    """Return the variance of each column's mean, float (M,).

    With n problems in u units (groups, or the problems themselves), r their sums of deviations
    from the mean, and g imagined units of n / u problems, each deviating by h, the `size`:

        v = u / n^2 (sum r^2 + g (h n / u)^2) / (u - 1 + g)
    """
    residual = values - values.mean(axis=0)
    sums = residual if groups is None else group_sums(residual, groups)
    units, n = len(sums), len(values)
    total = (sums**2).sum(axis=0) + guard * (size * n / units) ** 2
    return units / n**2 * total / (units - 1 + guard)


def _imagined(values: Floats, groups: Ints | None) -> tuple[Floats, Floats, Floats]:
    """Return each column's median, how far off an imagined problem is, how many deviate.

        h = d^(1 - 1/c)    d: largest deviation from the median
                           c = (sum |deviation|)^2 / sum deviation^2

    c counts the problems that deviate: with one, h is 1 (a problem can change from 0 to 1), with
    many it is the largest deviation seen. If none deviates, h is 1. With groups, a group's sum
    divided by the mean size of a group takes the place of a problem's value.
    """
    if groups is not None:
        sums = group_sums(values, groups)
        values = sums * (len(sums) / len(values))
    median = np.median(values, axis=0)
    deviations = np.abs(values - median)
    largest, squares = deviations.max(axis=0), (deviations**2).sum(axis=0)
    some = largest > _TOLERANCE
    count = np.where(some, deviations.sum(axis=0) ** 2 / np.where(some, squares, 1.0), 1.0)
    count = np.maximum(count, 1.0)
    size = np.where(some, np.where(some, largest, 1.0) ** (1.0 - 1.0 / count), 1.0)
    return median, size, count


def group_sums(values: Floats, groups: Ints) -> Floats:
    """Return the sum of each column's values in each group, float (groups, M).

    Example:
        >>> group_sums(np.array([1.0, 2.0, 4.0]), np.array([7, 3, 7]))
        array([2., 5.])
    """
    _, number = np.unique(groups, return_inverse=True)
    sums = np.zeros((int(number.max()) + 1, *values.shape[1:]))
    np.add.at(sums, number, values)
    return sums


def _all_in(values: Floats, wanted: tuple[float, ...]) -> Bools:
    near = [np.abs(values - one) < _TOLERANCE for one in wanted]
    return np.logical_or.reduce(near).all(axis=0)


def sign_flip(
    differences: Floats,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    groups: Ints | None = None,
) -> float:
    """Return the two-sided p of a paired permutation test: how often random signs reach the sum.

        p = (1 + #{flips : |sum_i s_i d_i| >= |sum_i d_i|}) / (1 + resamples)

    Differences of 0 do not matter; if the others are few, all assignments of signs are counted and
    p is exact. A group's problems change sign together.

    Example:
        >>> sign_flip(np.array([1.0, 1.0, 0.0, 1.0]))
        0.25
    """
    if groups is not None:
        differences = group_sums(differences, groups)
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


def holm(ps: Sequence[float]) -> list[float]:
    """Correct several p values so that any false finding has a chance of 5 % (Holm).

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    corrected, largest = [0.0] * len(ps), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[index]))
        corrected[index] = largest
    return corrected


def resampled_means(values: Floats, *, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Return each column's mean of `values` (P, M) in each resample of its rows, (resamples, M)."""
    return np.concatenate(
        [w @ values / len(values) for w in resampled_problems(len(values), resamples, seed)]
    )


def bootstrap_ratio(
    over: Floats,
    under: Floats,
    *,
    groups: Ints | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return sum(over) / sum(under), both float (P,), with its percentile bootstrap interval."""
    parts = np.stack([over, under], axis=1)
    if groups is not None:
        parts = group_sums(parts, groups)
    sums = np.concatenate([w @ parts for w in resampled_problems(len(parts), resamples, seed)])
    kept = sums[sums[:, 1] > 0]
    low, high = np.percentile(kept[:, 0] / kept[:, 1], [2.5, 97.5])
    return Interval(float(over.sum() / under.sum()), float(low), float(high))


def resampled_problems(problems: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield how often each problem is in each resample, in blocks of float (rows, P).

    For statistics that are not means over problems; the resamples are the same everywhere.
    """
    rng = np.random.default_rng(seed)
    for rows in _blocks(resamples, problems):
        drawn = rng.integers(0, problems, size=(rows, problems))
        drawn += np.arange(rows)[:, None] * problems
        counts = np.bincount(drawn.ravel(), minlength=rows * problems)
        yield counts.reshape(rows, problems).astype(np.float64)


def _blocks(resamples: int, columns: int) -> Iterator[int]:
    """Yield the rows of each block; like the draws, the sizes depend on the numbers only."""
    most = max(1, min(_BLOCK, _CELLS // max(1, columns)))
    for start in range(0, resamples, most):
        yield min(most, resamples - start)
