"""plan: from a pilot file and from numbers; what cannot be planned is one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mathtune.cli.main import app
from mathtune.cli.plan import planned, table
from mathtune.errors import InputError
from mathtune.metrics.power import Assumed


@pytest.fixture
def pilot(tmp_path: Path) -> Path:
    lines = [
        {
            "problem_id": f"p{i}",
            "gold_answer": "1",
            "samples": ["#### 1"] * right + ["#### 2"] * (4 - right),
        }
        for i, right in enumerate((0, 1, 2, 3, 4, 4))
    ]
    path = tmp_path / "pilot.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def test_from_a_pilot(pilot: Path) -> None:
    found = planned(pilot, effect=0.05)
    assert found["accuracy"] == pytest.approx(14 / 24, abs=1e-6)
    # p (1 - p) 4/3 over the six problems: 1/4, 1/3 and 1/4, mean 0.1389
    assert found["within"] == pytest.approx((0.25 + 1 / 3 + 0.25) / 6, abs=1e-6)
    assert found["assumed"]["tokens"] == 1.5  # "#### 1" has six characters
    problems = {(row["samples"], row["seeds"]): row["problems"] for row in found["plans"]}
    assert problems[1, 1] > problems[4, 1] > problems[16, 1]


def test_from_numbers() -> None:
    found = planned(None, accuracy=0.4, effect=0.02, tokens=100)
    assert found["pilot"] is None
    assert found["assumed"]["tokens"] == 100
    shown = table(found)
    assert "2 points" in shown.title
    assert [row[0] for row in shown.rows] == ["1", "4", "16", "64"]


def test_the_command(pilot: Path) -> None:
    asked = ["plan", str(pilot), "--effect", "0.02", "--json"]
    assert json.loads(CliRunner().invoke(app, asked).stdout) == planned(pilot, effect=0.02)
    shown = CliRunner().invoke(app, ["plan", "--accuracy", "0.4", "--effect", "0.02"])
    assert shown.exit_code == 0
    assert "To see a gain of 2 points" in shown.stdout


def test_what_cannot_be_planned(pilot: Path) -> None:
    for arguments, sentence in (
        ({"pilot": None}, "expected a pilot file or --accuracy"),
        ({"pilot": pilot, "accuracy": 0.5}, "not both"),
        ({"pilot": None, "accuracy": 1.5}, "--accuracy 1.5"),
        ({"pilot": None, "accuracy": 0.5, "effect": 2.0}, "--effect 2.0: expected a part of 1"),
        ({"pilot": None, "accuracy": 0.5, "assumed": Assumed(speed=0)}, "--speed 0"),
    ):
        with pytest.raises(InputError, match=sentence):
            planned(**{"effect": 0.02, **arguments})  # type: ignore[arg-type]
