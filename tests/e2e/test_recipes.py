"""Recipes run to their last step, with all that their settings turn on, on a few problems."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SMALL = [
    *("data.train=16", "data.validation=13", "data.test=13", "n=2"),
    *("train.epochs=1", "sample.max_tokens=40", "measure.resamples=200"),
]
WHOLE = {
    "liu2023-tables": [*SMALL, "n_train=2", "right_from=gold", "choose=loss"],
    "yuan2023-small": [*SMALL, "k=2", "ks=[1]"],
    "rounds-small": [
        *SMALL,
        *("round-0.epochs=1", "round-1-pairs.right_from=gold", "round-2-pairs.right_from=gold"),
    ],
}
"""Shipped settings -> what makes them a matter of seconds."""


@pytest.mark.parametrize("config", WHOLE)
def test_a_recipe_ends(
    config: str, tmp_path: Path, mathtune: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    recipe = config.partition("-")[0]
    done = mathtune("run", recipe, "--config", config, *WHOLE[config], "--out", "run")
    assert done.returncode == 0, done.stderr
    plan = json.loads((tmp_path / "run" / "plan.json").read_bytes())
    names = [step["name"] for step in plan["steps"]]
    assert names
    assert [name for name in names if not (tmp_path / "run" / name / "step.json").exists()] == []
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
