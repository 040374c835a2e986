"""Ties: how often, and expected values, by hand and by random orders of the samples."""

from __future__ import annotations

import numpy as np
import pytest

from mathtune.metrics import strategies
from mathtune.metrics.strategies import Clusters, Strategy
from mathtune.metrics.ties import (
    any_right_of_top,
    best_scores,
    expected,
    largest,
    largest_of_top,
    rates,
    right_by_rank,
)


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
        "RR.Maj1": 0.0,
        "W.RR": 1.0,
        "W.RR.Maj1": 0.0,
        "Maj1.Top1": 1.0,
    }


def in_orders(
    rng: np.random.Generator, made: tuple[np.ndarray, np.ndarray, np.ndarray], k: int
) -> tuple[float, float, float]:
    """MajK, RR.MajK and W.RR.MajK, averaged over random orders of the samples."""
    of, verdicts, scores = made
    sums, orders = np.zeros(3), 500
    for _ in range(orders):
        order = rng.permutation(len(of))
        one = clusters(of[order], verdicts, scores[order])
        top = strategies.standings(one, strategies.whole(one), top=k)
        rr, w_rr = (strategies.pick(one, s, k=k) for s in ("RR.MajK", "W.RR.MajK"))
        assert rr is not None
        assert w_rr is not None
        sums += (strategies.any_right(top)[0], one.right[rr], one.right[w_rr])
    return tuple(sums / orders)  # type: ignore[return-value]


def test_the_first_k_of_equal_votes_are_those_of_random_orders() -> None:
    """Five clusters with two votes each, one with three; scores without ties."""
    rng = np.random.default_rng(4)
    of = np.repeat([0, 1, 2, 3, 4, 5], [2, 2, 2, 2, 2, 3])
    for k in (2, 3, 5):
        verdicts = np.array([True, False, False, True, False, False])
        scores = rng.permutation(len(of)) / 20.0
        found = expected(clusters(of, verdicts, scores), k=k)
        names = (f"Maj{k}", f"RR.Maj{k}", f"W.RR.Maj{k}")
        assert [found[name] for name in names] == pytest.approx(
            in_orders(rng, (of, verdicts, scores), k), abs=0.08
        )


def test_maj_k_by_hand() -> None:
    """One cluster with two votes, four with one, two of them right; two of the four have room."""
    made = Clusters(np.array([0, 0, 1, 2, 3, 4]), np.array([False, True, True, False, False]))
    standing = strategies.standings(made, strategies.whole(made))
    assert any_right_of_top(standing, 3)[0] == pytest.approx(1 - 1 / 6)
    assert any_right_of_top(standing, 1)[0] == 0.0
    assert any_right_of_top(standing, 9)[0] == 1.0


def test_a_right_cluster_above_the_tied_ones_is_always_among_the_first() -> None:
    made = Clusters(np.array([0, 0, 1, 2, 3]), np.array([True, True, False, False]))
    standing = strategies.standings(made, strategies.whole(made))
    assert any_right_of_top(standing, 2)[0] == 1.0


def test_clusters_with_equal_keys_by_hand() -> None:
    """Every cluster has one vote and the score 0; a cluster that is not there shares nothing."""
    made = Clusters(np.array([0, 1, 2]), np.array([True, True, False]), np.zeros(3))
    subsets = np.array([[1, 1, 1], [1, 0, 1], [0, 0, 1], [0, 1, 0], [0, 0, 0]], dtype=bool)
    standing = strategies.standings(made, subsets)
    for keys in (standing.votes, standing.weight, best_scores(standing)):
        assert largest(standing, keys) == pytest.approx([2 / 3, 1 / 2, 0.0, 1.0, 0.0])
    assert best_scores(standing)[1].tolist() == [0.0, 0.0, -np.inf]


