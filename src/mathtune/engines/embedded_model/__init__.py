"""The embedded default: a tiny base model in Llama format with its tokenizer, shipped as files.

How it was made: `pretraining.pretrain` and docs/embedded.md.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["path"]


def path() -> Path:
    """Return the folder that holds the base model and its tokenizer, for `from_pretrained`.

    >>> (path() / "model.safetensors").stat().st_size <= 4_000_000
    True
    """
    return Path(__file__).parent / "base"
