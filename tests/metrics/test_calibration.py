"""AUC, calibration and shortcuts: by hand and by counting all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathtune.metrics.calibration import (
    auc,
    auc_error,
    calibration,
    habit_scores,
    reliability,
    roc,
    within_auc,
)
from mathtune.metrics.intervals import resampled_problems

SAMPLES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.booleans(), st.integers(0, 2)),
    min_size=1,
    max_size=20,
)


@given(SAMPLES)
def test_auc_counts_all_pairs(rows: list[tuple[float, bool, int]]) -> None:
    right = [score for score, good, _ in rows if good]
    wrong = [score for score, good, _ in rows if not good]
    found = auc(np.array([r[0] for r in rows]), np.array([r[1] for r in rows]))
    if not right or not wrong:
        assert found is None
        return
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a in right for b in wrong]
    assert found == pytest.approx(np.mean(wins))


@given(SAMPLES)
def test_within_auc_is_the_auc_of_each_problem(rows: list[tuple[float, bool, int]]) -> None:
    scores, right = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    problem = np.array([r[2] for r in rows])
    expected = {int(p): auc(scores[problem == p], right[problem == p]) for p in set(problem)}
    assert within_auc(scores, right, problem) == {
        p: pytest.approx(value) for p, value in expected.items() if value is not None
    }


def test_knowing_easy_problems_raises_only_the_overall_auc() -> None:
    problem = np.array([0] * 4 + [1] * 4)
    right = np.array([True, True, True, False, True, False, False, False])
    scores = np.where(problem == 0, 0.9, 0.1)
    assert auc(scores, right) == pytest.approx(0.75)
    assert within_auc(scores, right, problem) == {0: 0.5, 1: 0.5}


def test_the_error_of_the_overall_auc_is_that_of_resampled_problems() -> None:
    rng = np.random.default_rng(0)
    problem = np.repeat(np.arange(60), 8)
    ease = np.repeat(rng.random(60), 8)
    right = rng.random(480) < ease
    scores = 0.5 * ease + rng.random(480) * 0.5 + 0.1 * right
    found = auc_error(scores, right, problem)
    resampled = []
    for _ in range(400):
        drawn = np.concatenate([np.arange(p * 8, p * 8 + 8) for p in rng.integers(0, 60, 60)])
        resampled.append(auc(scores[drawn], right[drawn]))
    assert found == pytest.approx(np.std(np.array(resampled, dtype=float)), rel=0.15)
    assert auc_error(scores, right, np.zeros(480, dtype=int)) is None
    assert auc_error(scores, right, np.arange(480) % 2) is not None


def test_reliability_and_calibration_error_by_hand() -> None:
    scores = np.array([0.05, 0.05, 0.65, 0.69, 1.0])
    right = np.array([False, True, True, True, True])
    bins = reliability(scores, right)
    assert [(b["low"], b["count"], b["right"]) for b in bins] == [
        (0.0, 2, 0.5),
        (0.6, 2, 1.0),
        (0.9, 1, 1.0),
    ]
    found = calibration(scores, right, np.arange(5), weights=[np.ones((2, 5))])
    assert found.value == pytest.approx((2 * 0.45 + 2 * 0.33 + 0) / 5)


def drawn(
    rng: np.random.Generator, problems: int, shift: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, rights and problems: of each score, the part right is the score minus `shift`."""
    problem = np.repeat(np.arange(problems), 8)
    scores = np.clip(rng.beta(2, 1.3, size=len(problem)), 0.05, 0.95)
    return scores, rng.random(len(problem)) < np.clip(scores - shift, 0, 1), problem


def held(shift: float, problems: int) -> tuple[float, float]:
    """How often the interval holds the true error, and how often it holds 0."""
    rng = np.random.default_rng(11)
    truth, zero = 0, 0
    for trial in range(60):
        scores, right, problem = drawn(rng, problems, shift)
        weights = resampled_problems(problems, 300, trial)
        found = calibration(scores, right, problem, weights)
        truth += found.low <= shift <= found.high
        zero += found.low == 0.0
        assert found.low <= found.value <= found.high
    return truth / 60, zero / 60


@pytest.mark.parametrize("problems", [40, 150])
def test_the_interval_of_calibrated_scores_holds_zero(problems: int) -> None:
    truth, zero = held(0.0, problems)
    assert truth >= 0.93
    assert zero >= 0.93


def test_the_interval_of_an_overconfident_judge_holds_the_truth() -> None:
    truth, zero = held(0.05, 150)  # scores below 0.05 + shift are rare: the error is the shift
    assert truth >= 0.85
    assert zero < 0.6


def test_the_bars_hold_the_dots_of_calibrated_scores() -> None:
    rng = np.random.default_rng(12)
    scores, right, problem = drawn(rng, 300, 0.0)
    bins = calibration(scores, right, problem, resampled_problems(300, 500, 0)).bins
    inside = [b["calibrated_low"] <= b["right"] <= b["calibrated_high"] for b in bins]
    assert sum(inside) >= len(bins) - 1
    wrong = calibration(
        scores, rng.random(len(right)) < 0.5 * scores, problem, resampled_problems(300, 500, 0)
    ).bins
    assert sum(b["calibrated_low"] <= b["right"] <= b["calibrated_high"] for b in wrong) <= 2