def test_equal_scores_of_kept_and_of_tied_clusters_by_hand() -> None:
    """Every score is 1; one wrong cluster is sure, two of three others fit, one is right."""
    scores = np.ones(5)
    made = Clusters(np.array([0, 0, 1, 2, 3]), np.array([False, True, False, False]), scores)
    standing = strategies.standings(made, strategies.whole(made))
    keys = np.where(standing.votes > 0, 1.0, -np.inf)
    # three kept, each as likely; the right one is among them with 2/3
    assert largest_of_top(standing, 3, keys)[0] == pytest.approx(2 / 3 / 3)
    better = Clusters(made.of, np.array([True, True, False, False]), scores)
    standing = strategies.standings(better, strategies.whole(better))
    assert largest_of_top(standing, 3, keys)[0] == pytest.approx((1 + 2 / 3) / 3)


def test_several_subsets_by_hand() -> None:
    """Two votes for a wrong cluster, one for the right one with the best score, one for another."""
    scores = np.array([0.1, 0.2, 0.9, 0.5])
    made = Clusters(np.array([0, 0, 1, 2]), np.array([False, True, False]), scores)
    subsets = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [0, 1, 1, 0], [1, 1, 0, 1]], dtype=bool)
    standing = strategies.standings(made, subsets)
    # Of the whole one of two fits beside the first; in the other subsets all clusters fit.
    found = largest_of_top(standing, 2, best_scores(standing))
    assert found.tolist() == [0.5, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("right", [1, 2, 3])
def test_the_one_tied_cluster_that_fits_decides(right: int) -> None:
    """Two votes for a wrong cluster; of three with one vote and better scores one fits."""
    scores = np.array([0.1, 0.1, 0.9, 0.5, 0.3])
    made = Clusters(np.array([0, 0, 1, 2, 3]), np.arange(4) == right, scores)
    standing = strategies.standings(made, strategies.whole(made))
    found = largest_of_top(standing, 2, best_scores(standing))
    assert found[0] == pytest.approx(1 / 3)


def test_a_sure_cluster_that_is_better_than_all_tied_ones_decides() -> None:
    scores = np.array([0.9, 0.1, 0.5, 0.3, 0.2])
    made = Clusters(np.array([0, 0, 1, 2, 3]), np.array([True, False, False, True]), scores)
    standing = strategies.standings(made, strategies.whole(made))
    assert largest_of_top(standing, 2, best_scores(standing))[0] == 1.0


def test_without_scores_only_votes_have_expected_values() -> None:
    made = Clusters(np.array([0, 1]), np.array([True, False]))
    assert expected(made, k=2) == {"Maj1": 0.5, "Maj2": 1.0}


def test_equal_scores_share_what_is_right_among_them() -> None:
    """Two samples of .9, two of .5 and one of .1; one right of each two, and the last."""
    scores = np.array([0.9, 0.5, 0.9, 0.5, 0.1])
    made = Clusters(np.array([0, 1, 1, 0, 0]), np.array([True, False]), scores)
    assert right_by_rank(made).tolist() == [0.5, 0.5, 0.5, 0.5, 1.0]


def test_top_n_of_equal_scores() -> None:
    """Six samples with the same score, two right ones last: top 1 is right in a third."""
    made = Clusters(np.array([0, 1, 2, 3, 4, 4]), np.array([False] * 4 + [True]), np.ones(6))
    assert expected(made, k=1)["Maj1.Top1"] == pytest.approx(1 / 3, abs=0.2)
    assert expected(made, k=6)["Maj1.Top6"] == 1.0


def test_two_sure_clusters_and_one_of_two_tied_ones_by_hand() -> None:
    """Every score is 1; of three kept clusters the right one is one in half of the orders."""
    made = Clusters(np.array([0, 0, 1, 1, 2, 3]), np.array([False, False, True, False]), np.ones(6))
    standing = strategies.standings(made, strategies.whole(made))
    assert largest_of_top(standing, 3, best_scores(standing))[0] == pytest.approx(1 / 2 / 3)


def test_without_scores_every_cluster_that_is_there_is_as_good() -> None:
    made = Clusters(np.array([0, 1]), np.array([True, False]))
    standing = strategies.standings(made, np.array([[True, True], [False, True]]))
    assert best_scores(standing).tolist() == [[0.0, 0.0], [0.0, -np.inf]]
