"""Answers in the shapes of servers in the wild: what is a sample, and what is none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mathtune.engines.protocol import Draft, Sampling
from mathtune.engines.served import Answer, drafts_of, likeliest_of


def read(choice: dict[str, Any], **fields: Any) -> Answer:
    body = {"choices": [{"finish_reason": "stop", **choice}], **fields}
    return msgspec.json.decode(msgspec.json.encode(body), type=Answer)


def drafts(choice: dict[str, Any], *, stop: str | None = None, **fields: Any) -> list[Draft]:
    how = Sampling(n=1, temperature=1, top_p=1, max_tokens=9, stop=stop)
    return drafts_of(read(choice, **fields), how, unsaid=True)


def test_a_choice_with_an_error_is_no_sample() -> None:
    broken = {"message": {"content": "3 +"}, "error": {"code": 502, "message": "gone"}}
    for reason in (None, "stop"):
        assert drafts({**broken, "finish_reason": reason}) == []
    assert read(broken).flaw() == "an error in them"
    assert drafts({**broken, "error": None}) == [Draft("3 +", "stop", 0)]


def test_a_tool_call_is_no_sample_and_a_refusal_is_one() -> None:
    call = {"id": "1", "function": {"name": "add"}}
    assert drafts({"message": {"content": None, "tool_calls": [call]}}) == []
    assert drafts({"message": {"content": "4", "tool_calls": []}}) == [Draft("4", "stop", 0)]
    assert drafts({"message": {"refusal": "No."}}) == [Draft("No.", "stop", 0)]


def test_thoughts_have_a_third_name() -> None:
    (draft,) = drafts({"message": {"content": "4", "thinking": "2 + 2"}})
    assert draft.text == "<think>\n2 + 2\n</think>\n\n4"


def test_a_sample_ends_at_its_stop_also_if_the_server_goes_on() -> None:
    text = {"text": "#### 4\n\nProblem: more", "finish_reason": "length"}
    usage = {"completion_tokens": 9}
    assert drafts(text, stop="\nProblem:", usage=usage) == [Draft("#### 4", "stop", 9)]
    assert drafts(text, stop="\nQ:", usage=usage) == [Draft(text["text"], "length", 9)]


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        [],
        False,
        {"content": None},
        {"content": [{"token": "4", "logprob": -0.1, "top_logprobs": None}]},
        {"top_logprobs": [[{"token": "4", "logprob": -0.1}]]},
        {"top_logprobs": {"4": -0.1}},
    ],
)
def test_logprobs_that_nobody_asked_for_cost_no_sample(logprobs: Any) -> None:
    choice = {"text": "4", "logprobs": logprobs}
    assert drafts(choice) == [Draft("4", "stop", 0)]
    assert likeliest_of(read(choice)) == {}
