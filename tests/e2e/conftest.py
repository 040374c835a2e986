"""Start the program as a user does: a process, a folder, an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Mathtune = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def small() -> list[str]:
    """Settings that make the quickstart a matter of seconds."""
    return [
        *("data.train=12", "data.validation=6", "data.test=8", "n=4", "n_rows=2", "n_train=4"),
        *("train.epochs=1", "pairs.per_problem=2", "pairs.right_from=gold"),
        "measure.resamples=200",
    ]


@pytest.fixture
def mathtune(tmp_path: Path) -> Mathtune:
    """Run `mathtune ARGUMENTS` in an empty folder; the result has returncode, stdout and stderr."""

    def call(*arguments: str, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mathtune", *arguments]
        environment = {**os.environ, "COLUMNS": "1000", "HF_HUB_OFFLINE": "1"}
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)

    return call
