"""Grading says what helps where nothing is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from mathtune.answers.extract import ExtractRule
from mathtune.rows import jsonl
from mathtune.rows.records import Graded, Problem, Sample
from mathtune.stages.grade import Grade


@pytest.mark.parametrize(
    ("text", "reason", "said"),
    [
        ("So there are 7.", "stop", "2 of 2 ended by themselves without marking one; ask for one"),
        ("So there", "length", "2 of 2 were cut off; raise max_tokens"),
        ("#### 7", "stop", ""),
    ],
)
def test_the_remedy_fits_the_samples(
    text: str, reason: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jsonl.write(tmp_path / "problems.jsonl", [Problem(id="a", problem="3 + 4?", answer="7")])
    rows = [
        Sample(problem_id="a", index=index, text=text, finish_reason=reason, tokens=4)  # type: ignore[arg-type]
        for index in range(2)
    ]
    jsonl.write(tmp_path / "samples.jsonl", rows)
    stage = Grade(samples=(tmp_path / "samples.jsonl",), problems=tmp_path / "problems.jsonl")
    stage.run(tmp_path)
    shown = " ".join(capsys.readouterr().err.split())
    assert said in shown
    assert ("no sample has an answer" in shown) == bool(said)


@pytest.mark.parametrize(
    ("extract", "answers"),
    [("explicit", [None, "7"]), ("auto", ["7", "7"]), ("last-number", ["2", "7"])],
)
def test_the_rules_for_answers(
    extract: ExtractRule, answers: list[str | None], tmp_path: Path
) -> None:
    jsonl.write(tmp_path / "problems.jsonl", [Problem(id="a", problem="3 + 4?", answer="7")])
    texts = ("3 + 4 = 7\nSo he has 7 nuts in 2 days.", "#### 7")
    rows = [
        Sample(problem_id="a", index=index, text=text, finish_reason="stop", tokens=4)
        for index, text in enumerate(texts)
    ]
    jsonl.write(tmp_path / "samples.jsonl", rows)
    stage = Grade(
        samples=(tmp_path / "samples.jsonl",), problems=tmp_path / "problems.jsonl", extract=extract
    )
    stage.run(tmp_path)
    graded = list(jsonl.read(tmp_path / "grades.jsonl", Graded))
    assert [row.answer for row in graded] == answers
    assert [row.verdict for row in graded] == [
        "correct" if answer == "7" else "no_answer" if answer is None else "wrong"
        for answer in answers
    ]
