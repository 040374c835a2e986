"""Curves: exact formulas against all subsets, sampled ones against plain loops."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from mathtune.metrics import strategies
from mathtune.metrics.curves import (
    OVER_K,
    Plan,
    best_scored_at,
    curves,
    pass_at,
    subsets_of,
    votes_at,
)
from mathtune.metrics.strategies import Clusters

NAMES = ("Pass", "Maj1", "Maj2", "RR.All", "RR.Maj2", "W.RR", "W.RR.Maj2", "Maj1.Top2", "cost.Maj2")


def random_problem(seed: int, n: int = 6) -> Clusters:
    rng = np.random.default_rng(seed)
    names = rng.integers(-1, 4, size=n)
    numbers: dict[int, int] = {}
    of = [numbers.setdefault(int(x), len(numbers)) if x >= 0 else -1 for x in names]
    return Clusters(np.array(of), rng.random(len(numbers)) < 0.5, rng.integers(0, 4, n) / 4)


def test_pass_at_by_hand() -> None:
    assert pass_at(5, 2, 1) == pytest.approx(2 / 5)
    assert pass_at(5, 2, 3) == pytest.approx(1 - 1 / 10)
    assert pass_at(5, 0, 5) == 0.0
    assert pass_at(5, 2, 4) == 1.0
    assert pass_at(5, 1, 5) == 1.0


def test_best_scored_at_equals_all_subsets() -> None:
    right = np.array([False, True, False, True, True])
    for size in range(1, 6):
        best = [right[min(members)] for members in combinations(range(5), size)]
        assert best_scored_at(right, size) == pytest.approx(np.mean(best))


def test_subsets_are_all_of_them_where_they_are_few() -> None:
    rows = subsets_of(4, 2, count=10, seed=0)
    assert {tuple(np.flatnonzero(row)) for row in rows} == set(combinations(range(4), 2))


def test_subsets_use_every_sample_almost_equally_often() -> None:
    rows = subsets_of(64, 16, count=200, seed=3)
    assert rows.shape == (200, 64)
    assert set(rows.sum(axis=1)) == {16}
    assert set(rows.sum(axis=0)) == {50}
    assert len(np.unique(rows, axis=0)) == 200
    assert (rows == subsets_of(64, 16, count=200, seed=3)).all()
    assert (rows != subsets_of(64, 16, count=200, seed=4)).any()


@pytest.mark.parametrize("seed", range(12))
def test_curves_equal_the_mean_over_all_subsets(seed: int) -> None:
    c = random_problem(seed)
    every = curves([c], Plan(6, k=2, subsets=1000))
    assert every.plan.sizes == (1, 2, 4, 6)
    assert every.plan.over_n == NAMES
    for column, size in enumerate(every.plan.sizes):
        expected = np.mean([plain(c, members) for members in combinations(range(6), size)], axis=0)
        assert every.over_n[0, :, column].tolist() == pytest.approx(expected.tolist())


def plain(c: Clusters, members: tuple[int, ...]) -> list[float]:
    """The nine values of one subset, from the picks of a problem with only these samples."""
    part = sub_problem(c, members)

    def right(strategy: strategies.Strategy) -> float:
        found = strategies.pick(part, strategy, k=2)
        return 0.0 if found is None else float(part.right[found])

    votes = sorted(np.bincount(part.of[part.of >= 0], minlength=1), reverse=True)
    top_two = strategies.standings(part, strategies.whole(part), top=2)
    return [
        float(part.right.any()),
        right("Maj1"),
        float(strategies.any_right(top_two)[0]),
        right("RR.All"),
        right("RR.MajK"),
        right("W.RR"),
        right("W.RR.MajK"),
        right("Maj1.TopN"),
        sum(votes[:2]) / len(members),
    ]


def sub_problem(c: Clusters, members: tuple[int, ...]) -> Clusters:
    assert c.scores is not None
    kept = c.of[list(members)]
    numbers: dict[int, int] = {}
    of = [numbers.setdefault(int(x), len(numbers)) if x >= 0 else -1 for x in kept]
    return Clusters(np.array(of), c.correct[list(numbers)], c.scores[list(members)])


def test_curves_over_k_equal_the_picks() -> None:
    c = random_problem(5)
    values = curves([c], Plan(6)).over_k[0]
    for name, strategy in (("RR.MajK", "RR.MajK"), ("W.RR.MajK", "W.RR.MajK"), ("Maj1.TopN",) * 2):
        for k in range(1, 7):
            found = strategies.pick(c, strategy, k=k)  # type: ignore[arg-type]
            assert values[OVER_K.index(name), k - 1] == c.right[-1 if found is None else found]


def test_what_looks_at_k_clusters_of_at_most_k_samples_is_exact() -> None:
    problems = [random_problem(seed, n=32) for seed in range(5)]
    every = curves(problems, Plan(32, k=4, subsets=10))
    names = every.plan.over_n
    for limited, whole in (("Maj4", "Pass"), ("RR.Maj4", "RR.All")):
        ours, limit = every.over_n[:, names.index(limited)], every.over_n[:, names.index(whole)]
        np.testing.assert_allclose(ours[:, :3], limit[:, :3])
        assert limited != "Maj4" or (ours <= limit + 1e-12).all()


def test_sampled_curves_are_near_the_exact_ones() -> None:
    c = random_problem(8, n=12)
    sampled = votes_at([c], Plan(12, subsets=400), [6])[0, 0]
    exact = votes_at([c], Plan(12, subsets=1000), [6])[0, 0]
    assert sampled == pytest.approx(exact, abs=0.05)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="3 samples; expected at least 4"):
        curves([random_problem(0, n=3)], Plan(4))


def test_a_problem_with_more_samples_counts_with_all_its_subsets() -> None:
    # Six samples, two at a time: as the curve of six samples at N = 2.
    problems = [random_problem(seed) for seed in range(5)]
    whole = curves(problems, Plan(6, k=2, subsets=1000))
    some = curves(problems, Plan(2, k=2, subsets=1000))
    column = whole.plan.sizes.index(2)
    assert some.over_n[:, :, -1] == pytest.approx(whole.over_n[:, :, column])
    every_pair = [some.over_n[:, some.plan.over_n.index("RR.All"), -1], some.over_k[:, 1, -1]]
    assert every_pair[0] == pytest.approx(every_pair[1])  # two samples hold at most two clusters
    assert some.mean == pytest.approx(whole.mean)


def test_curves_in_expectation_over_ties() -> None:
    half = Clusters(np.array([0, 1]), np.array([False, True]), np.array([0.5, 0.5]))
    first, fair = (curves([half], Plan(2, k=1, ties=how)) for how in ("earliest", "expected"))
    for name in ("Maj1", "RR.All", "W.RR"):
        row = first.plan.over_n.index(name)
        assert (first.over_n[0, row, -1], fair.over_n[0, row, -1]) == (0.0, 0.5)
    assert votes_at([half], fair.plan, [2])[0, 0] == 0.5


def test_curves_over_the_first_k_in_expectation_over_ties() -> None:
    # Any two of the three equal clusters are the first two: the correct one in 2 of 3 orders.
    three = Clusters(np.array([0, 1, 2]), np.array([False, True, False]), np.full(3, 0.5))
    fair = curves([three], Plan(3, k=2, ties="expected"))
    found = dict(zip(fair.plan.over_n, fair.over_n[0, :, -1].tolist(), strict=True))
    assert found == pytest.approx(
        {"Pass": 1, "cost.Maj2": 2 / 3, "Maj2": 2 / 3}
        | dict.fromkeys(("Maj1", "RR.All", "RR.Maj2", "W.RR", "W.RR.Maj2", "Maj1.Top2"), 1 / 3),
        abs=0.05,  # Maj1.Top2 is the mean of 24 random orders
    )
