"""The examples in the help of the stages' commands: their settings are settings."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from mathtune.cli.stages import EXAMPLES, stage_help
from mathtune.run import settings
from mathtune.run.stage import Stage, validated
from mathtune.stages.score import Score

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
