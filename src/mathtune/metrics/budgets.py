"""Models trained with several budgets and seeds: compared fairly. Between measure and findings.

Values are float (seeds, problems), right or wrong of one model under each seed. Intervals are those
of `mathtune compare` (`seeds.py`): seeds are a random effect, and differences are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mathtune.metrics.arrays import Floats
from mathtune.metrics.fits import Answer, holds, lines
from mathtune.metrics.intervals import Interval
from mathtune.metrics.seeds import row_difference

RESAMPLES = 2_000
"""The number of resamples of seeds and problems for R^2, which is not a mean."""


@dataclass(frozen=True)
class Trained:
    """One way of training, by budget: values on test, and accuracy on validation."""

    test: Mapping[int, Floats]
    validation: Mapping[int, float]

    @property
    def best(self) -> int:
        """The budget with the best validation accuracy; of equal ones the smallest.

        Example:
            >>> Trained({}, {300: 0.5, 900: 0.5}).best
            300
        """
        return min(self.validation, key=lambda budget: (-self.validation[budget], budget))


@dataclass(frozen=True)
class Compared:
    """Ours minus theirs: at the budgets `ours` and `theirs`, parts of 1, and what follows."""

    ours: int
    theirs: int
    difference: Interval
    answer: Answer


@dataclass(frozen=True)
class Curve:
    """A line of accuracy: its slope and R^2, with intervals."""

    slope: Interval
    r2: Interval


def resampled(values: Sequence[Floats]) -> Floats:
    """Return the means of `values`, each (S, P), under the same resamples, float (RESAMPLES, n).

    Seeds and problems are drawn with replacement, independently.
    """
    rng = np.random.default_rng(0)
    seeds, problems = values[0].shape
    of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES) / seeds
    of_problems = rng.multinomial(problems, np.full(problems, 1 / problems), RESAMPLES) / problems
    return np.stack([((of_seeds @ one) * of_problems).sum(axis=1) for one in values], axis=1)


def equal_updates(ours: Trained, theirs: Trained) -> list[Compared]:
    """Return the comparison at every budget that both have."""
    shared = sorted(ours.test.keys() & theirs.test.keys())
    return [_compared(ours, theirs, budget, budget) for budget in shared]


def best_of_budget(ours: Trained, theirs: Trained) -> Compared:
    """Return the comparison of each at its own best budget by validation."""
    return _compared(ours, theirs, ours.best, theirs.best)


def curve(x: Sequence[float], values: Sequence[Floats]) -> Curve:
    """Fit the line of accuracy over x, at least three points that share problems and seeds.

    The slope is a weighted sum of accuracies and has the interval of a difference; that of R^2 is
    from resampled seeds and problems, and with few seeds too narrow.
    """
    xs = np.asarray(x, dtype=float)
    _, slope, r2 = lines(xs, np.array([[one.mean() for one in values]]))
    weights = (xs - xs.mean()) / ((xs - xs.mean()) ** 2).sum()
    size = np.abs(weights).sum()
    parts = np.tensordot(weights / size, np.stack(values), axes=1)
    found = row_difference(parts, np.zeros_like(parts)).shown
    _, _, r2s = lines(xs, resampled(values))
    low, high = np.percentile(r2s, [2.5, 97.5])
    return Curve(
        Interval(float(slope[0]), float(size * found.low), float(size * found.high)),
        Interval(float(r2[0]), float(low), float(high)),
    )


def _compared(ours: Trained, theirs: Trained, budget: int, other: int) -> Compared:
    found = row_difference(ours.test[budget], theirs.test[other]).shown
    difference = Interval(found.difference, found.low, found.high)
    return Compared(budget, other, difference, holds(difference))
