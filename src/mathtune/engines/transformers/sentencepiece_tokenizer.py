"""Build the tokenizer of a folder that has sentencepiece's tokenizer.model. Below folder_tokenizer.

transformers gives its special tokens other ids. Here the pieces and their scores are read from the
file itself, and what would change token ids and is not known here is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tokenizers import AddedToken, Tokenizer, decoders, normalizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast
from transformers.tokenization_utils_base import generate_merges

from mathtune.errors import InputError
from mathtune.rows import jsonl

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NAME = "tokenizer.model"
SPACE = "\u2581"
"""What sentencepiece writes for a space."""
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""The types of pieces."""
MERGES = 2
"""The kind of model whose pieces are merged."""
CLASSES = ("LlamaTokenizer", "LlamaTokenizerFast")
"""The classes whose way from a text to token ids is followed."""
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": None}
"""The special tokens' names, and these classes' defaults."""


def load(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a folder's tokenizer.model, with the tokens that its JSON files add.

    Raises:
        InputError: something that would change token ids is not known here.
    """
    config = {**_json(folder, "special_tokens_map.json"), **_json(folder, "tokenizer_config.json")}
    _check_config(folder, config)
    pieces, scores, types = _read(folder)
    backend = merged_letters(
        pieces,
        scores,
        unknown=pieces[types.index(UNKNOWN)],
        whole=[one for one, kind in zip(pieces, types, strict=True) if kind != NORMAL],
    )
    special = {name: _content(config.get(name, default)) for name, default in SPECIAL.items()}
    more = [_content(one) for one in config.get("additional_special_tokens") or ()]
    marks = [one for one, kind in zip(pieces, types, strict=True) if kind == CONTROL]
    names = {*marks, *more, *special.values()} - {None}
    for number, token in sorted(_added(folder, config, names).items()):
        backend.add_tokens([token])
        if backend.token_to_id(token.content) != number:
            _refuse(folder, f"has no place for the token {token.content[:80]!r} with id {number}")
    backend.add_special_tokens([AddedToken(one, normalized=False) for one in marks])
    for name in sorted(names):
        if backend.token_to_id(name) is None:
            _refuse(folder, f"does not have the special token {name[:80]!r}")
    template = folder / "chat_template.jinja"
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        chat_template=template.read_text(encoding="utf-8")
        if template.exists()
        else config.get("chat_template"),
        clean_up_tokenization_spaces=False,
        add_bos_token=config.get("add_bos_token", True),
        add_eos_token=config.get("add_eos_token", False),
        additional_special_tokens=more,
        **special,
    )
    tokenizer.name_or_path = str(folder)
    return tokenizer


def merged_letters(
    pieces: Sequence[str],
    scores: Iterable[float],
    *,
    unknown: str | None,
    prefix: bool = True,
    whole: Iterable[str] = (),
) -> Tokenizer:
    """Return a tokenizer of merged letters, in which a space is a letter too. `prefix`: every text
    gets a space before it; `whole`: pieces that are never merged, nor made by merges.
    """
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    merges = generate_merges(vocabulary, dict(zip(pieces, scores, strict=True)), set(whole))
    backend = Tokenizer(
        BPE(vocabulary, merges, unk_token=unknown, fuse_unk=True, byte_fallback=True)
    )
    spaced = [normalizers.Prepend(SPACE)] if prefix else []
    backend.normalizer = normalizers.Sequence([*spaced, normalizers.Replace(" ", SPACE)])
    bare = [decoders.Strip(" ", left=1)] if prefix else []
    backend.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *bare]
    )
    return backend


def _read(folder: Path) -> tuple[list[str], list[float], list[int]]:
    """Return the pieces of tokenizer.model, their scores, and their types.

    The numbers of its fields are those of sentencepiece_model.proto.
    """
    pieces, scores, types = [], [], []
    trainer: dict[int, Any] = {}
    normalizer: dict[int, Any] = {}
    for number, message in _fields((folder / NAME).read_bytes()):
        if number == 1:
            piece = dict(_fields(message))
            pieces.append(piece[1].decode())
            scores.append(struct.unpack("<f", piece[2])[0] if 2 in piece else 0.0)
            types.append(piece.get(3, NORMAL))
        elif number == 2:
            trainer = dict(_fields(message))
        elif number == 3:
            normalizer = dict(_fields(message))
    made = {
        piece: score
        for piece, score, kind in zip(pieces, scores, types, strict=True)
        if kind == NORMAL and len(piece) > 1 and piece.strip(SPACE)
    }
    for known, reason in (
        (trainer.get(3, 1) == MERGES, "does not merge letters (model_type BPE)"),
        (trainer.get(35, 0), "has no bytes for unknown letters (byte_fallback)"),
        (not trainer.get(24, 0), "writes spaces behind words (treat_whitespace_as_suffix)"),
        (not normalizer.get(2), "changes letters before it merges them (precompiled_charsmap)"),
        (normalizer.get(3, 1), "puts no space before a text (add_dummy_prefix)"),
        (not normalizer.get(4, 1), "drops spaces (remove_extra_whitespaces)"),
        (normalizer.get(5, 1), "writes spaces as they are (escape_whitespaces)"),
        (types.count(UNKNOWN) == 1, "does not have one unknown token"),
        (types.count(BYTE) == 256, "does not have 256 bytes"),
        (USER_DEFINED not in types, "has tokens that users defined"),
        (UNUSED not in types, "has unused pieces"),
        (len(set(pieces)) == len(pieces), "has the same piece twice"),
        (len(set(made.values())) == len(made), "gives two pieces the same score"),
    ):
        if not known:
            _refuse(folder, reason)
    return pieces, scores, types


def _check_config(folder: Path, config: dict[str, Any]) -> None:
    """Raise InputError for a tokenizer_config.json whose way to token ids is not known here."""
    named = config.get("tokenizer_class")
    if named not in CLASSES or "auto_map" in config:
        _refuse(folder, f"belongs to the tokenizer_class {str(named)[:80]}, not {CLASSES[0]}")
    if config.get("legacy") is False:
        _refuse(folder, "is read with legacy false, where a space before a text is not always put")
    for key, usual in (("add_prefix_space", True), ("sp_model_kwargs", {})):
        if (config.get(key) or usual) != usual or config.get(key) is False:
            _refuse(folder, f"is read with {key} {str(config[key])[:80]}")


def _added(folder: Path, config: dict[str, Any], names: set[Any]) -> dict[int, AddedToken]:
    """Return the tokens that the JSON files add, by their ids. `names`: the special tokens."""
    listed = {
        int(number): token for number, token in (config.get("added_tokens_decoder") or {}).items()
    }
    for content, number in _json(folder, "added_tokens.json").items():
        if _content(listed.setdefault(number, content)) != content:
            _refuse(folder, f"has two added tokens with the id {number}")
    found = {}
    for number, token in listed.items():
        said = token if isinstance(token, dict) else {"content": token}
        flags = {key: said.get(key, False) for key in ("lstrip", "rstrip", "single_word")}
        marked = said.get("special", False) or said["content"] in names
        # Texts are searched for it as they are: normalised, it would have a space before it.
        found[number] = AddedToken(said["content"], normalized=False, special=marked, **flags)
    return found


def _content(token: Any) -> Any:
    return token["content"] if isinstance(token, dict) else token


def _json(folder: Path, name: str) -> dict[str, Any]:
    return jsonl.read_json(folder / name) if (folder / name).exists() else {}


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a message of protocol buffers: their numbers, and their values as whole
    numbers or bytes.

    Example:
        >>> list(_fields(bytes([0x08, 0x96, 0x01, 0x12, 0x02, 0x68, 0x69])))
        [(1, 150), (2, b'hi')]
    """
    at = 0
    while at < len(message):
        key, at = _whole_number(message, at)
        kind, size = key & 7, {1: 8, 5: 4}.get(key & 7, 0)
        if kind == 0:
            value, at = _whole_number(message, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _whole_number(message, at)
        if (not size and kind != 2) or at + size > len(message):
            raise ValueError(f"{NAME} is torn, or no model of sentencepiece")
        yield key >> 3, message[at : at + size]
        at += size


def _whole_number(message: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at a place, seven bits per byte, and the place behind it."""
    number, shift = 0, 0
    while at < len(message):
        byte = message[at]
        number, shift, at = number | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return number, at
    raise ValueError(f"{NAME} is torn, or no model of sentencepiece")


def _refuse(folder: Path, reason: str) -> NoReturn:
    raise InputError(
        f"model {str(folder)!r}: its {NAME} {reason}, so its token ids might be wrong; expected "
        "tokenizer.json, or the model as a .gguf file."
    )
