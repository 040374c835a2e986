"""Collect on files that others wrote: generations in lists, dumps of rollouts."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mathtune.cli.main import app
from mathtune.errors import InputError
from mathtune.foreign.convert import asked, convert
from mathtune.foreign.judged import Request
from mathtune.rows import jsonl
from mathtune.rows.records import Example, Pair, Problem


def boxed(answer: int) -> str:
    return f"<think>hm</think>It is 30 + {answer - 30} = {answer}, so $\\boxed{{{answer}}}$."


OPENR1: list[dict[str, Any]] = [
    {"problem": "What is 30 + 4?", "answer": "34", "source": "x", "uuid": "u1",
     "generations": [boxed(34), boxed(35), None]},
    {"problem": "What is 30 + 5?", "answer": "35", "source": "x", "uuid": "u2",
     "generations": [boxed(35), "I give up."]},
]  # fmt: skip


def worked(answer: int) -> dict[str, Any]:
    """The gold columns of OpenR1 and NuminaMath: a solution in words, and its answer."""
    text = "We put the two numbers side by side and add them up, first the tens and then the ones."
    return {"solution": f"{text} That makes {answer}.", "answer": str(answer)}


WHOLE_OPENR1: list[dict[str, Any]] = [
    {"problem": "What is 30 + 4?", **worked(34), "question_type": "math-word-problem", "uuid": "u1",
     "generations": [boxed(34), boxed(35)], "correctness_math_verify": [True, False],
     "messages": [{"role": "user", "content": "What is 30 + 4?"},
                  {"role": "assistant", "content": boxed(34)}]},
    {"problem": "What is 30 + 5?", **worked(35), "question_type": "math-word-problem", "uuid": "u2",
     "generations": [boxed(35), boxed(35)], "correctness_math_verify": [True, True],
     "messages": [{"role": "user", "content": "What is 30 + 5?"},
                  {"role": "assistant", "content": boxed(35)}]},
    {"problem": "Prove it.", **worked(1), "answer": "proof", "question_type": "proof",
     "uuid": "u3", "generations": [boxed(35), "I give up."],
     "correctness_math_verify": [False, False],
     "messages": [{"role": "user", "content": "Prove it."},
                  {"role": "assistant", "content": boxed(35)}]},
]  # fmt: skip
CHAT = "system\nYou are a helpful assistant.\nuser\nWhat is 30 + {}?\nassistant\n"
VERL: list[dict[str, Any]] = [
    {"input": CHAT.format(4), "output": boxed(34), "gts": "34", "score": 1.0, "step": 1},
    {"input": CHAT.format(5), "output": boxed(35), "gts": "35", "score": 1.0, "step": 1},
    {"input": CHAT.format(4), "output": boxed(30), "gts": "34", "score": 0.0, "step": 1},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("rows", [OPENR1, WHOLE_OPENR1, VERL])
def test_pairs_of_foreign_samples(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    file = write(tmp_path / "theirs.jsonl", rows)
    arguments = ["collect", str(file), "keep=pairs", "--format", "dpo", "--out"]
    done = CliRunner().invoke(app, [*arguments, str(tmp_path / "pairs")])
    assert done.exit_code == 0, done.output
    (pair,) = jsonl.read(tmp_path / "pairs" / "pairs.jsonl", Pair)
    assert pair.problem == "What is 30 + 4?"
    assert pair.right == boxed(34)
    assert pair.wrong in (boxed(35), boxed(30))
    (exported,) = map(json.loads, (tmp_path / "pairs" / "dpo.jsonl").read_text().splitlines())
    assert exported["chosen"] == boxed(34)


def test_golds_that_say_there_is_none_are_left_out(tmp_path: Path) -> None:
    file = write(tmp_path / "theirs.jsonl", WHOLE_OPENR1)
    problems, *_ = convert(Request.parse([str(file)], rule="explicit"), tmp_path / "out")
    found = list(jsonl.read(problems, Problem))
    assert [(one.id, one.answer) for one in found] == [("u1", "34"), ("u2", "35")]
    only = write(tmp_path / "proofs.jsonl", [{**WHOLE_OPENR1[2], "solution": None}])
    with pytest.raises(InputError, match="no sample with a text and a usable gold"):
        convert(Request.parse([str(only)], rule="explicit"), tmp_path / "none")


LLAMA = "<|start_header_id|>{}<|end_header_id|>\n\n"


@pytest.mark.parametrize(
    "question",
    [
        "<|im_start|>user\nWhat?<|im_end|>\n<|im_start|>assistant\n",
        LLAMA.format("user") + "What?<|eot_id|>" + LLAMA.format("assistant"),
        "system\n\nBe brief.user\n\nWhat?assistant\n\n",
        "user\nWhat?\nassistant\n<think>\n",
        "What?",
    ],
)
def test_a_rendered_chat_is_taken_apart(question: str) -> None:
    assert asked(question) == "What?"


def test_a_question_that_speaks_of_users_is_kept() -> None:
    question = "A user\nand an assistant\nshare 3 apples. How many has each user\n?"
    assert asked(question) == question


def test_right_paths_of_foreign_samples(tmp_path: Path) -> None:
    file = write(tmp_path / "theirs.jsonl", OPENR1)
    done = CliRunner().invoke(
        app, ["collect", str(file), "keep=paths", "--out", str(tmp_path / "paths")]
    )
    assert done.exit_code == 0, done.output
    rows = list(jsonl.read(tmp_path / "paths" / "examples.jsonl", Example))
    assert [(row.problem, row.solution) for row in rows] == [
        ("What is 30 + 4?", boxed(34)), ("What is 30 + 5?", boxed(35))
    ]  # fmt: skip
    problems = list(jsonl.read(tmp_path / "paths-samples" / "problems.jsonl", Problem))
    assert [problem.answer for problem in problems] == ["34", "35"]


def test_samples_without_a_question_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "theirs.jsonl", [{"id": 1, "responses": [boxed(34)], "gold": "34"}])
    with pytest.raises(InputError, match="has no question, which training needs"):
        convert(Request.parse([str(file)]), tmp_path / "out")
    assert not (tmp_path / "out").exists()
