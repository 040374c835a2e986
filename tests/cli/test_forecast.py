"""The predicted bill: rows and FLOPs of a plan by hand, shapes from config.json and names."""

from __future__ import annotations

from pathlib import Path

import pytest

from mathtune.cli.forecast import Forecast, document, problems, size_of, table
from mathtune.engines import embedded_model
from mathtune.engines.transformers import models
from mathtune.recipes import resolve
from mathtune.run import recipe_run
from mathtune.run.recipe_run import Run
from mathtune.stages.bits import shape
from mathtune.stages.collect import Collect
from mathtune.stages.grade import Grade
from mathtune.stages.part import Part
from mathtune.stages.prepare import Prepare
from mathtune.stages.sample import Sample
from mathtune.stages.train import Train


def test_a_models_size_is_read_from_its_folder_or_name() -> None:
    found = size_of("embedded")
    assert found is not None
    counted = shape(models.load(str(embedded_model.path()))[0])
    assert found.parameters == counted.without_embeddings
    assert (found.layers, found.width) == (counted.layers, counted.width)
    assert size_of("org/model-x") is None
    assert size_of("no/such/64x4-8M") is None


def test_flops_of_a_plan_by_hand(tmp_path: Path) -> None:
    run = Run(tmp_path, overrides={})
    data = run("data", Prepare(source="gsm8k", limit=100))
    part = run("part", Part(examples=data.solutions, fraction=0.5))
    model = "org/model-1b"
    sft = run("sft", Train(model=model, objective="mle", examples=part, epochs=2))
    samples = run("drafts", Sample(model=sft, problems=data.train, n=100))
    graded = run("graded", Grade(problems=data.train, samples=samples))
    paths = run("paths", Collect(problems=data.train, samples=graded, keep="paths"))
    rft = run("rft", Train(model=model, objective="mle", examples=paths, epochs=1))
    equal = Train(model=model, objective="mle", examples=data.solutions, equal_updates_to=rft)
    run("control", equal)
    forecast = Forecast()
    flops = {
        name: forecast.read(step.stage, run.folder / name)[0] for name, step in run.steps.items()
    }
    tokens = 66 + 130  # of a problem and of a solution, as in the paper
    assert flops["sft"] == pytest.approx(6e9 * tokens * 50 * 2)
    # Layers and width of a model known by name are not: only the parameters count.
    each = 66 * 2e9 + (130 + 1) * 1.66e9
    assert flops["drafts"] == pytest.approx(100 * 100 * each)
    assert flops["rft"] == pytest.approx(6e9 * tokens * 100 * (1 + 5.25))
    assert flops["control"] == flops["rft"]
    noted = document(run, speed=1e12)
    assert noted.speed == 1e12
    hours = {name: step.hours for name, step in noted.steps.items()}
    assert hours == pytest.approx(
        {name: flops[name] / 1e12 / 3600 for name in ("sft", "drafts", "rft", "control")}
    )
    shown = table(run, speed=1e12)
    assert shown.row_count == 5  # four steps that cost, and the sum


def test_steps_of_models_of_unknown_size_are_not_in_the_document(tmp_path: Path) -> None:
    run = Run(tmp_path, overrides={})
    data = run("data", Prepare(source="gsm8k", limit=10))
    run("drafts", Sample(model="org/unsized", problems=data.train, n=2))
    assert document(run, speed=1e12).steps == {}


def test_sizes_of_sources() -> None:
    assert problems(Prepare(source="arithmetic", train=50, test=20)) == (50, 200, 20)
    assert problems(Prepare(source="arithmetic", train=50, test=20, limit=30)) == (30, 30, 20)
    assert problems(Prepare(source="gsm8k")) == (7473, 0, 1319)
    assert problems(Prepare(source="gsm8k", limit={"train": 10})) == (10, 0, 1319)


def test_every_shape_of_liu2023_has_a_bill(tmp_path: Path) -> None:
    """Halves of the training problems, joint losses, exemplars, further models."""
    found = resolve("liu2023-tables", config=None, assignments=[])
    run = recipe_run.planned(
        found.compose, name=found.name, folder=tmp_path / "run", overrides=found.overrides
    )
    halves = run.steps["halves"].stage
    assert table(run, speed=1e12).row_count > 30
    forecast = Forecast()
    for name, step in run.steps.items():
        forecast.read(step.stage, run.folder / name)
    first, second = halves.outputs(run.folder / "halves")
    assert forecast.rows[first.problems] == forecast.rows[second.solutions] == 120
