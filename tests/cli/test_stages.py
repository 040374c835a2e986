"""The examples in the help of the stages' commands: their settings are settings."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from mathtune.cli.stages import EXAMPLES, _settings, stage_help
from mathtune.errors import SettingError
from mathtune.run import settings
from mathtune.run.stage import Stage, validated
from mathtune.stages.score import Score
from mathtune.stages.train import Train

POSITIONAL = {
    "prepare": "source", "halve": "problems", "train": "examples", "sample": "problems",
    "score": "samples", "collect": "samples",
}  # fmt: skip


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.kind())
def test_an_example_resolves(
    kind: type[Stage[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "problems.jsonl").touch()
    program, name, first, *others = shlex.split(EXAMPLES[kind])
    assert (program, name, others[-2]) == ("mathtune", kind.kind(), "--out")
    arguments = [f"{POSITIONAL[name]}={first}", *others[:-2]]
    validated(kind, settings.read(None, arguments, package=None))


def test_the_help_ends_with_the_example() -> None:
    assert stage_help(Score, "samples").endswith(f"Example:\n\n{EXAMPLES[Score]}")


def test_the_help_lists_the_settings_of_groups_that_are_off_by_default() -> None:
    listed = {name: (default, meaning) for name, default, meaning in _settings(Train, "")}
    assert listed["lora"][0] == "None"
    assert listed["lora.rank"] == ("16", "Rank of the adapters.")
    assert "server.url" in {name for name, _, _ in _settings(Score, "")}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["betas=0.9,0.98"], r"betas: found '0.9,0.98'; input should be a list, such as \[A, B\]"),
        (["epochs=many"], "epochs: found 'many'; input should be a valid number"),
    ],
)
def test_a_wrong_value_is_explained(arguments: list[str], sentence: str) -> None:
    given = ["model=embedded", "examples=a.jsonl", *arguments]
    with pytest.raises(SettingError, match=sentence):
        validated(Train, settings.read(None, given, package=None))


def test_names_on_the_command_line_are_joined_by_commas() -> None:
    given = ["model=embedded", "examples=a.jsonl", "lora.targets=q_proj,v_proj"]
    train = validated(Train, settings.read(None, given, package=None))
    assert train.lora is not None
    assert train.lora.targets == ("q_proj", "v_proj")
