"""Fits by hand and against numpy, intervals that hold the truth, FLOPs of the paper's table."""

from __future__ import annotations

import numpy as np
import pytest

from mathtune.metrics.fits import (
    fit_over_problems,
    holds,
    line,
    reading_flops,
    sampling_flops,
    training_flops,
)
from mathtune.metrics.intervals import Interval


def test_a_line_by_hand() -> None:
    # x = 0, 1, 2 and y = 0, 1, 5: slope 5/2, mean 2, r2 = (5/2)^2 * 2 / 14 = 25/28.
    found = line([0, 1, 2], [0, 1, 5])
    assert (found.intercept, found.slope) == (pytest.approx(-0.5), pytest.approx(2.5))
    assert found.r2 == pytest.approx(25 / 28)


def test_a_line_is_that_of_numpy() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random(9), rng.random(9)
    slope, intercept = np.polyfit(x, y, 1)
    found = line(x, y)
    assert (found.slope, found.intercept) == (pytest.approx(slope), pytest.approx(intercept))
    assert found.r2 == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)


def test_no_line_through_one_x() -> None:
    with pytest.raises(ValueError, match="two different x"):
        line([1, 1], [0, 1])


def test_resampling_problems_holds_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(1)
    x = np.array([0.0, 1.0, 2.0])
    held = 0
    for seed in range(100):
        values = (rng.random((150, 1)) < 0.2 + 0.2 * x).astype(float)
        found = fit_over_problems(x, values, resamples=300, seed=seed)
        held += found.slope.low <= 0.2 <= found.slope.high
    assert 88 <= held <= 100


def test_claims() -> None:
    assert holds(Interval(0.2, 0.1, 0.3)) == "yes"
    assert holds(Interval(-0.2, -0.3, -0.1)) == "no"
    assert holds(Interval(0.2, -0.1, 0.3)) == "cannot tell"
    assert holds(Interval(0.2, 0.0, 0.3)) == holds(Interval(-0.2, -0.3, 0.0)) == "cannot tell"


def test_the_line_over_problems_is_that_of_the_mean_problem() -> None:
    x, values = [0.0, 1.0, 3.0], np.random.default_rng(4).random((20, 3))
    assert fit_over_problems(x, values, resamples=10).line == line(x, values.mean(axis=0))


def test_training_costs_three_times_reading() -> None:
    # The backward pass computes two products for each of the forward pass: 6 N against 2 N.
    assert training_flops(1e9, tokens=100) == 3 * reading_flops(1e9, tokens=100) == 6e11


@pytest.mark.parametrize(
    ("layers", "width", "sft", "drawn", "rft"),
    [
        (32, 4096, 1.7e17, 1.4e18, 3.0e18),
        (40, 5120, 3.3e17, 2.6e18, 5.7e18),
        (60, 6656, 7.7e17, 6.9e18, 1.3e19),
        (80, 8192, 1.3e18, 1.4e19, 2.2e19),
    ],
)
def test_flops_of_the_papers_table(
    layers: int, width: int, sft: float, drawn: float, rft: float
) -> None:
    """Table 4, LLaMA 7B to 65B, within a third: the paper does not say its numbers of tokens.

    3 epochs of 7,473 and of 110,000 (U33B) examples of 66 + 130 tokens; 7,473 x 100 samples.
    """
    parameters = 12 * layers * width**2
    each = 3 * (66 + 130)
    assert training_flops(parameters, tokens=7473 * each) == pytest.approx(sft, rel=1 / 3)
    assert training_flops(parameters, tokens=110_000 * each) == pytest.approx(rft, rel=1 / 3)
    found = sampling_flops(
        parameters, layers=layers, width=width, prompt=66, solution=130, samples=747_300
    )
    assert found == pytest.approx(drawn, rel=1 / 3)
    assert found > drawn


def test_sampling_flops_are_the_sum_over_tokens() -> None:
    # Two prompt tokens of 2 * 100 + 2 * 3 * 2 * 5, then tokens 2, 3 and 4 with the cache.
    read = 2 * (200 + 60)
    write = sum(1.66 * 100 + 2 * 3 * i * 5 for i in (2, 3, 4))
    found = sampling_flops(100, layers=3, width=5, prompt=2, solution=2, samples=7)
    assert found == pytest.approx(7 * (read + write))


def test_a_flat_line_explains_nothing() -> None:
    assert line([0, 1], [3, 3 + 1e-6]).r2 == pytest.approx(1.0)  # little variance is not none
    assert line([0, 1, 2], [3, 3, 3]).r2 == 0.0
    assert line([1, 2, 3], [0.1 + 0.2, 0.3, 0.3]).r2 == 0.0
    flat = fit_over_problems([1, 2, 3], np.ones((50, 3)), resamples=200)
    assert (flat.r2.value, flat.r2.low, flat.r2.high) == (0.0, 0.0, 0.0)
