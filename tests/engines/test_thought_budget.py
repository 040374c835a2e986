"""How a text that a server began goes on after its thoughts."""

from __future__ import annotations

from typing import Any

import pytest

from mathtune.answers.visible import visible
from mathtune.engines.protocol import TOO_LONG, Draft, Sampling
from mathtune.engines.thought_budget import Begun, after_thoughts, first, opened, text_of


class Letters:
    """A tokenizer of letters."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:  # noqa: ARG002
        return [ord(letter) for letter in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))


HOW = Sampling(n=1, temperature=1, top_p=1, max_tokens=4, thought_tokens=10)
THINKS = "hm</think>"


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        # Used up: the thoughts are ended, and the solution has all of its tokens.
        (Draft("hm hm", "length", 9), Begun("hm hm</think>", 10, 4)),
        (Draft("", "length", 0), Begun("</think>", 1, 4)),
        # Ended by itself, with and without a whole solution.
        (Draft("#### 7", "stop", 6), Draft("#### 7", "stop", 6)),
        (Draft(f"{THINKS}ab", "stop", 5), Draft(f"{THINKS}ab", "stop", 5)),
        # A solution was begun: its tokens count.
        (Draft(f"{THINKS}ab", "length", 9), Begun(f"{THINKS}ab", 9, 2)),
        (Draft(f"{THINKS}abcd", "length", 9), Draft(f"{THINKS}abcd", "length", 9)),
        (Draft(f"{THINKS}abcdef", "stop", 9), Draft(f"{THINKS}abcd", "length", 7)),
    ],
)
def test_each_way_that_a_first_request_ends(draft: Draft, expected: Any) -> None:
    tokenizer: Any = Letters()
    assert after_thoughts(draft, HOW, tokenizer) == expected


def test_the_first_request_leaves_room_for_the_end_of_the_thoughts() -> None:
    assert (first(HOW).max_tokens, first(HOW).thought_tokens) == (9, 0)


def test_both_requests_are_one_draft() -> None:
    begun = Begun("hm</think>", 10, 4)
    assert begun.joined(Draft("7", "stop", 2)) == Draft("hm</think>7", "stop", 12)
    late = begun.joined(Draft("", "prompt_too_long", 0))
    assert late == Draft("hm</think>", "length", 10)


def test_drafts_get_the_mark_that_their_prompt_opens() -> None:
    drafts = [Draft("hm 5", "length", 2), Draft("<think>hm</think>5", "stop", 5), TOO_LONG]
    texts = [draft.text for draft in opened(drafts, "<|Assistant|><think>\n")]
    assert texts == ["<think>\nhm 5", "<think>\n<think>hm</think>5", ""]
    assert visible(texts[0]) == ""  # not finished: the 5 is no answer
    assert opened(drafts, "<think>\n\n</think>\n\n") == drafts


def test_marks_of_thoughts_that_are_special_tokens_stay(make_tokenizer: Any) -> None:
    tokenizer = make_tokenizer(special=("<|end|>", "[THINK]", "[/THINK]"))
    ids = tokenizer.encode("[THINK]12 + 30[/THINK]#### 42<|end|>")
    assert "THINK" not in tokenizer.decode(ids, skip_special_tokens=True)
    assert text_of(ids, tokenizer) == "[THINK]12 + 30[/THINK]#### 42"
    assert text_of(ids[1:3], tokenizer) == tokenizer.decode(ids[1:3])
