"""Tokenizers of strangers: their regular expressions and replacements have limits."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

pytest.importorskip("torch")

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from mathtune.engines import token_ids
from mathtune.errors import InputError


def made(pattern: str = " ", *, normalizer: Any = None) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0, "ab": 1}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "removed")
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    fast.name_or_path = "stranger"
    return fast


def test_a_usual_text_is_encoded_as_ever() -> None:
    assert token_ids.token_ids("ab ab c", made()) == [1, 1, 0]


def test_a_regular_expression_that_the_library_gives_up_is_a_sentence() -> None:
    with pytest.raises(
        InputError, match=r"'stranger': its tokenizer fails at a text .*retry-limit"
    ):
        token_ids.token_ids("a" * 40 + "b", made("(a+)+$"))


def test_many_texts_have_the_ids_of_each_alone() -> None:
    tokenizer = made()
    tokenizer.backend_tokenizer.enable_truncation(2)
    tokenizer.backend_tokenizer.enable_padding(length=4)
    assert token_ids.all_token_ids(["ab c ab", "", "c"], tokenizer) == [[1, 0, 1], [], [0]]
    assert token_ids.all_token_ids([], tokenizer) == []


def test_many_texts_of_a_tokenizer_that_changes_them_are_encoded_one_by_one() -> None:
    class Doubling(PreTrainedTokenizerFast):
        def encode(self, text: str, **how: Any) -> list[int]:
            return super().encode(f"{text} {text}", **how)

    tokenizer = Doubling(tokenizer_object=made().backend_tokenizer)
    assert token_ids.all_token_ids(["ab c", "c"], tokenizer) == [[1, 0, 1, 0], [0, 0]]


def test_one_of_many_texts_at_which_the_tokenizer_fails_is_a_sentence() -> None:
    with pytest.raises(InputError, match=r"'stranger': its tokenizer fails at a text"):
        token_ids.all_token_ids(["b", "a" * 40 + "b"], made("(a+)+$"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the process that is ended is forked")
@pytest.mark.timeout(120)
def test_a_regular_expression_that_goes_on_and_on_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(token_ids, "SECONDS", 0.1)
    tokenizer = made("(?:a|a){20}(?!a)b?(?<=c)")
    child = os.fork()
    if child == 0:
        token_ids.token_ids("a" * 5000, tokenizer)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    sys.stderr.flush()
    said = capfd.readouterr().err
    assert "error: model 'stranger': its tokenizer did not end in time with a text" in said


def test_replacements_that_make_a_text_enormous_are_refused() -> None:
    tens = [normalizers.Replace("a", "a" * 10)] * 5
    with pytest.raises(InputError, match="may make a text 100000 times as long"):
        token_ids.refuse_growth(made(normalizer=normalizers.Sequence(tens)))
    token_ids.refuse_growth(made(normalizer=normalizers.Sequence(tens[:3])))
    token_ids.refuse_growth(made())


INST = "{{ bos_token }}{% for m in messages %}[INST] {{ m.content }} [/INST]{% endfor %}"


@pytest.mark.parametrize(
    ("template", "everywhere", "sent"),
    [
        (INST, True, "[INST] 1 + 1? [/INST]is"),
        (INST, False, None),  # a space before the text, but not behind the start token
        (INST.removeprefix("{{ bos_token }}"), True, None),  # the server would put one there
    ],
)
def test_a_server_reads_the_tokens_of_a_rendered_chat(
    template: str, everywhere: bool, sent: str | None, make_spaced: Any
) -> None:
    tokenizer = make_spaced(everywhere=everywhere, template=template)
    text = tokenizer.apply_chat_template([{"role": "user", "content": "1 + 1?"}], tokenize=False)
    found = token_ids.completed(text + "is", tokenizer)
    assert found == (sent or tokenizer.encode(text + "is", add_special_tokens=False))
    read = found if isinstance(found, list) else tokenizer.encode(found)
    assert read == tokenizer.encode(text + "is", add_special_tokens=False)
