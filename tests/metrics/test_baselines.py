"""What a judge must beat: votes weighted by false equations and by length, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from mathtune.metrics.measure import MeasureSettings, measure
from mathtune.metrics.ties import Ties
from mathtune.rows.records import Graded, Sample, Verdict
from mathtune.rows.samples import Joined

SETTINGS = MeasureSettings(k=2, resamples=100)


def problem(name: str, rows: Sequence[tuple[str, str, float | None]]) -> tuple[str, list[Joined]]:
    """Samples (text, answer, score); the answer 8 is right."""
    numbers: dict[str, int] = {}
    found = []
    for index, (text, answer, score) in enumerate(rows):
        sample = Sample(problem_id=name, index=index, text=text, finish_reason="stop", tokens=3)
        grade = Graded(
            problem_id=name,
            index=index,
            answer=answer,
            rule=None,
            verdict=Verdict.correct if answer == "8" else Verdict.wrong,
            cluster=numbers.setdefault(answer, len(numbers)),
        )
        found.append(Joined(sample, grade, score))
    return name, found


GROUPS = [
    # Two wrong votes that slip, a right one that does not: 0.1 + 0.1 under 1.
    problem("a", [("5 + 4 = 7", "7", 0.9), ("5 + 4 = 7", "7", 0.9), ("5 + 3 = 8", "8", 0.1)]),
    # All slip: the votes decide.
    problem("b", [("5 + 4 = 7", "7", 0.2), ("5 + 4 = 8", "8", 0.9), ("4 + 5 = 8", "8", 0.9)]),
    # No equation: the votes decide; the shortest text is wrong, and twice as short.
    problem("c", [("x", "7", 0.2), ("it is 8", "8", 0.2), ("It is 8", "8", 0.9)]),
]


def measured(groups: list[tuple[str, list[Joined]]]) -> tuple[dict[str, Any], list[Any]]:
    metrics, outcomes = measure(groups, settings=SETTINGS)
    return msgspec.to_builtins(metrics), outcomes


def test_votes_by_arithmetic_and_by_shortness_by_hand() -> None:
    document, outcomes = measured(GROUPS)
    values = {row.problem_id: row.values for row in outcomes}
    assert {name: row["calculator"] for name, row in values.items()} == {"a": 1, "b": 1, "c": 1}
    assert {name: row["shortness"] for name, row in values.items()} == {"a": 0, "b": 1, "c": 0}
    assert document["metrics"]["calculator"]["value"] == 1.0
    assert document["over_maj1"]["calculator"]["difference"] == pytest.approx(1 / 3, abs=1e-6)
    picks = {row.problem_id: row.picks for row in outcomes}
    assert (picks["a"]["calculator"], picks["b"]["calculator"]) == (2, 1)
    assert picks["c"]["shortness"] == 0


def test_votes_by_judge_times_calculator_by_hand() -> None:
    """In a: 7 has 0.9 * 0.1 twice, 8 has 0.3; the judge alone and the calculator alone differ."""
    groups = [
        problem("a", [("5 + 4 = 7", "7", 0.9), ("5 + 4 = 7", "7", 0.9), ("5 + 3 = 8", "8", 0.3)]),
        # Nothing to calculate: the judge's 0.9 outweighs two votes of 0.3.
        problem("b", [("x", "7", 0.3), ("y", "7", 0.3), ("z", "8", 0.9)]),
        # The judge's 0.9 is worth less than the slip takes away: 0.09 under 0.2.
        problem("c", [("5 + 3 = 9", "7", 0.9), ("it is 8", "8", 0.2), ("it is 6", "6", 0.1)]),
    ]
    document, outcomes = measured(groups)
    values = {row.problem_id: row.values for row in outcomes}
    assert {name: row["W.RR"] for name, row in values.items()} == {"a": 0, "b": 1, "c": 0}
    assert {name: row["calculator"] for name, row in values.items()} == {"a": 1, "b": 0, "c": 1}
    assert {name: row["W.RR.calculator"] for name, row in values.items()} == dict.fromkeys("abc", 1)
    assert [row.picks["W.RR.calculator"] for row in outcomes] == [2, 2, 1]
    assert document["over_calculator"]["W.RR.calculator"]["difference"] == pytest.approx(1 / 3)


def test_the_calculator_multiplies_weights_not_negative_scores() -> None:
    """exp(score): 7 has 0.5 twice, times 0.1 for its slips; 8 has 0.25."""
    scores = (-0.6931, -0.6931, -1.3863)
    texts = (("5 + 4 = 7", "7"), ("5 + 4 = 7", "7"), ("5 + 3 = 8", "8"))
    rows = [(text, answer, score) for (text, answer), score in zip(texts, scores, strict=True)]
    _, outcomes = measured([problem("a", rows)])
    assert outcomes[0].values["W.RR"] == 0.0
    assert outcomes[0].values["W.RR.calculator"] == 1.0


def test_the_calculator_is_not_multiplied_with_itself() -> None:
    own = [problem("a", [("5 + 4 = 7", "7", 0.1), ("5 + 3 = 8", "8", 1.0)])]
    document, _ = measured(own)
    assert "calculator" in document["metrics"]
    assert "W.RR.calculator" not in document["metrics"]


@pytest.mark.parametrize(("broken", "value"), [("earliest", 1 / 3), ("expected", 2 / 3)])
def test_a_problem_with_more_samples_counts_with_its_mean_over_subsets(
    broken: Ties, value: float
) -> None:
    """Pairs of 7, 8 and 8 without equations: twice one vote each, once two right votes."""
    many = problem("a", [("x", "7", 0.5), ("y", "8", 0.6), ("z", "8", 0.7)])
    two = problem("b", [("x", "7", 0.5), ("y", "7", 0.6)])
    _, (outcome, _) = measure([many, two], settings=replace(SETTINGS, ties=broken))
    assert outcome.values["calculator"] == pytest.approx(value, abs=1e-6)


def test_votes_by_form_are_weighted_by_the_other_half_of_the_problems() -> None:
    """Boxed samples are right in problems 0 and 2, so that one outweighs two plain votes in 1."""

    def one(name: str) -> tuple[str, list[Joined]]:
        boxed, plain = r"\boxed{8}", "x"
        return problem(name, [(plain, "7", 0.5), (plain, "7", 0.5), (boxed, "8", 0.5)])

    document, outcomes = measured([one(name) for name in "abcd"])
    assert document["metrics"]["Maj1@3"]["value"] == 0.0
    # rates of the other half: boxed (2 + 1/3) / 3, plain (0 + 1/3) / 5; two plain votes weigh 0.13
    assert document["metrics"]["form"]["value"] == 1.0
    assert outcomes[0].picks["form"] == 2


def test_every_judged_strategy_is_compared_with_the_calculator() -> None:
    document, _ = measured(GROUPS)
    over = document["over_calculator"]
    assert {"RR.All", "RR.Maj2", "W.RR", "W.RR.Maj2", "Maj1.Top2", "W.RR.MajK"} <= set(over)
    assert not {"Maj1@3", "mean", "cost.Maj2", "calculator", "Pass@3"} & set(over)
    # W.RR is wrong in a alone.
    assert over["W.RR"]["difference"] == pytest.approx(-1 / 3, abs=1e-6)
    assert over["W.RR"]["low"] <= over["W.RR"]["difference"] <= over["W.RR"]["high"]
    alone = document["evaluator"]["calculator_alone"]["within_auc"]["value"]
    assert alone == pytest.approx((1.0 + 0.5 + 0.5) / 3, abs=1e-6)


def test_without_scores_there_is_nothing_to_beat() -> None:
    bare = [(name, [Joined(row.sample, row.grade, None) for row in rows]) for name, rows in GROUPS]
    document, outcomes = measured(bare)
    assert "over_calculator" not in document
    assert not {"calculator", "shortness", "form"} & set(document["metrics"])
    assert "calculator" not in outcomes[0].picks
