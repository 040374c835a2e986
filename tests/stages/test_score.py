"""The score stage on the embedded model: rows beside the samples, resuming, both scorers."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch

from mathtune.engines import embedded_model
from mathtune.engines.transformers import models
from mathtune.errors import InputError, SettingError
from mathtune.rows import jsonl
from mathtune.rows.metrics import ScoreMetrics
from mathtune.rows.records import Problem, Sample, Scored
from mathtune.rows.samples import read_samples
from mathtune.run.stage import validated
from mathtune.stages.score import Score

PROBLEMS = [
    Problem(id=f"p{number}", problem=f"Tom has {number} apples and buys 3. How many?", answer="1")
    for number in range(5)
]
SAMPLES = [
    Sample(problem_id=problem.id, index=index, text=text, finish_reason="stop", tokens=5)
    for problem in PROBLEMS
    for index, text in enumerate(("#### 3", "3 + 1 = 4\n#### 4", "", "#### 3"))
]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    jsonl.write(tmp_path / "problems.jsonl", PROBLEMS)
    jsonl.write(tmp_path / "samples.jsonl", SAMPLES)
    return tmp_path / "problems.jsonl", tmp_path / "samples.jsonl"


def scored(
    files: tuple[Path, Path], folder: Path, **settings: object
) -> tuple[bytes, ScoreMetrics]:
    """The file's bytes and the metrics."""
    problems, samples = files
    stage = Score(
        problems=problems,
        samples=(samples,),
        device="cpu",
        **{"model": "embedded", "workers": 1, "block_size": 2, **settings},
    )
    folder.mkdir(exist_ok=True)
    metrics = stage.run(folder)
    columns = stage.outputs(folder)
    assert len(list(read_samples(columns))) == len(SAMPLES)
    return columns[-1].read_bytes(), metrics


