"""Each fault of the user ends with one sentence and exit code 2, and nothing is written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mathtune import cli

PROBLEM = {"id": "a", "problem": "What is 1 + 1?", "answer": "2", "solution": "#### 2"}


def fails(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """Run the command line in this process; return its one sentence."""
    monkeypatch.setattr("sys.argv", ["mathtune", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    *before, last = capsys.readouterr().err.strip().splitlines()
    assert all(re.fullmatch(r"\w+: \w+", line) for line in before), (
        before
    )  # a step's name, its stage
    assert last.startswith("error: ")
    return last


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "quickstrat"], "quickstrat: no such recipe; there are "),
        (["run", "quickstart", "m=3"], "m: no such setting"),
        (["run", "quickstart", "n=many"], "n: found 'many'"),
        (["run", "quickstart", "ssft.epoch=3"], "ssft.epoch: no such setting"),
        (["run", "quickstart", "sfft.epochs=3"], "sfft: no such step"),
        (["run", "quickstart", "n"], "'n': not a setting; expected key=value"),
        (["run", "quickstart", "--config", "none.yaml"], "none.yaml: cannot be read"),
        (["run", "liu2023", "--config", "quickstart"], "settings of recipe 'quickstart'"),
        (["run", "quickstart", "data=math", "split=prm80k"], "no split 'prm80k'"),
        (["run", "quickstart", "model=./nothing"], "nothing"),
        (["run", "quickstart", "data=none.jsonl"], "none.jsonl"),
        (["status", "."], "no run here"),
        (["sample", "none.jsonl", "model=embedded", "--out", "out"], "none.jsonl: no such file"),
        (["sample", "model=embedded", "--out", "out"], "problems: missing"),
    ],
)
def test_one_sentence_and_nothing_written(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sentence in fails(arguments, capsys, monkeypatch)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "p.jsonl"),
        ([{**PROBLEM, "answer": "", "solution": ""}], "answer"),
        ([PROBLEM, {**PROBLEM, "problem": "What is 2 + 0?"}], "'a'"),
        ([PROBLEM, '{"id": '], "line 2"),
        ([{"id": "a", "answer": "2"}], "problem"),
    ],
)
def test_faulty_problem_files(
    lines: list[dict[str, str] | str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    (tmp_path / "p.jsonl").write_text(text)
    found = fails(["prepare", "p.jsonl", "--out", "out"], capsys, monkeypatch)
    assert "p.jsonl" in found
    assert sentence in found
    assert not (tmp_path / "out").exists()
