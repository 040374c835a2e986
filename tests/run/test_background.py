"""Steps beside the others: the run goes on, waits where it must, and learns what went wrong."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mathtune.errors import InputError, ProcessDiedError
from mathtune.rows import jsonl
from mathtune.run.background import Background, Step
from mathtune.run.failures import Failures
from mathtune.run.recipe_run import Run, planned, work
from mathtune.run.stage import File, Stage
from mathtune.stages.train import Train


class Aside(Stage[Path]):
    """Leaves cores free; ends when the file `until` is there, and writes how long the text is."""

    until: Path | None = None
    source: File | None = None
    fails: str = ""

    def outputs(self, folder: Path) -> Path:
        return folder / "text.txt"

    def leaves_cores(self) -> bool:
        return True

    def run(self, folder: Path) -> dict[str, Any]:
        if self.fails == "input":
            raise InputError("this is refused.")
        if self.fails == "dies":
            os._exit(9)
        if self.fails == "terminated":

            def save(*_: object) -> None:
                (folder / "saved").touch()
                sys.exit(0)

            signal.signal(signal.SIGTERM, save)
            (folder / "begun").touch()
        deadline = time.monotonic() + 60
        while self.until is not None and not self.until.exists():
            assert time.monotonic() < deadline, "nothing went on beside"
            time.sleep(0.01)
        text = "begun" if self.source is None else self.source.read_text() + "+"
        (folder / "text.txt").write_text(text)
        return {"process": os.getpid()}


class Here(Stage[Path]):
    """Copies what it reads, in the run's own process."""

    source: File | None = None

    def outputs(self, folder: Path) -> Path:
        return folder / "copy.txt"

    def run(self, folder: Path) -> dict[str, Any]:
        text = "nothing" if self.source is None else self.source.read_text()
        (folder / "copy.txt").write_text(text)
        return {"process": os.getpid()}


def go(folder: Path, **overrides: dict[str, Any]) -> None:
    def recipe(run: Run) -> None:
        first = run("first", Aside(until=folder / "between/copy.txt"))
        second = run("second", Aside(source=first))
        run("between", Here())
        run("last", Here(source=second))

    work(planned(recipe, name="r", folder=folder, overrides=overrides), recipe, name="r")


def test_the_run_goes_on_and_waits_for_what_it_reads(tmp_path: Path) -> None:
    go(tmp_path)  # `first` ends when `between` is done
    assert (tmp_path / "last/copy.txt").read_text() == "begun+"
    processes = {
        name: jsonl.read_json(tmp_path / name / "metrics.json")["process"]
        for name in ("first", "second", "between", "last")
    }
    assert processes["between"] == processes["last"] == os.getpid()
    assert processes["first"] == processes["second"] != os.getpid()


def test_what_a_step_says_comes_when_it_is_finished(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    go(tmp_path)
    said = capfd.readouterr().err
    lines = [re.sub(r" \(step \d.*\)$", "", line) for line in said.splitlines()]
    assert lines.index("first: aside, in the background") < lines.index("between: here")
    finished = lines.index("first: finished in the background; its messages:")
    assert lines.index("between: here") < finished
    assert lines[finished + 1] == "first: aside"


def test_an_error_ends_the_run_and_the_same_command_goes_on(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"first failed: .*this is.* need it: second, last"):
        go(tmp_path, first={"fails": "input", "until": None})
    assert (tmp_path / "between/copy.txt").exists()  # it needs neither
    assert not (tmp_path / "second").exists()
    assert not (tmp_path / "last").exists()
    go(tmp_path, first={"until": None})
    assert (tmp_path / "last/copy.txt").read_text() == "begun+"


def test_a_death_names_the_step(tmp_path: Path) -> None:
    with pytest.raises(ProcessDiedError, match="first: its process died"):
        go(tmp_path, first={"fails": "dies"})


def test_finished_steps_need_no_process(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    go(tmp_path)
    capfd.readouterr()
    go(tmp_path)
    lines = capfd.readouterr().err.splitlines()
    assert lines == [
        f"{n}: finished before, skipped" for n in ("first", "second", "between", "last")
    ]
    with pytest.raises(InputError, match="first: finished with other settings"):
        go(tmp_path, first={"until": None})


def test_an_error_of_the_run_itself_ends_the_process(tmp_path: Path) -> None:
    background = Background(Failures())
    step = Step("a", Aside(until=tmp_path / "never"), ())
    background.start(step, tmp_path / "a", redo=False)
    assert background._child is not None
    background._child._starting.join()
    assert background._child._process.is_alive()
    background.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert not background._child._process.is_alive()


def test_sigterm_lets_the_step_save_and_exits_with_0(tmp_path: Path) -> None:
    def until_terminated() -> None:
        with Background(Failures()) as background:
            stage = Aside(fails="terminated", until=tmp_path / "never")
            background.start(Step("a", stage, ()), tmp_path / "a", redo=False)
            while not (tmp_path / "a/begun").exists():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        until_terminated()
    assert ended.value.code == 0
    assert (tmp_path / "a/saved").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_training_is_beside_if_it_leaves_a_core_and_tells_no_tracker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    train = Train(model="embedded", objective="mle", examples=("x",), device="cpu", threads=1)
    assert train.leaves_cores()
    for changes in ({"threads": None}, {"threads": 2}, {"report_to": "tensorboard"}):
        assert not train.replaced(changes, where="train").leaves_cores()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not train.leaves_cores()
