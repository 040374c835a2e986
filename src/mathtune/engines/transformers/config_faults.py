"""Name the value of a config.json that transformers does not know. Under models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mathtune.engines.transformers import folder_tokenizer
from mathtune.rows import jsonl


def named(source: str, error: Exception) -> str | None:
    """Return the value of a config.json that transformers looked up in vain, with its fields; None:
    the error is another one.
    """
    if not isinstance(error, KeyError) or not error.args or not isinstance(error.args[0], str):
        return None
    config = jsonl.read_json(folder_tokenizer.place(source) / "config.json")
    fields = list(fields_with(config, error.args[0]))
    if not fields:
        return None
    where = " and ".join(fields)
    return f"config.json: {where} {error.args[0][:80]!r} is unknown to transformers"


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
