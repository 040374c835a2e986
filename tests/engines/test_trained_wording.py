"""A model that is asked in other words than it was trained in is warned of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mathtune.engines import prompts, trained_wording
from mathtune.run import progress


class Template:
    """A tokenizer without a template."""

    chat_template = None


PLAIN: Any = Template()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setattr(progress, "_said", set())
    return lambda: capsys.readouterr().err


def model_of(folder: Path, **config: Any) -> Path:
    record = {"stage": "train", "config": {"objective": "mle", "prompt": "auto", **config}}
    (folder / "step.json").write_text(json.dumps(record))
    return folder / "model"


def test_another_instruction_is_named(tmp_path: Path, said: Any) -> None:
    model = model_of(tmp_path, instruction="Box it.")
    trained_wording.warn(model, "auto", PLAIN, role="solver")
    assert (
        f"warning: {model} was trained on other prompts, with instruction='Box it.' "
        f"({tmp_path / 'step.json'}); found instruction=None; expected the same" in said()
    )
    same = prompts.Wording(instruction="Box it.")
    trained_wording.warn(model, same, PLAIN, role="solver")
    assert said() == ""


def test_settings_that_make_the_same_prompts_are_the_same(tmp_path: Path, said: Any) -> None:
    model = model_of(tmp_path, prompt="plain")
    trained_wording.warn(model, "auto", PLAIN, role="solver")
    assert said() == ""
    trained_wording.warn(model, "alpaca", PLAIN, role="solver")
    assert "with prompt='plain'" in said()


@pytest.mark.parametrize(
    ("objective", "warned"), [("cls-xent", True), ("mul-margin", True), ("mle", False)]
)
def test_a_judge_is_compared_by_what_it_learned(
    objective: str, warned: bool, tmp_path: Path, said: Any
) -> None:
    model = model_of(tmp_path, objective=objective, thoughts="drop", instruction="Not read.")
    trained_wording.warn(model, "plain", PLAIN, role="evaluator")
    expected = "with prompt='auto', thoughts='drop'" if warned else ""
    assert (expected in said()) if warned else said() == ""


@pytest.mark.parametrize(
    "record", ['{"stage": "sample", "config": {"instruction": "x"}}', "[1]", "{", '{"step": 3}']
)
def test_other_folders_are_no_trainings(record: str, tmp_path: Path, said: Any) -> None:
    (tmp_path / "step.json").write_text(record)
    trained_wording.warn(tmp_path / "model", "plain", PLAIN, role="solver")
    trained_wording.warn("Qwen/Qwen3-0.6B", "plain", PLAIN, role="solver")
    assert said() == ""


def test_the_words_that_a_judge_was_taught(tmp_path: Path) -> None:
    judge = model_of(tmp_path, objective="cls-xent", system="You judge.", thoughts="drop")
    expected = prompts.Wording("auto", "You judge.", None, {}, "drop")
    assert trained_wording.taught_to(judge, role="evaluator") == expected
    assert trained_wording.taught_to(judge, role="solver") is None
    assert trained_wording.taught_to(tmp_path / "other" / "model", role="evaluator") is None
