"""The scaling study (Yuan et al. 2023): log-linear fits with intervals, claims, FLOPs; all pure.

Accuracies are fractions, losses any unit, logarithms natural: a slope on log x times log 2 is the
gain of a doubling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from mathtune.metrics.arrays import Floats
from mathtune.metrics.intervals import RESAMPLES, Interval, resampled_means

_NO_VARIANCE = 1e-18
"""A sum of squares of accuracies below this is rounding noise."""

Answer = Literal["yes", "no", "cannot tell"]


@dataclass(frozen=True)
class Line:
    """y = intercept + slope * x by least squares; `r2`: the explained fraction of y's variance."""

    intercept: float
    slope: float
    r2: float


@dataclass(frozen=True)
class Fit:
    """A line with 95 % intervals of its slope and of its r2."""

    line: Line
    slope: Interval
    r2: Interval


def line(x: ArrayLike, y: ArrayLike) -> Line:
    """Fit least squares through points; r2 is 0 if y does not vary: there is nothing to explain.

    Raises:
        ValueError: fewer than two different x.

    Example:
        >>> line([1, 2, 3], [2, 4, 6])
        Line(intercept=0.0, slope=2.0, r2=1.0)
    """
    intercepts, slopes, r2s = lines(np.asarray(x, dtype=float), np.asarray(y, dtype=float)[None])
    return Line(float(intercepts[0]), float(slopes[0]), float(r2s[0]))


def fit_over_problems(
    x: ArrayLike, values: Floats, *, resamples: int = RESAMPLES, seed: int = 0
) -> Fit:
    """Return the line through the mean of each column, with intervals from resampling the problems.

    `values` float (P, points): every problem's value at every point, so that points share problems.
    """
    xs = np.asarray(x, dtype=float)
    _, slopes, r2s = lines(xs, resampled_means(values, resamples=resamples, seed=seed))
    whole = line(xs, values.mean(axis=0))
    return Fit(whole, _interval(whole.slope, slopes), _interval(whole.r2, r2s))


def holds(interval: Interval) -> Answer:
    """Return whether a claim "it is above 0" holds: yes or no if the interval lies on one side.

    Example:
        >>> holds(Interval(0.2, 0.1, 0.3)), holds(Interval(0.2, -0.1, 0.5))
        ('yes', 'cannot tell')
    """
    if interval.low > 0:
        return "yes"
    return "no" if interval.high < 0 else "cannot tell"


def training_flops(parameters: float, *, tokens: float) -> float:
    """Return the FLOPs of training (their appendix E): 6 N n_ctx N_s; `tokens`: n_ctx N_s over all
    epochs.

    `parameters`: without embeddings, as in all formulas here.

    Example:
        >>> training_flops(1e9, tokens=1000)
        6000000000000.0
    """
    return 6.0 * parameters * tokens


def reading_flops(parameters: float, *, tokens: float) -> float:
    """Return the FLOPs of reading `tokens` once: their C_fwd(n) = 2 N without the attention term.

    Example:
        >>> reading_flops(1e9, tokens=100)
        200000000000.0
    """
    return 2.0 * parameters * tokens


def sampling_flops(
    parameters: float,
    *,
    layers: int,
    width: int,
    prompt: float,
    solution: float,
    samples: float,
) -> float:
    """Return the FLOPs of drawing `samples` solutions; `solution` and `prompt` are their tokens.

        C_fwd(n) = 2 N + 2 n_layer n d          per token of the prompt
        C'_fwd(i) = 1.66 N + 2 n_layer i d      per token with the key-value cache
        C = N_s [n_q C_fwd(n_q) + sum_{i = n_q}^{n_q + n_r} C'_fwd(i)]

    Their appendix E; the printed sum multiplies each term by i once more, which is taken as a
    misprint: C'_fwd(i) is already the cost of token i.

    Example:
        >>> how = {"layers": 1, "width": 3, "prompt": 0, "solution": 1, "samples": 1}
        >>> round(sampling_flops(6, **how), 2)  # 2 x (1.66 x 6 + 2 x 0.5 x 3)
        25.92
    """
    read = prompt * (2 * parameters + 2 * layers * prompt * width)
    mean_position = prompt + solution / 2
    write = (solution + 1) * (1.66 * parameters + 2 * layers * mean_position * width)
    return samples * (read + write)


def lines(x: Floats, ys: Floats) -> tuple[Floats, Floats, Floats]:
    """Return intercept, slope and r2 of lines through the rows of `ys` (R, points), (R,) each.

    Raises:
        ValueError: all x are equal.

    Example:
        >>> lines(np.array([0.0, 1.0, 2.0]), np.array([[1.0, 3.0, 5.0]]))
        (array([1.]), array([2.]), array([1.]))
    """
    centred = x - x.mean()
    spread = float(centred @ centred)
    if spread == 0.0:
        raise ValueError("a line needs at least two different x")
    means = ys.mean(axis=1, keepdims=True)
    slopes = (ys - means) @ centred / spread
    total = ((ys - means) ** 2).sum(axis=1)
    explained = slopes**2 * spread
    varies = total > _NO_VARIANCE
    r2s = np.where(varies, explained / np.where(varies, total, 1.0), 0.0)
    return means[:, 0] - slopes * x.mean(), slopes, r2s


def _interval(value: float, resampled: Floats | Sequence[float]) -> Interval:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Interval(float(value), float(low), float(high))
