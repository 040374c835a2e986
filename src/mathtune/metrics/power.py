"""The problems, samples and seeds that a comparison needs to see a gain. Next to `intervals.py`.

Two systems are measured on the same problems with N samples each, and K trainings each. With the
problems' chances of a right sample spread by the variance B, correlated between the two systems by
r, and W the mean of p (1 - p) within problems:

    variance of the problems' differences   D = 2 B (1 - r)
    variance of the samples' differences    E = 2 W / (N K)
    variance of the trainings' difference   S = 2 s^2 / K      s: standard deviation of a training
    a gain g is seen with 80 % if           g >= (1 + 0.84 / 1.96) h
        one training each                   h = 1.96 sqrt((D + E) / n)
        several                             h = sqrt(1.96^2 D / n + t(K-1)^2 (E / n + S))

which are the intervals of `intervals.py` and `seeds.py`. One training says nothing about others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil, inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mathtune.metrics.distributions import t_quantile
from mathtune.metrics.intervals import POWER

Floats = NDArray[np.float64]

SAMPLES = (1, 4, 16, 64)
SEEDS = (1, 3, 5, 10)
SYSTEMS = 2
FEWEST = 10
"""The fewest problems that are planned: the formulas hold for means of many."""


@dataclass(frozen=True)
class Spread:
    """The spread of the problems: mean accuracy, and its variance between and within them."""

    accuracy: float
    between: float
    within: float

    @staticmethod
    def of_counts(right: Sequence[int], samples: Sequence[int]) -> Spread:
        """Return the spread that a pilot shows: how many of each problem's samples are right.

        The variance within problems is unbiased; that between them is the rest of the variance of
        the observed means. Problems with one sample cannot show it: if all have one, half of the
        variance is taken to be between them.
        """
        n = np.asarray(samples, dtype=float)
        means = np.asarray(right, dtype=float) / n
        accuracy = float(means.mean())
        several = n > 1
        if not several.any():
            return Spread.assumed(accuracy, HALF)
        inside = (means * (1 - means) * n)[several] / (n[several] - 1)
        within = float(inside.mean())
        noise = float((within / n).mean())
        return Spread(accuracy, max(0.0, float(means.var(ddof=1)) - noise), within)

    @staticmethod
    def assumed(accuracy: float, part: float) -> Spread:
        """Return an assumed spread: `part` of a sample's variance a (1 - a) is between problems."""
        whole = accuracy * (1 - accuracy)
        return Spread(accuracy, part * whole, (1 - part) * whole)


HALF = 0.5


@dataclass(frozen=True)
class Assumed:
    """The assumptions that a pilot of one system cannot replace, and the costs of the plan.

    `correlation`: r. `training_sd`: s, a part of 1. `tokens`: of a sample. `speed`: tokens per
    second.
    """

    correlation: float = 0.9
    training_sd: float = 0.01
    tokens: float = 300.0
    speed: float = 2_000.0


def problems_needed(
    spread: Spread, effect: float, *, samples: int, seeds: int, assumed: Assumed
) -> int | None:
    """Return the problems that show a gain of `effect`; None if no number does without more seeds.

    Example:
        >>> coin = Spread(0.5, between=0.0, within=0.25)
        >>> problems_needed(coin, 0.1, samples=1, seeds=1, assumed=Assumed())
        393
    """
    z, power = t_quantile(inf), t_quantile(inf, tails=2 * (1 - POWER))
    reach = (effect / (1 + power / z)) ** 2
    t = t_quantile(seeds - 1) if seeds > 1 else z
    if seeds > 1:
        reach -= t**2 * 2 * assumed.training_sd**2 / seeds
    if reach <= 0:
        return None
    between = 2 * spread.between * (1 - assumed.correlation)
    inside = 2 * spread.within / (samples * seeds)
    return max(FEWEST, ceil((z**2 * between + t**2 * inside) / reach))


def plan(spread: Spread, effect: float, *, assumed: Assumed) -> dict[str, Any]:
    """Return the problems needed for each number of samples and seeds, and their cost."""
    plans = []
    for seeds in SEEDS:
        for samples in SAMPLES:
            problems = problems_needed(
                spread, effect, samples=samples, seeds=seeds, assumed=assumed
            )
            tokens = None
            if problems is not None:
                tokens = problems * samples * seeds * SYSTEMS * assumed.tokens
            plans.append(
                {
                    "samples": samples,
                    "seeds": seeds,
                    "problems": problems,
                    "tokens": tokens,
                    "hours": None if tokens is None else tokens / assumed.speed / 3600,
                }
            )
    return {"effect": effect, **asdict(spread), "assumed": asdict(assumed), "plans": plans}
