"""Folders with sentencepiece's tokenizer.model alone, written here: its ids, or refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from mathtune.engines import model_names
from mathtune.engines.transformers import folder_tokenizer
from mathtune.errors import InputError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
WORDS = ("ab", "bc", "▁a", "▁▁", "▁", "a", "b", "c")
"""Earlier words have higher scores."""
TRAINER: dict[int, Any] = {3: 2, 35: 1}
NORMALIZER: dict[int, Any] = {1: b"identity", 4: 0}


def number(value: int) -> bytes:
    """Write a whole number as protocol buffers do, seven bits per byte."""
    low, rest = value & 127, value >> 7
    return bytes([low]) if not rest else bytes([low | 128]) + number(rest)


def message(fields: list[tuple[int, Any]]) -> bytes:
    """Write a message: whole numbers, 32-bit floats and bytes."""
    out = b""
    for field, value in fields:
        if isinstance(value, float):
            out += number(field << 3 | 5) + struct.pack("<f", value)
        elif isinstance(value, int):
            out += number(field << 3) + number(value)
        else:
            out += number(field << 3 | 2) + number(len(value)) + value
    return out


def write(
    folder: Path,
    *,
    more: list[tuple[str, float, int]] | None = None,
    trainer: dict[int, Any] | None = None,
    normalizer: dict[int, Any] | None = None,
    added: dict[str, int] | None = None,
    **config: Any,
) -> None:
    """Write a folder's tokenizer.model and its JSON files; `more`: pieces behind the others."""
    pieces = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
    pieces += [(f"<0x{code:02X}>", 0.0, BYTE) for code in range(256)]
    pieces += [(word, float(-at), NORMAL) for at, word in enumerate(WORDS)] + (more or [])
    rows = [
        (1, message([(1, piece.encode()), (2, score), *([(3, kind)] if kind != NORMAL else [])]))
        for piece, score, kind in pieces
    ]
    specs: list[tuple[int, dict[int, Any]]] = [
        (2, {**TRAINER, **(trainer or {})}),
        (3, {**NORMALIZER, **(normalizer or {})}),
    ]
    rows += [(at, message(sorted(spec.items()))) for at, spec in specs]
    (folder / "tokenizer.model").write_bytes(message(rows))
    said = {"tokenizer_class": "LlamaTokenizer", **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    if added is not None:
        (folder / "added_tokens.json").write_text(json.dumps(added))


def load(folder: Path) -> PreTrainedTokenizerBase:
    model_names.refuse_tokenizer(str(folder), folder)
    return folder_tokenizer.load(str(folder))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abc", "▁ ab c"),  # ab before bc and before the space and a
        (" bca", "▁▁ bc a"),
        ("a\n1", "▁a <0x0A> <0x31>"),
        ("é", "▁ <0xC3> <0xA9>"),
        ("<s>a", "<s> ▁a"),
        ("b</s>c", "▁ b </s> ▁ c"),
    ],
)
def test_pieces_are_merged_by_their_scores(text: str, expected: str, tmp_path: Path) -> None:
    write(tmp_path)
    tokenizer = load(tmp_path)
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert " ".join(tokenizer.convert_ids_to_tokens(ids)) == expected
    if not text.startswith("<s>") and "</s>" not in text:
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize(
    ("said", "ends"),
    [
        ({}, [1, 0]),
        ({"add_bos_token": False}, [0, 0]),
        ({"add_eos_token": True}, [1, 2]),
    ],
    ids=["Llama's", "no start", "an end"],
)
def test_texts_begin_and_end_as_the_config_says(said: Any, ends: list[int], tmp_path: Path) -> None:
    write(tmp_path, **said)
    tokenizer = load(tmp_path)
    a = 259 + WORDS.index("▁a")
    assert tokenizer.encode("a") == [one for one in (ends[0], a, ends[1]) if one]
    tokenizer.save_pretrained(tmp_path)
    assert folder_tokenizer.load(str(tmp_path)).encode("a") == tokenizer.encode("a")


def test_added_tokens_have_the_ids_of_the_files(tmp_path: Path) -> None:
    last = 259 + len(WORDS)
    write(
        tmp_path,
        added={"<|im_end|>": last + 1, "<|im_start|>": last, "<pad>": last + 2},
        added_tokens_decoder={str(last): {"content": "<|im_start|>", "rstrip": True}},
        eos_token={"content": "<|im_end|>"},
        pad_token="<pad>",
        chat_template="{{ messages[0].content }}",
    )
    (tmp_path / "special_tokens_map.json").write_text('{"eos_token": "</s>", "bos_token": "<s>"}')
    tokenizer = load(tmp_path)
    ids = tokenizer.encode("<|im_start|>  a<|im_end|>", add_special_tokens=False)
    assert ids == [last, 259 + WORDS.index("▁a"), last + 1]
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (last + 1, last + 2)
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<|im_start|> a"
    assert tokenizer.chat_template == "{{ messages[0].content }}"
    assert len(tokenizer) == last + 3


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"trainer": {3: 1}}, "does not merge letters"),
        ({"trainer": {35: 0}}, "has no bytes for unknown letters"),
        ({"trainer": {24: 1}}, "writes spaces behind words"),
        ({"normalizer": {2: b"map"}}, "changes letters before it merges them"),
        ({"normalizer": {3: 0}}, "puts no space before a text"),
        ({"normalizer": {4: 1}}, "drops spaces"),
        ({"more": [("[1]", 0.0, USER_DEFINED)]}, "has tokens that users defined"),
        ({"more": [("ba", -99.0, UNUSED)]}, "has unused pieces"),
        ({"more": [("ba", -1.0, NORMAL)]}, "gives two pieces the same score"),
        ({"more": [("ab", -99.0, NORMAL)]}, "has the same piece twice"),
        ({"tokenizer_class": "CodeLlamaTokenizer"}, "tokenizer_class CodeLlamaTokenizer, not"),
        ({"tokenizer_class": None}, "tokenizer_class None, not LlamaTokenizer"),
        ({"auto_map": {"AutoTokenizer": "own.py"}}, "belongs to the tokenizer_class"),
        ({"legacy": False}, "is read with legacy false"),
        ({"add_prefix_space": False}, "is read with add_prefix_space False"),
        ({"sp_model_kwargs": {"enable_sampling": True}}, "is read with sp_model_kwargs"),
        ({"added": {"<pad>": 999}}, "has no place for the token '<pad>' with id 999"),
        ({"eos_token": "<|end|>"}, r"does not have the special token '<\|end\|>'"),
    ],
    ids=lambda how: str(how)[:40],
)
def test_what_would_give_other_ids_is_refused(how: Any, said: str, tmp_path: Path) -> None:
    write(tmp_path, **how)
    with pytest.raises(InputError, match=said) as error:
        load(tmp_path)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith("expected tokenizer.json, or the model as a .gguf file.")


def test_a_torn_file_is_no_tokenizer(tmp_path: Path) -> None:
    write(tmp_path)
    whole = (tmp_path / "tokenizer.model").read_bytes()
    (tmp_path / "tokenizer.model").write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="torn"):
        load(tmp_path)
