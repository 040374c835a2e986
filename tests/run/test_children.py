"""Child processes: how their deaths are named, how they end, and that none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mathtune.errors import InputError, ProcessDiedError, SettingError, Stopped
from mathtune.run import bill, children
from mathtune.run.children import Child, finished, in_order, on_sigterm, several


def acting() -> Callable[[Any], Any]:
    """A child that does what its task says."""

    def work(task: Any) -> Any:
        match task:
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "terminated":
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(60)
            case "leaves":
                sys.exit(0)
            case "fails":
                raise SettingError("ssft.epochs", "found 0.")
            case "crashes":
                return 1 / 0
            case "counts":
                bill.add(sampled_tokens=7)
            case int():
                time.sleep(0.2 if task == 0 else 0)
        return task

    return work


def unusable() -> Callable[[Any], Any]:
    raise InputError("no model here.")


@pytest.fixture(params=["server", "fresh"])
def child(request: pytest.FixtureRequest) -> Iterator[Child]:
    with Child("ssft", acting, fresh=request.param == "fresh") as made:
        yield made


@pytest.mark.parametrize(
    ("task", "kind", "words"),
    [
        ("killed", ProcessDiedError, r"ssft: its process died \(signal 9, out of memory\?\)"),
        ("terminated", Stopped, "143"),
        ("leaves", SystemExit, "0"),
        ("fails", SettingError, r"ssft\.epochs: found 0"),
        ("crashes", ZeroDivisionError, "division by zero"),
    ],
)
def test_each_end_has_its_own_error(
    child: Child, task: str, kind: type[BaseException], words: str
) -> None:
    child.send(task)
    with pytest.raises(kind, match=words) as found:
        child.receive()
    assert type(found.value) is kind
    if task == "crashes":
        assert "return 1 / 0" in "".join(found.value.__notes__)


def test_the_work_is_built_in_the_child_and_its_fault_is_ours() -> None:
    with Child("ssft", unusable) as child:
        child.send(1)
        with pytest.raises(InputError, match="no model here"):
            child.receive()


def test_a_child_brings_its_counts(child: Child) -> None:
    meter = bill.Meter()
    child.send("counts")
    assert child.receive() == "counts"
    assert meter.read()["sampled_tokens"] == 7


def test_no_task_is_handed_over_too_far_ahead() -> None:
    asked: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(9):
            asked.append(number)
            yield number

    crew = [Child("a worker", acting) for _ in range(2)]
    with several(crew):
        results = finished(crew, tasks(), ahead=3)
        first = next(in_order(results))
        assert first == 0  # the slowest: the others were not done meanwhile
        assert max(asked) <= 5  # 3 and 4 go out before 0 is yielded, 5 is next
        assert sorted(result for _, result in results)[-1] == 8


def test_where_the_system_has_no_fork_server_children_are_fresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(children, "WITH_SERVER", False)
    children.start_server()
    with Child("ssft", acting) as child:
        child.send("counts")
        assert child.receive() == "counts"
        assert not child._process.daemon
        assert type(child._process).__name__ == "SpawnProcess"


def test_sigterm_does_what_it_did_before_after_the_block() -> None:
    came: list[int] = []
    before = signal.getsignal(signal.SIGTERM)
    with on_sigterm(lambda: came.append(1)):
        os.kill(os.getpid(), signal.SIGTERM)
    assert came == [1]
    assert signal.getsignal(signal.SIGTERM) is before


ORPHANS = """
import os, signal, time
from mathtune.run.children import Child
from tests_children_work import sleeping
child = Child("a", sleeping, fresh={fresh})
child.send(60)
print(child.receive(), flush=True)
child.send(60)
time.sleep(60)
"""
WORK = """
import os, time
state = []
def sleeping():
    def work(seconds):
        if state: time.sleep(seconds)
        state.append(1)
        return os.getpid()
    return work
"""


@pytest.mark.parametrize("fresh", [True, False])
def test_no_child_outlives_its_parent(fresh: bool, tmp_path: Path) -> None:
    (tmp_path / "tests_children_work.py").write_text(WORK)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHANS.format(fresh=fresh)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 5
    while alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(process: int) -> bool:
    """Whether it runs; one that has ended and waits for its parent to notice does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
