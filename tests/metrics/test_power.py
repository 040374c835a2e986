"""Plans: by hand, and by simulating the comparison that they promise to see."""

from __future__ import annotations

import numpy as np
import pytest

from mathtune.metrics.distributions import t_quantile
from mathtune.metrics.intervals import half_widths
from mathtune.metrics.power import Assumed, Spread, plan, problems_needed
from mathtune.metrics.seeds import difference_over_seeds


def test_two_coins_by_hand() -> None:
    # (1.96 + 0.8416)^2 x 2 x 0.25 / 0.1^2 = 392.4
    coin = Spread(0.5, between=0.0, within=0.25)
    assert problems_needed(coin, 0.1, samples=1, seeds=1, assumed=Assumed()) == 393
    assert problems_needed(coin, 0.1, samples=4, seeds=1, assumed=Assumed()) == 99


def test_three_seeds_by_hand() -> None:
    # t(2) = 4.3027; (0.1 / 1.4294)^2 - 4.3027^2 x 2 x 0.01^2 / 3 = 0.003660
    # (1.96^2 x 0.02 + 4.3027^2 x 0.025) / 0.003660 = 147.4
    spread = Spread(0.5, between=0.1, within=0.15)
    assert problems_needed(spread, 0.1, samples=4, seeds=3, assumed=Assumed()) == 148


@pytest.mark.parametrize(("seeds", "t"), [(1, None), (2, 12.7062), (3, 4.3027)])
def test_no_cluster_fewer_would_do(seeds: int, t: float | None) -> None:
    spread = Spread(0.5, between=0.1, within=0.15, design_effect=3.0, per_cluster=5.0)
    assumed = Assumed(training_sd=0.001)
    found = problems_needed(spread, 0.1, samples=4, seeds=seeds, assumed=assumed)
    assert found is not None
    reach = (0.1 / 1.42939) ** 2 - (0.0 if t is None else t**2 * 2 * 0.001**2 / seeds)
    for problems, enough in ((found, True), (found - 5, False)):
        over = t_quantile(problems / 5 - 1)
        parts = over**2 * 0.06 + (over if t is None else t) ** 2 * 0.3 / (4 * seeds)
        assert (parts / reach <= problems) == enough


def test_an_assumed_spread_is_split() -> None:
    found = Spread.assumed(0.5, 0.6)
    assert (found.between, found.within) == pytest.approx((0.15, 0.1))


def test_a_pilot_is_taken_apart_into_between_and_within() -> None:
    rng = np.random.default_rng(0)
    chances = rng.beta(1, 2, size=4000)
    samples = rng.choice([4, 8], size=4000)
    found = Spread.of_counts(rng.binomial(samples, chances).tolist(), samples.tolist())
    assert found.accuracy == pytest.approx(1 / 3, abs=0.02)
    assert found.between == pytest.approx(chances.var(), rel=0.1)
    assert found.within == pytest.approx((chances * (1 - chances)).mean(), rel=0.05)
    # By hand: means 0, 1, 1/2; variance 1/4; within 1/4 x 4/3 / 3; noise a fourth of it.
    found = Spread.of_counts([0, 4, 2], [4, 4, 4])
    assert (found.within, found.between) == pytest.approx((1 / 9, 1 / 4 - 1 / 36))
    assert Spread.of_counts([2, 2, 2], [4, 4, 4]).between == 0.0  # less than the samples' noise
    once = Spread.of_counts([1, 0], [1, 1])
    assert once == Spread.assumed(0.5, 0.5)


def test_the_gain_is_seen_four_times_in_five() -> None:
    rng = np.random.default_rng(3)
    spread, assumed = Spread(0.4, between=0.1, within=0.14), Assumed(correlation=0.8)
    problems = problems_needed(spread, 0.05, samples=4, seeds=1, assumed=assumed)
    assert problems is not None
    shape = (problems, 1500)
    # Normal chances with the planned moments: what the plan assumes, nothing more.
    common = rng.normal(0, (0.1 * 0.8) ** 0.5, size=shape)
    first, second = (
        common
        + rng.normal(0, (0.1 * 0.2) ** 0.5, size=shape)
        + rng.normal(0, (0.14 / 4) ** 0.5, size=shape)
        for _ in range(2)
    )
    differences = first - second + 0.05
    half, _ = half_widths(differences)
    assert np.mean(differences.mean(axis=0) > half) == pytest.approx(0.8, abs=0.04)


