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


def test_problems_of_a_template_count_less(tmp_path: Path) -> None:
    """Six templates of four problems each, solved by all of a template's samples or by none."""
    lines = [
        {
            "problem_id": f"p{at}",
            "gold_answer": "1",
            "template": at // 4,
            "level": at % 4,
            "samples": ["#### 1" if at // 4 < 3 else "#### 2"] * 2,
        }
        for at in range(24)
    ]
    path = tmp_path / "pilot.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    alone = planned(path, effect=0.05)
    assert alone["per_cluster"] is None
    assert "clusters" not in alone["plans"][0]
    found = planned(path, effect=0.05, cluster_by="template")
    # Six deviations of 4 x 1/2: 6 / 5 x 24 / 24, over the variance of 24 problems, 24 / 23 / 4.
    assert found["design_effect"] == pytest.approx(6 / 5 * 4 / (24 / 23), abs=1e-5)
    assert found["per_cluster"] == 4
    (first, before) = (one["plans"][0] for one in (found, alone))
    assert first["problems"] == 4 * first["clusters"] > 4.5 * before["problems"]
    assert f"in {first['clusters']:,} clusters" in table(found).rows[0][1]
    crossed = planned(path, effect=0.05, cluster_by="level")  # every level has every template
    assert crossed["design_effect"] == 1
    lines = [line | {"template": 1} for line in lines]
    path.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(InputError, match="one cluster by template"):
        planned(path, effect=0.05, cluster_by="template")


def test_a_pilot_without_a_right_sample_shows_no_spread(tmp_path: Path) -> None:
    line = {"problem_id": "p", "gold_answer": "1", "samples": ["#### 2", "#### 3"]}
    (tmp_path / "wrong.jsonl").write_text(json.dumps(line))
    with pytest.raises(InputError, match=r"all samples are wrong.*expected --accuracy"):
        planned(tmp_path / "wrong.jsonl", effect=0.05)


def test_from_numbers() -> None:
    found = planned(None, accuracy=0.4, effect=0.02, assumed=Assumed(tokens=100))
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
        ({"pilot": None, "accuracy": 0.5, "cluster_by": "template"}, "those of a pilot"),
        ({"pilot": pilot, "cluster_by": "template"}, "'template', which no row has"),
    ):
        with pytest.raises(InputError, match=sentence):
            planned(**{"effect": 0.02, **arguments})  # type: ignore[arg-type]
