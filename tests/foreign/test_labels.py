"""What a file says of its own samples: verdicts that contradict ours, and the run of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mathtune.data.files.head import Head
from mathtune.foreign import Request, grade_file, measure_file
from mathtune.foreign.labels import crossed, verdict_field


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def answered(right: int, **verdicts: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "question": f"What is {n} + 1?",
            "gold": str(n + 1),
            "response": f"It is \\boxed{{{n + (n < right)}}}",
            **{name: column[n] for name, column in verdicts.items()},
        }
        for n in range(20)
    ]


def warned(path: Path) -> list[str]:
    found = measure_file(Request.parse(path))["warnings"]
    assert found == grade_file(Request.parse(path))["warnings"]
    return list(found)


@pytest.mark.parametrize("kind", [bool, int, str, lambda one: "Correct" if one else "Wrong"])
def test_the_files_own_verdicts_are_compared_with_ours(tmp_path: Path, kind: Any) -> None:
    own = [kind(n < 15) for n in range(20)]
    path = write(tmp_path / "own.jsonl", answered(15, is_correct=own))
    assert warned(path) == []
    (warning,) = warned(write(path, answered(5, is_correct=own)))
    assert warning.startswith(
        "The file's own verdicts ('is_correct') are others for 10 of 20 samples (75.0% are correct "
        "by the file, 25.0% here)"
    )


def test_the_verdicts_of_several_samples(tmp_path: Path) -> None:
    rows = [
        {"question": f"{n}?", "gold": "7", "answers": [
            {"text": "so \\boxed{7}", "correct": n < 2}, {"text": "so \\boxed{8}", "correct": False}
        ]} for n in range(10)
    ]  # fmt: skip
    assert verdict_field(Head("f", rows), "answers.*.text") == "answers.*.correct"
    (warning,) = warned(write(tmp_path / "several.jsonl", rows))
    assert "others for 8 of 20 samples (10.0% are correct by the file, 50.0% here)" in warning


def test_a_number_of_correct_samples_is_no_verdict() -> None:
    assert verdict_field(Head("f", answered(5, correct=list(range(20)))), "response") is None


def test_hardly_any_sample_is_right(tmp_path: Path) -> None:
    (warning,) = warned(write(tmp_path / "none.jsonl", answered(0)))
    assert warning.startswith("Hardly any sample has its gold's answer (0 of 20)")
    assert warned(write(tmp_path / "one.jsonl", answered(1))) == []


def runs(label: str, values: list[str]) -> list[dict[str, Any]]:
    return [
        {**row, label: value, "response": f"In {value}: {row['response']}"}
        for value in values
        for row in answered(15)
    ]


def test_several_runs_in_one_file_are_named(tmp_path: Path) -> None:
    (warning,) = warned(write(tmp_path / "runs.jsonl", runs("budget", ["none", "long", "short"])))
    assert warning.startswith(
        "Every problem has samples for each of the 3 values of 'budget' (long, none, short): "
        "these seem to be several runs"
    )
    assert warned(write(tmp_path / "numbered.jsonl", runs("sample", ["run_0", "run_1"]))) == []
    assert warned(write(tmp_path / "one.jsonl", runs("model", ["a"]))) == []


def test_crossed() -> None:
    problems = np.repeat(np.arange(10), 4)
    runs_of = np.tile([1, 2, 3, 3], 10)  # one run has two samples of each problem
    reasons = np.array([1] * 4 + [2] * 4 + [1, 2] * 16)  # two problems have one value only
    assert crossed(problems, [reasons, runs_of]) == 1
    assert crossed(problems, [reasons, problems]) is None
