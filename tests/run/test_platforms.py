"""What a system may lack: each function is taken away, and the work goes on without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mathtune
from mathtune.errors import InputError
from mathtune.run.cores import usable_cores
from mathtune.run.recipe_run import Run
from mathtune.stages.prepare import Prepare

ABSENT_ON_WINDOWS = {
    "os": "fork forkpty getuid geteuid getgid killpg setsid nice getloadavg sysconf pread pwrite"
    " sched_getaffinity sched_setaffinity fchmod fchown chown getpgid wait3 wait4 statvfs mkfifo",
    "signal": "SIGHUP SIGUSR1 SIGUSR2 SIGQUIT SIGALRM SIGCHLD SIGPIPE pthread_sigmask pthread_kill"
    " sigwait siginterrupt setitimer alarm SIG_BLOCK SIG_UNBLOCK SIG_SETMASK",
}
"""Without SIGKILL and os.register_at_fork, which this system's own library needs."""
LACKS = {
    "macos": "del os.sched_getaffinity",
    "windows": "\n".join(
        [
            "import asyncio, multiprocessing, selectors, socket, subprocess, tempfile",
            *(
                f"for name in {names.split()}:\n    vars({module}).pop(name, None)"
                for module, names in ABSENT_ON_WINDOWS.items()
            ),
            "for name in ('fcntl', 'resource', 'pwd', 'grp', 'termios', 'tty', 'pty', 'readline'):",
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
ENCODING = {"macos": "utf-8", "windows": "cp1252"}
"""What a pipe gets."""


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

    def call(*arguments: str, given: str = "") -> str:
        paths = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": ENCODING[system]}
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            env={**os.environ, **paths},
            input=given.encode(),
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr.decode()
        assert b"Traceback" not in done.stderr
        return done.stdout.decode(ENCODING[system])

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
    text = '{"problem_id": "\u221a", "gold": "7", "samples": ["\u2192 #### 7", "#### 8"]}\n'
    assert "50.0" in call("measure", "-", "--report", "page.html", given=text)
    assert (tmp_path / "page.html").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["a:b", "con", "data/NUL", "aux.1", "a?", "a\\b", "a.", "x /y"])
def test_steps_have_names_that_every_system_can_give_to_a_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not every system can name a folder so"):
        Run(tmp_path, overrides={})(name, Prepare(source="arithmetic"))


def test_steps_do_not_differ_only_by_the_case_of_letters(tmp_path: Path) -> None:
    run = Run(tmp_path, overrides={})
    run("MATH-row", Prepare(source="arithmetic"))
    with pytest.raises(ValueError, match="two steps are named 'math-row'"):
        run("math-row", Prepare(source="arithmetic"))
    run("conditions", Prepare(source="arithmetic"))


def test_files_are_named_alike_on_every_system() -> None:
    kept = re.compile(r"(str\(|\{)[^(){}]*\.relative_to\([^()]*\)[)}]")
    sources = sorted(Path(mathtune.__file__).parent.rglob("*.py"))
    assert len(sources) > 100
    assert [path.name for path in sources if kept.search(path.read_text(encoding="utf-8"))] == []
