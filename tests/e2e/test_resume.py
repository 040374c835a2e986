"""Killed at many points and started again, a run ends with the metrics of an uninterrupted one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

KILLED_IN = ["ssft", "drafts", "evaluator", "validation-grades", "ssft-scores", "rft", "rft-greedy"]
"""Steps during which the run is killed, each as soon as it has begun."""


def start_and_kill(command: list[str], folder: Path, step: str) -> None:
    """Start the run; kill its whole process group once `step` is under way."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mathtune", *command],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    begun = folder / step / "started.json"
    finished = folder / step / "step.json"
    deadline = time.monotonic() + 600
    while not begun.exists() and not finished.exists():
        assert process.poll() is None, f"ended before step {step!r}"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_and_continued_equals_uninterrupted(
    tmp_path: Path, small: list[str], mathtune: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    assert mathtune("run", "quickstart", *small, "--out", str(whole)).returncode == 0
    command = ["run", "quickstart", *small, "--out", str(pieces)]
    for step in KILLED_IN:
        start_and_kill(command, pieces, step)
        assert not (pieces / "metrics.json").exists()
    done = mathtune(*command)
    assert done.returncode == 0, done.stderr
    assert (pieces / "metrics.json").read_bytes() == (whole / "metrics.json").read_bytes()
    assert json.loads((whole / "metrics.json").read_bytes())
