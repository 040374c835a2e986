"""The recipe `evaluate`: its steps, where settings go, and a small run from end to end."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries
from huggingface_hub.repocard_data import model_index_to_eval_results

from mathtune.cli import compare
from mathtune.cli.evaluate import EvaluateOptions, resolved
from mathtune.data import declared, local
from mathtune.errors import InputError
from mathtune.foreign import Request, grade_file
from mathtune.report import evaluated
from mathtune.run.recipe_run import Run, planned, work


def steps(folder: Path, *settings: str, **asked: Any) -> Run:
    found = resolved(EvaluateOptions("embedded", settings=settings, **asked))
    return planned(found.compose, name=found.name, folder=folder, overrides=found.overrides)


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "copies"
    folder.mkdir()
    rows = [{"question": f"What is {n} + 1?", "answer": f"so\n#### {n + 1}"} for n in range(150)]
    for split in ("train", "test"):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"gsm8k_{split}.jsonl").write_text(text.replace("What", f"In {split}, what"))
    monkeypatch.setenv(local.VARIABLE, str(folder))
    return folder


def test_each_set_has_its_steps(tmp_path: Path, copies: Path) -> None:
    mine = copies / "mine.jsonl"
    mine.write_text('{"problem": "1?", "answer": 1}\n')
    run = steps(tmp_path / "run", data=f"gsm8k,{mine}", evaluator="embedded")
    names = list(run.steps)
    assert names[:8] == [
        "gsm8k/data",
        "gsm8k/exemplars",
        "gsm8k/greedy",
        "gsm8k/greedy-grades",
        "gsm8k/samples",
        "gsm8k/samples-grades",
        "gsm8k/scores",
        "gsm8k/gsm8k-row",
    ]
    assert names[8] == "mine/data"
    assert "mine/exemplars" not in names
    assert run.steps["gsm8k/samples"].stage.shots == 4  # type: ignore[attr-defined]
    assert run.steps["mine/data"].stage.test == "all"  # type: ignore[attr-defined]


def test_the_calculator_judges_without_a_model(tmp_path: Path) -> None:
    run = steps(tmp_path / "run", data="arithmetic", evaluator="calculator")
    score: Any = run.steps["arithmetic/scores"].stage
    assert (score.scorer, score.model) == ("calculator", None)


@pytest.mark.usefixtures("copies")
def test_settings_reach_the_stage_that_has_them(tmp_path: Path) -> None:
    run = steps(
        tmp_path / "run", "max_tokens=64", "temperature=1", "limit=5", "grader=prm800k",
        "shots=0", "greedy.max_tokens=32", data="gsm8k",
    )  # fmt: skip
    found: dict[str, Any] = {name: step.stage for name, step in run.steps.items()}
    assert (found["gsm8k/samples"].max_tokens, found["gsm8k/greedy"].max_tokens) == (64, 32)
    assert found["gsm8k/samples"].temperature == 1
    assert found["gsm8k/data"].limit == {"test": 5, "train": 50}
    assert found["gsm8k/samples-grades"].grader == "prm800k"
    assert found["gsm8k/samples"].few_shot is None
    with pytest.raises(InputError, match="tempature: no such"):
        steps(tmp_path / "other", "tempature=1")
    with pytest.raises(InputError, match="'gsm8k' is there twice"):
        steps(tmp_path / "other", data="gsm8k,gsm8k")


TEMPLATE = "{% for one in messages %}<{{ one['role'] }}>{{ one['content'] }}{% endfor %}<assistant>"


@pytest.fixture
def chat_model(tmp_path: Path, stand_in: Callable[[Path], Path]) -> str:
    """A folder with the embedded tokenizer and a chat template; plans are made of it."""
    from mathtune.engines.transformers import models

    folder = stand_in(tmp_path / "chat-model")
    (folder / "config.json").write_text('{"model_type": "llama"}')
    tokenizer = models.load_tokenizer("embedded")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    tokenizer.chat_template = None
    return str(folder)


@pytest.mark.usefixtures("copies")
def test_a_chat_model_is_told_and_not_shown(tmp_path: Path, chat_model: str) -> None:
    rows = [{"id": n, "problem": f"{n} + 1?", "answer": str(n + 1)} for n in range(30)]
    (tmp_path / "copies" / "aime24.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = resolved(EvaluateOptions(chat_model, "gsm8k,aime24"))
    run = planned(found.compose, name="evaluate", folder=tmp_path / "a", overrides=found.overrides)
    stages: dict[str, Any] = {name: step.stage for name, step in run.steps.items()}
    assert not [name for name in stages if "exemplar" in name]
    assert stages["gsm8k/samples"].few_shot is None
    assert stages["gsm8k/samples"].instruction is None  # the usual one
    assert "integer from 0 to 999" in stages["aime24/greedy"].instruction
    own = resolved(EvaluateOptions(chat_model, "aime24", settings=("instruction=Solve it.",)))
    run = planned(own.compose, name="evaluate", folder=tmp_path / "b", overrides=own.overrides)
    assert run.steps["aime24/samples"].stage.instruction == "Solve it."  # type: ignore[attr-defined]
    plain = resolved(EvaluateOptions(chat_model, "gsm8k", settings=("prompt=plain",)))
    run = planned(plain.compose, name="evaluate", folder=tmp_path / "c", overrides=plain.overrides)
    assert run.steps["gsm8k/samples"].stage.shots == 4  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_small_evaluation(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    found = resolved(EvaluateOptions("embedded", n=3, settings=("limit=5", "max_tokens=40")))
    run = planned(found.compose, name=found.name, folder=folder, overrides=found.overrides)
    work(run, found.compose, name=found.name)
    document = evaluated.write(folder)
    one = document["sets"]["arithmetic"]
    assert (one["problems"], one["n"]) == (5, 3)
    for name in ("mean@3", "truncated", "unanswered"):
        assert 0 <= one[name]["low"] <= one[name]["value"] <= one[name]["high"] <= 1
    assert one["over_n"]["n"] == [1, 2, 3]
    assert 0 < one["tokens"]["value"] <= 40
    samples = folder / one["samples"]
    graded = grade_file(Request.parse([str(samples)], rule="explicit"))
    assert graded["samples"] == 15
    compared = compare.compared(
        [str(samples), str(folder / "arithmetic/arithmetic-row")],
        reading=compare.FileOptions(extract="explicit"),
    )
    first, second = (row.seeds[0] for row in compared.rows)
    assert {name: found["mean"] for name, found in first.items()} == {
        name: found["mean"] for name, found in second.items()
    }
    cells = [cell for row in evaluated.table(document).rows for cell in row]
    assert {"mean@n", "Maj@n", "truncated"} <= set(cells)


def test_results_for_the_hub(tmp_path: Path) -> None:
    part = {"value": 0.25, "low": 0.1, "high": 0.4}
    one = {"problems": 40, "n": 8, "grader": "math 3", "metrics": {"mean": part, "Pass@8": part}}
    document = {"model": "some/model", "sets": {"gsm8k": one, "amc23": one, "mine": one}}
    results, index = evaluated.write_for_hub(document, tmp_path)
    (entry,) = parse_eval_result_entries(yaml.safe_load(results.read_text()))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("openai/gsm8k", "gsm8k", 25.0)
    assert entry.dataset_revision == declared.shipped()["gsm8k"].revision
    model, metrics = model_index_to_eval_results(yaml.safe_load(index.read_text())["model-index"])
    assert model == "model"
    assert [(found.dataset_type, found.metric_name) for found in metrics] == [
        ("openai/gsm8k", "mean@8"), ("openai/gsm8k", "Pass@8"),
        ("math-ai/amc23", "mean@8"), ("math-ai/amc23", "Pass@8"),
    ]  # fmt: skip
    assert not evaluated.write_for_hub({"model": "m", "sets": {"mine": one}}, tmp_path)
