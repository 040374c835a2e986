"""Equal tokens: how many votes re-ranking would have paid for, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mathtune.metrics.curves import Plan, curves, votes_at
from mathtune.metrics.equal_compute import Lengths, matched
from mathtune.metrics.strategies import Clusters


def problem(of: list[int], right: list[bool]) -> Clusters:
    scores = np.linspace(0.1, 0.8, len(of))
    return Clusters(np.array(of), np.array(right), scores)


PROBLEMS = [
    problem([0, 0, 0, 1, 1, 2, -1, -1], [True, False, False]),
    problem([0, 1, 1, 1, 1, 2, 3, -1], [True, False, False, False]),
]
SIZES = np.array([10, 10, 10, 10, 10, 10, 50, 50, 10, 20, 20, 20, 20, 10, 10, 50])


def test_lengths_are_those_of_what_is_read() -> None:
    found = Lengths.of(PROBLEMS, SIZES, k=1, unit="tokens")
    assert found.generated == pytest.approx(320 / 16)
    assert found.read == pytest.approx((30 + 80) / 7)  # three samples of 10, four of 20
    silent = problem([-1, -1], [])
    assert Lengths.of([silent], np.array([5, 7]), k=1, unit="tokens").read == 0.0


def test_votes_are_what_generating_and_reading_cost() -> None:
    every = curves(PROBLEMS, Plan(8, k=1, subsets=100))
    lengths = Lengths(generated=20.0, read=10.0, unit="tokens")
    rows = {row["n"]: row for row in matched(PROBLEMS, every, lengths, resamples=200, seed=0)}
    part = every.over_n[:, -1].mean(axis=0)[every.plan.sizes.index(4)]
    assert rows[4]["votes"] == round(4 * (1 + part * 10 / 20))
    assert rows[4]["generated"] == 80.0
    assert rows[4]["evaluated"] == pytest.approx(4 * part * 10)
    base = votes_at(PROBLEMS, every.plan, [rows[4]["votes"]])
    assert rows[4]["Maj1"]["value"] == pytest.approx(base.mean())
    assert rows[4]["Maj1"]["low"] < base.mean() < rows[4]["Maj1"]["high"]
    ours = every.over_n[:, every.plan.over_n.index("RR.Maj1"), every.plan.sizes.index(4)]
    difference = rows[4]["over_maj1"]["RR.Maj1"]["difference"]
    assert difference == pytest.approx(float((ours - base[:, 0]).mean()))
    assert 8 not in rows  # more votes than were sampled


def test_reading_nothing_buys_no_votes() -> None:
    every = curves(PROBLEMS, Plan(8, k=1, subsets=20))
    free = Lengths(generated=20.0, read=0.0, unit="tokens")
    rows = matched(PROBLEMS, every, free, resamples=200, seed=0)
    assert [row["votes"] for row in rows] == [1, 2, 4, 8]
