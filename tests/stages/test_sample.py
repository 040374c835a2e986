"""The sample stage on the embedded model: rows, blocks, resuming, few-shot prompts, bad input."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mathtune.engines import embedded_model
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.metrics import SampleMetrics
from mathtune.rows.records import Problem
from mathtune.rows.records import Sample as Row
from mathtune.run.fingerprint import fingerprint
from mathtune.run.step import execute
from mathtune.stages.sample import Sample

PROBLEMS = [
    Problem(id=f"p{number}", problem=f"Tom has {number} apples and buys 3. How many?", answer="1")
    for number in range(7)
]
SETTINGS = {"model": "embedded", "n": 3, "max_tokens": 24, "block_size": 2, "device": "cpu"}


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    jsonl.write(path, PROBLEMS)
    return path


def sampled(problems: Path, folder: Path, **settings: object) -> tuple[bytes, SampleMetrics]:
    """The file's bytes and the metrics."""
    stage = Sample(problems=problems, **{**SETTINGS, "workers": 1, **settings})
    folder.mkdir(exist_ok=True)
    metrics = stage.run(folder)
    (path,) = stage.outputs(folder)
    return path.read_bytes(), metrics


def test_every_problem_has_n_samples_in_order(problems: Path, tmp_path: Path) -> None:
    _, metrics = sampled(problems, tmp_path / "out")
    rows = list(jsonl.read(tmp_path / "out" / "samples.jsonl", Row))
    expected = [(problem.id, index) for problem in PROBLEMS for index in range(3)]
    assert [(row.problem_id, row.index) for row in rows] == expected
    assert metrics.samples == 21
    assert metrics.tokens == sum(row.tokens for row in rows)
    assert sum(metrics.finish_reasons.values()) == 21
    assert all(row.tokens == 24 for row in rows if row.finish_reason == "length")


@pytest.mark.parametrize("cut", [0.0, 0.2, 0.5, 0.97])
def test_a_continued_file_is_the_uninterrupted_one(
    cut: float, problems: Path, tmp_path: Path
) -> None:
    whole = sampled(problems, tmp_path / "whole")
    folder = tmp_path / "cut"
    folder.mkdir()
    (folder / "samples.jsonl").write_bytes(whole[0][: int(len(whole[0]) * cut)])
    assert sampled(problems, folder) == whole
    assert sampled(problems, folder) == whole  # nothing left to do


@pytest.mark.slow
def test_the_file_is_the_same_with_two_workers(problems: Path, tmp_path: Path) -> None:
    one = sampled(problems, tmp_path / "one", workers=1)
    assert sampled(problems, tmp_path / "two", workers=2) == one


def test_greedy_takes_one_sample_of_temperature_zero(problems: Path, tmp_path: Path) -> None:
    first, metrics = sampled(problems, tmp_path / "first", greedy=True)
    again, _ = sampled(problems, tmp_path / "again", greedy=True, seed=5)
    assert metrics.samples == 7
    assert first == again


