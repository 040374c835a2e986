"""The embedded tokenizer: any text comes back, digits and label words are one token each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("tokenizers")
pytest.importorskip("transformers")

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from mathtune import prompts
from mathtune.data.arithmetic import generate
from mathtune.embedded import path


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(path())


TOKENIZER: list[PreTrainedTokenizerFast] = []


def shipped() -> PreTrainedTokenizerFast:
    """Loaded once, for the property test."""
    if not TOKENIZER:
        TOKENIZER.append(AutoTokenizer.from_pretrained(path()))
    return TOKENIZER[0]


@given(st.text(max_size=200))
def test_any_text_comes_back(text: str) -> None:
    tokenizer = shipped()
    if "<|" in text:
        return
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_generated_text_comes_back(tokenizer: PreTrainedTokenizerFast) -> None:
    for row in generate("test", 60, seed=0):
        text = f"{row.problem}\n{row.solution}"
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_label_words_are_one_token_after_the_prompt(tokenizer: PreTrainedTokenizerFast) -> None:
    prompt = prompts.evaluator("What is 1 + 1?", "#### 2", form="plain", tokenizer=tokenizer)
    before = tokenizer.encode(prompt)
    ends = [tokenizer.encode(prompt + word) for word in (prompts.CORRECT, prompts.INCORRECT)]
    assert [end[:-1] for end in ends] == [before, before]
    assert ends[0][-1] != ends[1][-1]


def test_digits_are_split_and_signs_are_not(tokenizer: PreTrainedTokenizerFast) -> None:
    pieces = [tokenizer.decode([i]) for i in tokenizer.encode("Now <<48/2=24>>24\n#### 24")]
    assert pieces == [
        *["Now", " <<", "4", "8", "/", "2", "=", "2", "4", ">>", "2", "4", "\n"],
        *["####", " ", "2", "4"],
    ]


def test_ends_and_pads_are_different_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.eos_token_id is not None
    assert tokenizer.pad_token_id is not None
    assert tokenizer.eos_token_id != tokenizer.pad_token_id
    assert tokenizer.encode("x") == tokenizer.encode("x", add_special_tokens=False)


def test_texts_are_short(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = generate("train", 200, seed=0)
    prompt = sum(
        len(tokenizer.encode(prompts.solver(row.problem, form="plain", tokenizer=tokenizer)))
        for row in rows
    )
    solution = sum(len(tokenizer.encode(str(row.solution))) for row in rows)
    assert prompt / len(rows) <= 60
    assert solution / len(rows) <= 70
