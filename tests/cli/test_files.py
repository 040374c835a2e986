"""`grade` and `measure` as commands: files alone and our own stages, options and assignments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mathtune.cli.files import only_files
from mathtune.cli.main import app
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Problem, Sample

RUNNER = CliRunner()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Our own problems and samples, and a file of another program."""
    jsonl.write(tmp_path / "p.jsonl", [Problem(id="a", problem="1 + 1?", answer="2")])
    rows = [
        Sample(problem_id="a", index=n, text=f"#### {n + 2}", finish_reason="stop", tokens=3)
        for n in (0, 1)
    ]
    jsonl.write(tmp_path / "s.jsonl", rows)
    row = {"id": "a", "gold_answer": "7", "samples": ["#### 7", "#### 8", "#### 7"]}
    (tmp_path / "other.jsonl").write_text(json.dumps(row) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(*words: str) -> str:
    """What a command prints on standard output."""
    done = RUNNER.invoke(app, words)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_stages_print_their_table_and_have_a_report(desk: Path) -> None:
    text = ran("grade", "s.jsonl", "problems=p.jsonl", "--out", "g")
    cells = [line.split() for line in text.splitlines()]
    assert ["correct", "1", "50.0"] in cells
    assert ["wrong", "1", "50.0"] in cells
    text = ran("measure", "s.jsonl,g/grades.jsonl", "problems=p.jsonl", "--out", "m")
    assert "50.0 [" in text
    ran("report", "m")
    assert "m solves 50.0% of 1 problems" in (desk / "m" / "report.md").read_text()


def test_a_stage_whose_folder_lies_elsewhere_still_finds_its_inputs(desk: Path) -> None:
    """Paths on the command line are those of the current folder, wherever the stage writes."""
    ran("grade", "s.jsonl", "problems=p.jsonl", "--out", "far/g")
    ran("measure", "s.jsonl,far/g/grades.jsonl", "problems=p.jsonl", "--out", "far/away/m")
    ran("report", "far/away/m")
    assert "1 problems" in (desk / "far" / "away" / "m" / "report.md").read_text()


def test_a_grader_is_named_in_either_way(desk: Path) -> None:
    option = json.loads(ran("measure", "other.jsonl", "--grader", "prm800k", "--json"))
    assigned = json.loads(ran("measure", "other.jsonl", "grader=prm800k", "--json"))
    assert option == assigned
    assert option["grader"] == "prm800k"
    ran("grade", "s.jsonl", "problems=p.jsonl", "--grader", "prm800k", "--out", "g")
    assert json.loads((desk / "g" / "metrics.json").read_text())["grader"] == "prm800k"


def test_both_ways_at_once_are_refused() -> None:
    given = {"config": None, "grader": "math", "n": None}
    with pytest.raises(InputError, match="grader: given as --grader and as grader=math"):
        only_files(["f.jsonl", "grader=math"], dict(given), ["grader"])
    assert only_files(["f.jsonl", "n=4"], given, ["grader", "n"]) == ["f.jsonl"]
    assert given["n"] == 4
    assert only_files(["f.jsonl", "problems=p"], given, ["grader"]) is None


def test_a_changed_stage_names_a_hint_that_works(desk: Path) -> None:
    words = ["grade", "s.jsonl", "problems=p.jsonl", "--out", "g"]
    ran(*words)
    done = RUNNER.invoke(app, [*words, "grader=prm800k"])
    assert isinstance(done.exception, InputError)
    assert "grader was math, now prm800k" in str(done.exception)
    assert "Use --redo to make it again, or another --out." in str(done.exception)
    jsonl.write(desk / "p.jsonl", [Problem(id="a", problem="1 + 1?", answer="3")])
    done = RUNNER.invoke(app, words)
    assert "problems had another content" in str(done.exception)
    ran(*words, "grader=prm800k", "--redo")


def test_help_lists_groups_settings_and_recipes() -> None:
    text = ran("--help")
    for group in ("Recipes and their runs", "Stages", "Questions", "Reference"):
        assert group in text
    text = ran("run", "--help")
    (line,) = (line for line in text.splitlines() if line.split()[:1] == ["liu2023-small"])
    assert "Tables 2, 3, 4 and 7" in line
    for command in ("grade", "sample"):
        lines = [line.split() for line in ran(command, "--help").splitlines()]
        assert any(line[:2] == ["problems", "required"] for line in lines), command
