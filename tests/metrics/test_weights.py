"""Scores as weights: rules by range, by hand; labels that pass for scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mathtune.errors import InputError
from mathtune.metrics.measure import MeasureSettings, measure_columns
from mathtune.metrics.sample_columns import Gathered, Gathering
from mathtune.metrics.weights import WeightRule, equals_verdict, rule_for, weights_of
from mathtune.rows.records import Graded, Verdict

NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "rule"),
    [
        ([0.0, 1.0], "as-is"),
        ([1.0, 9.5], "as-is"),
        ([NAN, NAN], "as-is"),
        ([-3.2, -0.1, NAN], "softmax"),
        ([-4.0, 5.5], "sigmoid"),
        ([-400.0, 20.0], "rank"),
    ],
)
def test_the_rule_that_fits_the_range(scores: list[float], rule: str) -> None:
    assert rule_for(np.array(scores)) == rule


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("softmax", [1.0, np.exp(-2.0), 0.0, 1.0]),
        ("sigmoid", [1 / (1 + np.exp(1.0)), 1 / (1 + np.exp(3.0)), 0.0, 1 / (1 + np.exp(-2.0))]),
        ("auto", [1 / (1 + np.exp(1.0)), 1 / (1 + np.exp(3.0)), 0.0, 1 / (1 + np.exp(-2.0))]),
        ("rank", [1.0, 0.5, 0.0, 1.0]),
    ],
)
def test_weights_by_hand(rule: WeightRule, expected: list[float]) -> None:
    found = weights_of(np.array([-1.0, -3.0, NAN, 2.0]), np.array([0, 3, 4]), rule)
    assert found == pytest.approx(expected)


def test_a_problem_without_any_score_weighs_nothing() -> None:
    scores, starts = np.array([-1.0, NAN, NAN]), np.array([0, 1, 3])
    assert weights_of(scores, starts, "softmax").tolist() == [1.0, 0.0, 0.0]


def test_negative_scores_are_no_weights_as_they_are() -> None:
    with pytest.raises(ValueError, match="negative"):
        weights_of(np.array([-1.0]), np.array([0, 1]), "as-is")


def gathered(scores: list[float]) -> Gathered:
    """Two problems of three samples: two votes for a right answer, one for a wrong one."""
    gathering = Gathering()
    for number, name in enumerate("ab"):
        rows = [
            Graded(problem_id=name, index=i, answer=answer, rule="boxed", cluster=cluster,
                   verdict=Verdict.correct if cluster == 0 else Verdict.wrong)
            for i, (answer, cluster) in enumerate([("7", 0), ("7", 0), ("8", 1)])
        ]  # fmt: skip
        part = scores[3 * number : 3 * number + 3]
        gathering.add(name, rows, scores=part, lengths=[1] * 3, tokens=[0] * 3, forms=[0] * 3)
    return gathering.done()


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("shift", [-9.0, -3.0])
def test_negative_scores_do_not_turn_re_ranking_around(scale: float, shift: float) -> None:
    scores = [scale * (part + shift) for part in (2.0, 2.5, 0.5, 2.0, 2.0, 1.0)]
    document, _ = measure_columns(gathered(scores), settings=MeasureSettings(resamples=100))
    assert document.weights in ("softmax", "rank")
    assert document.metrics["W.RR"]["value"] == 1.0
    assert document.metrics["RR.All"]["value"] == 1.0


def test_weights_as_is_are_refused_if_negative() -> None:
    settings = MeasureSettings(resamples=100, weights="as-is")
    with pytest.raises(InputError, match="--weights as-is: a score is negative"):
        measure_columns(gathered([-1.0] * 6), settings=settings)


def test_a_missing_score_ranks_last_and_weighs_nothing() -> None:
    found = gathered([NAN, NAN, 0.1, 0.9, NAN, 0.8])
    document, outcomes = measure_columns(found, settings=MeasureSettings(resamples=100))
    values = [row.values for row in outcomes]
    assert [row["RR.All"] for row in values] == [0.0, 1.0]
    assert [row["W.RR"] for row in values] == [0.0, 1.0]
    assert document.evaluator is not None
    assert document.evaluator["without_score"] == 3


@pytest.mark.parametrize(
    ("scores", "right", "label"),
    [
        ([1, 0, 1, 0], [1, 0, 1, 0], True),
        ([1.1, 0.1, 1.0, 0.0] * 20, [1, 0, 1, 0] * 20, True),
        ([1, 0, 1, 1], [1, 0, 1, 0], False),
        ([0, 1, 0, 1], [1, 0, 1, 0], False),
        ([1, 1, 1, 1], [1, 1, 1, 1], False),
        ([0.9, 0.3, 0.4, 0.1], [1, 0, 1, 0], False),
        ([NAN, 0, 1, 0], [1, 0, 1, 0], True),
        ([0] + [1] * 49 + [0] * 50, [1] * 50 + [0] * 50, True),  # 99 of 100 verdicts
        ([0, 0] + [1] * 48 + [0] * 50, [1] * 50 + [0] * 50, False),
    ],
)
def test_a_score_that_is_the_verdict(scores: list[float], right: list[int], label: bool) -> None:
    assert equals_verdict(np.array(scores, dtype=float), np.array(right, dtype=bool)) is label


def test_a_good_judge_of_many_values_is_no_label() -> None:
    right = np.arange(1_000) % 2 == 0
    scores = right + np.random.default_rng(0).normal(0, 0.3, 1_000)
    assert not equals_verdict(scores, right)
    assert equals_verdict(right + np.linspace(0, 0.1, 1_000), right)


def test_oracle_rows_are_named() -> None:
    found = gathered([1.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    document, _ = measure_columns(found, settings=MeasureSettings(resamples=100))
    assert document.oracle is not None
    assert "W.RR" in document.oracle
    assert "Maj1@3" not in document.oracle
    mixed = replace(found, scores=np.array([1.0, 0.0, 1.0, 0.0, 1.0, 0.0]))
    assert measure_columns(mixed, settings=MeasureSettings(resamples=100))[0].oracle == []
