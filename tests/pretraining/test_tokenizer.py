"""The embedded tokenizer: any text comes back, digits and label words are one token each."""

from __future__ import annotations

import json
from statistics import mean

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

pytest.importorskip("tokenizers")
pytest.importorskip("transformers")

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from mathtune.data.arithmetic import generate
from mathtune.engines import prompts
from mathtune.engines.embedded_model import path
from pretraining.documents import for_prompts
from pretraining.text import WORDS, written_words


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(path())


def test_auto_tokenizer_loads_it(tokenizer: PreTrainedTokenizerFast) -> None:
    assert AutoTokenizer.from_pretrained(path()).get_vocab() == tokenizer.get_vocab()


@given(text=st.text(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_comes_back(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    assume("<|end|>" not in text and "<|pad|>" not in text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_generated_text_comes_back(tokenizer: PreTrainedTokenizerFast) -> None:
    for row in generate("test", 60, seed=0):
        text = f"{row.problem}\n{row.solution}"
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_label_words_are_one_token_after_the_prompt(tokenizer: PreTrainedTokenizerFast) -> None:
    prompt = prompts.evaluator(
        "What is 1 + 1?", "#### 2", form="plain", tokenizer=for_prompts(tokenizer)
    )
    before = tokenizer.encode(prompt)
    ends = [tokenizer.encode(prompt + word) for word in (prompts.CORRECT, prompts.INCORRECT)]
    assert [end[:-1] for end in ends] == [before, before]
    assert ends[0][-1] != ends[1][-1]


def test_digits_are_split_and_signs_are_not(tokenizer: PreTrainedTokenizerFast) -> None:
    pieces = [tokenizer.decode([i]) for i in tokenizer.encode("Only <<48/2=24>>24\n#### 24")]
    assert pieces == [
        *["Only", " <<", "4", "8", "/", "2", "=", "2", "4", ">>", "2", "4", "\n"],
        *["####", " ", "2", "4"],
    ]


def test_ends_and_pads_are_different_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.eos_token_id is not None
    assert tokenizer.pad_token_id is not None
    assert tokenizer.eos_token_id != tokenizer.pad_token_id
    assert tokenizer.encode("x") == tokenizer.encode("x", add_special_tokens=False)


def test_texts_are_short(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = generate("train", 200, seed=0)
    typed = for_prompts(tokenizer)
    asked = [prompts.solver(row.problem, form="plain", tokenizer=typed) for row in rows]
    assert mean(len(tokenizer(text).input_ids) for text in asked) <= 60
    assert mean(len(tokenizer(str(row.solution)).input_ids) for row in rows) <= 70


def test_the_problems_words_are_tokens() -> None:
    """Of the words of problems and solutions, the vocabulary lacks none that is at all frequent."""
    known = set(json.loads(WORDS.read_text()))
    written = written_words()
    assert len(known) > 500
    assert not [word for word in written[: len(written) * 9 // 10] if word not in known]
