"""The card of a trained model: what the hub and a reader find in it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import pytest
import yaml

pytest.importorskip("huggingface_hub", reason="pip install 'mathtune[train]'")

from huggingface_hub import ModelCard, parse_eval_result_entries

from mathtune.data import declared
from mathtune.rows.metrics import TrainMetrics
from mathtune.run import settings
from mathtune.stages.train import Train, defaults
from mathtune.training.card import Accuracy, Trained, command, results_files, text

METRICS = TrainMetrics("mle", 1200, 51_000, 2, 1, 30, 0.5, 0.25)
GSM8K = declared.on_hub("gsm8k")
GREEDY = Accuracy("ssft", "Pass@1 (greedy)", 0.433, 0.385, 0.481, 400, "gsm8k", "2026-01-02", GSM8K)


def read(card: str) -> Any:
    """Return the metadata as the hub's client reads it."""
    return ModelCard(card).data


def trained(base: str = "org/base", **given: Any) -> Trained:
    stage = Train(**{"model": base, "examples": ("solutions.jsonl",)} | given)
    return Trained(
        base,
        stage.model_dump(mode="json"),
        METRICS,
        defaults(),
        sources=("gsm8k",),
        before=("first (mle)",),
    )


def test_the_hub_reads_base_and_accuracies_with_intervals() -> None:
    data = read(text(trained(), [GREEDY], name="mine"))
    assert data.base_model == "org/base"
    assert data.library_name == "transformers"
    (result,) = data.eval_results or []
    assert (result.metric_value, result.dataset_type, result.dataset_config) == (
        43.3,
        "openai/gsm8k",
        "main",
    )
    assert result.dataset_revision == declared.shipped()["gsm8k"].revision
    assert result.metric_args == {"low": 38.5, "high": 48.1, "level": 0.95, "problems": 400}


@pytest.mark.parametrize(
    ("name", "split", "expected"),
    [
        ("gsm8k", "test", ("openai/gsm8k", "main", "test")),
        ("gsm8k", "validation", ("openai/gsm8k", "main", "train")),  # drawn from it
        ("aime24", "test", ("HuggingFaceH4/aime_2024", None, "train")),
        ("asdiv", "test", ("EleutherAI/asdiv", None, "validation")),
        ("openmathreasoning", "test", ("nvidia/OpenMathReasoning", None, "cot")),
    ],
)
def test_the_split_is_the_one_that_the_hub_has(name: str, split: str, expected: Any) -> None:
    measured = replace(GREEDY, data=name, hub=declared.on_hub(name, split))
    (result,) = read(text(trained(), [measured])).eval_results
    assert (result.dataset_type, result.dataset_config, result.dataset_split) == expected


def test_the_hub_s_results_are_a_file_for_each_of_its_benchmarks() -> None:
    voted = replace(GREEDY, metric="Maj1@8", value=0.5, single=False)
    others = [
        replace(GREEDY, data="mine.jsonl", hub=None),
        replace(GREEDY, data="amc23", hub=declared.on_hub("amc23")),  # no benchmark of the hub
        replace(GREEDY, data="gsm8k", hub=declared.on_hub("gsm8k", "validation")),
    ]
    ((path, content),) = results_files([*others, voted, GREEDY]).items()
    assert path == ".eval_results/gsm8k.yaml"
    (entry,) = parse_eval_result_entries(yaml.safe_load(content))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("openai/gsm8k", "gsm8k", 43.3)
    assert (entry.dataset_revision, entry.date) == (
        declared.shipped()["gsm8k"].revision,
        "2026-01-02",
    )
    assert "400 of 1,319 problems, Pass@1 (greedy): " in str(entry.notes)
    assert "43.3 % [38.5, 48.1]" in str(entry.notes)


def test_the_task_is_the_declared_one_and_a_copy_has_no_revision() -> None:
    copy = replace(GREEDY, data="math500", hub=declared.on_hub("math500", copied=True))
    (content,) = results_files([copy]).values()
    (entry,) = parse_eval_result_entries(yaml.safe_load(content))
    assert (entry.dataset_id, entry.task_id, entry.dataset_revision) == (
        "HuggingFaceH4/MATH-500",
        "math_500",
        None,
    )


