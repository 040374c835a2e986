"""The train stage on a tiny random model: what it learns, writes, counts and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from mathtune.stages.train import Train

QUICK = {"device": "cpu", "threads": 1, "batch_size": 4, "learning_rate": 3e-3}


def train(folder: Path, **config: Any) -> dict[str, Any]:
    folder.mkdir(parents=True)
    return Train(**{**QUICK, **config}).run(folder)


@pytest.mark.parametrize(
    ("objective", "examples"),
    [
        ("mle", 13),
        ("cls-margin", 13),
        ("cls-xent", 26),
        ("ctr", 13),
        ("mul-margin", 13),
        ("mul-xent", 26),
    ],
)
def test_every_objective_lowers_its_loss_and_leaves_a_plain_model(
    objective: str, examples: int, tiny: str, example_file: Path, pair_file: Path, tmp_path: Path
) -> None:
    rows = example_file if objective == "mle" else pair_file
    common = {"model": tiny, "examples": rows, "objective": objective, "validation": rows}
    short = train(tmp_path / "short", **common, updates=1)
    long = train(tmp_path / "long", **common, epochs=6)
    assert long["examples"] == examples
    assert long["updates"] == 6 * -(-examples // 4)
    assert long["validation_loss"] < short["validation_loss"]
    assert sorted(p.name for p in (tmp_path / "long").iterdir()) == ["model", "training.jsonl"]
    assert (tmp_path / "long" / "model" / "model.safetensors").exists()
