"""Budgets and seeds: chosen on validation, compared at equal and at best budget."""

from __future__ import annotations

import numpy as np
import pytest

from mathtune.metrics.budgets import (
    Trained,
    best_of_budget,
    curve,
    equal_updates,
    resampled,
)
from mathtune.metrics.comparison import CompareSettings, Row, comparisons
from mathtune.metrics.seeds import row_difference


def values(*rates: float, problems: int = 200) -> np.ndarray:
    """One row per seed: the first `rate` of the problems is right."""
    return np.stack([np.arange(problems) < rate * problems for rate in rates]).astype(float)


def test_the_best_budget_is_validations_not_tests() -> None:
    trained = Trained({200: values(0.9, 0.9), 500: values(0.1, 0.1)}, {200: 0.3, 500: 0.4})
    assert trained.best == 500


def test_equal_updates_and_best_of_budget_can_disagree() -> None:
    """RFT is ahead after a short training, and not after the longer one that validation finds."""
    gold = Trained(
        {200: values(0.2, 0.2), 500: values(0.6, 0.6), 900: values(0.1, 0.1)}, {200: 0.2, 500: 0.6}
    )
    rft = Trained({200: values(0.5, 0.5), 500: values(0.6, 0.6)}, {200: 0.5, 500: 0.6})
    short, long = equal_updates(rft, gold)
    assert (short.ours, short.theirs, short.answer) == (200, 200, "yes")
    assert short.difference.value == pytest.approx(0.3)
    assert long.difference.value == 0.0
    best = best_of_budget(rft, gold)
    assert (best.ours, best.theirs, best.answer) == (500, 500, "cannot tell")


def test_the_sign_is_ours_minus_theirs() -> None:
    worse = Trained({1: values(0.2)}, {1: 0.0})
    better = Trained({1: values(0.7)}, {1: 0.0})
    assert best_of_budget(worse, better).difference.value == pytest.approx(-0.5)
    assert best_of_budget(worse, better).answer == "no"


def test_the_difference_is_the_one_that_compare_shows() -> None:
    """Two functions once disagreed: findings said yes where compare could not tell."""
    rng = np.random.default_rng(0)
    ours, theirs = ((rng.random((3, 120)) < rate).astype(float) for rate in (0.6, 0.4))
    ids = [str(at) for at in range(120)]
    rows = [
        Row(name, name, tuple({i: {"m": v} for i, v in zip(ids, s, strict=True)} for s in values))
        for name, values in (("ours", ours), ("theirs", theirs))
    ]
    (found,) = comparisons(rows, ids, CompareSettings())
    difference = best_of_budget(
        Trained({1: ours}, {1: 0.0}), Trained({1: theirs}, {1: 0.0})
    ).difference
    assert (difference.value, difference.low, difference.high) == pytest.approx(
        (found["difference"], found["low"], found["high"])
    )


def test_resamples_are_shared_so_that_equal_columns_stay_equal() -> None:
    ours = values(0.3, 0.6)
    drawn = resampled([ours, ours])
    assert np.array_equal(drawn[:, 0], drawn[:, 1])


def test_resamples_have_the_means_of_what_is_resampled() -> None:
    rng = np.random.default_rng(2)
    drawn = (rng.random((3, 100)) < 0.4).astype(float)
    found = resampled([drawn])[:, 0]
    assert found.mean() == pytest.approx(drawn.mean(), abs=0.005)


def test_a_line_through_accuracies_by_hand() -> None:
    found = curve([0.0, 1.0, 2.0], [values(0.1), values(0.3), values(0.5)])
    assert found.slope.value == pytest.approx(0.2)
    assert found.r2.value == pytest.approx(1.0)
    assert found.slope.low < 0.2 < found.slope.high


def test_a_slope_has_the_interval_of_the_difference_it_is() -> None:
    """Over the x 0, 1, 2 the slope is half the difference of the last and the first."""
    rng = np.random.default_rng(1)
    points = [(rng.random((3, 200)) < rate).astype(float) for rate in (0.2, 0.4, 0.6)]
    found = curve([0.0, 1.0, 2.0], points).slope
    difference = row_difference(points[2], points[0]).shown
    assert (2 * found.value, 2 * found.low, 2 * found.high) == pytest.approx(
        (difference.difference, difference.low, difference.high), rel=0.02
    )


def test_a_steep_slope_is_not_cut_off() -> None:
    found = curve([0.0, 0.01, 0.02], [values(r) for r in (0.1, 0.5, 0.9)]).slope
    assert found.value == pytest.approx(40.0)
    assert found.low < 40.0 < found.high < 80.0
