"""One step's folder: whose files it may remove."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.run.step import execute
from mathtune.stages.prepare import Prepare
from mathtune.stages.train import Train


def prepare(folder: Path, **more: Any) -> None:
    stage = Prepare(source="arithmetic", train=2, validation=1, test=1)
    execute(stage, folder, name=folder.name, **more)


@pytest.mark.parametrize("redo", [False, True])
def test_a_folder_of_something_else_is_refused_and_kept(redo: bool, tmp_path: Path) -> None:
    (tmp_path / "papers" / "mine").mkdir(parents=True)
    (tmp_path / "papers" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"papers: holds files that are no step's, first mine;"):
        prepare(tmp_path / "papers", redo=redo)
    assert (tmp_path / "papers" / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("left", [[], ["started.json.partial"], ["started.json", "train.jsonl"]])
def test_what_an_interrupted_step_left_is_made_anew(left: list[str], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in left:
        (tmp_path / "data" / name).write_text("{}")
    prepare(tmp_path / "data")
    assert (tmp_path / "data" / "step.json").exists()
    assert len(list(jsonl.lines(tmp_path / "data" / "train.jsonl"))) == 2


def test_a_kill_after_the_last_file_leaves_nothing_behind(tmp_path: Path) -> None:
    prepare(tmp_path / "data")
    files = sorted(path.name for path in (tmp_path / "data").iterdir())
    (tmp_path / "data" / "started.json").write_text("{}")
    prepare(tmp_path / "data")
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == files


def test_a_removal_that_is_interrupted_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(_: Path) -> None:
        raise KeyboardInterrupt

    prepare(tmp_path / "data")
    with monkeypatch.context() as patched:
        patched.setattr("mathtune.run.step.shutil.rmtree", stopped)
        with pytest.raises(KeyboardInterrupt):
            prepare(tmp_path / "data", redo=True)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["started.json"]
    prepare(tmp_path / "data")
    assert (tmp_path / "data" / "step.json").exists()


@pytest.mark.parametrize("redo", [False, True])
def test_a_step_that_reads_its_own_folder_is_refused_and_the_folder_kept(
    redo: bool, tmp_path: Path
) -> None:
    prepare(tmp_path / "data")
    (tmp_path / "link").symlink_to(tmp_path / "data", target_is_directory=True)
    own = tmp_path / "link" / "train.jsonl"
    again = Prepare(source=str(own), train=1, validation=1, test=0)
    with pytest.raises(InputError, match=r"data: holds .*train\.jsonl, which this step reads"):
        execute(again, tmp_path / "data", name="data", redo=redo)
    assert len(list(jsonl.lines(own))) == 2


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    for redo in (False, True):
        prepare(tmp_path / "data", redo=redo)
        assert (tmp_path / "data").is_symlink()
        assert (tmp_path / "elsewhere" / "step.json").exists()


def test_a_training_inside_its_base_is_refused(tmp_path: Path) -> None:
    """The base would count as changed, so that an interrupted training would begin afresh."""
    (tmp_path / "base").mkdir()
    stage = Train(model=str(tmp_path / "base"), examples=(tmp_path / "rows.jsonl",))
    with pytest.raises(InputError, match=r"tuned: lies in .*base, which this step reads"):
        execute(stage, tmp_path / "base" / "tuned", name="tuned")
    assert not (tmp_path / "base" / "tuned").exists()
