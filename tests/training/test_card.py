"""The card of a trained model: what the hub and a reader find in it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

pytest.importorskip("huggingface_hub", reason="pip install 'mathtune[train]'")

from huggingface_hub import ModelCard, parse_eval_result_entries

from mathtune.rows.metrics import TrainMetrics
from mathtune.training.card import Accuracy, Trained, command, results_files, text
from mathtune.training.settings import TrainingSettings

METRICS = TrainMetrics("mle", 1200, 51_000, 2, 1, 30, 0.5, 0.25)
GREEDY = Accuracy("ssft", "Pass@1 (greedy)", 0.433, 0.385, 0.481, 400, "gsm8k", "o/gsm8k", "main")


def read(card: str) -> Any:
    """Return the metadata as the hub's client reads it."""
    return ModelCard(card).data


def trained(base: str = "org/base", **settings: Any) -> Trained:
    chosen = TrainingSettings(**settings).model_dump(mode="json") | {"model": base}
    return Trained(base, chosen, METRICS, ("solutions.jsonl",), ("gsm8k",), ("first (mle)",))


def test_the_hub_reads_base_and_accuracies_with_intervals() -> None:
    data = read(text(trained(), [GREEDY], name="mine"))
    assert data.base_model == "org/base"
    assert data.library_name == "transformers"
    (result,) = data.eval_results or []
    assert (result.metric_value, result.dataset_type, result.dataset_config) == (
        43.3,
        "o/gsm8k",
        "main",
    )
    assert result.metric_args == {"low": 38.5, "high": 48.1, "level": 0.95, "problems": 400}


def test_the_hub_s_results_are_a_file_for_each_of_its_sets() -> None:
    own = Accuracy("ssft", "mean", 0.2, 0.1, 0.3, 40, "mine.jsonl")
    ((path, content),) = results_files([GREEDY, own]).items()
    assert path == ".eval_results/gsm8k.yaml"
    (entry,) = parse_eval_result_entries(yaml.safe_load(content))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("o/gsm8k", "main", 43.3)
    assert "43.3 % [38.5, 48.1]" in str(entry.notes)


def test_a_reader_finds_what_was_learned_and_how_often_it_is_right() -> None:
    card = text(trained(), [GREEDY], name="mine")
    assert "1,200 examples, 51,000 target tokens, 30 updates of 128" in card
    assert "- After: first (mle)" in card
    assert "- 2 examples were cut, 1 left out" in card
    assert "| gsm8k (ssft) | 400 | Pass@1 (greedy) | 43.3 % [38.5, 48.1] |" in card
    assert "Not measured." in text(trained())


def test_the_command_holds_what_is_not_the_default_and_no_folder() -> None:
    told = command(
        trained("/home/me/secret/base", epochs=1.5, lora={"rank": 4}, system="Be brief.")
    )
    assert told.startswith(
        "mathtune train solutions.jsonl model=base 'system=Be brief.' epochs=1.5 "
    )
    assert "rank: 4" in told
    assert "secret" not in told
    assert "learning_rate" not in told


def test_adapters_alone_and_judges_say_so() -> None:
    assert read(text(trained(lora={"merge": False}))).library_name == "peft"
    judged = TrainMetrics("cls-xent", 8, 0, 0, 0, 2, 0.5, 0.25)
    card = text(Trained("embedded", trained().settings | {"model": "embedded"}, judged, ()))
    assert "judge" in read(card).tags
    assert read(card).base_model is None
    assert "target tokens" not in card
