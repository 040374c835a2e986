"""Several trainings of one row: averages within problems, and intervals that include the seeds.

Each training shifts all problems together, which an interval over problems cannot see. Next to
`intervals.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from mathtune.metrics.arrays import Floats, Ints
from mathtune.metrics.distributions import t_quantile
from mathtune.metrics.intervals import (
    POWER,
    RESAMPLES,
    Difference,
    Interval,
    drawn_units,
    half_widths,
    intervals,
    paired,
    variance,
)

SINGLE = (
    "one training each: another seed may change the difference; the interval is over problems only"
)
"""The sentence shown with a comparison of two single trainings."""


@dataclass(frozen=True)
class Parts:
    """Standard errors of the mean that come from the problems, the trainings and the samples.

    `samples` is the rest: the draws of samples, and the effects of a training on single problems.
    """

    problems: float
    trainings: float
    samples: float


@dataclass(frozen=True)
class OverSeeds:
    """An interval that includes the trainings, with the parts of its variance.

    `p`: of "no difference"; None if the value is not a difference. `seeds`: trainings of each.
    """

    seeds: tuple[int, ...]
    low: float
    high: float
    p: float | None
    parts: Parts


@dataclass(frozen=True)
class _Components:
    """Variances of a mean: over the trainings, and the residual, which both include."""

    of_seeds: float
    rest: float
    df: int

    @staticmethod
    def of(values: Floats) -> _Components:
        """Compute them from the mean squares of a table of seeds by problems, float (seeds, P)."""
        seeds, problems = values.shape
        if seeds == 1:
            return _Components(0.0, 0.0, 0)
        by_seed = values.mean(axis=1, keepdims=True)
        residual = values - values.mean(axis=0) - by_seed + values.mean()
        square = float((residual**2).sum()) / ((seeds - 1) * max(1, problems - 1))
        rest = square / (problems * seeds)
        return _Components(float(by_seed.var(ddof=1)) / seeds, rest, seeds - 1)


def mean_over_seeds(values: Floats, *, groups: Ints | None = None) -> OverSeeds:
    """Return the interval of the mean of `values` (seeds, P) in [0, 1] over problems and seeds.

    With K seeds, n problems, and the mean squares of a table of seeds by problems:

        V_p = variance of the problems' means / n      V_s = variance of the seeds' means / K
        V_e = residual mean square / (n K)
        half = sqrt(t(n-1)^2 max(0, V_p - V_e) + t(K-1)^2 V_s)

    V_s holds the samples' part, so that the two terms add up to the whole variance. The interval is
    never narrower than the one over problems alone.

    Raises:
        ValueError: fewer than two seeds.
    """
    if len(values) < 2:
        raise ValueError("one seed does not show how seeds vary")
    reach = _Reach.of(values.mean(axis=0), _Components.of(values), groups)
    value, width = float(values.mean()), reach.half(0.05)
    (alone,) = intervals(values.mean(axis=0)[:, None], groups=groups)
    low = min(alone.low, max(0.0, value - width))
    high = max(alone.high, min(1.0, value + width))
    return OverSeeds((len(values),), low, high, None, reach.parts())


def difference_over_seeds(
    ours: Floats, theirs: Floats, *, groups: Ints | None = None
) -> OverSeeds | None:
    """Return the same for ours - theirs, float (seeds, P) each; None if both have one seed.

    Equal numbers of seeds are paired in their order; otherwise the variances are added. A side with
    one seed is taken as fixed: its training is not drawn anew.
    """
    if len(ours) == len(theirs) == 1:
        return None
    return _over_seeds(ours, theirs, _Reach.between(ours, theirs, groups))


def _over_seeds(ours: Floats, theirs: Floats, reach: _Reach) -> OverSeeds:
    """Return the interval of ours - theirs with this reach."""
    value, width = float(ours.mean() - theirs.mean()), reach.half(0.05)
    low, high = max(-1.0, value - width), min(1.0, value + width)
    counts = (len(ours), len(theirs))
    return OverSeeds(counts, low, high, reach.tails(abs(value)), reach.parts())


def row_mean(values: Floats) -> Interval:
    """Return a row's mean, float (seeds, P), with its interval: over seeds too if there are
    several.

    Example:
        >>> one = row_mean(np.zeros((1, 30)))
        >>> one.value, round(one.high, 3)
        (0.0, 0.114)
    """
    (alone,) = intervals(values.mean(axis=0)[:, None])
    if len(values) == 1:
        return alone
    over = mean_over_seeds(values)
    return Interval(alone.value, over.low, over.high)


@dataclass(frozen=True)
class RowDifference:
    """The difference of two rows as every table shows it: with the seeds if there are several.
    `alone`: over problems only. `over`: None if both rows have one seed.
    """

    shown: Difference
    alone: Difference
    over: OverSeeds | None
    reach: _Reach

    def equal_within(self, within: float) -> float:
        """Return the p of two one-sided tests: "a is at least `within` below b", and "above"."""

        def tail(distance: float) -> float:
            both = self.reach.tails(abs(distance))
            return both / 2 if distance > 0 else 1 - both / 2

        value = self.shown.difference
        return max(tail(within - value), tail(within + value))


def row_difference(
    ours: Floats,
    theirs: Floats,
    *,
    groups: Ints | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> RowDifference:
    """Compare two rows, float (seeds, P) each, of the same problems: mean of ours - theirs."""
    first, second = ours.mean(axis=0)[:, None], theirs.mean(axis=0)[:, None]
    (alone,) = paired(first, second, resamples=resamples, seed=seed, groups=groups)
    reach = _Reach.between(ours, theirs, groups)
    if len(ours) == len(theirs) == 1:
        return RowDifference(alone, alone, None, reach)
    over = _over_seeds(ours, theirs, reach)
    assert over.p is not None
    power = 1 + t_quantile(inf, tails=2 * (1 - POWER)) / t_quantile(inf)
    detectable = min(1.0, reach.half(0.05) * power)
    shown = Difference(alone.difference, over.low, over.high, over.p, detectable)
    return RowDifference(shown, alone, over, reach)


@dataclass(frozen=True)
class _Reach:
    """The reach of an interval: standard errors of problems and seeds, each with its t."""

    alone: float
    found: _Components
    df: int
    least: float
    """Half the width over problems only: no interval with seeds is narrower."""

    @staticmethod
    def of(means: Floats, found: _Components, groups: Ints | None) -> _Reach:
        of_problems = float(variance(means[:, None], groups=groups)[0])
        units = drawn_units(len(means), groups)
        width, _ = half_widths(means[:, None], groups=groups)
        alone = max(0.0, of_problems - found.rest)
        return _Reach(alone, found, max(1, units - 1), float(width[0]) / t_quantile(inf))

    @staticmethod
    def between(ours: Floats, theirs: Floats, groups: Ints | None) -> _Reach:
        """Return the reach of ours - theirs; equal numbers of seeds are paired in their order."""
        if len(ours) == len(theirs):
            found = _Components.of(ours - theirs)
        else:
            first, second = _Components.of(ours), _Components.of(theirs)
            df = min(one.df for one in (first, second) if one.df)
            found = _Components(first.of_seeds + second.of_seeds, first.rest + second.rest, df)
        return _Reach.of(ours.mean(axis=0) - theirs.mean(axis=0), found, groups)

    def half(self, tails: float) -> float:
        """Return half the width of the interval that leaves `tails` to both tails together."""
        problems = t_quantile(self.df, tails=tails) ** 2 * self.alone
        seeds = 0.0
        if self.found.df > 0:
            seeds = t_quantile(self.found.df, tails=tails) ** 2 * self.found.of_seeds
        return max(sqrt(problems + seeds), t_quantile(inf, tails=tails) * self.least)

    def tails(self, value: float) -> float:
        """Return the p: the tails of the interval that just reaches from `value` to 0."""
        low, high = 0.0, 1.0
        while high - low > 1e-3 * high and high > 1e-6:
            middle = (low + high) / 2
            low, high = (middle, high) if self.half(middle) > value else (low, middle)
        return high

    def parts(self) -> Parts:
        trainings = max(0.0, self.found.of_seeds - self.found.rest)
        return Parts(sqrt(self.alone), sqrt(trainings), sqrt(self.found.rest))


def average_seeds(runs: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Average runs of several seeds (problem -> metric -> value) within each problem.

    Raises:
        ValueError: the runs are not of the same problems.

    Example:
        >>> average_seeds([{"p": {"mean": 1.0}}, {"p": {"mean": 0.5}}])
        {'p': {'mean': 0.75}}
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
