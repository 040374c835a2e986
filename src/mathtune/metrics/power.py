"""How many problems, samples and seeds a comparison needs to see a gain. Beside `intervals.py`.

Two systems are measured on the same problems with N samples each, and K trainings each. With the
problems' chances of a right sample spread by the variance B, correlated between the two systems by
r, and W the mean of p (1 - p) within problems:

    variance of the problems' differences   D = 2 B (1 - r)
    variance of the samples' differences    E = 2 W / (N K)
    variance of the trainings' difference   S = 2 s^2 / K      s: standard deviation of a training
    a gain g is seen with 80 % where        g >= (1 + 0.84 / 1.96) h
        one training each                   h = 1.96 sqrt((D + E) / n)
        several                             h = sqrt(1.96^2 D / n + t(K-1)^2 (E / n + S))

which are the intervals of `intervals.py` and `seeds.py`. One training says nothing of others.
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
"""Fewer problems are never planned: the formulas are for means of many."""


@dataclass(frozen=True)
class Spread:
    """What is known of the problems: mean accuracy, and its variance between and within them."""

    accuracy: float
    between: float
    within: float

    @staticmethod
    def of_counts(right: Sequence[int], samples: Sequence[int]) -> Spread:
        """From a pilot: how many of each problem's samples are right.

        The variance within problems is unbiased, that between them is what is left of the
        variance of the observed means. Problems with one sample say nothing of it: if all have
        one, half of the variance is taken to be between them.
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
        """From numbers: `part` of the variance a (1 - a) of a sample is between problems."""
        whole = accuracy * (1 - accuracy)
        return Spread(accuracy, part * whole, (1 - part) * whole)


HALF = 0.5


@dataclass(frozen=True)
class Assumed:
    """What a pilot of one system does not say, and what the plan costs.

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
    """The problems that show a gain of `effect`; None where no number does: more seeds are needed.

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
    """For each number of samples and seeds the problems needed, and what they cost."""
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
