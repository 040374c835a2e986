"""The strategies: a plain second implementation, values by hand, and the paper's invariants."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathtune.metrics import strategies
from mathtune.metrics.curves import Plan, curves
from mathtune.metrics.strategies import Clusters, clusters_of, pick, standings, top_scored, whole
from mathtune.rows.records import Graded, Verdict

SCORES = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1e-12])


@st.composite
def problems(draw: st.DrawFn, scored: bool = True) -> Clusters:
    """One problem of up to 12 samples, in clusters numbered by their earliest sample, with ties."""
    names = draw(st.lists(st.sampled_from("abcde-"), min_size=1, max_size=12))
    numbers: dict[str, int] = {}
    of = [numbers.setdefault(name, len(numbers)) if name != "-" else -1 for name in names]
    correct = draw(st.lists(st.booleans(), min_size=len(numbers), max_size=len(numbers)))
    scores = draw(st.lists(SCORES, min_size=len(names), max_size=len(names)))
    return Clusters(
        np.array(of, dtype=np.int64),
        np.array(correct, dtype=bool),
        np.array(scores) if scored else None,
    )


def plain_pick(c: Clusters, members: list[int], strategy: str, k: int) -> int:
    """Every strategy in a few lines of Python lists; -1 where nothing can be picked."""
    scores = c.scores.tolist() if c.scores is not None else [0.0] * len(c.of)
    answered = [i for i in members if c.of[i] >= 0]
    if strategy == "Maj1.TopN":
        answered = sorted(sorted(answered, key=lambda i: (-scores[i], i))[:k])
    groups: dict[int, list[int]] = {}
    for i in answered:
        groups.setdefault(int(c.of[i]), []).append(i)
    if not groups:
        return -1
    order = sorted(groups.values(), key=lambda g: (-len(g), g[0]))
    if strategy.startswith("Maj1"):
        return order[0][0]
    if strategy.endswith("MajK"):
        order = order[:k]
    if strategy.startswith("W.RR"):
        exact = c.units.tolist()
        order = [max(order, key=lambda g: (sum(exact[i] for i in g), -g[0]))]
    return min((i for g in order for i in g), key=lambda i: (-scores[i], i))


@given(problems(), st.integers(1, 13))
def test_strategies_equal_a_plain_implementation(c: Clusters, k: int) -> None:
    for strategy in ("Maj1", "RR.All", "RR.MajK", "W.RR", "W.RR.MajK", "Maj1.TopN"):
        found = pick(c, strategy, k=k)  # type: ignore[arg-type]
        expected = plain_pick(c, list(range(len(c.of))), strategy, k)
        assert (-1 if found is None else found) == expected, strategy


@given(problems(), st.integers(1, 13), st.data())
def test_a_subset_is_ranked_as_if_it_were_all(c: Clusters, k: int, data: st.DataObject) -> None:
    rows = data.draw(
        st.lists(
            st.lists(st.booleans(), min_size=len(c.of), max_size=len(c.of)), min_size=1, max_size=4
        )
    )
    subsets = np.array(rows)
    every = standings(c, subsets)
    top = standings(c, subsets, top=k)
    found = {
        "Maj1": strategies.maj1(c, subsets),
        "RR.All": strategies.best_scored(every),
        "RR.MajK": strategies.best_scored(top),
        "W.RR": strategies.heaviest(every),
        "W.RR.MajK": strategies.heaviest(top),
        "Maj1.TopN": strategies.maj1(c, top_scored(c, subsets, k)),
    }
    for row, kept in enumerate(rows):
        members = [i for i, inside in enumerate(kept) if inside]
        for strategy, picks in found.items():
            assert picks[row] == plain_pick(c, members, strategy, k), strategy
    assert every.leader.tolist() == found["Maj1"].tolist()
    assert every.first_clusters(k).votes.tolist() == top.votes.tolist()


def check_invariants(c: Clusters) -> None:
    """What PAPERS.md 1.6 reads off Figure 1, for picks and for every K."""
    n, subset = len(c.of), whole(c)
    every = standings(c, subset)
    assert pick(c, "RR.MajK", k=n) == pick(c, "RR.All")
    assert pick(c, "W.RR.MajK", k=n) == pick(c, "W.RR")
    assert pick(c, "Maj1.TopN", k=1) == pick(c, "RR.All")
    assert pick(c, "Maj1.TopN", k=n) == pick(c, "Maj1")
    right = c.right
    leader = every.leader[0]
    for strategy in ("RR.MajK", "W.RR.MajK"):
        first = pick(c, strategy, k=1)  # type: ignore[arg-type]
        assert right[-1 if first is None else first] == right[leader]
    maj_k = [bool(strategies.any_right(standings(c, subset, top=k))[0]) for k in range(1, n + 1)]
    assert maj_k[0] == right[leader]
    assert maj_k[-1] == right.any() == strategies.any_right(every)[0]
    costs = [float(strategies.cost(standings(c, subset, top=k), n)[0]) for k in range(1, n + 1)]
    assert costs == sorted(costs)
    assert costs[-1] == np.mean(c.of >= 0)


@given(problems())
def test_invariants_on_generated_samples(c: Clusters) -> None:
    check_invariants(c)


@given(problems(scored=False))
def test_without_scores_weighted_voting_is_voting(c: Clusters) -> None:
    heaviest = pick(c, "W.RR")
    most = pick(c, "Maj1")
    assert (heaviest is None) == (most is None)
    if heaviest is not None and most is not None:
        votes = np.bincount(c.of[c.of >= 0])
        assert votes[c.of[heaviest]] == votes[c.of[most]]


def test_invariants_on_real_samples(shared_data: Path) -> None:
    real = read_real(shared_data)
    assert len(real) == 500
    for c in real[:100]:
        check_invariants(c)
    n = len(real[0].of)
    every = curves(real, Plan(n, subsets=20))
    names = every.plan.over_n
    last = {name: every.over_n[:, row, -1] for row, name in enumerate(names)}
    over_k = dict(
        zip(("MajK", "RR", "W.RR", "TopN", "cost"), every.over_k.swapaxes(0, 1), strict=True)
    )
    for k_curve, k, expected in (
        ("RR", 1, "Maj1"),
        ("W.RR", 1, "Maj1"),
        ("MajK", 1, "Maj1"),
        ("TopN", n, "Maj1"),
        ("RR", n, "RR.All"),
        ("TopN", 1, "RR.All"),
        ("W.RR", n, "W.RR"),
        ("MajK", n, "Pass"),
        ("MajK", 8, "Maj8"),
        ("RR", 8, "RR.Maj8"),
        ("W.RR", 8, "W.RR.Maj8"),
        ("TopN", 8, "Maj1.Top8"),
        ("cost", 8, "cost.Maj8"),
    ):
        assert over_k[k_curve][:, k - 1].tolist() == pytest.approx(last[expected].tolist())


def read_real(shared_data: Path) -> list[Clusters]:
    """GSM8K samples with process scores, clustered by the last number of each."""
    found = []
    with gzip.open(shared_data / "samples" / "gsm8k_qwen_n32_prm.jsonl.gz") as stream:
        for line in stream:
            row = json.loads(line)
            gold = float(row["gold_answer"].replace(",", ""))
            numbers: dict[float, int] = {}
            of = []
            for text in row["samples"]:
                values = re.findall(r"-?\d[\d,]*(?:\.\d+)?", text)
                last = float(values[-1].replace(",", "")) if values else None
                of.append(-1 if last is None else numbers.setdefault(last, len(numbers)))
            correct = np.array([value == gold for value in numbers])
            found.append(Clusters(np.array(of), correct, np.array(row["scores"])))
    return found


# ---- by hand

HAND = Clusters(
    # cluster 0: samples 0, 3; cluster 1: 1, 2, 5; cluster 2: 6; sample 4 has no answer
    np.array([0, 1, 1, 0, -1, 1, 2]),
    np.array([True, False, False]),
    np.array([0.8, 0.3, 0.3, 0.6, 1.0, 0.5, 0.9]),
)


@pytest.mark.parametrize(
    ("strategy", "k", "expected"),
    [
        ("Maj1", 1, 1),  # three votes
        ("RR.All", 1, 6),  # 0.9; sample 4 with 1.0 has no answer
        ("RR.MajK", 1, 5),  # 0.5, the best of cluster 1
        ("RR.MajK", 2, 0),  # 0.8
        ("RR.MajK", 3, 6),
        ("W.RR", 1, 0),  # 1.4 against 1.1 and 0.9
        ("W.RR.MajK", 1, 5),
        ("W.RR.MajK", 2, 0),
        ("Maj1.TopN", 1, 6),
        ("Maj1.TopN", 2, 0),  # 6 and 0: one vote each, 0 is earlier
        ("Maj1.TopN", 4, 0),  # 6, 0, 3, 5
        ("Maj1.TopN", 6, 1),
    ],
)
def test_picks_by_hand(strategy: strategies.Strategy, k: int, expected: int) -> None:
    assert pick(HAND, strategy, k=k) == expected


def test_cost_counts_a_sample_without_answer_in_n() -> None:
    costs = [float(strategies.cost(standings(HAND, whole(HAND), top=k), 7)[0]) for k in (1, 2, 3)]
    assert costs == [3 / 7, 5 / 7, 6 / 7]


def test_equal_votes_and_equal_sums_go_to_the_earliest_sample() -> None:
    # 0.1 + 0.2 and 0.3: equal sums of cluster 0 and 1 although floats would not add up.
    c = Clusters(np.array([0, 1, 1]), np.array([True, False]), np.array([0.3, 0.1, 0.2]))
    assert pick(c, "Maj1") == 1
    tied = Clusters(np.array([0, 1, 1, 0]), np.array([True, False]), np.full(4, 0.25))
    for strategy in ("Maj1", "RR.All", "W.RR"):
        assert pick(tied, strategy) == 0  # type: ignore[arg-type]
    # The order of clusters never looks at scores: votes first, even if every vote scores 0.
    unliked = Clusters(np.array([0, 1, 1]), np.array([True, False]), np.array([1.0, 0.0, 0.0]))
    assert pick(unliked, "RR.MajK", k=1) == 1


def test_nobody_answered() -> None:
    c = Clusters(np.array([-1, -1]), np.array([], dtype=bool), np.array([0.5, 0.6]))
    for strategy in ("Maj1", "RR.All", "RR.MajK", "W.RR", "W.RR.MajK", "Maj1.TopN"):
        assert pick(c, strategy) is None  # type: ignore[arg-type]
    assert not strategies.any_right(standings(c, whole(c)))[0]


def grade(index: int, answer: str | None, verdict: str, cluster: int | None) -> Graded:
    return Graded(
        problem_id="p",
        index=index,
        answer=answer,
        rule=None,
        verdict=Verdict(verdict),
        cluster=cluster,
    )


def test_a_mixed_cluster_has_the_verdict_of_its_most_frequent_answer() -> None:
    rows = [
        grade(0, "1/2", "wrong", 0),
        grade(1, "0.5", "correct", 0),
        grade(2, None, "no_answer", None),
        grade(3, "0.5", "correct", 0),
        grade(4, "3", "undecided", 1),
    ]
    c = clusters_of(rows)
    assert c.of.tolist() == [0, 0, -1, 0, 1]
    assert c.correct.tolist() == [True, False]
    assert c.right.tolist() == [True, True, False, True, False, False]
    # Equally frequent: the earliest answer decides.
    assert clusters_of(rows[:2]).correct.tolist() == [False]


def test_clusters_are_numbered_by_their_earliest_sample_and_keep_the_scores() -> None:
    rows = [grade(0, "a", "wrong", 7), grade(1, "b", "correct", 2), grade(2, "a", "wrong", 7)]
    found = clusters_of(rows, [0.25, 1, 0])
    assert found.of.tolist() == [0, 1, 0]
    assert found.scores is not None
    assert found.scores.tolist() == [0.25, 1.0, 0.0]
    assert clusters_of(rows).scores is None


def test_whole_is_one_subset_of_every_sample() -> None:
    clusters = Clusters(np.array([0, 1, 0]), np.array([False, True]), None)
    assert whole(clusters).tolist() == [[True, True, True]]


def test_no_pick_is_not_right() -> None:
    assert Clusters(np.array([0]), np.array([True])).right.tolist() == [True, False]


def test_scores_of_zero_do_not_vote() -> None:
    # Sums of 0 are equal, so the cluster of the earliest sample is picked, not the larger one.
    scored = Clusters(np.array([0, 1, 1]), np.array([True, False]), np.zeros(3))
    assert pick(scored, "W.RR") == 0


@pytest.mark.parametrize("samples", [1, 3, 100, 4000])
@pytest.mark.parametrize("largest", [1e-9, 0.7, 1.0, 300.0])
def test_sums_of_scores_are_exact(samples: int, largest: float) -> None:
    draw = np.random.default_rng(samples)
    scores = np.append(draw.random(samples - 1) * largest, largest)
    units = Clusters(np.zeros(samples, int), np.array([True]), scores).units
    assert (units == np.rint(units)).all()
    assert units.sum() <= 2**53  # of whole numbers up to here every sum is exact
    assert units.max() * samples >= 2**49  # and no score is rounded more than it must be
    assert units / units.max() == pytest.approx(scores / largest, abs=samples * 2**-49)


def test_a_part_keeps_the_verdict_of_its_first_cluster() -> None:
    kept = strategies.part(Clusters(np.array([0, 1, 0]), np.array([True, False])), np.array([2, 1]))
    assert (kept.of.tolist(), kept.correct.tolist()) == ([0, 1], [True, False])


def test_a_cluster_outside_of_a_subset_counts_for_nothing() -> None:
    c = Clusters(np.array([0, 1, 1]), np.array([True, False]), np.array([0.9, 0.2, 0.4]))
    found = standings(c, np.array([[False, True, True], [False, True, False]]))
    assert found.votes.tolist() == [[2, 0], [1, 0]]
    assert found.first.tolist() == [[1, 3], [1, 3]]
    assert found.best.tolist() == [[1, 3], [2, 3]]
    assert found.weight[:, 1].tolist() == [-np.inf, -np.inf]
    assert found.correct.tolist() == [[False, False], [False, False]]
    assert not strategies.any_right(found).any()


def test_the_first_k_clusters_for_every_k() -> None:
    c = Clusters(np.array([0, 0, 1, -1]), np.array([False, True]), np.array([0.1, 0.2, 0.3, 0.9]))
    found = standings(c, whole(c)).prefixes()
    assert found.votes.tolist() == [[2, 0], [2, 1], [2, 1], [2, 1]]
    assert found.first.tolist() == [[0, 4], [0, 2], [0, 2], [0, 2]]
    assert found.best.tolist() == [[1, 4], [1, 0], [1, 0], [1, 0]]
    assert found.weight[0].tolist() == [found.weight[1, 0], -np.inf]
    assert strategies.any_right(found).tolist() == [False, True, True, True]
