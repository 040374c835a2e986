"""Tokenizers of GGUF files, tiny and written here: the families' token ids, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerBase

from mathtune.engines import prompts
from mathtune.engines.transformers import gguf_tokenizer
from mathtune.engines.transformers.gguf_file import GgufFile
from mathtune.errors import InputError

gguf = pytest.importorskip("gguf")

START, END, THOUGHT = "<｜begin▁of▁text｜>", "<｜end▁of▁text｜>", "<think>"
BYTES = sorted(ByteLevel.alphabet())
KINDS = {"normal": 1, "control": 3, "user": 4, "byte": 6}
TEMPLATE = (
    "{{ bos_token }}{% for turn in messages %}{{ turn.role }}: {{ turn.content }}{{ eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


def write(
    path: Path,
    tokens: list[tuple[str, str]],
    keys: dict[str, Any],
    *,
    kind: str = "llama",
    template: str | None = None,
) -> PreTrainedTokenizerBase:
    """Write a file with only a tokenizer and load it; `tokens`: each with its type."""
    writer = gguf.GGUFWriter(str(path), kind)
    writer.add_token_list([token for token, _ in tokens])
    writer.add_token_types([KINDS[of] for _, of in tokens])
    adds = {int: writer.add_uint32, str: writer.add_string, bool: writer.add_bool}
    adds[list] = writer.add_array
    for key, value in keys.items():
        adds[type(value)](f"tokenizer.ggml.{key}", value)
    if template is not None:
        writer.add_chat_template(template)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return gguf_tokenizer.load(GgufFile(path))


def byte_level(
    path: Path,
    pre: str | None,
    merges: str = "x/y",
    *more: str,
    template: str | None = None,
    **keys: Any,
) -> PreTrainedTokenizerBase:
    """Load a tokenizer of bytes; `merges`: pairs such as `4/4`; `more`: tokens beside."""
    pairs = [pair.split("/") for pair in merges.split()]
    words = [*dict.fromkeys(["".join(pair) for pair in pairs] + list(more))]
    tokens = [*((one, "normal") for one in BYTES + words)]
    tokens += [(START, "control"), (END, "control"), (THOUGHT, "user")]
    said = {"model": "gpt2", "merges": [" ".join(pair) for pair in pairs], **keys}
    said |= {"bos_token_id": len(tokens) - 3, "eos_token_id": len(tokens) - 2}
    return write(path, tokens, said if pre is None else said | {"pre": pre}, template=template)


def pieces(path: Path, *words: str, kind: str = "llama", **keys: Any) -> PreTrainedTokenizerBase:
    """Load a tokenizer in the manner of sentencepiece; earlier words are merged first."""
    tokens = [("<unk>", "normal"), ("<s>", "control"), ("</s>", "control"), ("<|user|>", "control")]
    tokens += [(f"<0x{code:02X}>", "byte") for code in range(256)]
    tokens += [(word, "normal") for word in words]
    scores = [0.0] * 260 + [float(-at) for at in range(len(words))]
    said = {"model": "llama", "scores": scores, "bos_token_id": 1, "eos_token_id": 2}
    return write(path, tokens, said | {"unknown_token_id": 0} | keys, kind=kind)


def parts(tokenizer: PreTrainedTokenizerBase, text: str) -> list[str]:
    return tokenizer.convert_ids_to_tokens(tokenizer.encode(text, add_special_tokens=False))


@pytest.mark.parametrize(
    ("pre", "merges", "text", "expected"),
    [
        ("gpt-2", "4/4 44/44", "4444", "4444"),
        ("qwen2", "4/4 44/4", "444", "4 4 4"),
        ("tekken", "4/4 44/4", "444", "4 4 4"),
        ("llama-bpe", "4/4 44/4 444/4", "44444", "444 44"),
        ("deepseek-v3", "4/4 44/4 444/4", "44444", "444 44"),
        ("falcon", "4/4 44/44", "4444", "44 4 4"),
        ("falcon", "Ġ/4 +/4", "5 4+4", "5 Ġ4 + 4"),
        ("starcoder", "4/4 Ġ/4", "5 44", "5 Ġ 4 4"),
        ("smollm", "4/4 Ġ/4", "5 44", "5 Ġ 4 4"),
        ("command-r", "4/4 Ġ/4", "5 44", "5 Ġ 4 4"),
        ("deepseek-coder", "4/4 Ġ/4", "5 44", "5 Ġ 4 4"),
        ("deepseek-llm", "4/4 Ġ/4", "5 44", "5 Ġ 44"),
        ("deepseek-llm", "a/4 Ġ/a Ċ/a", "5 a4\na", "5 Ġa 4 Ċ a"),
        ("bloom", "a/. a/4", "a4a.", "a4 a ."),
        ("gpt-2", "'/s ./Ċ", "a's.\n", "a 's . Ċ"),
        ("qwen2", "'/S ./Ċ", "a'S.\n", "a 'S .Ċ"),
    ],
)
def test_texts_are_split_as_the_files_pre_says(
    pre: str, merges: str, text: str, expected: str, tmp_path: Path
) -> None:
    tokenizer = byte_level(tmp_path / "tiny.gguf", pre, merges)
    assert " ".join(parts(tokenizer, text)) == expected
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_a_file_without_merges_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not say tokenizer\.ggml\.merges"):
        byte_level(tmp_path / "tiny.gguf", "gpt-2", "")


@pytest.mark.parametrize(
    ("pre", "said"),
    [
        (None, "does not say tokenizer.ggml.pre, how texts become words, so"),
        ("default", "says tokenizer.ggml.pre default, which is not known here, so"),
        ("kimi-k2", "says tokenizer.ggml.pre kimi-k2, which is not known here, so"),
    ],
)
def test_an_unknown_pre_is_refused(pre: str | None, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said) as error:
        byte_level(tmp_path / "tiny.gguf", pre)
    assert "\n" not in str(error.value)


def test_a_word_that_is_a_token_is_not_merged_with_llama_3(tmp_path: Path) -> None:
    for pre, expected in {"llama-bpe": ["abc"], "tekken": ["abc"], "gpt-2": ["ab", "c"]}.items():
        assert parts(byte_level(tmp_path / f"{pre}.gguf", pre, "a/b", "abc"), "abc") == expected


def test_accents_are_composed_where_the_family_does(tmp_path: Path) -> None:
    for pre, expected in {"qwen2": ["Ã", "©"], "llama-bpe": ["e", "Ì", "ģ"]}.items():
        assert parts(byte_level(tmp_path / f"{pre}.gguf", pre), "e\u0301") == expected


def test_special_tokens_with_other_letters_than_bytes_keep_their_ids(tmp_path: Path) -> None:
    tokenizer = byte_level(tmp_path / "tiny.gguf", "deepseek-llm")
    ids = tokenizer.encode(f"1{END}{THOUGHT}", add_special_tokens=False)
    assert ids == [BYTES.index("1"), len(BYTES) + 2, len(BYTES) + 3]
    assert len(tokenizer) == len(BYTES) + 4
    assert tokenizer.eos_token_id == len(BYTES) + 2
    assert tokenizer.decode(ids, skip_special_tokens=True) == f"1{THOUGHT}"


@pytest.mark.parametrize(
    ("pre", "keys", "starts"),
    [
        ("llama-bpe", {}, 1),
        ("llama-bpe", {"add_bos_token": False}, 0),
        ("qwen2", {}, 0),
        ("qwen2", {"add_bos_token": True}, 1),
    ],
)
@pytest.mark.parametrize("form", ["plain", "chat"])
def test_the_start_token_is_there_as_often_as_the_file_says(
    form: Any, pre: str, keys: dict[str, Any], starts: int, tmp_path: Path
) -> None:
    tokenizer = byte_level(tmp_path / "tiny.gguf", pre, template=TEMPLATE, **keys)
    prompt = prompts.solver("1 + 1 = ?", form=form, tokenizer=tokenizer)
    ids = prompts.encode(prompt, form=form, tokenizer=tokenizer)
    assert ids.count(tokenizer.bos_token_id) == (1 if form == "chat" else starts)
    assert prompts.target("2", form=form, tokenizer=tokenizer) == [
        BYTES.index("2"),
        tokenizer.eos_token_id,
    ]


def test_an_end_token_behind_a_text_is_added_as_the_file_says(tmp_path: Path) -> None:
    tokenizer = byte_level(tmp_path / "tiny.gguf", "gpt-2", add_eos_token=True)
    assert tokenizer.encode("1")[-1] == tokenizer.eos_token_id
    assert prompts.encode("1", form="plain", tokenizer=tokenizer) == [BYTES.index("1")]


def test_a_saved_tokenizer_has_the_same_ids(tmp_path: Path) -> None:
    tokenizer = byte_level(tmp_path / "tiny.gguf", "falcon", "4/4 44/44", add_bos_token=True)
    tokenizer.save_pretrained(tmp_path)
    again = type(tokenizer).from_pretrained(tmp_path)
    assert again.encode("4444 e") == tokenizer.encode("4444 e")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ab", "▁a b"),
        (" ab", "▁ ▁a b"),
        ("ab\n1", "▁a b <0x0A> <0x31>"),
        ("<|user|>a", "<|user|> ▁a"),
        ("é", "▁ <0xC3> <0xA9>"),
    ],
)
def test_sentencepiece_puts_a_space_before_a_text(text: str, expected: str, tmp_path: Path) -> None:
    tokenizer = pieces(tmp_path / "tiny.gguf", "▁a", "▁", "a", "b")
    assert " ".join(parts(tokenizer, text)) == expected
    assert tokenizer.encode(text)[0] == 1
    if "<" not in text:
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_sentencepiece_without_a_space_before_a_text(tmp_path: Path) -> None:
    tokenizer = pieces(tmp_path / "tiny.gguf", "▁a", "▁", "a", "b", add_space_prefix=False)
    assert parts(tokenizer, "ab a") == ["a", "b", "▁a"]
    assert tokenizer.decode(tokenizer.encode(" a", add_special_tokens=False)) == " a"


def test_merges_follow_the_scores(tmp_path: Path) -> None:
    letters = ("▁", "a", "b", "c")
    tokenizer = pieces(tmp_path / "tiny.gguf", "bc", "ab", *letters, add_space_prefix=False)
    assert parts(tokenizer, "abc") == ["a", "bc"]
    other = pieces(tmp_path / "other.gguf", "ab", "bc", *letters, add_space_prefix=False)
    assert parts(other, "abc") == ["ab", "c"]


def test_gemmas_tokens_of_spaces_are_found(tmp_path: Path) -> None:
    path, words = tmp_path / "tiny.gguf", ("  ", "▁a", "▁", "a")
    tokenizer = pieces(path, *words, kind="gemma2", add_space_prefix=False)
    assert parts(tokenizer, "a  a") == ["a", "▁▁", "a"]


def test_phi_3s_tokens_take_the_spaces_behind_them(tmp_path: Path) -> None:
    for kind, expected in {"phi3": "<|user|> ▁a", "llama": "<|user|> ▁ <0x0A> a"}.items():
        tokenizer = pieces(tmp_path / f"{kind}.gguf", "▁a", "▁", "a", kind=kind)
        assert " ".join(parts(tokenizer, "<|user|>\na")) == expected


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"model": "t5"}, "says tokenizer.ggml.model t5"),
        ({"remove_extra_whitespaces": True}, "says tokenizer.ggml.remove_extra_whitespaces True"),
        ({"eos_token_id": 999}, "says tokenizer.ggml.eos_token_id 999, but only 262 tokens"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    keys: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said) as error:
        pieces(tmp_path / "tiny.gguf", "▁", "a", **keys)
    assert "\n" not in str(error.value)
