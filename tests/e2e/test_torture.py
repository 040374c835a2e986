"""Samples of `make torture` and `make fuzz`: nothing is lost, and no reader ends in a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    # Kills at random moments and random damage may find what nobody knew: no reason to refuse a
    # change that has nothing to do with it.
    pytest.mark.skipif("MATHTUNE_TORTURE" not in os.environ, reason="run by make torture-sample"),
]


def run(script: str, *arguments: str) -> str:
    command = [sys.executable, str(BENCHMARKS / script), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-5000:]
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="attempts are forked")
def test_an_interrupted_run_ends_as_one_left_alone() -> None:
    said = run("torture.py", "--seconds", "60", "--kills", "5")
    assert "runs completed and compared" in said
    assert "; 0 runs completed" not in said


def test_damaged_files_are_refused_in_sentences() -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("gguf")
    said = run("fuzz.py", "--seconds", "6")
    assert said.endswith("0 places ended in a traceback\n")
    table = [line for line in said.splitlines() if line.startswith("| ")]
    assert len(table) == 10  # the heading and nine readers
