"""Say what keeps a model from being built from its config.json. Under models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from mathtune.engines.transformers import folder_tokenizer
from mathtune.errors import one_line
from mathtune.rows import jsonl


def named(source: str, error: Exception) -> str | None:
    """Return the fault in a config.json if building the model from it alone ends with the same
    error; None: it is not to blame.
    """
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        with torch.device("meta"):
            AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as again:  # a false config may raise anything
        if (type(again), str(again)) == (type(error), str(error)):
            return f"config.json: {_said(source, error)}"
    return None


def _said(source: str, error: Exception) -> str:
    """Return the error as a sentence; a key that the library does not have, with its field."""
    if not isinstance(error, KeyError) or not error.args:
        return one_line(error)
    config = jsonl.read_json(folder_tokenizer.place(source) / "config.json")
    fields = list(fields_with(config, error.args[0]))
    where = " and ".join(fields) if fields else "a value"
    return f"{where} {str(error.args[0])[:80]!r} is unknown to transformers"


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
