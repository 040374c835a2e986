"""Quantiles and tails of Student's t and of the gamma distribution. Below `intervals.py`.

mpmath, which is installed anyway, has the special functions; scipy would add 35 MB for two of them.
The tests compare every function with printed tables, and with scipy if it is installed.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, inf, lgamma, log, log1p, pi, sqrt

import mpmath
import numpy as np

from mathtune.metrics.arrays import Floats

_HALVINGS = 80
_TERMS = 60


def t_tails(t: float, df: float) -> float:
    """Return the chance that Student's t with `df` degrees of freedom is at least |t| from 0.

    Example:
        >>> round(t_tails(2.776, 4), 4)
        0.05
    """
    if t == 0.0 or df <= 0.0:
        return 1.0
    inside = df / (df + t * t)
    return float(mpmath.betainc(df / 2, 0.5, 0, inside, regularized=True))


@lru_cache(maxsize=65_536)
def t_quantile(df: float, *, tails: float = 0.05) -> float:
    """Return the t whose absolute value is exceeded with chance `tails`; infinite `df`: normal.

    Newton's method on log t and log tails, which are nearly on a line.

    Example:
        >>> round(t_quantile(9), 3), round(t_quantile(float("inf")), 3)
        (2.262, 1.96)
    """
    if tails >= 1.0:
        return 0.0
    normal = sqrt(2.0) * float(mpmath.erfinv(1.0 - tails)) if tails > 1e-12 else 8.0
    if df == inf:
        return normal
    scale = lgamma((df + 1) / 2) - lgamma(df / 2) - log(df * pi) / 2
    t = max(normal, 1e-9)
    for _ in range(_HALVINGS):
        found = t_tails(t, df)
        density = exp(scale - (df + 1) / 2 * log1p(t * t / df))
        step = (log(found) - log(tails)) * found / (2.0 * density * t)
        t *= exp(min(1.0, max(-1.0, step)))
        if abs(step) < 1e-12:
            break
    return t


def gamma_quantile(shape: Floats, chance: float) -> Floats:
    """Return quantiles of gamma variables of these shapes (at most about 10) and scale 1.

    For a whole number x it is the mean of the Poisson variable that reaches x with this chance.

    Example:
        >>> gamma_quantile(np.array([1.0, 2.0]), 0.05).round(4)
        array([0.0513, 0.3554])
    """
    shapes = np.asarray(shape, dtype=float)
    low, high = np.zeros_like(shapes), shapes + 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = _gamma_cdf(shapes, middle) < chance
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return high


def _gamma_cdf(shape: Floats, x: Floats) -> Floats:
    """Return x^a e^-x sum_k x^k / Gamma(a + k + 1), the series that converges for small x."""
    log_gamma = np.array([lgamma(a + 1.0) for a in shape.ravel()])
    with np.errstate(divide="ignore"):
        term = np.exp(shape * np.log(x) - x - log_gamma.reshape(shape.shape))
    total = term.copy()
    for k in range(1, _TERMS):
        term = term * x / (shape + k)
        total += term
        if (term <= 1e-17 * total).all():
            break
    return total
