"""Tokenizers of folders: tokenizer.json is followed, whatever class the config names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE
from transformers import Qwen2Tokenizer

from mathtune.engines import prompts
from mathtune.engines.transformers import folder_tokenizer
from mathtune.errors import InputError

START, END = "<｜start｜>", "<｜end｜>"
MERGES = [("1", "2"), ("12", "3"), ("Ġ", "+"), ("▁", "1")]
TEMPLATE = "{{ bos_token }}{{ messages[0].content }}"
TEXT = "1 + 1 = 2,  so\n\\boxed{12345} "


def vocabulary() -> dict[str, int]:
    letters = sorted({*pre_tokenizers.ByteLevel.alphabet(), "▁"})
    tokens = [*letters, *("".join(pair) for pair in MERGES)]
    return {token: number for number, token in enumerate(tokens)}


def threes() -> Tokenizer:
    """Return a tokenizer of bytes in which three digits are a word, as DeepSeek's."""
    backend = Tokenizer(BPE(vocabulary(), MERGES))
    split = pre_tokenizers.Split(Regex(r"\p{N}{1,3}"), "isolated")
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, as_bytes])
    backend.decoder = decoders.ByteLevel()
    return backend


def prefixed() -> Tokenizer:
    """Return a tokenizer that puts a space before every text, as Llama 2's."""
    backend = Tokenizer(BPE(vocabulary(), MERGES, unk_token="?"))
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", left=1)]
    )
    return backend


def write(folder: Path, backend: Tokenizer, kind: str, **said: Any) -> None:
    backend.add_special_tokens([AddedToken(START, normalized=False), AddedToken(END)])
    backend.save(str(folder / "tokenizer.json"))
    config = {"bos_token": START, "eos_token": END, "chat_template": TEMPLATE, **said}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))


@pytest.mark.parametrize("build", [threes, prefixed])
@pytest.mark.parametrize("kind", ["llama", "qwen2", "mistral"])
@pytest.mark.parametrize("named", [None, "LlamaTokenizerFast", "Qwen2Tokenizer"])
def test_a_folder_is_read_as_its_tokenizer_json_says(
    named: str | None, kind: str, build: Any, tmp_path: Path
) -> None:
    write(tmp_path, build(), kind, **({} if named is None else {"tokenizer_class": named}))
    told = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokenizer = folder_tokenizer.load(str(tmp_path))
    for text in (TEXT, f" {TEXT}", f"{END}1"):
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert ids == told.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids) == told.decode(ids, skip_special_tokens=False)


def test_a_familys_own_class_stays(tmp_path: Path) -> None:
    Qwen2Tokenizer(vocab=vocabulary(), merges=MERGES).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    assert type(folder_tokenizer.load(str(tmp_path))) is Qwen2Tokenizer


@pytest.mark.parametrize(
    ("said", "starts"),
    [({"add_bos_token": True}, 1), ({"add_bos_token": False}, 0), ({}, 0)],
    ids=["yes", "no", "nothing"],
)
def test_a_start_token_that_only_the_config_asks_for_is_added(
    said: dict[str, bool], starts: int, tmp_path: Path
) -> None:
    write(tmp_path, threes(), "llama", tokenizer_class="LlamaTokenizerFast", **said)
    tokenizer = folder_tokenizer.load(str(tmp_path))
    for form, expected in (("plain", starts), ("chat", 1)):
        prompt = prompts.solver("1 + 1", form=form, tokenizer=tokenizer)  # type: ignore[arg-type]
        ids = prompts.encode(prompt, form=form, tokenizer=tokenizer)  # type: ignore[arg-type]
        assert ids.count(tokenizer.bos_token_id) == expected
    tokenizer.save_pretrained(tmp_path)
    again = folder_tokenizer.load(str(tmp_path))
    assert again.encode("1").count(again.bos_token_id) == starts


def test_a_tokenizer_of_vocabulary_and_merges_is_read(tmp_path: Path) -> None:
    write(tmp_path, threes(), "gpt2", tokenizer_class="GPT2Tokenizer")
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"has no tokenizer\.json"):  # it would know three tokens
        folder_tokenizer.load(str(tmp_path))
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary()))
    (tmp_path / "merges.txt").write_text("\n".join(" ".join(pair) for pair in MERGES))
    tokenizer = folder_tokenizer.load(str(tmp_path))
    assert tokenizer.tokenize("1 +123") == ["1", "Ġ+", "123"]


def test_a_template_of_an_older_processor_is_read(tmp_path: Path) -> None:
    write(tmp_path, threes(), "llama", chat_template=None)
    assert folder_tokenizer.load(str(tmp_path)).chat_template is None
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    tokenizer = folder_tokenizer.load(str(tmp_path))
    assert tokenizer.chat_template == TEMPLATE
    assert prompts.resolve("auto", tokenizer) == "chat"  # type: ignore[arg-type]
    (tmp_path / "chat_template.json").write_text('{"chat_template": 5}')
    with pytest.raises(
        InputError, match=r"chat_template\.json, field .* found '5'; expected a text"
    ):
        folder_tokenizer.load(str(tmp_path))
