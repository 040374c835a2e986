"""`mathtune data`: every declared set listed, a set with a row as read, the overlap of two sets."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from mathtune.cli.main import app
from mathtune.data import declared, local


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["data", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    gsm8k = [{"question": f"What is {n} + 1?", "answer": f"so\n#### {n + 1}"} for n in range(3)]
    aime = [{"problem_idx": n, "problem": f"Find {n}.", "answer": n} for n in range(3)]
    for name, rows in (("gsm8k_train", gsm8k), ("gsm8k_test", gsm8k), ("aime26", aime)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setenv(local.VARIABLE, str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("copies")
def test_every_set_is_listed_with_its_licence() -> None:
    listed = run()
    for name, one in declared.shipped().items():
        assert name in listed
        assert one.licence.split()[0] in listed


@pytest.mark.usefixtures("copies")
@pytest.mark.parametrize(
    ("name", "row", "problem"),
    [
        ("gsm8k", {"question": "What is 0 + 1?", "answer": "so\n#### 1"},
         {"problem": "What is 0 + 1?", "answer": "1", "solution": "so\n#### 1"}),
        ("aime26", {"problem_idx": 0, "problem": "Find 0.", "answer": 0},
         {"id": "0", "problem": "Find 0.", "answer": "0"}),
    ],
)  # fmt: skip
def test_a_set_shows_a_row_as_read(name: str, row: dict[str, Any], problem: dict[str, str]) -> None:
    found = json.loads(run(name, "--json"))
    assert found["row"] == row
    assert problem.items() <= found["problem"].items()
    assert found["declaration"]["licence"] == declared.shipped()[name].licence
    short = yaml.safe_load(run(name))
    assert short["row"] == row
    assert "unusable" not in short["declaration"]  # the usual list


def test_the_overlap_of_two_sets(copies: Path) -> None:
    (copies / "mine.jsonl").write_text('{"problem": "find 1.", "answer": 1}\n')
    found = json.loads(run(str(copies / "mine.jsonl"), "--against", "aime26", "--json"))
    assert found["problems"] == 1
    chat = [{"role": "user", "content": "Find 2."}, {"role": "assistant", "content": "I did."}]
    (copies / "chats.jsonl").write_text(json.dumps({"messages": chat}))  # without a gold
    talks = json.loads(run(str(copies / "chats.jsonl"), "--against", "aime26", "--json"))
    assert talks["against"]["aime26"]["equal"] == 1
    assert (found["against"]["aime26"]["problems"], found["against"]["aime26"]["equal"]) == (3, 1)
