"""The predicted bill: rows and FLOPs of a plan by hand, shapes from config.json and names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from mathtune.cli import forecast as bill
from mathtune.cli.device import Device, device
from mathtune.cli.forecast import Forecast, document, expected, problems, size_of, table, total
from mathtune.engines import embedded_model
from mathtune.engines.transformers import models
from mathtune.errors import InputError
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
    given = device(1e12)
    costs = expected(run, given)
    noted = document(costs, given)
    assert noted.speed == 1e12
    hours = {name: step.hours for name, step in noted.steps.items()}
    assert hours == pytest.approx(
        {name: flops[name] / 1e12 / 3600 for name in ("sft", "drafts", "rft", "control")}
    )
    # Of grading 10,000 samples: seconds, in the total alone.
    whole = sum(flops.values()) / 1e12 + 10_000 / bill.GRADED
    assert sum(one.seconds or 0.0 for one in costs.values()) == pytest.approx(whole)
    shown = table(run, costs, given)
    assert shown.row_count == 1 + len(run.steps)  # the sum first
    assert next(iter(shown.columns[0].cells)) == "all"


def test_steps_of_models_of_unknown_size_are_not_in_the_document(tmp_path: Path) -> None:
    run = Run(tmp_path, overrides={})
    data = run("data", Prepare(source="gsm8k", limit=10))
    run("drafts", Sample(model="org/unsized", problems=data.train, n=2))
    given = device(1e12)
    costs = expected(run, given)
    assert document(costs, given).steps == {}
    assert total(costs, given).startswith("unknown on a device of 1e+12 FLOP/s")
    columns = [list(column.cells) for column in table(run, costs, given).columns]
    assert columns[-1] == ["unknown", "", "unknown"]  # all, data, drafts
    known = run("more", Sample(model="embedded", problems=data.train, n=2))
    assert known
    costs = expected(run, given)
    assert total(costs, given).startswith("at least under 1 s on")
    assert total(costs, given).endswith("; unknown for drafts")


def test_a_servers_time_is_unknown(tmp_path: Path) -> None:
    run = Run(tmp_path, overrides={})
    data = run("data", Prepare(source="gsm8k", limit=10))
    run("drafts", Sample(model="org/m-1b", problems=data.train, n=2, engine="openai"))
    costs = expected(run, device(1e12))
    assert costs["drafts"].flops > 0
    assert costs["drafts"].seconds is None


def test_steps_share_the_cores(tmp_path: Path) -> None:
    """A training on one core of two costs its whole time alone, and half of it beside others."""
    run = Run(tmp_path, overrides={})
    data = run("data", Prepare(source="gsm8k", limit=100))
    common = {"model": "org/m-1b", "objective": "mle", "examples": data.solutions}
    run("one", Train(**common, threads=1))  # type: ignore[arg-type]
    run("all", Train(**common))  # type: ignore[arg-type]
    here = Device("two cores", 1e10, cores=2, reached={"train": 0.5}, start=3.0)
    costs = expected(run, here)
    flops = 6e9 * 196 * 100 * 3
    assert costs["one"].seconds == costs["all"].seconds == pytest.approx(flops / 5e9 + 3)
    assert (costs["one"].wide, costs["all"].wide) == (1, 2)
    noted = document(costs, here).steps
    assert noted["one"].hours == pytest.approx(2 * noted["all"].hours)
    assert bill.seconds(costs, here) == pytest.approx(flops / 5e9 + 3)


def test_this_machines_speed_is_measured() -> None:
    found = device(None)
    assert 1e8 < found.peak < 1e16
    train = 1e12 / (found.peak * found.reached["train"]) + found.start
    assert found.core_seconds("train", 1e12) == pytest.approx(train)
    assert f"{found.peak:.2g}" in found.name


def test_a_busy_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (6.4, 0.0, 0.0), raising=False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert device(None).load == 3.2
    costs = {"drafts": bill.Cost(flops=1e9, seconds=120.0)}
    said = total(costs, device(None))
    assert said.endswith("; 3.2 programs per core are running, so expect longer")
    monkeypatch.setattr(os, "getloadavg", lambda: (1.2, 9.0, 9.0), raising=False)
    assert total(costs, device(None)).endswith("in a matrix product")
    monkeypatch.delattr(os, "getloadavg")  # as on Windows
    assert device(None).load is None


def test_sizes_of_sources() -> None:
    assert problems(Prepare(source="arithmetic", train=50, test=20)) == (50, 200, 20)
    assert problems(Prepare(source="arithmetic", train=50, test=20, limit=30)) == (30, 30, 20)
    assert problems(Prepare(source="gsm8k")) == (6973, 500, 1319)
    assert problems(Prepare(source="gsm8k", limit={"train": 10})) == (10, 500, 1319)
    assert problems(Prepare(source="gsm8k", validation=73, limit=90)) == (90, 73, 90)
    assert problems(Prepare(source="math")) == (11000, 1000, 500)
    assert problems(Prepare(source="aime24", test="all")) == (0, 0, 30)


def test_sizes_of_a_file_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"problem": "1?", "answer": "1"}\n' * 60)
    assert problems(Prepare(source=str(path))) == (0, 0, 60)  # too few to be split
    assert problems(Prepare(source=str(path), test=6, validation=5)) == (49, 5, 6)
    assert problems(Prepare(source=str(path), test=10, limit={"train": 20})) == (20, 5, 10)


def test_a_training_without_examples_is_refused_before_any_work(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"problem": "1?", "answer": "1"}\n' * 60)

    def expecting(**sizes: int) -> None:
        run = Run(tmp_path / "run", overrides={})
        data = run("data", Prepare(source=str(path), **sizes))  # type: ignore[arg-type]
        run("ssft", Train(model="embedded", objective="mle", examples=data.solutions))
        expected(run, device(1e12))

    with pytest.raises(InputError, match="step 'ssft' would have no examples to learn from"):
        expecting()
    expecting(validation=5, test=6)


def test_every_shape_of_liu2023_has_a_bill(tmp_path: Path) -> None:
    """Halves of the training problems, joint losses, exemplars, further models."""
    found = resolve("liu2023-tables", config=None, assignments=[])
    run = recipe_run.planned(
        found.compose, name=found.name, folder=tmp_path / "run", overrides=found.overrides
    )
    halves = run.steps["halves"].stage
    given = device(1e12)
    assert table(run, expected(run, given), given).row_count > 30
    forecast = Forecast()
    for name, step in run.steps.items():
        forecast.read(step.stage, run.folder / name)
    first, second = halves.outputs(run.folder / "halves")
    assert forecast.rows[first.problems] == forecast.rows[second.solutions] == 120
