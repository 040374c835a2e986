"""A run folder that an earlier version made (commit a03fe5c) is still skipped as finished.

old_run/ holds it: problems, hand-made samples, and what was graded, collected and measured of them.
marks.json has the fingerprints of the stages that need a model, made by the same version. A stage
whose `revision` was raised since then, because its results changed, is taken as its present self.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from mathtune.rows import jsonl
from mathtune.run.fingerprint import differences, fingerprint
from mathtune.run.recipe_run import Run, planned, work
from mathtune.run.stage import Stage
from mathtune.stages.bits import Bits
from mathtune.stages.collect import Collect
from mathtune.stages.grade import Grade
from mathtune.stages.measure import Measure
from mathtune.stages.part import Part
from mathtune.stages.prepare import Prepare
from mathtune.stages.sample import Sample
from mathtune.stages.score import Score
from mathtune.stages.train import Train

OLD = Path(__file__).parent / "old_run"
STEPS = {"data", "few/part", "graded", "pairs", "row"}
MODELS: dict[str, type[Stage[Any]]] = {
    "train": Train,
    "sample": Sample,
    "score": Score,
    "bits": Bits,
}


def small(run: Run) -> None:
    data = run("data", Prepare(source="arithmetic", train=4, validation=2, test=2))
    run.within("few")("part", Part(examples=data.solutions, fraction=0.5))
    graded = run("graded", Grade(samples=(OLD / "samples.jsonl",), problems=data.train))
    run("pairs", Collect(samples=(graded,), problems=data.train, keep="pairs"))
    run("row", Measure(problems=data.train, samples=graded, subsets=5, resamples=100))


def written(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and path.name != "plan.json"
    }


def test_an_old_run_is_skipped_as_finished(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(OLD / "run", folder)
    run = Run(folder, overrides={})
    small(run)
    assert run.steps.keys() == STEPS
    unchanged = 0
    for name, step in run.steps.items():
        path = folder / name / "step.json"
        found = jsonl.read_json(path)
        unchanged += found["revision"] == step.stage.revision
        if found["revision"] < step.stage.revision:
            jsonl.write_json(path, {**found, **fingerprint(step.stage)})
    assert unchanged >= 1
    before = written(folder)
    capfd.readouterr()
    work(planned(small, name="small", folder=folder, overrides={}), small, name="small")
    said = capfd.readouterr().err.splitlines()
    assert {line for line in said if "finished before, skipped" in line} == {
        f"{name}: finished before, skipped" for name in STEPS
    }
    assert written(folder) == before


@pytest.mark.parametrize("name", MODELS)
def test_stages_that_need_a_model_have_their_old_fingerprints(name: str) -> None:
    old = jsonl.read_json(OLD / "marks.json")[name]
    mark = fingerprint(MODELS[name](**old["settings"]))
    if mark["revision"] > old["mark"]["revision"]:
        pytest.skip(f"the results of {name} have changed")
    assert not differences(old["mark"], mark)
    assert not differences(mark, old["mark"])
