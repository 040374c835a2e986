"""Name the value of a config.json that transformers does not know. Under models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from mathtune.engines.transformers import folder_tokenizer
from mathtune.rows import jsonl


def named(source: str, error: Exception) -> str | None:
    """Return the value of a config.json that transformers does not know, with its field, if looking
    it up is what failed and building the model from that file alone fails so too; else None.
    """
    if not isinstance(error, KeyError) or not error.args:
        return None
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        with torch.device("meta"):
            AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except KeyError as again:
        if again.args == error.args:
            said = jsonl.read_json(folder_tokenizer.place(source) / "config.json")
            where = " and ".join(fields_with(said, error.args[0])) or "a value"
            return f"config.json: {where} {str(error.args[0])[:80]!r} is unknown to transformers"
    except Exception:  # noqa: S110 - a false config may raise anything: it is not this fault
        pass
    return None


def fields_with(config: Mapping[str, Any], value: object) -> Iterator[str]:
    """Yield the names of the fields that hold a value, also in groups of fields.

    Example:
        >>> list(fields_with({"a": "x", "b": {"c": "x", "d": "y"}}, "x"))
        ['a', 'b.c']
    """
    for name, held in config.items():
        if isinstance(held, Mapping):
            yield from (f"{name}.{inner}" for inner in fields_with(held, value))
        elif type(held) is type(value) and held == value:
            yield name
