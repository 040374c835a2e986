"""Intervals and paired tests: known distributions, enumerated permutations, coverage."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from mathtune.metrics.intervals import (
    bootstrap_ratio,
    half_widths,
    holm,
    intervals,
    paired,
    resampled_problems,
    sign_flip,
    variance,
)

Z = 1.959964


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)[:, None]


@pytest.mark.parametrize(("right", "n"), [(12, 30), (5, 10), (250, 1000), (996, 1000)])
def test_a_proportion_has_wilsons_interval(right: int, n: int) -> None:
    (found,) = intervals(column(*[1.0] * right, *[0.0] * (n - right)))
    p = right / n
    middle = (right + Z**2 / 2) / (n + Z**2)
    half = Z * n**0.5 / (n + Z**2) * (p * (1 - p) + Z**2 / (4 * n)) ** 0.5
    assert found.value == p
    assert (found.low, found.high) == pytest.approx((middle - half, middle + half), abs=1e-6)


def test_none_and_all_of_thirty() -> None:
    (none,), (every,) = intervals(np.zeros((30, 1))), intervals(np.ones((30, 1)))
    assert (none.low, none.high) == (0.0, pytest.approx(Z**2 / (30 + Z**2), abs=1e-6))
    assert (every.low, every.high) == (pytest.approx(1 - none.high), 1.0)


def test_one_of_thirty_has_the_poisson_bound() -> None:
    # A Poisson variable reaches 1 with a chance of 5 % where its mean is -ln 0.95.
    (found,) = intervals(column(1.0, *[0.0] * 29))
    assert found.low == pytest.approx(-np.log(0.95) / 30, abs=1e-6)


def coverage(values: np.ndarray, truth: float) -> float:
    """`values` (P, experiments)."""
    found = intervals(values)
    return float(np.mean([one.low <= truth <= one.high for one in found]))


@pytest.mark.parametrize(("n", "p"), [(30, 0.02), (30, 0.97), (64, 0.02), (10, 0.5)])
@pytest.mark.parametrize("samples", [1, 16])
def test_small_sets_and_rare_events_are_covered(n: int, p: float, samples: int) -> None:
    rng = np.random.default_rng(5)
    chances = rng.beta(2 * p, 2 * (1 - p), size=(n, 2000))
    assert coverage(rng.binomial(samples, chances) / samples, p) >= 0.93


def test_large_sets_are_covered_as_often_as_promised() -> None:
    rng = np.random.default_rng(6)
    values = rng.binomial(8, rng.beta(1, 1.5, size=(400, 2000))) / 8
    assert 0.94 <= coverage(values, 0.4) <= 0.965


def test_fractions_need_fewer_problems_than_proportions() -> None:
    rng = np.random.default_rng(7)
    (fractions,) = intervals(column(*rng.binomial(64, 0.5, size=100) / 64))
    (whole,) = intervals(column(*rng.binomial(1, 0.5, size=100)))
    assert fractions.high - fractions.low < (whole.high - whole.low) / 5


def test_small_paired_differences_are_covered() -> None:
    rng = np.random.default_rng(8)
    for better, worse in ((0.0, 0.0), (0.05, 0.0), (0.1, 0.08)):
        draws = rng.choice([1.0, -1.0, 0.0], p=[better, worse, 1 - better - worse], size=(30, 1500))
        found = paired(draws, np.zeros_like(draws), resamples=100)
        truth = better - worse
        held = np.mean([one.low <= truth <= one.high for one in found])
        assert held >= 0.93


def test_clusters_of_problems_are_one_draw() -> None:
    # 40 templates with 10 problems each, alike within a template: 40 draws, not 400.
    rng = np.random.default_rng(9)
    groups = np.repeat(np.arange(40), 10)
    values = np.repeat((rng.random((40, 1000)) < 0.4).astype(float), 10, axis=0)
    together = intervals(values, groups=groups)
    assert np.mean([one.low <= 0.4 <= one.high for one in together]) >= 0.93
    assert coverage(values, 0.4) < 0.6
    differences = np.where(values[:, :1] > 0, 1.0, -1.0)
    moved = int(abs((differences[::10]).sum()))
    assert sign_flip(differences, groups=groups) > sign_flip(differences)
    assert moved < 40


def test_the_least_detectable_difference_is_seen_four_times_in_five() -> None:
    rng = np.random.default_rng(10)
    noise = rng.normal(0, 0.2, size=(200, 1))
    (found,) = paired(noise, np.zeros_like(noise), resamples=100)
    shifted = rng.normal(found.detectable, 0.2, size=(200, 600))
    seen = paired(shifted, np.zeros_like(shifted), resamples=100)
    assert np.mean([one.low > 0 for one in seen]) == pytest.approx(0.8, abs=0.08)


def test_a_difference_of_more_than_one_is_not_named_detectable() -> None:
    (found,) = paired(column(1.0, 0.0, 0.5), column(0.0, 1.0, 0.0))
    assert (found.low, found.detectable) == (-1.0, 1.0)


@pytest.mark.parametrize(("problems", "t"), [(2, 12.706), (3, 4.303), (11, 2.228)])
def test_fractions_have_students_t_of_one_degree_less(problems: int, t: float) -> None:
    _, k = half_widths(column(*np.linspace(0.1, 0.9, problems)))
    assert k.tolist() == pytest.approx([t], abs=5e-4)


def test_holm_by_hand() -> None:
    assert holm([0.02, 0.5, 0.01]) == [0.04, 0.5, 0.03]
    assert holm([0.9, 0.8]) == [1.0, 1.0]


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
    assert found.low < 0.0 < found.high <= 1.0
    assert found.p == 1.0  # one problem differs: either sign reaches it


def test_a_ratio_is_over_the_problems_that_count() -> None:
    found = bootstrap_ratio(np.array([0.6, 0.8, 0.0]), np.array([1.0, 1.0, 0.0]))
    assert found.value == pytest.approx(0.7)
    assert (found.low, found.high) == (pytest.approx(0.6), pytest.approx(0.8))


@pytest.mark.parametrize("resamples", [1, 499, 500, 501, 1200])
def test_every_resample_draws_as_many_problems_as_there_are(resamples: int) -> None:
    drawn = np.concatenate(list(resampled_problems(7, resamples, seed=3)))
    assert drawn.shape == (resamples, 7)
    assert (drawn.sum(axis=1) == 7).all()
    assert drawn.min() == 0 or resamples == 1
    assert len(np.unique(drawn, axis=0)) > resamples / 2


def test_a_ratios_interval_is_the_middle_95_per_cent_of_its_resamples() -> None:
    over, under = np.random.default_rng(0).random((2, 9)) + 0.1
    ratios = sorted(
        float(row @ over / (row @ under))
        for block in resampled_problems(9, 2000, seed=4)
        for row in block
    )
    found = bootstrap_ratio(over, under, resamples=2000, seed=4)
    assert found.value == pytest.approx(over.sum() / under.sum())
    assert ratios[49] <= found.low <= ratios[50] < ratios[60]
    assert ratios[1949] <= found.high <= ratios[1950] < ratios[1960]


def test_few_problems_that_all_differ_have_a_part_of_an_imagined_one() -> None:
    # Ten changes by a half: c is 10, 2 / 10 of a problem that changes by 0.5^(9/10) = 0.5359.
    column = np.tile([0.5, -0.5], 5)[:, None]
    (half,), (k,) = half_widths(column)
    assert k == pytest.approx(2.2622, abs=1e-4)
    assert half == pytest.approx(k * ((2.5 + 0.2 * 0.5359**2) / 10 / 9.2) ** 0.5, abs=1e-4)
    many = np.tile(column, (20, 1))  # 200 problems: a whole one, of size 0.5^(199/200)
    (half,), (k,) = half_widths(many)
    assert half == pytest.approx(k * ((50 + 0.5**1.99) / 200 / 200) ** 0.5, abs=1e-6)


def test_an_imagined_cluster_is_like_those_seen() -> None:
    """Twelve families of 33 problems that change by one or two each: none changes as a whole."""
    changes = [0, -1, 2, 2, 1, 1, 1, 0, 1, 0, -1, 1]
    column = np.zeros((12 * 33, 1))
    for family, change in enumerate(changes):
        column[33 * family : 33 * family + abs(change)] = np.sign(change)
    groups = np.repeat(np.arange(12), 33)
    (half,), _ = half_widths(column, groups=groups)
    plain = np.std(changes, ddof=1) / 33 / 12**0.5 * 2.201
    assert plain < half < 1.5 * plain
    whole = np.repeat(np.eye(12)[0], 33)[:, None]  # one family changes as a whole: others may
    (wide,), _ = half_widths(whole, groups=groups)
    assert wide > 1.3 * np.std(np.eye(12)[0], ddof=1) / 12**0.5 * 2.201


def test_the_variance_of_a_mean_by_hand() -> None:
    # Of ten problems three deviate, by 1/2: h = (1/2)^(2/3), and 2/3 of a problem is imagined.
    values = np.array([0.5] * 3 + [0.0] * 7)[:, None]
    squares = 3 * 0.35**2 + 7 * 0.15**2 + 2 / 3 * 0.5 ** (4 / 3)
    assert variance(values) == pytest.approx([10 / 100 * squares / (9 + 2 / 3)])
    # Of 120 problems a whole one is imagined, however many deviate: all of them by 1/4, h below it.
    values = np.tile([0.0, 0.5], 60)[:, None]
    h = 0.25 ** (1 - 1 / 120)
    assert variance(values) == pytest.approx([1 / 120 * (120 * 0.25**2 + h**2) / 120])


def test_whole_differences_are_1_96_standard_errors_wide() -> None:
    _, k = half_widths(np.array([[1.0, 1.0], [0.0, 0.5], [-1.0, -1.0], [0.0, 0.0]]))
    assert k == pytest.approx([1.959964, 3.182446])  # of three degrees of freedom


def test_a_ratio_of_small_sums() -> None:
    found = bootstrap_ratio(np.array([0.1, 0.2]), np.array([0.2, 0.4]), resamples=50)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))
