"""Load the tokenizer of a model's folder as its files say. Below models.

Some of transformers' classes build a tokenizer anew from the vocabulary of tokenizer.json, with the
normalizer and the words of their own family. DeepSeek-Math and other models of Llama's shape name
such a class, and would lose every space of a text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import try_to_load_from_cache
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import cached_file

from mathtune.engines.model_names import refuse_tokenizer
from mathtune.engines.token_ids import start_text
from mathtune.engines.transformers import sentencepiece_tokenizer
from mathtune.errors import InputError
from mathtune.rows import jsonl

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROCESSOR_TEMPLATE = "chat_template.json"
SEQUENCES = ("normalizers", "pretokenizers", "decoders")
"""The names of a sequence's steps."""
FLAGS = ("byte_fallback", "fuse_unk", "ignore_merges", "unk_token")
"""What changes how merges are made."""


def place(source: str) -> Path:
    """Return a model's folder, also where the hub's client keeps one; it may not exist."""
    kept = None if Path(source).is_dir() else try_to_load_from_cache(source, "config.json")
    return Path(kept).parent if isinstance(kept, str) else Path(source)


def load(source: str) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a folder or hub id; its own code is never run.

    Raises:
        InputError: it has no tokenizer.json, nor a tokenizer.model whose token ids are known; or
        its chat_template.json holds no template.
    """
    tokenizer = _read(source)
    if tokenizer.chat_template is None:
        tokenizer.chat_template = _processor_template(source)
    return tokenizer


def _read(source: str) -> PreTrainedTokenizerBase:
    folder = place(source)
    if (folder / sentencepiece_tokenizer.NAME).exists() and not (
        folder / "tokenizer.json"
    ).exists():
        return sentencepiece_tokenizer.load(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    finally:
        folder = place(source)
        if folder.is_dir():
            refuse_tokenizer(source, folder)
    if (folder / "tokenizer.json").exists() and isinstance(tokenizer, PreTrainedTokenizerFast):
        told = Tokenizer.from_file(str(folder / "tokenizer.json"))
        if _parts(tokenizer.backend_tokenizer) != _parts(told):
            tokenizer = PreTrainedTokenizerFast.from_pretrained(source)
        _add_start(tokenizer, folder / "tokenizer_config.json")
    return tokenizer


def _processor_template(source: str) -> str | None:
    """Return the template that an older processor keeps in a file of its own; None: there is none.

    transformers reads it for processors only, though the tokenizer is the same.
    """
    found = cached_file(
        source,
        PROCESSOR_TEMPLATE,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if found is None:
        return None
    template = jsonl.read_json(Path(found)).get("chat_template")
    if not isinstance(template, str):
        raise InputError(
            f"{found}, field 'chat_template': found {str(template)[:40]!r}; expected a text."
        )
    return template


def _add_start(tokenizer: PreTrainedTokenizerFast, config: Path) -> None:
    """Let texts begin with the start token if the config says so and tokenizer.json does not:
    transformers reads only the latter.
    """
    said = config.exists() and jsonl.read_json(config).get("add_bos_token") is True
    if said and tokenizer.bos_token and not start_text(tokenizer):
        tokenizer.add_bos_token = True


def _parts(backend: Tokenizer) -> list[Any]:
    """Return all by which a tokenizer differs from others with its vocabulary and merges."""
    before, words, after = (
        [] if part is None else _steps(json.loads(part.__getstate__()))
        for part in (backend.normalizer, backend.pre_tokenizer, backend.decoder)
    )
    after = [{"type": step["type"]} if step["type"] == "ByteLevel" else step for step in after]
    return [before, words, after, *(getattr(backend.model, flag, None) for flag in FLAGS)]


def _steps(part: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps of a part, each without the offsets, which change no token ids.

    Example:
        >>> _steps({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Strip"}]})
        [{'type': 'NFC'}, {'type': 'Strip'}]
    """
    if part["type"] == "Sequence":
        return [step for name in SEQUENCES for one in part.get(name, ()) for step in _steps(one)]
    return [{key: value for key, value in part.items() if key != "trim_offsets"}]