def test_few_shot_prompts_hold_solved_problems(
    problems: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = tmp_path / "shown.jsonl"
    jsonl.write(
        shown,
        [
            Problem(id=str(number), problem=f"What is {number} + 1?", answer="1", solution="#### 1")
            for number in range(3)
        ],
    )
    _, metrics = sampled(problems, tmp_path / "out", few_shot=shown, shots=2)
    expected = (
        "Problem: What is 0 + 1?\nSolution:\n#### 1\n\n"
        "Problem: What is 1 + 1?\nSolution:\n#### 1\n\n"
        "Problem: Tom has 0 apples and buys 3. How many?\nSolution:\n"
    )
    assert expected in capsys.readouterr().err
    rows = list(jsonl.read(tmp_path / "out" / "samples.jsonl", Row))
    assert not [row for row in rows if "\nProblem:" in row.text]
    assert metrics.samples == 21
    with pytest.raises(InputError, match="has 3 rows; expected 5 exemplars"):
        sampled(problems, tmp_path / "more", few_shot=shown, shots=5)
    with pytest.raises(InputError, match="solution"):
        sampled(problems, tmp_path / "none", few_shot=problems, shots=2)


def test_a_prompt_beyond_the_context_is_named_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "problems.jsonl"
    jsonl.write(path, [Problem(id="long", problem="x " * 3000, answer="1"), *PROBLEMS])
    _, metrics = sampled(path, tmp_path / "out")
    assert metrics.prompts_too_long == ["long"]
    assert metrics.samples == 24
    assert metrics.finish_reasons["prompt_too_long"] == 3
    assert "long" in capsys.readouterr().err.splitlines()[-1]


def test_an_empty_problem_is_refused_before_work(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    jsonl.write(path, [*PROBLEMS, Problem(id="void", problem=" ", answer="1")])
    with pytest.raises(InputError, match="'void', field 'problem': empty"):
        sampled(path, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def run_on(problems: Path, folder: Path, **settings: object) -> list[Row]:
    """As the command line does it: `execute` finds the folder's state by itself."""
    stage = Sample(problems=problems, **{**SETTINGS, "workers": 1, **settings})
    execute(stage, folder, name="samples")
    return list(jsonl.read(folder / "samples.jsonl", Row))


def test_more_samples_are_added_to_those_that_are_there(problems: Path, tmp_path: Path) -> None:
    few = run_on(problems, tmp_path / "out", n=2)
    many = run_on(problems, tmp_path / "out", n=5)
    expected = [(problem.id, index) for problem in PROBLEMS for index in range(5)]
    assert [(row.problem_id, row.index) for row in many] == expected
    assert [row for row in many if row.index < 2] == few
    texts = {(row.problem_id, row.text) for row in few}
    new = [row for row in many if row.index >= 2]
    assert sum((row.problem_id, row.text) in texts for row in new) < len(new)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "samples.jsonl",
        "metrics.json",
        "step.json",
    }
    with pytest.raises(InputError, match="n was 5, now 4"):
        run_on(problems, tmp_path / "out", n=4)


def cut_off(folder: Path, into: Path, at: float, stage: Sample) -> None:
    """A folder as a kill leaves it when this part of what `stage` writes is there."""
    into.mkdir()
    text = (folder / "samples.jsonl").read_bytes()
    (into / "samples.jsonl").write_bytes(text[: int(len(text) * at)])
    jsonl.write_json(into / "started.json", fingerprint(stage))


@pytest.mark.parametrize("at", [0.0, 0.3, 0.8])
def test_more_than_an_unfinished_step_was_asked_for(
    at: float, problems: Path, tmp_path: Path
) -> None:
    run_on(problems, tmp_path / "out", n=2)
    stage = Sample(problems=problems, **{**SETTINGS, "workers": 1, "n": 2})
    cut_off(tmp_path / "out", tmp_path / "cut", at, stage)
    assert run_on(problems, tmp_path / "cut", n=5) == run_on(problems, tmp_path / "out", n=5)


@pytest.mark.parametrize("at", [0.0, 0.4, 0.9, 1.0])
def test_growth_that_is_cut_off_is_the_uninterrupted_one(
    at: float, problems: Path, tmp_path: Path
) -> None:
    run_on(problems, tmp_path / "out", n=2)
    few = (tmp_path / "out/samples.jsonl").read_bytes()
    shutil.copytree(tmp_path / "out", tmp_path / "cut")
    whole = run_on(problems, tmp_path / "out", n=5)
    stage = Sample(problems=problems, **{**SETTINGS, "workers": 1, "n": 5})
    jsonl.write_json(tmp_path / "cut/started.json", {**fingerprint(stage), "grown_from": [2]})
    (tmp_path / "cut/step.json").unlink()
    # Later rounds stand after the first until all is there: in blocks of two problems here.
    blocks = [PROBLEMS[start : start + 2] for start in range(0, len(PROBLEMS), 2)]
    later = [
        row
        for block in blocks
        for problem in block
        for row in whole
        if row.problem_id == problem.id and row.index >= 2
    ]
    jsonl.write(tmp_path / "later.jsonl", later)
    more = (tmp_path / "later.jsonl").read_bytes()
    (tmp_path / "cut/samples.jsonl").write_bytes(few + more[: int(len(more) * at)])
    assert run_on(problems, tmp_path / "cut", n=5) == whole


def test_a_prompt_other_than_the_trained_one_is_warned_of(
    problems: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "train" / "model"
    model.parent.mkdir()
    model.symlink_to(embedded_model.path(), target_is_directory=True)
    record = {"stage": "train", "config": {"objective": "mle", "prompt": "alpaca"}}
    jsonl.write_json(model.parent / "step.json", record)
    sampled(problems, tmp_path / "out", model=str(model), max_tokens=2, n=1)
    assert f"warning: {model} was trained on other prompts, with" in capsys.readouterr().err
