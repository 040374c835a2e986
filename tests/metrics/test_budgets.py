"""Budgets and seeds: chosen on validation, compared at equal and at best budget."""

from __future__ import annotations

import numpy as np
import pytest

from mathtune.metrics.budgets import (
    Trained,
    best_of_budget,
    curve,
    equal_updates,
    interval,
    resampled,
)


def values(*rates: float, problems: int = 200) -> np.ndarray:
    """One row per seed: the first `rate` of the problems is right."""
    return np.stack([np.arange(problems) < rate * problems for rate in rates]).astype(float)


def test_the_best_budget_is_validations_not_tests() -> None:
    trained = Trained({200: values(0.9, 0.9), 500: values(0.1, 0.1)}, {200: 0.3, 500: 0.4})
    assert trained.best == 500


def test_equal_updates_and_best_of_budget_can_disagree() -> None:
    """RFT is ahead after a short training, and not after the longer one that validation finds."""
    gold = Trained({200: values(0.2, 0.2), 500: values(0.6, 0.6)}, {200: 0.2, 500: 0.6})
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


def test_seeds_that_disagree_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    alike = (rng.random((3, 400)) < 0.5).astype(float)
    apart = np.stack([rng.random(400) < rate for rate in (0.2, 0.5, 0.8)]).astype(float)
    narrow, wide = interval(alike), interval(apart)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert narrow.low < narrow.value < narrow.high


def test_one_seed_is_the_bootstrap_over_problems() -> None:
    """Standard error of a share of 0.5 over 400 problems is 0.025: the interval spans four."""
    found = interval(values(0.5, problems=400))
    assert found.high - found.low == pytest.approx(4 * 0.025, rel=0.1)


def test_resamples_are_shared_so_that_equal_columns_stay_equal() -> None:
    ours = values(0.3, 0.6)
    drawn = resampled([ours, ours])
    assert np.array_equal(drawn[:, 0], drawn[:, 1])


def test_a_line_through_accuracies_by_hand() -> None:
    found = curve([0.0, 1.0, 2.0], [values(0.1), values(0.3), values(0.5)])
    assert found.slope.value == pytest.approx(0.2)
    assert found.r2.value == pytest.approx(1.0)
    assert found.slope.low < 0.2 < found.slope.high
