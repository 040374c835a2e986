"""One step's folder: whose files it may remove."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.run.step import execute
from mathtune.stages.prepare import Prepare


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
