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
If problems come in clusters (templates, passages), B is multiplied by its design effect, and the
first 1.96 is Student's t with one degree of freedom less than there are clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil, inf
from typing import Any

import numpy as np

from mathtune.metrics.arrays import Floats, Ints
from mathtune.metrics.distributions import t_quantile
from mathtune.metrics.intervals import POWER, group_sums

SAMPLES = (1, 4, 16, 64)
SEEDS = (1, 3, 5, 10)
SYSTEMS = 2
FEWEST = 10
"""The fewest problems or clusters that are planned: the formulas hold for means of many."""


@dataclass(frozen=True)
class Spread:
    """The spread of the problems: mean accuracy, and its variance between and within them.

    `design_effect`: how many times clusters of problems multiply the variance of the mean that
    comes from the spread between problems. `per_cluster`: problems per cluster; None: drawn one by
    one.
    """

    accuracy: float
    between: float
    within: float
    design_effect: float = 1.0
    per_cluster: float | None = None

    @staticmethod
    def of_counts(
        right: Sequence[int], samples: Sequence[int], *, groups: Ints | None = None
    ) -> Spread:
        """Return the spread that a pilot shows: how many of each problem's samples are right.

        The variance within problems is unbiased; that between them is the rest of the variance of
        the observed means. Problems with one sample cannot show it: if all have one, half of the
        variance is taken to be between them. `groups`: each problem's cluster.
        """
        n = np.asarray(samples, dtype=float)
        means = np.asarray(right, dtype=float) / n
        accuracy = float(means.mean())
        several = n > 1
        if several.any():
            inside = (means * (1 - means) * n)[several] / (n[several] - 1)
            within = float(inside.mean())
            noise = float((within / n).mean())
            found = Spread(accuracy, max(0.0, float(means.var(ddof=1)) - noise), within)
        else:
            found = Spread.assumed(accuracy, HALF)
            noise = found.within
        return found if groups is None else found._clustered(means, noise, groups)

    def _clustered(self, means: Floats, noise: float, groups: Ints) -> Spread:
        """Add the design effect: the variance between problems by clusters, over that without.

        u / (u - 1) sum_j (sum of cluster j's deviations)^2 / n     less the samples' noise
        """
        sums = group_sums(means - self.accuracy, groups)
        units, problems = len(sums), len(means)
        if units < 2:
            raise ValueError("one cluster does not show how clusters vary")
        together = units / (units - 1) * float((sums**2).sum()) / problems - noise
        effect = max(1.0, together / self.between) if self.between > 0.0 else 1.0
        return replace(self, design_effect=effect, per_cluster=problems / units)

    @staticmethod
    def assumed(accuracy: float, part: float) -> Spread:
        """Return an assumed spread: `part` of a sample's variance a (1 - a) is between problems."""
        whole = accuracy * (1 - accuracy)
        return Spread(accuracy, part * whole, (1 - part) * whole)


HALF = 0.5
TOKENS = 300.0


@dataclass(frozen=True)
class Assumed:
    """The assumptions that a pilot of one system cannot replace, and the costs of the plan.

    `correlation`: r. `training_sd`: s, a part of 1. `tokens`: of a sample; None: 300. `speed`:
    tokens per second.
    """

    correlation: float = 0.9
    training_sd: float = 0.01
    tokens: float | None = None
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
    between = 2 * spread.between * spread.design_effect * (1 - assumed.correlation)
    inside = 2 * spread.within / (samples * seeds)
    if spread.per_cluster is None:
        return max(FEWEST, ceil((z**2 * between + t**2 * inside) / reach))

    def problems(clusters: float) -> float:
        over = t_quantile(clusters - 1)
        return (over**2 * between + (t if seeds > 1 else over) ** 2 * inside) / reach

    clusters = max(FEWEST, ceil(problems(inf) / spread.per_cluster))
    while clusters * spread.per_cluster < problems(clusters):
        clusters += 1
    return ceil(clusters * spread.per_cluster)


def plan(spread: Spread, effect: float, *, assumed: Assumed) -> dict[str, Any]:
    """Return the problems needed for each number of samples and seeds, and their cost.

    If they come in clusters, `clusters` says how many clusters of the pilot's size that is.
    """
    length = assumed.tokens or TOKENS
    plans = []
    for seeds in SEEDS:
        for samples in SAMPLES:
            problems = problems_needed(
                spread, effect, samples=samples, seeds=seeds, assumed=assumed
            )
            one: dict[str, Any] = {"samples": samples, "seeds": seeds, "problems": problems}
            if spread.per_cluster is not None:
                one["clusters"] = problems and round(problems / spread.per_cluster)
            tokens = problems and problems * samples * seeds * SYSTEMS * length
            plans.append(
                {**one, "tokens": tokens, "hours": tokens and tokens / assumed.speed / 3600}
            )
    return {
        "effect": effect,
        **asdict(spread),
        "assumed": {**asdict(assumed), "tokens": length},
        "plans": plans,
    }
