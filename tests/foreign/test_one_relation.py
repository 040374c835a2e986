"""What a grader forgives counts as one vote, and --explain says what it forgave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mathtune.cli import main
from mathtune.foreign import Request, measure_file

ANSWERS = [r"\boxed{36}"] * 6 + [r"\boxed{36^\circ}"] * 6 + [r"\boxed{144^\circ}"] * 7
ROWS = [
    {"problem_id": "angle", "gold_answer": r"36^\circ", "samples": ANSWERS},
    {"problem_id": "other", "gold_answer": "5", "samples": [r"\boxed{5}"] * 19},
]


@pytest.fixture
def angles(tmp_path: Path) -> Path:
    path = tmp_path / "angles.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_right_answers_in_two_spellings_win_the_vote(angles: Path) -> None:
    found = measure_file(Request.parse(angles))
    assert found["metrics"]["Maj1@19"]["value"] == 1.0
    assert found["metrics"]["mean"]["value"] == pytest.approx((12 / 19 + 1) / 2)
    assert found["counts"]["verdict_differs_from_cluster"] == 0


def test_explain_says_a_line_per_sample(
    angles: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["mathtune", "grade", str(angles), "--explain"])
    with pytest.raises(SystemExit, match="0"):
        main.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("line ")]
    assert len(lines) == 38
    assert lines[0] == "line 1: equal: 36 and 36°, unit forgiven"
    assert lines[18] == r"line 1: different: 144° and 36°, not the same number"
