"""What a client gets of a thinking model's solution."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from mathtune.cli.serving.ask import _Answer, _solved
from mathtune.cli.serving.reply import Reply
from mathtune.cli.serving.request import Bounds, Endpoint, read
from mathtune.cli.serving.settings import Solver
from mathtune.cli.serving.solved import Sampled, Solved, picked
from mathtune.engines.protocol import Draft

THOUGHT = "<think>\nIs it 3?\n</think>\n\n#### 2"


def solved(text: str, answer: str | None, reason: Any = "stop") -> Solved:
    groups = [] if answer is None else [[0]]
    found = Sampled([Draft(text, reason, 9)], [answer], None, groups)
    return picked("1 + 1", Solver(n=1), found, "samples", 5)


def reply(endpoint: Endpoint = "chat") -> Reply:
    turns = {"messages": [{"role": "user", "content": "1 + 1"}]}
    body = {"model": "m", **(turns if endpoint == "chat" else {"prompt": "1 + 1"})}
    bounds = Bounds(64, 512)
    raw = json.dumps(body).encode()
    return Reply(read(raw, endpoint, Solver(), chats=True, bounds=bounds)[1], "m")


def test_thoughts_are_kept_out_of_the_answer() -> None:
    found = solved(THOUGHT, "2")
    (choice,) = reply().whole(found)["choices"]
    assert choice["message"] == {
        "role": "assistant",
        "content": "#### 2",
        "reasoning_content": "Is it 3?",
        "refusal": None,
    }
    first, last = reply().chunks(found)
    assert first["choices"][0]["delta"] == {
        "role": "assistant",
        "content": "#### 2",
        "reasoning_content": "Is it 3?",
    }
    assert last["choices"][0]["finish_reason"] == "stop"
    (text,) = reply("completions").whole(found)["choices"]
    assert text["text"] == THOUGHT  # this endpoint has one field


def test_a_cut_thought_is_no_answer_and_says_so() -> None:
    found = solved("<think>\nIs it 3", None, "length")
    document = reply().whole(found)
    (choice,) = document["choices"]
    assert choice["message"]["content"] == ""
    assert choice["message"]["reasoning_content"] == "Is it 3"
    assert choice["finish_reason"] == "length"
    assert (document["mathtune"]["answer"], document["mathtune"]["cut_off"]) == (None, 1)


def test_a_solution_without_thoughts_is_the_content() -> None:
    found = solved(" 1 + 1 = 2\n#### 2\n", "2")
    (choice,) = reply().whole(found)["choices"]
    assert choice["message"]["content"] == " 1 + 1 = 2\n#### 2\n"
    assert "reasoning_content" not in choice["message"]


def test_a_client_of_ours_gets_the_thoughts_back() -> None:
    found = solved(THOUGHT, "2")
    answer = msgspec.convert(reply().whole(found), _Answer)
    assert answer.mathtune is not None
    there = _solved("1 + 1", Solver(n=1), answer, answer.mathtune, "m")
    assert (there.solution, there.answer) == (THOUGHT, "2")
