"""Ctrl-C and SIGTERM: one sentence, the usual exit code, no traceback, and no process left.

Each command runs in a process group of its own, which gets the signal as from a terminal. It
prepares very many problems, which takes longer than any test waits.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mathtune.cli.options import continues

PREPARE = ["prepare", "source=arithmetic", "train=3000000"]
BUSY = """
import sys
from mathtune.run.stopping import on_signals
with on_signals():
    print("in", file=sys.stderr, flush=True)
    import hashlib
    try:
        {work}
    except SystemExit:
        {afterwards}
        raise
"""
LONG_CALL = "hashlib.pbkdf2_hmac('sha256', b'a', b'b', 200_000_000)"


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=folder, start_new_session=True
    )
    try:
        with process:
            yield process
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    finally:
        process.kill()


def end(process: subprocess.Popen[str]) -> str:
    """What it says until its end (some seconds on a busy machine, not the minutes of its work)."""
    return process.communicate(timeout=20)[1]


DROPS = """
import signal, time
from mathtune.run.stopping import on_signals

class Drops:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

with on_signals():
    Drops()
    time.sleep(15)
"""


def test_a_signal_that_python_drops_in_a_destructor_ends_the_process(tmp_path: Path) -> None:
    with started([sys.executable, "-c", DROPS], tmp_path) as process:
        assert end(process) == "stopped\n"
        assert process.returncode == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_group_ends_a_stage_with_a_sentence(
    number: signal.Signals, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "mathtune", *PREPARE, "--out", "out"]
    with started(command, tmp_path) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "out: prepare\n"
        os.killpg(process.pid, number)
        said = end(process)
        assert said == "stopped; the same command continues from here\n"
        assert process.returncode == 128 + number
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)  # nobody is left in the group
    assert not (tmp_path / ".out.lock").exists()


def test_ctrl_c_during_imports(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(
        "import sys, time\nprint('importing', file=sys.stderr, flush=True)\ntime.sleep(60)\n"
    )
    command = [sys.executable, "-m", "mathtune", "--version"]
    with started(command, tmp_path) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "importing\n"
        os.killpg(process.pid, signal.SIGINT)
        assert end(process) == "stopped\n"
        assert process.returncode == 130


def test_a_second_ctrl_c_ends_at_once_what_the_first_one_does_not(tmp_path: Path) -> None:
    code = BUSY.format(
        work="__import__('time').sleep(60)", afterwards="__import__('time').sleep(60)"
    )
    with started([sys.executable, "-c", code], tmp_path) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "in\n"
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        assert end(process) == "stopped\n"
        assert process.returncode == 130


def test_a_call_that_hears_no_signal_does_not_hold_up_the_end(tmp_path: Path) -> None:
    code = BUSY.format(work=LONG_CALL, afterwards="pass")
    with started([sys.executable, "-c", code], tmp_path) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "in\n"
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        assert end(process) == "stopped\n"
        assert process.returncode == 130


def test_a_training_says_what_it_continues_from(tmp_path: Path) -> None:
    step = tmp_path / "run" / "ssft"
    (step / "checkpoints").mkdir(parents=True)
    here = "stopped; the same command continues from here"
    assert continues(tmp_path / "run") == here  # finished: the step has no started.json
    (step / "started.json").touch()
    assert continues(tmp_path / "run") == (
        "stopped before the first checkpoint (save_every=UPDATES sets when); "
        "the same command begins this training again"
    )
    for name in ("checkpoint-20", "checkpoint-100", "checkpoint-120.partial"):
        (step / "checkpoints" / name).mkdir()
    for folder in (step, tmp_path / "run"):
        assert continues(folder) == (
            "stopped; the same command continues the training after update 100, its last checkpoint"
        )
    assert continues(tmp_path / "nowhere") == here
    assert continues() == here
