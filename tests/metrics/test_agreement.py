"""Samples that agree against the gold, by hand."""

from __future__ import annotations

from collections.abc import Sequence

from mathtune.metrics.agreement import Golds, doubt
from mathtune.metrics.measure import MeasureSettings, measure
from mathtune.rows.records import Graded, Sample, Verdict
from mathtune.rows.samples import Joined


def problem(name: str, answers: Sequence[str | None]) -> tuple[str, list[Joined]]:
    """Samples with these answers; 8 is right."""
    numbers: dict[str, int] = {}
    found = []
    for index, answer in enumerate(answers):
        sample = Sample(problem_id=name, index=index, text="x", finish_reason="stop", tokens=3)
        right = Verdict.correct if answer == "8" else Verdict.wrong
        cluster = None if answer is None else numbers.setdefault(answer, len(numbers))
        grade = Graded(name, index, answer, None, right, cluster)
        found.append(Joined(sample, grade, None))
    return name, found


def golds(groups: list[tuple[str, list[Joined]]]) -> Golds:
    metrics, _ = measure(groups, settings=MeasureSettings(k=2, resamples=100))
    assert metrics.golds is not None
    return Golds(**metrics.golds)


def test_agreement_is_nine_samples_of_ten() -> None:
    found = golds(
        [
            problem("right", ["8"] * 10),
            problem("against", ["7"] * 9 + ["8"]),
            problem("eight of ten", ["7"] * 8 + ["8"] * 2),
            problem("no answers", ["7"] * 8 + [None] * 2),
        ]
    )
    assert found == Golds(agreed=2, against=1, problems=["against"])


def test_few_samples_say_nothing() -> None:
    assert golds([problem("seven", ["7"] * 7)]) == Golds(0, 0, [])
    assert golds([problem("eight", ["7"] * 8), problem("none", [None] * 8)]).problems == ["eight"]


def test_golds_are_doubted_from_five_and_a_tenth_on() -> None:
    wrong = [problem(f"w{number}", ["7"] * 8) for number in range(5)]
    right = [problem(f"r{number}", ["8"] * 8) for number in range(45)]
    assert doubt(None) is None
    assert doubt(golds(wrong[:4]).__dict__) is None
    assert doubt(golds(wrong + right).__dict__) is None
    said = doubt(golds(wrong + right[1:]).__dict__)
    assert said is not None
    assert said.startswith("In 5 of 49 problems whose samples nearly all have one answer")