def test_a_design_effect_by_hand() -> None:
    # Deviations 1/2, 1/2, -1/2, -1/2 in clusters of two: 2/1 x (1 + 1) / 4 over the variance 1/3.
    found = Spread.of_counts([4, 4, 0, 0], [4] * 4, groups=np.array([0, 0, 1, 1]))
    assert (found.design_effect, found.per_cluster) == (pytest.approx(3.0), 2.0)
    # Deviations of a tenth of that, in 2,000 samples each: the samples' noise is left.
    found = Spread.of_counts([900, 900, 1100, 1100], [2000] * 4, groups=np.array([0, 0, 1, 1]))
    noise = 0.45 * 0.55 / 1999
    assert found.design_effect == pytest.approx((0.01 - noise) / (0.01 / 3 - noise))


def test_ten_clusters_are_the_fewest_and_a_part_of_a_problem_is_a_whole_one() -> None:
    spread = Spread(0.5, between=0.1, within=0.15, per_cluster=2.25)
    assert problems_needed(spread, 0.9, samples=64, seeds=1, assumed=Assumed()) == 23
    single = Spread(0.5, between=0.1, within=0.15)
    assert problems_needed(single, 0.9, samples=64, seeds=1, assumed=Assumed()) == 10


def test_the_gain_is_seen_in_clusters_too() -> None:
    """Templates of five problems; half of the spread between problems is between templates."""
    rng = np.random.default_rng(4)
    ease = rng.normal(0.5, 0.2, size=(2000, 1)) + rng.normal(0, 0.2, size=(2000, 5))
    right = rng.binomial(4, np.clip(ease, 0, 1)).ravel()
    groups = np.repeat(np.arange(2000), 5)
    spread = Spread.of_counts(right.tolist(), [4] * 10_000, groups=groups)
    assert spread.design_effect == pytest.approx(3.0, abs=0.3)  # 1 + 4 x 1/2
    assumed = Assumed(correlation=0.5)
    problems = problems_needed(spread, 0.1, samples=4, seeds=1, assumed=assumed)
    assert problems is not None
    assert problems % 5 == 0
    seen, count = 0, problems // 5
    for _ in range(400):
        shared = rng.normal(0.1, (spread.between / 2) ** 0.5, size=(count, 1))
        own = rng.normal(0, (spread.between / 2) ** 0.5, size=(count, 5))
        noise = rng.normal(0, (2 * spread.within / 4) ** 0.5, size=(count, 5))
        column = (shared + own + noise).reshape(-1, 1)
        (half,), _ = half_widths(column, groups=np.repeat(np.arange(count), 5))
        seen += column.mean() > half
    assert seen / 400 == pytest.approx(0.8, abs=0.06)


def test_with_seeds_the_gain_is_seen_too() -> None:
    rng = np.random.default_rng(2)
    spread = Spread(0.4, between=0.1, within=0.14)
    assumed = Assumed(correlation=0.8, training_sd=0.01)
    problems = problems_needed(spread, 0.08, samples=1, seeds=5, assumed=assumed)
    assert problems is not None
    seen = 0
    for _ in range(120):
        common = rng.normal(0, 0.08**0.5, size=problems)
        rows = []
        for gain in (0.08, 0.0):
            own = common + rng.normal(0, 0.02**0.5, size=problems)
            shift = rng.normal(0, 0.01, size=(5, 1))
            rows.append(own + shift + gain + rng.normal(0, 0.14**0.5, size=(5, problems)))
        found = difference_over_seeds(*rows)
        assert found is not None
        seen += found.low > 0
    assert seen / 120 >= 0.7


def test_no_number_of_problems_makes_up_for_few_seeds() -> None:
    coin = Spread(0.5, between=0.1, within=0.15)
    noisy = Assumed(training_sd=0.02)
    assert problems_needed(coin, 0.02, samples=64, seeds=3, assumed=noisy) is None
    rows = plan(coin, 0.02, assumed=noisy)["plans"]
    assert {row["problems"] is None for row in rows if row["seeds"] == 3} == {True}
    one = next(row for row in rows if (row["samples"], row["seeds"]) == (4, 1))
    assert one["tokens"] == one["problems"] * 4 * 2 * 300
    assert one["hours"] == pytest.approx(one["tokens"] / 2000 / 3600)