def test_scores_are_shares_and_equal_for_equal_texts(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    _, metrics = scored(files, tmp_path / "out")
    rows = list(jsonl.read(tmp_path / "out" / "scores.jsonl", Scored))
    assert [(row.problem_id, row.index) for row in rows] == [
        (sample.problem_id, sample.index) for sample in SAMPLES
    ]
    assert all(0 < row.score < 1 for row in rows)
    assert [row.score for row in rows[0::4]] == [row.score for row in rows[3::4]]
    assert len({row.score for row in rows}) == 15
    assert metrics.scores == 20
    assert metrics.mean == pytest.approx(sum(row.score for row in rows) / 20)


def test_a_likelihood_is_the_solutions_probability(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    scored(files, tmp_path / "out", scorer="likelihood")
    rows = list(jsonl.read(tmp_path / "out" / "scores.jsonl", Scored))
    model, tokenizer = models.load("embedded", device="cpu")
    prompt = tokenizer.encode(f"Problem: {PROBLEMS[2].problem}\nSolution:\n")
    target = tokenizer.encode("3 + 1 = 4\n#### 4", add_special_tokens=False)
    ids = [*prompt, *target, tokenizer.eos_token_id]
    with torch.no_grad():
        logs = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    log = sum(float(logs[at - 1, ids[at]]) for at in range(len(prompt), len(ids)))
    assert math.log(rows[2 * 4 + 1].score) == pytest.approx(log, abs=1e-4)


def test_samples_of_which_the_judge_reads_nothing_are_counted(
    files: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    thought = ["<think>3?", "<think>3?</think>#### 3", "3?\n</think>", "#### 3"]
    samples = [msgspec.structs.replace(sample, text=thought[sample.index]) for sample in SAMPLES]
    jsonl.write(files[1], samples)
    scored(files, tmp_path / "out", thoughts="drop")
    said = "thoughts=drop: 10 of 20 samples end with thoughts, finished or cut off"
    assert said in capfd.readouterr().err
    rows = list(jsonl.read(tmp_path / "out" / "scores.jsonl", Scored))
    first = [row.score for row in rows[:4]]
    assert first[0] == first[2] and first[1] == first[3] and first[0] != first[1]  # noqa: PT018
    scored(files, tmp_path / "read")
    assert said not in capfd.readouterr().err


@pytest.mark.parametrize("cut", [0.0, 0.3, 0.9])
def test_a_continued_file_is_the_uninterrupted_one(
    cut: float, files: tuple[Path, Path], tmp_path: Path
) -> None:
    whole = scored(files, tmp_path / "whole")
    folder = tmp_path / "cut"
    folder.mkdir()
    (folder / "scores.jsonl").write_bytes(whole[0][: int(len(whole[0]) * cut)])
    assert scored(files, folder) == whole


@pytest.mark.slow
def test_the_file_is_the_same_with_two_workers(files: tuple[Path, Path], tmp_path: Path) -> None:
    assert scored(files, tmp_path / "two", workers=2) == scored(files, tmp_path / "one")


def test_a_sample_beyond_the_context_gets_zero_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jsonl.write(tmp_path / "problems.jsonl", PROBLEMS)
    long = Sample(problem_id="p0", index=3, text="x " * 3000, finish_reason="length", tokens=1)
    jsonl.write(tmp_path / "samples.jsonl", [*SAMPLES[:3], long, *SAMPLES[4:]])
    files = (tmp_path / "problems.jsonl", tmp_path / "samples.jsonl")
    _, metrics = scored(files, tmp_path / "out")
    rows = list(jsonl.read(tmp_path / "out" / "scores.jsonl", Scored))
    assert metrics.zero == 1
    assert rows[3].score == 0
    assert "p0 3: longer than the model's context" in capsys.readouterr().err


def test_samples_of_an_unknown_problem_are_refused(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    jsonl.write(files[0], PROBLEMS[:2])
    with pytest.raises(InputError, match="'p2', which is not in"):
        scored(files, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_the_calculator_scores_without_a_model(files: tuple[Path, Path], tmp_path: Path) -> None:
    _, metrics = scored(files, tmp_path / "out", scorer="calculator", model=None)
    rows = list(jsonl.read(tmp_path / "out" / "scores.jsonl", Scored))
    assert [row.score for row in rows] == [1.0] * 20  # 3 + 1 = 4 holds
    false = [replace_text(sample, "3 + 1 = 5\n#### 5") for sample in SAMPLES]
    jsonl.write(files[1], [*false[:3], *SAMPLES[3:]])
    _, metrics = scored(files, tmp_path / "again", scorer="calculator", model=None)
    rows = list(jsonl.read(tmp_path / "again" / "scores.jsonl", Scored))
    assert [row.score for row in rows] == [0.1] * 3 + [1.0] * 17
    assert (metrics.problems, metrics.scores, metrics.zero) == (5, 20, 0)
    assert metrics.mean == pytest.approx(17.3 / 20)


def replace_text(sample: Sample, text: str) -> Sample:
    return msgspec.structs.replace(sample, text=text)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"scorer": "calculator"}, "model: found 'embedded'; the scorer calculator reads no model"),
        ({"model": None}, "model: missing; the scorer evaluator needs one"),
        ({"scorer": "calc"}, "'evaluator', 'likelihood' or 'calculator'"),
    ],
)
def test_a_scorer_has_its_model_or_none(
    settings: dict[str, object], sentence: str, files: tuple[Path, Path]
) -> None:
    values = {"model": "embedded", "problems": files[0], "samples": (files[1],), **settings}
    with pytest.raises(SettingError, match=sentence):
        validated(Score, values)


def test_the_calculator_needs_no_torch(files: tuple[Path, Path], tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from mathtune.stages.score import Score\n"
        "from mathtune.run.step import execute\n"
        f"stage = Score(problems={str(files[0])!r}, samples=({str(files[1])!r},), "
        "scorer='calculator')\n"
        f"execute(stage, Path({str(tmp_path / 'out')!r}), name='out', redo=False)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert (tmp_path / "out" / "scores.jsonl").exists()


@pytest.mark.parametrize(
    ("scorer", "objective"), [("evaluator", "cls-xent"), ("likelihood", "mle")]
)
def test_prompts_other_than_the_trained_ones_are_warned_of(
    scorer: str,
    objective: str,
    files: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = tmp_path / "train" / "model"
    model.parent.mkdir()
    model.symlink_to(embedded_model.path(), target_is_directory=True)
    config = {"objective": objective, "prompt": "alpaca", "thoughts": "drop"}
    record = {"stage": "train", "config": config}
    jsonl.write_json(model.parent / "step.json", record)
    scored(files, tmp_path / "out", model=str(model), scorer=scorer)
    assert f"warning: {model} was trained on other prompts, with" in capsys.readouterr().err
