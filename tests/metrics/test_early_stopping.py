"""Stopping early: the chance of the lead, and the curve on problems whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from mathtune.metrics.early_stopping import curve, lead_is_sure, stopped
from mathtune.metrics.strategies import Clusters


@pytest.mark.parametrize(("first", "second"), [(3, 0), (5, 2), (10, 9)])
def test_the_chance_is_that_of_a_beta_variable(first: int, second: int) -> None:
    draws = np.random.default_rng(0).beta(first + 1, second + 1, size=200_000)
    assert lead_is_sure(first, second) == pytest.approx(np.mean(draws > 0.5), abs=0.005)
    assert lead_is_sure(second, first) == pytest.approx(1 - lead_is_sure(first, second))


def test_a_unanimous_problem_stops_after_four_samples() -> None:
    # 1 - 2^-5 = 0.969 is the first chance above 0.95.
    used, right = stopped([Clusters(np.zeros(16, dtype=int), np.array([True]))], [0.95])
    assert (used.tolist(), right.tolist()) == ([[4.0]], [[1.0]])


def test_silent_samples_are_used_and_never_stop() -> None:
    used, right = stopped([Clusters(np.full(5, -1), np.array([], dtype=bool))], [0.6])
    assert (used.tolist(), right.tolist()) == ([[5.0]], [[0.0]])


def test_a_tie_at_the_end_counts_half() -> None:
    used, right = stopped([Clusters(np.array([0, 1]), np.array([False, True]))], [0.99])
    assert (used.tolist(), right.tolist()) == ([[2.0]], [[0.5]])


def test_a_surer_limit_uses_more_samples_and_is_as_right() -> None:
    rng = np.random.default_rng(1)
    problems = [
        Clusters(np.where(rng.random(32) < share, 0, 1), np.array([True, False]))
        for share in rng.uniform(0.3, 1.0, size=60)
    ]
    votes = np.array([float(np.mean(one.of == 0) > 0.5) for one in problems])
    rows = curve(problems, votes, resamples=200, seed=0)
    samples = [row["samples"] for row in rows]
    assert samples == sorted(samples)
    assert rows[-2]["stop"] == 0.95
    assert 4 <= rows[-2]["samples"] < 20
    assert abs(rows[-1]["over_maj1"]["difference"]) < 0.05
