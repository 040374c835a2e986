"""Quantiles: printed tables, and scipy where it is installed."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from mathtune.metrics.distributions import gamma_quantile, t_quantile, t_tails


@pytest.mark.parametrize(
    ("df", "expected"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (9, 2.262), (30, 2.042), (120, 1.980), (inf, 1.960)],
)
def test_t_as_in_the_tables(df: float, expected: float) -> None:
    assert t_quantile(df) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("tails", [1e-6, 0.001, 0.05, 0.4, 0.99])
@pytest.mark.parametrize("df", [1, 2.5, 7, 300])
def test_quantiles_and_tails_are_inverse(df: float, tails: float) -> None:
    assert t_tails(t_quantile(df, tails=tails), df) == pytest.approx(tails, rel=1e-6)


def test_gamma_is_poisson() -> None:
    # The mean at which a Poisson variable reaches 3 with a chance of 5 %.
    (mean,) = gamma_quantile(np.array([3.0]), 0.05)
    below = np.exp(-mean) * (1 + mean + mean**2 / 2)
    assert 1 - below == pytest.approx(0.05)


def test_as_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    assert t_quantile(4.3, tails=0.01) == pytest.approx(stats.t.isf(0.005, 4.3))
    shapes = np.array([0.2, 1.7, 3.4])
    assert gamma_quantile(shapes, 0.05) == pytest.approx(stats.gamma.ppf(0.05, shapes))
