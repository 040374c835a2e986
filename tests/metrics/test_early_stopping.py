"""Stopping early: the chance of the lead, and the curve on problems whose answer is known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from mathtune.metrics.early_stopping import curve, ended, lead_is_sure, next_wave, stopped
from mathtune.metrics.strategies import Clusters


@pytest.mark.parametrize(("first", "second"), [(3, 0), (5, 2), (10, 9), (2.6, 0.7), (4.5, 4)])
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


@pytest.mark.parametrize(
    ("of", "correct"),
    [
        ((0, 0, 0, 1, 1), (True, False)),
        ((0, 0, 1, 1, 2), (True, False, True)),
        ((0, 1, 2), (True, False, True)),
    ],
)
def test_random_orders_are_as_all_orders(of: tuple[int, ...], correct: tuple[bool, ...]) -> None:
    limits = (0.75, 0.8, 0.875, 0.9)  # of one vote and of two votes without any against: reached
    expected = []
    for order in permutations(of):
        for limit in limits:
            for drawn in range(1, len(of) + 1):
                votes = [order[:drawn].count(kind) for kind in range(len(correct))]
                first, second = sorted(votes)[:-3:-1]
                if drawn == len(of) or lead_is_sure(first, second) >= limit:
                    break
            tied = [good for good, count in zip(correct, votes, strict=True) if count == first]
            expected.append((drawn, sum(tied) / len(tied)))
    used_of, right_of = np.array(expected).reshape(-1, len(limits), 2).mean(axis=0).T
    problem = Clusters(np.array(of), np.array(correct, dtype=bool))
    used, right = stopped([problem] * 100, limits)
    assert used.mean(axis=0) == pytest.approx(used_of, abs=0.05)
    assert right.mean(axis=0) == pytest.approx(right_of, abs=0.03)
    assert 0 < right[0, 0] < 1  # a problem's value is the mean over several orders


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


def some(*of: int, scores: list[float] | None = None) -> Clusters:
    kinds = max((0, *(one + 1 for one in of)))
    return Clusters(
        np.array(of, dtype=int),
        np.zeros(kinds, dtype=bool),
        None if scores is None else np.array(scores),
    )


def test_sampling_ends_when_the_lead_is_sure_or_cannot_be_overtaken() -> None:
    assert ended(some(0, 0, 0), most=16, stop_at=0.95) is None  # 1 - 2^-4 = 0.9375
    assert ended(some(0, 0, 0, 0), most=16, stop_at=0.95) == "sure"
    assert ended(some(0, 0, -1, 0, 0), most=16, stop_at=0.95) == "sure"
    assert ended(some(0, 0, 0, 1), most=5, stop_at=0.99) == "decided"  # 3 - 1 > 1
    assert ended(some(0, 0, 0, 1), most=6, stop_at=0.99) is None  # 3 - 1 = 2: a tie is possible
    assert ended(some(0, 1), most=2, stop_at=0.6) == "samples"
    assert ended(some(0, 0, 0, 0), most=16, stop_at=None) is None


def test_scores_weigh_the_votes() -> None:
    doubted = some(0, 0, 0, 0, scores=[0.5, 0.5, 0.5, 0.5])  # as two votes: 1 - 2^-3
    assert ended(doubted, most=16, stop_at=0.95) is None
    assert ended(doubted, most=16, stop_at=0.875) == "sure"
    against = some(0, 0, 1, scores=[0.1, 0.1, 1.0])  # the judge turns the lead
    assert ended(against, most=3 + 1, stop_at=0.99) is None
    assert ended(some(0, 0, 1, 1, 1, scores=[0, 0, 1, 1, 1]), most=7, stop_at=0.999) == "decided"


def test_waves_use_no_sample_more_than_one_at_a_time() -> None:
    rng = np.random.default_rng(3)
    for _ in range(40):
        drawn = np.where(rng.random(24) < rng.uniform(0.3, 1), 0, rng.integers(1, 4, 24))
        used = 0
        while ended(some(*drawn[:used]), most=24, stop_at=0.95) is None:
            used += next_wave(some(*drawn[:used]), most=24, stop_at=0.95)
        single = 0
        while ended(some(*drawn[:single]), most=24, stop_at=0.95) is None:
            single += 1
        assert used == single


@pytest.mark.parametrize("stop_at", [0.75, 0.875, 0.95, 0.9999])
def test_a_wave_is_the_fewest_samples_that_can_end_sampling(stop_at: float) -> None:
    rng = np.random.default_rng(5)
    for size in range(9):
        drawn = np.sort(rng.integers(0, 2, size)).tolist()
        have = some(*drawn)
        if ended(have, most=10, stop_at=stop_at) is not None:
            continue
        leader = int(sum(drawn) > size / 2)
        wave = next_wave(have, most=10, stop_at=stop_at)
        ends = [
            ended(some(*drawn, *[leader] * more), most=10, stop_at=stop_at) for more in range(wave)
        ]
        assert ends == [None] * wave
        assert ended(some(*drawn, *[leader] * wave), most=10, stop_at=stop_at) is not None


def test_a_wave_is_no_smaller_than_asked_and_fits() -> None:
    assert next_wave(some(0, 0, 0), most=16, stop_at=0.95, least=4) == 4
    assert next_wave(some(0, 0, 0), most=5, stop_at=0.95, least=4) == 2
    assert next_wave(some(0, 0, 0), most=16, stop_at=0.95) == 1
