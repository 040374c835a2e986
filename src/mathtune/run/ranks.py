"""Which of several processes this is, when torchrun or accelerate launched the program. No torch.

Every process of a launch runs the same command. The first one writes files and speaks; the others
only train.
"""

from __future__ import annotations

import os


def rank() -> int:
    """The number of this process, from 0.

    Example:
        >>> rank()
        0
    """
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """The number of this process on its machine: that of its accelerator."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def count() -> int:
    """How many processes were launched together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Whether this process writes and speaks for all of them."""
    return rank() == 0
