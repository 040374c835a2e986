"""Bodies of clients, read: what is refused, what is ignored, and what the model is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mathtune.cli.serving.request import Bounds, Endpoint, SolveRequest, read
from mathtune.cli.serving.settings import Solver
from mathtune.errors import InputError

USER = {"role": "user", "content": "1 + 1"}


def asked(*turns: dict[str, Any], chats: bool = True, **fields: Any) -> SolveRequest:
    return of({"messages": [*turns, USER], **fields}, chats=chats)


def of(body: dict[str, Any], *, chats: bool = True, endpoint: Endpoint = "chat") -> SolveRequest:
    raw = json.dumps({"model": "m", **body}).encode()
    return read(raw, endpoint, Solver(), chats=chats, bounds=Bounds(64, 512))[1]


@pytest.mark.parametrize(
    ("turn", "field"),
    [
        ({"content": None, "tool_calls": [{"id": "1"}]}, "tool_calls"),
        ({"content": "", "function_call": {"name": "add"}}, "function_call"),
        ({"content": None, "audio": {"id": "1"}}, "audio"),
    ],
)
def test_a_turn_with_more_than_text_is_refused(turn: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=rf"messages\[1\]: has {field}; expected text"):
        asked(USER, {"role": "assistant", **turn})


def test_a_turn_as_the_official_client_gives_it_back_is_read() -> None:
    nothing = dict.fromkeys(("refusal", "tool_calls", "function_call", "audio"))
    found = asked(USER, {"role": "assistant", "content": "2", "annotations": [], **nothing})
    assert [turn["content"] for turn in found.question.messages] == ["1 + 1", "2", "1 + 1"]


def test_earlier_answers_are_not_dropped_for_a_model_that_reads_one_question() -> None:
    answer = {"role": "assistant", "content": "2"}
    with pytest.raises(InputError, match="reads one question"):
        asked(answer, chats=False, system="Be brief.")
    assert asked(chats=False, system="Be brief.").ignored == ("system",)
    assert asked(answer, system="Be brief.").question.messages[0]["content"] == "Be brief."


def test_fields_of_the_other_endpoint_are_refused() -> None:
    with pytest.raises(InputError, match="messages: no field of this endpoint"):
        of({"prompt": "1 + 1", "messages": [USER]}, endpoint="completions")
    assert of({"prompt": "1 + 1"}, endpoint="completions").question.text == "1 + 1"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"n": "3"}, "n: expected `int | null`, got `str`."),
        ({"messages": [{"content": "x"}]}, "messages[0]: object missing required field `role`."),
        ({"model": None}, "model: expected `str`, got `null`."),
    ],
)
def test_a_false_field_is_named(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as raised:
        of({"messages": [USER], **fields})
    assert str(raised.value) == sentence
