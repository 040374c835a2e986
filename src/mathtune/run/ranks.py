"""The processes that torchrun or accelerate launched together, and this one's number. No torch.

Every process of a launch runs the same command. The first one writes files and prints; the others
only train.
"""

from __future__ import annotations

import os

from mathtune.errors import InputError


def rank() -> int:
    """Return the number of this process, from 0.

    Example:
        >>> rank()
        0
    """
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """Return the number of this process on its machine: that of its accelerator."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def count() -> int:
    """Return the number of processes launched together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Return whether this process writes and prints for all of them."""
    return rank() == 0


def refuse_several(what: str) -> None:
    """Raise InputError if several processes were launched for `what`, which runs in only one."""
    if count() > 1:
        raise InputError(
            f"launched as {count()} processes: {what} runs in one; expected `mathtune train`, the "
            "stage that torchrun and accelerate launch can spread."
        )