def test_a_reader_finds_what_was_learned_and_how_often_it_is_right() -> None:
    card = text(trained(), [GREEDY], name="mine")
    assert "1,200 examples, 51,000 target tokens, 30 updates of 128" in card
    assert "- After: first (mle)" in card
    assert "- 2 examples were cut, 1 left out" in card
    assert "| gsm8k (ssft) | 400 | Pass@1 (greedy) | 43.3 % [38.5, 48.1] |" in card
    assert "- Pass@1 (greedy): one solution, by always the likeliest token" in card
    assert "Not measured." in text(trained())


def test_a_reader_finds_how_to_ask_it() -> None:
    assert "mathtune sample problems.jsonl model=FOLDER n=16" in text(trained())
    worded = text(trained(prompt="plain", instruction="Be brief."))
    assert "model=FOLDER prompt=plain 'instruction=Be brief.' n=16" in worded


def test_what_stands_beside_is_in_the_table_alone() -> None:
    votes = replace(GREEDY, metric="Maj1@8", single=False, for_comparison=True)
    auc = replace(votes, metric="AUC within problems", value=0.8126)
    card = text(trained(), [GREEDY, votes, auc], name="mine")
    assert [one.metric_name for one in read(card).eval_results] == ["Pass@1 (greedy) (ssft)"]
    assert "| Maj1@8 | 43.3 % [38.5, 48.1] |" in card
    assert "| AUC within problems | 0.813 [0.385, 0.481] |" in card


def test_the_command_holds_what_is_not_the_default_and_no_folder() -> None:
    told = command(
        trained(
            "/home/me/secret/base",
            examples=("/home/me/secret/solutions.jsonl",),
            epochs=1.5,
            lora={"rank": 4},
            system="Be brief.",
        )
    )
    assert told.startswith(
        "mathtune train solutions.jsonl model=base 'system=Be brief.' epochs=1.5 "
    )
    assert "rank: 4" in told
    assert "secret" not in told
    assert "learning_rate" not in told


@pytest.mark.parametrize(
    "given",
    [
        {"validation": ("validation pairs.jsonl", "b.jsonl"), "choose": "loss", "patience": 2},
        {"equal_updates_to": "seed-0/rft/model", "device": "cpu", "dtype": "float32", "threads": 2},
        {"examples": ("a.jsonl", "b.jsonl"), "betas": (0.9, 0.98), "learning_rate": 3e-07},
        {"system": "Rules:\n 1: be brief\n", "instruction": "", "updates": 5},
        {"system": "5", "instruction": "{problem} = ?", "template": {"a": "3e-4", "b": [True]}},
        {"system": "null", "instruction": " 'é' \\boxed{}  ", "clip": None},
        {"lora": {"bits": 4, "merge": False, "targets": ("q_proj",)}, "save_dtype": "bfloat16"},
    ],
)
def test_the_command_trains_the_same_again(given: dict[str, Any]) -> None:
    facts = trained("seed-0/ssft/model", **given)
    assert command(facts).startswith("mathtune train ")
    assert command(facts).endswith(" --out trained")
    words = shlex.split(command(facts))[2:-2]
    files = [word for word in words if "=" not in word]
    again = settings.read(None, words[len(files) :], package=None)
    again |= {"examples": files} if files else {}
    assert Train(**again).model_dump(mode="json") == facts.settings


def test_adapters_alone_and_judges_say_so() -> None:
    assert read(text(trained(lora={"merge": False}))).library_name == "peft"
    judged = replace(trained("embedded"), metrics=TrainMetrics("cls-xent", 8, 0, 0, 0, 2, 0.5, 0.2))
    card = text(judged)
    assert "judge" in read(card).tags
    assert read(card).base_model is None
    assert "target tokens" not in card


def test_a_folder_that_looks_like_a_hub_s_id_is_none() -> None:
    card = text(replace(trained("models/smollm2"), local=True))
    assert read(card).base_model is None
    assert "`models/smollm2`" in card
