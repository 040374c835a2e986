"""liu2023 as planned: which setting turns on which rows, and what each step reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from mathtune.errors import InputError
from mathtune.recipes import resolve
from mathtune.rows import jsonl
from mathtune.rows.records import Example
from mathtune.run import recipe_run
from mathtune.run.recipe_run import Run


def planned(folder: Path, *settings: str, data: str = "data=arithmetic") -> Run:
    given = ["model=embedded", data, *settings]
    found = resolve("liu2023", config=None, assignments=given)
    return recipe_run.planned(
        found.compose, name=found.name, folder=folder, overrides=found.overrides
    )


def rows(run: Run) -> set[str]:
    return {
        name.removesuffix("-row")
        for name in run.steps
        if name.endswith("-row") and not name.startswith("validation")
    }


DEFAULT = {
    *("base", "ssft-margin", "ssft-xent", "ssft-likelihood", "more-ssft"),
    *("sequential-margin", "sequential-xent"),
}


def test_the_default_has_tables_2_3_4_and_7(tmp_path: Path) -> None:
    run = planned(tmp_path)
    assert rows(run) == DEFAULT
    assert run.steps["more-ssft"].reads == ("ssft", "data", "sequential-margin")
    assert "validation-xent-row" in run.steps["ssft-xent-row"].reads


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        (["joint_losses=[ctr, mul-xent]"], {"joint-ctr", "joint-mul-xent", "ssft-mul-xent"}),
        (["few_shot=[data]"], {"few-shot-data"}),
        (["others=[embedded]"], {"ssft-by-2", "ssft-2-by-1", "ssft-2-by-2"}),
        (["likelihood=false"], set()),
    ],
)
def test_a_setting_turns_on_its_rows(tmp_path: Path, settings: list[str], more: set[str]) -> None:
    off = {"ssft-likelihood"} if settings == ["likelihood=false"] else set()
    assert rows(planned(tmp_path, *settings)) == (DEFAULT | more) - off


def test_further_solutions_are_files_or_those_of_math(tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    jsonl.write(own, [Example(problem_id="a", problem="?", solution="#### 1")])
    run = planned(tmp_path / "run", f"sources=[{own}]", "few_shot=[own]")
    assert rows(run) == DEFAULT | {"ssft-own", "few-shot-own"}
    assert run.steps["exemplars-own"].stage.described(relative_to=tmp_path)["form"] == "minerva"
    with pytest.raises(InputError, match=r"solutions.*goes with source math"):
        planned(tmp_path / "other", "sources=[prm800k]")
    data = f"data={{source: math, folder: {tmp_path}}}"
    run = planned(tmp_path / "math", "sources=[prm800k, both]", data=data)
    assert {"data-prm800k", "data-both", "ssft-both-row"} <= set(run.steps)


def test_held_out_samples_come_from_the_half_that_was_not_learned(tmp_path: Path) -> None:
    run = planned(tmp_path, "evaluator_data=held-out")
    for part, other in ((1, 2), (2, 1)):
        trained = run.steps[f"ssft-half-{part}"].stage.described(relative_to=run.folder)
        sampled = run.steps[f"drafts-half-{part}-samples"].stage.described(relative_to=run.folder)
        assert trained["examples"] == [f"halves/solutions-{part}.jsonl"]
        assert sampled["problems"] == f"halves/problems-{other}.jsonl"
        assert sampled["model"] == f"ssft-half-{part}/model"
    assert {"drafts-half-1-grades", "drafts-half-2-grades"} <= set(run.steps["pairs"].reads)


def test_checkpoints_are_chosen_by_validation_where_that_is_set(tmp_path: Path) -> None:
    run = planned(tmp_path, "choose=accuracy", "joint_losses=[ctr]")
    by = {
        name: (found["choose"], found["validation"])
        for name, step in run.steps.items()
        if step.stage.kind() == "train"
        for found in (step.stage.described(relative_to=run.folder),)
    }
    solutions = ("loss", ["data/validation_solutions.jsonl"])
    pairs = ("accuracy", ["validation-pairs/pairs.jsonl"])
    assert by == {
        "ssft": solutions,
        "evaluator-margin": pairs,
        "evaluator-xent": pairs,
        "sequential-margin": solutions,
        "more-ssft": solutions,
        "sequential-xent": solutions,
        "joint-ctr": pairs,
    }
    assert "validation-pairs" not in planned(tmp_path / "last").steps


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("sources=[a.jsonl, b/a.jsonl]", "different names"),
        ("few_shot=[prm800k]", "no set 'prm800k'; there are data"),
        ("evaluator_losses=[]", "evaluator_losses: empty"),
        ("joint_losses=[mle]", "joint_losses"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, setting: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        planned(tmp_path, setting)
