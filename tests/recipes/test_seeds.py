"""Every recipe takes one seed or many, and means them; nothing runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mathtune.errors import InputError
from mathtune.recipes import RECIPES, resolve
from mathtune.run import recipe_run
from mathtune.run.recipe_run import Run
from mathtune.stages.sample import Sample
from mathtune.stages.train import Train

DATA = ("model=embedded", "data=arithmetic")


def planned(folder: Path, recipe: str, *assignments: str) -> Run:
    found = resolve(recipe, config=None, assignments=[*DATA, *assignments])
    return recipe_run.planned(
        found.compose, name=found.name, folder=folder, overrides=found.overrides
    )


def trainings(run: Run) -> dict[str, Train]:
    return {name: step.stage for name, step in run.steps.items() if isinstance(step.stage, Train)}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("given", ["seeds=[1]", "seeds=1"])
def test_one_seed_is_that_of_every_training(tmp_path: Path, recipe: str, given: str) -> None:
    run = planned(tmp_path, recipe, given)
    if recipe == "evaluate":  # it trains nothing
        kept = [step.stage for step in run.steps.values() if isinstance(step.stage, Sample)]
        assert {stage.seed for stage in kept} == {1}
        return
    found = trainings(run)
    assert found
    generators = {name for name in found if "generator-" in name}  # a union's have their own
    assert {stage.seed for name, stage in found.items() if name not in generators} == {1}


@pytest.mark.parametrize("recipe", ["quickstart", "liu2023", "yuan2023"])
def test_one_seed_has_no_folder_and_several_have(tmp_path: Path, recipe: str) -> None:
    usual = planned(tmp_path / "usual", recipe)
    one = planned(tmp_path / "one", recipe, "seeds=[1]")
    assert list(one.steps) == list(usual.steps)
    assert {stage.seed for stage in trainings(usual).values()} == {0}
    two = trainings(planned(tmp_path / "two", recipe, "seeds=[3,4]"))
    for seed in (3, 4):
        own = {name: stage for name, stage in two.items() if name.startswith(f"seed-{seed}/")}
        assert {name.partition("/")[2] for name in own} == set(trainings(usual))
        assert {stage.seed for stage in own.values()} == {seed}
    assert len(two) == 2 * len(trainings(usual))


def test_samples_are_seeded_too_and_the_base_is_measured_once(tmp_path: Path) -> None:
    run = planned(tmp_path, "liu2023", "seeds=[1,2]")
    seeds = {
        name: step.stage.seed for name, step in run.steps.items() if isinstance(step.stage, Sample)
    }
    assert (seeds["seed-1/ssft-samples"], seeds["seed-2/ssft-samples"]) == (1, 2)
    assert [name for name in seeds if name.endswith("base-samples")] == ["base-samples"]


def test_a_step_may_have_a_seed_of_its_own(tmp_path: Path) -> None:
    run = planned(tmp_path, "quickstart", "seeds=[1]", "rft.seed=9")
    found = trainings(run)
    assert (found["rft"].seed, found["ssft"].seed) == (9, 1)


def test_generators_of_yuan2023_are_trained_once_for_all_seeds(tmp_path: Path) -> None:
    run = planned(tmp_path, "yuan2023", "seeds=[1,2]", "generator_seeds=[5]")
    others = [name for name in trainings(run) if "generator-seed" in name]
    assert others == ["generator-seed-5/sft-seed-5"]
    points = run.steps["study"].stage.points  # type: ignore[attr-defined]
    unions = [point for point in points.values() if point.kind == "union"]
    assert len(unions) == 2
    assert unions[0] == unions[1]  # one point under two seeds


@pytest.mark.parametrize("given", ["seeds=[]", "seeds=[1,1]", "seeds=[-1]", "seeds=[a]"])
def test_what_is_no_seed(tmp_path: Path, given: str) -> None:
    with pytest.raises(InputError, match="seeds"):
        planned(tmp_path, "quickstart", given)


def test_the_few_shot_row_keeps_the_settings_around_it(tmp_path: Path) -> None:
    run = Run(tmp_path, overrides={})
    inner = run.within("a", seed=3).within(None, temperature=0.5)
    inner("s", Sample(model="embedded", problems=Path("/elsewhere/p.jsonl"), n=1))
    stage = run.steps["a/s"].stage
    assert isinstance(stage, Sample)
    assert (stage.seed, stage.temperature) == (3, 0.5)


def test_the_long_judge_learns_from_fresh_problems_in_its_own_way(tmp_path: Path) -> None:
    short, long = (
        planned(tmp_path / part, "miniature", "seeds=[3]", f"parts=[{part}]")
        for part in ("judge", "long")
    )
    judge = trainings(long)["seed-3/judge/evaluator-long"]
    assert (judge.epochs, judge.batch_size) == (6, 64)
    other = trainings(short)["seed-3/judge/evaluator-from-generator"]
    assert (other.epochs, other.batch_size) == (1, 16)
    generators = [str(Path(one.model).relative_to(tmp_path)) for one in (judge, other)]
    assert generators == [f"{part}/seed-3/ssft-4000-u600/model" for part in ("long", "judge")]
