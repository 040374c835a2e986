"""Stage findings: reads measures, refuses what does not fit, and compares by label."""

from __future__ import annotations

from pathlib import Path

import pytest

from mathtune.errors import InputError
from mathtune.metrics.measure import Outcome
from mathtune.rows import jsonl
from mathtune.rows.records import Problem
from mathtune.stages.findings import Findings, Model
from mathtune.stages.measure import OUTCOMES


def measured(folder: Path, right: list[int]) -> Path:
    """The folder of a measure whose greedy solutions are right where `right` is 1."""
    folder.mkdir(parents=True)
    rows = [
        Outcome(problem_id=f"p{at}", values={"Pass@1": float(value)}, picks={}, within_auc=None)
        for at, value in enumerate(right)
    ]
    jsonl.write(folder / OUTCOMES, rows)
    return folder


def stage(tmp_path: Path, models: dict[str, tuple[Model, list[int], list[int]]]) -> Findings:
    """The stage over four problems of two families; each model has test and validation outcomes."""
    problems = tmp_path / "test.jsonl"
    rows = [
        Problem(id=f"p{at}", problem=f"{at}?", answer="1", subject="tank" if at < 2 else "shop")
        for at in range(4)
    ]
    jsonl.write(problems, rows)
    return Findings(
        problems=problems,
        models={name: model for name, (model, _, _) in models.items()},
        test={name: measured(tmp_path / name / "test", t) for name, (_, t, _) in models.items()},
        validation={
            name: measured(tmp_path / name / "validation", v) for name, (_, _, v) in models.items()
        },
        compare=(("rft", "gold"),),
    )  # fmt: skip


def test_rows_families_and_comparisons_by_hand(tmp_path: Path) -> None:
    found = stage(
        tmp_path,
        {
            "a": (Model(label="gold", budget=10, seed=0), [1, 0, 0, 0], [0, 0]),
            "b": (Model(label="gold", budget=20, seed=0), [1, 1, 0, 0], [1, 0]),
            "c": (Model(label="rft", budget=10, seed=0), [1, 1, 1, 0], [1, 1]),
            "d": (Model(label="rft", budget=20, seed=0), [0, 0, 0, 0], [0, 0]),
        },
    ).run(tmp_path)
    gold, rft = found.rows
    assert gold["best"] == 20
    assert gold["budgets"]["20"]["accuracy"]["value"] == 0.5
    assert gold["families"] == {"tank": 1.0, "shop": 0.0}
    assert rft["best"] == 10
    (compared,) = found.compared
    assert [c["difference"]["value"] for c in compared["equal_updates"]] == [0.5, -0.5]
    assert compared["best_of_budget"]["difference"]["value"] == 0.25
    assert (compared["best_of_budget"]["ours"], compared["best_of_budget"]["theirs"]) == (10, 20)


def test_a_budget_that_lacks_a_seed_is_refused(tmp_path: Path) -> None:
    models = {
        "a": (Model(label="gold", budget=10, seed=0), [1, 0, 0, 0], [0, 0]),
        "b": (Model(label="gold", budget=10, seed=1), [1, 0, 0, 0], [0, 0]),
        "c": (Model(label="gold", budget=20, seed=0), [1, 0, 0, 0], [0, 0]),
        "d": (Model(label="rft", budget=10, seed=0), [1, 0, 0, 0], [0, 0]),
    }
    with pytest.raises(InputError, match="gold does not have the same seeds"):
        stage(tmp_path, models).run(tmp_path)


def test_other_problems_are_refused(tmp_path: Path) -> None:
    models = {
        "a": (Model(label="gold", budget=10, seed=0), [1, 0, 0], [0, 0]),
        "b": (Model(label="rft", budget=10, seed=0), [1, 0, 0, 0], [0, 0]),
    }
    with pytest.raises(InputError, match="other problems"):
        stage(tmp_path, models).run(tmp_path)