def by_resamples(
    scores: np.ndarray, right: np.ndarray, problem: np.ndarray, weights: np.ndarray
) -> tuple[list[float], list[tuple[float, float]]]:
    """Low, high and debiased error, and the bars, by counting copies of samples, and by trying
    every scale.
    """
    bins = np.minimum((scores * 10).astype(int), 9)
    problems = len(weights[0])

    def gaps(copies: np.ndarray) -> np.ndarray:
        signed = [sum(copies[bins == b] * (scores - right)[bins == b]) for b in range(10)]
        return np.array(signed) / copies.sum()

    plain = gaps(np.ones(len(scores)))
    noise = np.array([gaps(row[problem]) - plain for row in weights])
    noise *= np.sqrt(problems / (problems - 1))
    value = np.abs(plain).sum()
    scales = np.linspace(0, 3, 6001)
    measured = np.abs(scales[:, None, None] * plain + noise).sum(axis=2)
    chances = (measured <= value + 1e-12).mean(axis=1)
    low, middle, high = (scales[chances > c].max(initial=0.0) * value for c in (0.975, 0.5, 0.025))
    below, half, above = np.percentile(np.abs(plain + noise).sum(axis=1), [2.5, 50, 97.5])
    low = max(0.0, min(low, middle - (half - below)))
    high = min(1.0, max(high, middle + (above - half), value))
    bars = []
    for b in sorted(set(bins)):
        inside = bins == b
        fractions = scores[inside].mean() - noise[:, b] * len(scores) / inside.sum()
        bar = np.percentile(fractions, [2.5, 97.5])
        bars.append((max(0.0, bar[0]), min(1.0, bar[1])))
    return [low, high, middle], bars


@pytest.mark.parametrize("shift", [-0.3, 0.0, 0.2, 0.6])
def test_the_error_and_the_bars_are_those_of_a_second_implementation(shift: float) -> None:
    rng = np.random.default_rng(21)
    for trial in range(4):
        scores, right, problem = drawn(rng, 12, shift)
        weights = list(resampled_problems(12, 60, trial))
        found = calibration(scores, right, problem, weights)
        errors, bars = by_resamples(scores, right, problem, np.concatenate(weights))
        assert [found.low, found.high, found.debiased] == pytest.approx(errors, abs=0.0005)
        shown = [(row["calibrated_low"], row["calibrated_high"]) for row in found.bins]
        assert np.array(shown) == pytest.approx(np.array(bars))


def test_noise_alone_widens_the_interval_and_bars_stay_in_range() -> None:
    # One problem is all right, the other all wrong: a resample of one of them has the gap 1/2 or
    # -1/2, and noise counts sqrt(2) times, since two problems have one degree of freedom.
    one_problem, both = [[2.0, 0.0], [0.0, 2.0]], [[1.0, 1.0]] * 3
    problem, right = np.array([3, 3, 9, 9]), np.array([True, True, False, False])
    found = calibration(np.full(4, 0.5), right, problem, [np.array(one_problem + both)])
    assert (found.value, found.low, found.debiased) == (0.0, 0.0, 0.0)
    assert found.high == pytest.approx(2**0.5 / 2)
    (only,) = found.bins
    assert (only["calibrated_low"], only["calibrated_high"]) == (0.0, 1.0)


def test_an_error_is_at_most_one() -> None:
    found = calibration(np.full(4, 0.99), np.zeros(4, bool), np.arange(4), [np.eye(4) * 4])
    assert found.high == found.value == pytest.approx(0.99)
    found = calibration(np.ones(4), np.zeros(4, bool), np.arange(4), [np.eye(4) * 4])
    assert (found.value, found.high) == (1.0, 1.0)


def test_roc_is_a_staircase_with_the_auc_below_it() -> None:
    scores, right = np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, True, False, False])
    points = roc(scores, right)
    assert points == [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]
    x, y = np.array(points).T
    assert np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) == pytest.approx(auc(scores, right))
    many = np.random.default_rng(0).random(5000)
    thinned = roc(many, many > 0.5)
    assert (len(thinned), thinned[0], thinned[-1]) == (101, (0.0, 0.0), (1.0, 1.0))
    ends_right = roc(np.array([0.9, 0.5, 0.1]), np.array([True, False, True]))
    assert ends_right == [(0.0, 0.0), (0.0, 0.5), (1.0, 0.5), (1.0, 1.0)]


def test_a_habit_is_scored_by_the_other_half_of_the_problems() -> None:
    problem = np.array([0, 0, 1, 1])
    habits = ["boxed", "plain", "boxed", "plain"]
    right = np.array([True, False, True, True])
    # Problem 1 is scored with problem 0's rates: overall 1/2, boxed (1 + 1/2) / 2, plain (1/2) / 2.
    # Problem 0 with problem 1's: overall 1, so 1 for both.
    found = habit_scores(habits, right, problem)
    assert found.tolist() == [1.0, 1.0, 0.75, 0.25]


def test_habits_of_even_problems_are_scored_with_the_odd_ones() -> None:
    # Boxed: right in problems 0 and 2, wrong in 1 and 3, so each half expects the other's.
    right, problem = np.array([True, False, True, False]), np.arange(4)
    found = habit_scores(["boxed"] * 4, right, problem)
    assert found.tolist() == [0.0, 1.0, 0.0, 1.0]


def test_halves_of_unequal_size_by_hand() -> None:
    # The even half has boxed T T F and plain F: overall 1/2. The odd half has boxed T: overall 1.
    problem = np.array([0, 0, 2, 2, 1])
    right = np.array([True, True, False, False, True])
    found = habit_scores(["boxed", "boxed", "boxed", "plain", "boxed"], right, problem)
    assert found.tolist() == [1.0, 1.0, 1.0, 1.0, (2 + 0.5) / (3 + 1)]


def test_without_another_half_nothing_is_expected() -> None:
    found = habit_scores(["boxed", "plain"], np.array([True, False]), np.array([0, 2]))
    assert found.tolist() == [0.0, 0.0]
