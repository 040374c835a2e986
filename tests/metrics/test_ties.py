"""Ties: how often, and expected values, by hand and by random orders of the samples."""

from __future__ import annotations

import numpy as np
import pytest

from mathtune.metrics import strategies
from mathtune.metrics.strategies import Clusters, Strategy
from mathtune.metrics.ties import expected, rates


def test_rates_by_hand() -> None:
    tied_votes = Clusters(np.array([0, 1]), np.array([True, False]), np.array([0.1, 0.2]))
    tied_scores = Clusters(np.array([0, 0, 1]), np.array([True, False]), np.array([0.1, 0.2, 0.2]))
    same_cluster = Clusters(np.array([0, 0, 1]), np.array([True, False]), np.array([0.2, 0.2, 0.1]))
    silent = Clusters(np.array([-1]), np.array([], dtype=bool), np.array([0.5]))
    found = rates([tied_votes, tied_scores, same_cluster, silent])
    assert found == {"votes": 0.25, "scores": 0.25}


def test_expected_values_are_those_of_random_orders() -> None:
    rng = np.random.default_rng(3)
    asked: dict[str, Strategy] = {"Maj1": "Maj1", "RR.All": "RR.All"}
    for _ in range(6):
        of = rng.integers(-1, 3, size=6)
        scores = rng.choice([0.25, 0.5], size=6)
        verdicts = rng.random(3) < 0.5
        sums = dict.fromkeys(asked, 0.0)
        orders = 600
        for _ in range(orders):
            order = rng.permutation(6)
            shuffled = clusters(of[order], verdicts, scores[order])
            for name, strategy in asked.items():
                position = strategies.pick(shuffled, strategy)
                sums[name] += position is not None and bool(shuffled.right[position])
        found = expected(clusters(of, verdicts, scores), k=2)
        for name, total in sums.items():
            assert total / orders == pytest.approx(found[name], abs=0.07)


def clusters(of: np.ndarray, verdicts: np.ndarray, scores: np.ndarray) -> Clusters:
    """Number the clusters by their earliest sample."""
    numbers: dict[int, int] = {}
    renamed = [numbers.setdefault(int(x), len(numbers)) if x >= 0 else -1 for x in of]
    return Clusters(np.array(renamed), np.array([verdicts[old] for old in numbers]), scores)


def test_without_ties_nothing_changes() -> None:
    plain = Clusters(np.array([0, 0, 1]), np.array([False, True]), np.array([0.2, 0.3, 0.9]))
    assert expected(plain, k=1) == {
        "Maj1": 0.0,
        "RR.All": 1.0,
        "W.RR": 1.0,
        "W.RR.Maj1": 0.0,
        "Maj1.Top1": 1.0,
    }
