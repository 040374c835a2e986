"""Training seeds as draws: false decisions of null comparisons, and the parts by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mathtune.metrics.seeds import (
    average_seeds,
    difference_over_seeds,
    mean_over_seeds,
    row_difference,
    row_mean,
)

Floats = np.ndarray


def row(rng: np.random.Generator, chances: Floats, seeds: int, shift: float) -> Floats:
    """Greedy outcomes of trainings that each shift every problem's chance, float (seeds, P)."""
    moved = chances + rng.normal(0, shift, size=(seeds, 1))
    return (rng.random((seeds, len(chances))) < np.clip(moved, 0, 1)).astype(float)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_a_shift_per_training_is_no_difference(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    decided = naive = 0
    for _ in range(120):
        chances = 0.1 + 0.8 * rng.beta(0.5, 0.5, size=300)
        ours, theirs = row(rng, chances, seeds, 0.04), row(rng, chances, seeds, 0.04)
        found = difference_over_seeds(ours, theirs)
        assert found is not None
        assert found.p is not None
        decided += found.p < 0.05
        means = (ours - theirs).mean(axis=0)
        naive += abs(means.mean()) > 1.96 * means.std(ddof=1) / 300**0.5
    assert decided <= 120 * 0.08
    assert naive > 2 * decided


def test_a_true_difference_is_seen() -> None:
    rng = np.random.default_rng(0)
    chances = rng.beta(1, 1, size=400)
    found = difference_over_seeds(
        row(rng, np.clip(chances + 0.15, 0, 1), 3, 0.01), row(rng, chances, 3, 0.01)
    )
    assert found is not None
    assert found.p is not None
    assert found.low > 0
    assert found.p < 0.05


def test_the_parts_by_hand() -> None:
    # Two seeds, two problems: seed means 0.25 and 0.75, problem means 0.75 and 0.25.
    values = np.array([[0.5, 0.0], [1.0, 0.5]])
    found = mean_over_seeds(values)
    assert found.parts.samples == 0.0  # both seeds differ by 0.5 on both problems
    assert found.parts.trainings == pytest.approx((0.125 / 2) ** 0.5)
    assert (found.seeds, found.p) == ((2,), None)
    assert 0.0 <= found.low < 0.5 < found.high <= 1.0


def test_the_problems_part_is_what_the_samples_leave() -> None:
    rng = np.random.default_rng(4)
    chances = rng.beta(1, 1, size=500)
    values = row(rng, chances, 4, 0.0)
    parts = mean_over_seeds(values).parts
    assert parts.samples == pytest.approx(
        (chances * (1 - chances)).mean() ** 0.5 / 2000**0.5, rel=0.1
    )
    assert parts.problems == pytest.approx(chances.std(ddof=1) / 500**0.5, rel=0.1)


def test_trainings_and_samples_add_up_to_the_spread_of_seeds() -> None:
    rng = np.random.default_rng(6)
    values = row(rng, rng.random(300), 4, 0.1)
    parts = mean_over_seeds(values).parts
    spread = values.mean(axis=1).var(ddof=1) / 4
    assert parts.trainings > parts.samples > 0
    assert parts.trainings**2 + parts.samples**2 == pytest.approx(spread)


def test_what_could_be_seen_is_a_power_of_four_in_five() -> None:
    rng = np.random.default_rng(5)
    chances = rng.random(200)
    shown = row_difference(row(rng, chances, 3, 0.02), row(rng, chances, 3, 0.02)).shown
    half = (shown.high - shown.low) / 2
    assert shown.detectable == pytest.approx(half * (1.960 + 0.842) / 1.960, rel=1e-3)


def test_one_seed_says_nothing() -> None:
    one = np.array([[1.0, 0.0, 1.0]])
    assert difference_over_seeds(one, one) is None
    with pytest.raises(ValueError, match="one seed"):
        mean_over_seeds(one)


def test_a_row_is_shown_with_its_seeds_if_it_has_several() -> None:
    rng = np.random.default_rng(3)
    values = row(rng, rng.random(90), 3, 0.05)
    over = mean_over_seeds(values)
    assert (row_mean(values).low, row_mean(values).high) == (over.low, over.high)
    alone = row_mean(values[:1])
    assert alone.high - alone.low < over.high - over.low
    one = row_difference(values[:1], values[1:2])
    assert one.over is None
    assert one.shown == one.alone


def test_equal_within_by_hand() -> None:
    # 400 problems, a better on 20 and worse on 20: variance (40 + 2) / 402 / 400, error 1.61 points
    moved = np.zeros(400)
    moved[:20], moved[20:40] = 1.0, -1.0
    found = row_difference(moved[None], np.zeros((1, 400)))
    error = (42 / 400 / (399 + 2)) ** 0.5
    normal = 0.5 * math.erfc(0.05 / error / 2**0.5)
    assert found.equal_within(0.05) == pytest.approx(normal, rel=0.1)
    assert found.equal_within(0.02) > 0.05
    shifted = row_difference(moved[None] + 0.1, np.zeros((1, 400)))
    assert 0.99 < shifted.equal_within(0.05) <= 1.0


def test_rows_that_agree_over_all_seeds_are_equal() -> None:
    same = np.tile(np.arange(300) % 2, (3, 1)).astype(float)
    assert row_difference(same, same).equal_within(0.02) < 0.05


def test_other_numbers_of_seeds_are_not_paired() -> None:
    rng = np.random.default_rng(1)
    chances = rng.random(100)
    found = difference_over_seeds(row(rng, chances, 3, 0.1), row(rng, chances, 1, 0.1))
    assert found is not None
    assert found.seeds == (3, 1)


def test_unequal_seeds_by_hand() -> None:
    """Every problem has the seed's value. Two seeds have one degree of freedom: Cauchy's tails."""
    ours, theirs = (
        np.tile(np.array(values)[:, None], 4000) for values in ((0.40, 0.41, 0.42), (0.30, 0.31))
    )
    found = difference_over_seeds(ours, theirs)
    assert found is not None
    error = (0.01**2 / 3 + 0.01**2 / 2 / 2) ** 0.5
    assert found.parts.trainings == pytest.approx(error)
    assert (found.high - found.low) / 2 == pytest.approx(12.706 * error, rel=1e-4)
    assert found.p == pytest.approx(1 - 2 / math.pi * math.atan(0.105 / error), rel=1e-3)
    same = difference_over_seeds(ours, ours)
    assert same is not None
    assert same.p == 1.0


def test_the_p_is_that_of_the_interval() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        chances = rng.random(80)
        found = difference_over_seeds(
            row(rng, np.clip(chances + 0.1, 0, 1), 3, 0.02), row(rng, chances, 3, 0.02)
        )
        assert found is not None
        assert found.p is not None
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)


def test_seeds_are_averaged_within_a_problem() -> None:
    runs = [{"a": {"m": 1.0}, "b": {"m": 0.0}}, {"a": {"m": 0.0, "x": 1.0}, "b": {"m": 0.0}}]
    assert average_seeds(runs) == {"a": {"m": 0.5}, "b": {"m": 0.0}}
    with pytest.raises(ValueError, match="not of the same problems"):
        average_seeds([{"a": {}}, {"b": {}}])
