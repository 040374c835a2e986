"""The study recipes as plans: which steps, which controls, which points; nothing runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from mathtune.cli import forecast
from mathtune.cli.device import device
from mathtune.errors import InputError
from mathtune.recipes import resolve
from mathtune.run import recipe_run
from mathtune.run.recipe_run import Run
from mathtune.stages.collect import Collect
from mathtune.stages.study import Study
from mathtune.stages.train import Train


def planned(folder: Path, recipe: str, *assignments: str) -> Run:
    found = resolve(recipe, config=None, assignments=assignments)
    return recipe_run.planned(
        found.compose, name=found.name, folder=folder, overrides=found.overrides
    )


def study(run: Run) -> Study:
    return cast(Study, run.steps["study"].stage)


def test_yuan2023_has_every_set_beside_its_control_from_the_base(tmp_path: Path) -> None:
    run = planned(
        tmp_path, "yuan2023", "model=embedded", "k=8", "ks=[1,3]", "generator_seeds=[1,2]",
        "unions=[2,3]",
    )  # fmt: skip
    sets = ["rft-k1", "rft-k3", "rft-k8", "rft-no-dedup", "rft-union-2", "rft-union-3"]
    for name in sets:
        trained = cast(Train, run.steps[name].stage)
        control = cast(Train, run.steps[f"{name}-control"].stage)
        assert trained.model == control.model == "embedded"
        assert control.equal_updates_to == str(tmp_path / name / "model")
    paths = {name: cast(Collect, run.steps[f"{name}-paths"].stage) for name in sets}
    assert [paths[name].k for name in sets] == [1, 3, 8, 8, 8, 8]
    assert [len(paths[name].samples) for name in sets] == [1, 1, 1, 1, 2, 3]
    assert [paths[name].dedup for name in sets] == [True, True, True, False, True, True]
    assert all(stage.test == tmp_path / "data" / "test.jsonl" for stage in paths.values())
    kinds = [point.kind for point in study(run).points.values()]
    assert sorted(kinds) == sorted(
        ["base", "few-shot", "sft", *["rft"] * 3, "no-dedup", *["union"] * 2, *["control"] * 6]
    )
    assert len(set(study(run).points.values())) == len(kinds)  # none is taken for another's seed


def test_scaling_crosses_bases_parts_and_seeds(
    tmp_path: Path, stand_in: Callable[[Path], Path]
) -> None:
    one, two = stand_in(tmp_path / "one"), stand_in(tmp_path / "two")
    run = planned(
        tmp_path / "run", "scaling", f"model={one}", f"models=[{two}]", "fractions=[1,0.5,0.25]",
        "k=4", "ks=[1]", "seeds=[3,4]",
    )  # fmt: skip
    points = study(run).points
    assert len(set(points.values())) * 2 - 2 == len(points)  # two seeds of all but the two bases
    # per base and seed: 3 parts, 2 of them long too, 2 RFT, no dedup, union, control
    assert len(points) == 2 + 2 * 2 * (3 + 2 + 2 + 1 + 1 + 1)
    long = cast(Train, run.steps["seed-3/one-sft-1of4-long"].stage)
    assert long.equal_updates_to == str(tmp_path / "run/seed-3/one-sft-all/model")
    assert long.seed == 3
    union = cast(Collect, run.steps["seed-4/two-union-paths"].stage)
    assert [columns[0].parent.name for columns in union.samples] == ["one-drafts", "two-drafts"]
    assert study(run).bits.keys() == {"one", "two"}


@pytest.mark.parametrize("recipe", ["yuan2023-small", "scaling"])
def test_shipped_settings_resolve(recipe: str) -> None:
    resolve(recipe, config=None, assignments=["model=embedded"])


def test_k_above_what_is_sampled_is_left_out(tmp_path: Path) -> None:
    """The shipped settings have ks up to 50: `k=16` alone must plan a run that can end."""
    run = planned(tmp_path, "yuan2023", "model=embedded", "k=12")
    found = [step.stage.k for step in run.steps.values() if isinstance(step.stage, Collect)]
    assert sorted({k for k in found if k is not None}) == [1, 3, 6, 12]
    run = planned(tmp_path, "scaling", "model=embedded", "k=12")
    assert "embedded-rft-k12-paths" in {name.rpartition("/")[2] for name in run.steps}


@pytest.mark.parametrize(
    ("recipe", "assignment", "message"),
    [
        ("yuan2023", "ks=[3,3]", "ks: 3 is there twice"),
        ("yuan2023", "ks=[0]", "greater than or equal to 1"),
        ("yuan2023", "k=0", "greater than or equal to 1"),
        ("yuan2023", "unions=[1]", "greater than or equal to 2"),
        ("yuan2023", "unions=[4]", "unions: 4 of 1 generators"),
        ("yuan2023", "generators=[embedded]", "generators: 'embedded' is there twice"),
        ("yuan2023", "generator_seeds=[0]", "0 is the seed of the base model's own"),
        ("yuan2023", "generator_seeds=[1,1]", "generator_seeds: 1 is there twice"),
        ("scaling", "fractions=[1,0]", "greater than 0"),
        ("scaling", "fractions=[0.5,1]", "0.5 is not the largest"),
        ("scaling", "fractions=[]", "expected at least one"),
        ("scaling", "seeds=[0,0]", "seeds: 0 is there twice"),
        ("scaling", "models=[embedded]", "models: 'embedded' is there twice"),
    ],
)
def test_settings_that_make_no_study_are_refused(
    recipe: str, assignment: str, message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        resolve(recipe, config=None, assignments=["model=embedded", assignment])


def test_every_round_trains_from_the_base_beside_its_two_controls(tmp_path: Path) -> None:
    run = planned(tmp_path, "rounds", "model=embedded", "rounds=3", "k=4")
    for number in (1, 2, 3):
        name = f"round-{number}"
        trained = {
            step: cast(Train, run.steps[step].stage)
            for step in (name, f"{name}-judge", f"{name}-gold", f"{name}-random")
        }
        assert {stage.model for stage in trained.values()} == {"embedded"}
        equal = str(tmp_path / name / "model")
        assert trained[f"{name}-gold"].equal_updates_to == equal
        assert trained[f"{name}-random"].equal_updates_to == equal
        assert len(cast(Collect, run.steps[f"{name}-paths"].stage).samples) == number
        assert f"round-{number - 1}" in run.steps[f"{name}-drafts"].reads
        against = run.steps[f"{name}-row"].stage.against  # type: ignore[attr-defined]
        assert list(against) == ["round-0", f"{name}-gold", f"{name}-random"]
    costs = forecast.expected(run, device(1e12))
    assert costs["round-1-random"].flops == costs["round-1"].flops > 0
    fewer = planned(tmp_path, "rounds", "model=embedded", "rounds=2", "k=4")
    for name, step in fewer.steps.items():
        if name != "best":
            assert run.steps[name].stage == step.stage
