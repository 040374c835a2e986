"""A model's generation_config.json, of which only the special tokens are used. Below models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import GenerationConfig

from mathtune.engines.transformers import folder_tokenizer
from mathtune.errors import one_line
from mathtune.rows import jsonl
from mathtune.run.progress import say_once

NAME = "generation_config.json"
TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")


def instead(source: str) -> dict[str, GenerationConfig]:
    """Return the argument that loads a model without its generation config's other settings, if
    transformers refuses them; empty if it takes them. Our own sampling reads none of them.
    """
    try:
        GenerationConfig.from_pretrained(source)
    except OSError:  # there is none
        return {}
    except Exception as error:  # a false file may raise anything
        file = folder_tokenizer.place(source) / NAME
        say_once(
            f"generation {source}",
            f"  {file}: only its special tokens are used; transformers refuses its settings "
            f"({one_line(error)})",
        )
        return {"generation_config": only_tokens(jsonl.read_json(file))}
    return {}


def only_tokens(said: Mapping[str, Any]) -> GenerationConfig:
    """Return a config with nothing but the ids of special tokens.

    Example:
        >>> kept = only_tokens({"eos_token_id": [2, 7], "pad_token_id": -1, "top_k": 0})
        >>> kept.eos_token_id, kept.pad_token_id, kept.top_k
        ([2, 7], None, None)
    """
    return GenerationConfig(**{name: _ids(said[name]) for name in TOKENS if name in said})


def _ids(said: Any) -> int | list[int] | None:
    """Return an id or ids as a config holds them, without what can be no id."""
    if isinstance(said, list):
        return [one for one in said if type(one) is int and one >= 0] or None
    return said if type(said) is int and said >= 0 else None
