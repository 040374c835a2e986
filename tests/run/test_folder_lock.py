"""One writer per folder: the second one learns who works there; nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mathtune.errors import InputError
from mathtune.run.folder_lock import is_locked, locked
from mathtune.run.stage import Stage
from mathtune.run.step import execute

HOLD = """
import sys, time
from pathlib import Path
from mathtune.run.folder_lock import locked
with locked(Path(sys.argv[1]), folder=Path("out")):
    print("held", flush=True)
    time.sleep(60)
"""


class Write(Stage[Path]):
    """Write a file."""

    def outputs(self, folder: Path) -> Path:
        return folder / "text.txt"

    def run(self, folder: Path) -> dict[str, Any]:
        (folder / "text.txt").write_text("written")
        return {}


def test_the_second_is_refused_and_told_who_works_there(tmp_path: Path) -> None:
    path = tmp_path / ".out.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        assert is_locked(path)
        with pytest.raises(InputError, match=rf"out: another .* \(process {first.pid} on "):
            execute(Write(), tmp_path / "out", name="out")
        assert not (tmp_path / "out").exists()
        first.send_signal(signal.SIGKILL)
    assert not is_locked(path)  # though the file is still there
    assert path.exists()
    execute(Write(), tmp_path / "out", name="out")
    assert (tmp_path / "out/text.txt").read_text() == "written"
    assert os.listdir(tmp_path) == ["out"]


def test_looking_at_a_lock_takes_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    assert not is_locked(path)
    assert not path.exists()
    with locked(path, folder=tmp_path):
        assert is_locked(path)
    assert not is_locked(path)
    assert not path.exists()


def test_a_lock_file_that_its_owner_removed_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with locked(path, folder=tmp_path):
        path.unlink()  # as an owner does at its end
        with locked(path, folder=tmp_path):
            assert is_locked(path)
