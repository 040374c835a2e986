"""The stage average: seeds are averaged within a problem, and problems are what is resampled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mathtune import jsonl
from mathtune.errors import InputError
from mathtune.measurement import Outcome
from mathtune.stages.average import Average
from mathtune.stages.measure import OUTCOMES, read_outcomes


def measure(folder: Path, values: dict[str, float], *, n: int = 4) -> Path:
    """A finished measure of one metric beside Maj1, as far as average reads it."""
    folder.mkdir()
    rows = [
        Outcome(problem_id=problem, values={f"Maj1@{n}": 0.0, "RR.All": value}, picks={"RR.All": 1})
        for problem, value in values.items()
    ]
    jsonl.write(folder / OUTCOMES, rows)
    mean = sum(values.values()) / len(values)
    metrics = {f"Maj1@{n}": {"value": 0.0}, "RR.All": {"value": mean}}
    jsonl.write_json(folder / "metrics.json", {"grader": "math", "n": n, "metrics": metrics})
    return folder


def run(folder: Path, *measures: Path, **config: Any) -> dict[str, Any]:
    folder.mkdir()
    return Average(measures=measures, **config).run(folder)


def test_seeds_are_averaged_within_a_problem(tmp_path: Path) -> None:
    one = measure(tmp_path / "one", {"a": 1.0, "b": 0.0})
    two = measure(tmp_path / "two", {"b": 0.0, "a": 0.0})
    document = run(tmp_path / "x", one, two, against={"one": (one,)})
    assert document["seeds"] == 2
    assert document["problems"] == 2
    assert document["metrics"]["RR.All"] == {"value": 0.25, "low": 0.0, "high": 0.5}
    assert document["each_seed"]["RR.All"] == [0.5, 0.0]
    assert document["over_maj1"]["RR.All"]["difference"] == 0.25
    assert document["against"]["one"]["RR.All"]["difference"] == -0.25
    assert read_outcomes(tmp_path / "x")["a"].values["RR.All"] == 0.5


def test_the_same_seed_twice_narrows_nothing(tmp_path: Path) -> None:
    rows = {str(i): float(i % 3 == 0) for i in range(60)}
    one = measure(tmp_path / "one", rows)
    again = measure(tmp_path / "again", rows)
    single = run(tmp_path / "x", one)["metrics"]
    assert run(tmp_path / "y", one, again)["metrics"] == single


def test_other_problems_or_other_n_are_refused(tmp_path: Path) -> None:
    one = measure(tmp_path / "one", {"a": 1.0})
    with pytest.raises(InputError, match="problem 'b' is not in both"):
        run(tmp_path / "x", one, measure(tmp_path / "two", {"a": 1.0, "b": 0.0}))
    with pytest.raises(InputError, match=r"measure \[4, 8\] samples a problem"):
        run(tmp_path / "y", one, measure(tmp_path / "three", {"a": 1.0}, n=8))
