"""Each fault of the user ends with one sentence and exit code 2, and nothing is written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mathtune.cli import main
from mathtune.errors import ProcessDiedError

PROBLEM = {"id": "a", "problem": "What is 1 + 1?", "answer": "2", "solution": "#### 2"}


def fails(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """Run the command line in this process; return its one sentence."""
    monkeypatch.setattr("sys.argv", ["mathtune", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main.main()
    assert stopped.value.code == 2
    *before, last = capsys.readouterr().err.strip().splitlines()
    # The recipe's steps and cost; a step's name, its stage, its place; that it failed.
    progress = r"[\w-]+: (\d+ steps, about .+|\w+( \(step \d+ of \d+, about .+ left\))?)"
    assert all(re.fullmatch(progress, line) for line in before), before
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
        (["run", "quickstart", "n=0"], "n: found 0; input should be greater than or equal to 1"),
        (["run", "quickstart", "n=true"], "n: found true; input should be a number"),
        (["run", "quickstart", "how.temperature=-1"], "how.temperature: found -1"),
        (["run", "quickstart", "how.top_p=2"], "how.top_p: found 2"),
        (["run", "quickstart", "train.learning_rate=inf"], "train.learning_rate: found 'inf'"),
        (["run", "quickstart", "limit=-1"], "data.limit: found -1"),
        (["run", "quickstart", "limit=0"], "'ssft' would have no examples to learn from"),
        (["run", "quickstart", "model=../{0}"], "model '../{0}': the folder has no config.json"),
        (["run", "quickstart", "limit={train: -1}"], "data.limit.train: found -1"),
        (["run", "quickstart", "ssft.lora.x=1"], "no such setting; settings are rank, alpha"),
        (["run", "quickstart", "data=3"], "data: found 3"),
        (["run", "quickstart", "how.x=1"], "how.x: no such setting; settings are temperature"),
        (["run", "liu2023", "model=embedded", "data=arithmetic", "few_shot=[x]"], "few_shot: no"),
        (["run", "scaling", "model=embedded", "data=a.jsonl"], "a.jsonl: no such file"),
        (["run", "liu2023", "model=embedded", "others=[..]"], "model '..': the folder has no conf"),
        (["status", "."], "no run here"),
        (["run", "quickstart", "--out", "q.json"], "--out q.json: a folder is written"),
        (["grade", "problems=a", "samples=b", "--out", "g.jsonl"], "expected a name such as g."),
        (["sample", "none.jsonl", "model=embedded", "--out", "out"], "none.jsonl: no such file"),
        (["sample", "model=embedded", "--out", "out"], "problems: missing"),
        (["sample", "model=embedded", "a.jsonl", "--out", "out"], "a.jsonl: no such file"),
        (["score", "a.jsonl", "b.jsonl", "--out", "out"], "joined by commas: a.jsonl,b.jsonl"),
        (["measure"], "mathtune measure: nothing given; expected mathtune measure FILE"),
        (["grade", "a.jsonl", "solution=x"], "solution: no such setting; settings are problems"),
        (["train", "a.jsonl", "--learning_rate", "1"], "no dashes: learning_rate=VALUE"),
        (["run", "liu2023", "--model", "embedded"], "a setting has no dashes: model=VALUE"),
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
    filled = [argument.replace("{0}", tmp_path.name) for argument in arguments]
    assert sentence.replace("{0}", tmp_path.name) in fails(filled, capsys, monkeypatch)
    assert not list(tmp_path.rglob("*.json*"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("n: 4\nm: 3\n", "s.yaml, line 2: m: no such setting"),
        ("# sizes\nn: many\n", "s.yaml, line 2: n: found 'many'"),
        ("ssft:\n  seed: 1\n  epochs: 0\n", "s.yaml, line 3: ssft.epochs: found 0"),
        ("ssft.epoch: 3\n", "s.yaml, line 1: ssft.epoch: no such setting"),
        ("n: 4\nsfft: {epochs: 1}\n", "s.yaml, line 2: sfft: no such step"),
        ("data: {limit: x}\n", "s.yaml, line 1: data.limit: found 'x'"),
        ("sample: {top_p: .nan}\n", "s.yaml, line 1: sample.top_p: found nan"),
    ],
)
def test_a_faulty_settings_file_is_named_with_its_line(
    text: str,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text(text)
    assert sentence in fails(["run", "quickstart", "--config", "s.yaml"], capsys, monkeypatch)
    assert [path.name for path in tmp_path.iterdir()] == ["s.yaml"]


def test_the_line_is_not_named_where_the_command_line_is_at_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text("n: 4\n")
    found = fails(["run", "quickstart", "--config", "s.yaml", "n=x"], capsys, monkeypatch)
    assert found.startswith("error: n: found 'x'")


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
    found = fails(["prepare", "p.jsonl", "strict=true", "--out", "out"], capsys, monkeypatch)
    assert "p.jsonl" in found
    assert sentence in found
    assert not (tmp_path / "out").exists()
    strict = ["data=p.jsonl", "data.strict=true"]
    found = fails(["run", "quickstart", *strict, "--out", "run"], capsys, monkeypatch)
    assert sentence in found
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["sample", "p.jsonl", "model=embedded", "--out", "out"],
        ["run", "yuan2023-small", "data=p.jsonl", "--out", "out"],
        ["solve", "What is 1 + 1?"],
    ],
)
def test_without_torch_the_command_that_installs_it_is_named(
    arguments: list[str], tmp_path: Path
) -> None:
    rows = [{**PROBLEM, "id": f"p{n}", "problem": f"What is {n} + 1?"} for n in range(120)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    without = "import sys; sys.modules['torch'] = None; from mathtune.cli.main import main; main()"
    command = [sys.executable, "-c", without, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    sentence = "needs the package torch, which is not installed; pip install 'mathtune[train]'"
    assert sentence in " ".join(done.stderr.split())
    assert not list(tmp_path.rglob("started.json"))


def test_a_path_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    found = fails(["run", "quickstart", "--out", "file/sub"], capsys, monkeypatch)
    assert found.endswith("file/sub: cannot be used (not a directory).")


def test_a_process_that_died_is_one_sentence_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies() -> None:
        raise ProcessDiedError("ssft: its process died (out of memory?).")

    monkeypatch.setattr(main, "app", dies)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.strip() == "error: ssft: its process died (out of memory?)."


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
@pytest.mark.parametrize(
    "arguments",
    [
        ["prepare", "arithmetic", "train=4", "--out", "/proc/x"],
        ["grade", "s.jsonl", "--out", "/proc/x"],
        ["measure", "s.jsonl", "--report", "/proc/x/page.html"],
        ["run", "quickstart", "--out", "/proc/x/y"],
        ["solve", "s.jsonl", "--out", "/proc/x.jsonl"],
    ],
)
def test_a_folder_that_nobody_can_make_is_one_sentence(
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    row = {"question": "1 + 1?", "answer": "2", "response": "It is 2. #### 2"}
    (tmp_path / "s.jsonl").write_text(json.dumps(row) + "\n")
    monkeypatch.setattr("sys.argv", ["mathtune", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main.main()
    assert stopped.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: /proc/")
    assert last.endswith(": cannot be used (no such file or directory).")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["grade", "s.jsonl", "--grader", "math,"], "--grader math,: a name is missing at a comma"),
        (["data", "gsm8k", "--against", ","], "--against ,: a name is missing at a comma"),
        (["evaluate", "embedded", "--data", "gsm8k,"], "'gsm8k,'; a name is missing at a comma"),
        (["measure", "s.jsonl", "--report", "s.jsonl"], "a page is written; expected a name such"),
        (["compare", "s.jsonl", "s.jsonl", "--report", "s.jsonl"], "such as s.html."),
    ],
)
def test_lists_with_a_gap_and_pages_of_another_ending(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.jsonl").write_text("{}")
    assert sentence in fails(arguments, capsys, monkeypatch)
    assert [path.name for path in tmp_path.iterdir()] == ["s.jsonl"]
    assert (tmp_path / "s.jsonl").read_text() == "{}"
