"""What a system may lack: each function is taken away, and the work goes on without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mathtune.run.cores import usable_cores

LACKS = {
    "macos": "del os.sched_getaffinity",
    "windows": "\n".join(
        [
            "del os.sched_getaffinity, os.sysconf, signal.pthread_sigmask",
            "for name in ('fcntl', 'resource'):",
            "    sys.modules[name] = None",
        ]
    ),
}
CHAIN = """
import os, signal, sys
{lacks}
from mathtune.cli.main import main
sys.argv = ["mathtune", *sys.argv[1:]]
main()
"""


def test_cores_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert usable_cores() == 3  # as Slurm gives them out
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == 64
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


@pytest.mark.parametrize("system", LACKS)
def test_a_chain_without_a_model_runs_elsewhere(system: str, tmp_path: Path) -> None:
    code = CHAIN.format(lacks=LACKS[system])

    def call(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    call("prepare", "train=4", "validation=2", "test=2", "--out", "data")
    (tmp_path / "samples.jsonl").write_text(
        "".join(
            f'{{"problem_id": "{row.split(chr(34))[3]}", "index": 0, "text": "It is x+1.",'
            ' "finish_reason": "stop", "tokens": 3}\n'
            for row in (tmp_path / "data/train.jsonl").read_text().splitlines()
        )
    )
    call("grade", "samples=samples.jsonl", "problems=data/train.jsonl", "--out", "graded")
    assert (tmp_path / "graded/grades.jsonl").read_text().count('"verdict"') == 4
    assert "memory" in call("env")
