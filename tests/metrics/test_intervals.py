"""Intervals and paired tests: known distributions, enumerated permutations, coverage."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from mathtune.metrics.intervals import (
    average_seeds,
    bootstrap,
    bootstrap_ratio,
    intervals,
    paired,
    sign_flip,
)


def test_the_bounds_of_a_proportion_are_binomial() -> None:
    # The bootstrap mean of 30 in 100 is Binomial(100, 0.3) / 100; its bounds are 0.21 and 0.39.
    values = np.array([[1.0]] * 30 + [[0.0]] * 70)
    low, high = bootstrap(values)
    assert low[0] == pytest.approx(0.21, abs=0.011)
    assert high[0] == pytest.approx(0.39, abs=0.011)


def test_same_seed_same_bounds_and_columns_do_not_disturb_each_other() -> None:
    values = np.random.default_rng(0).random((40, 3))
    assert bootstrap(values)[0].tolist() == bootstrap(values)[0].tolist()
    alone = bootstrap(values[:, [2]])
    assert alone[0][0] == pytest.approx(bootstrap(values)[0][2])
    assert bootstrap(values, seed=1)[0].tolist() != bootstrap(values)[0].tolist()


def test_interval_holds_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(1)
    values = rng.random((200, 300)) < 0.4  # 300 experiments of 200 problems
    found = intervals(values.astype(np.float64), resamples=1000)
    held = np.mean([part.low <= 0.4 <= part.high for part in found])
    assert 0.91 <= held <= 0.98


def test_sign_flip_is_exact_where_few_differ() -> None:
    differences = np.array([0.5, -0.25, 1.0, 0.0, 1.0])
    moved = [d for d in differences if d]
    sums = [abs(np.dot(signs, moved)) for signs in product((1, -1), repeat=len(moved))]
    expected = np.mean([total >= abs(sum(moved)) - 1e-12 for total in sums])
    assert sign_flip(differences) == pytest.approx(expected)


def test_sign_flip_of_many_is_near_the_normal_tail() -> None:
    # 100 wins, 60 losses: z = 40 / sqrt(160) = 3.16, with continuity 39 / 12.65 = 3.08: p = 0.0020.
    differences = np.array([1.0] * 100 + [-1.0] * 60 + [0.0] * 340)
    assert sign_flip(differences) == pytest.approx(0.0020, abs=0.001)
    assert sign_flip(-differences) == sign_flip(differences)


def test_no_difference_has_p_one() -> None:
    assert sign_flip(np.zeros(10)) == 1.0


def test_p_is_uniform_without_a_difference() -> None:
    rng = np.random.default_rng(2)
    found = [sign_flip(rng.normal(size=40), resamples=400, seed=i) for i in range(200)]
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.06)


def test_paired_is_ours_minus_theirs() -> None:
    ours, theirs = np.array([[1.0], [1.0], [0.0]]), np.array([[0.0], [1.0], [0.0]])
    (found,) = paired(ours, theirs)
    assert found.difference == pytest.approx(1 / 3)
    assert (found.low, found.high) == (0.0, 1.0)
    assert found.p == 1.0  # one problem differs: either sign reaches it


def test_a_ratio_is_over_the_problems_that_count() -> None:
    found = bootstrap_ratio(np.array([0.6, 0.8, 0.0]), np.array([1.0, 1.0, 0.0]))
    assert found.value == pytest.approx(0.7)
    assert (found.low, found.high) == (pytest.approx(0.6), pytest.approx(0.8))


def test_seeds_are_averaged_within_a_problem() -> None:
    runs = [{"a": {"m": 1.0}, "b": {"m": 0.0}}, {"a": {"m": 0.0, "x": 1.0}, "b": {"m": 0.0}}]
    assert average_seeds(runs) == {"a": {"m": 0.5}, "b": {"m": 0.0}}
    with pytest.raises(ValueError, match="not of the same problems"):
        average_seeds([{"a": {}}, {"b": {}}])
