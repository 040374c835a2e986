"""Memory that is freed stays with the process while it trains. For CPUs, under glibc.

Every update frees gradients and activations and takes as much again. By default large blocks go
back to the system in between, and come back as page faults: up to a fifth of a step's CPU time.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""glibc's numbers of what `mallopt` sets (malloc.h): bytes free at the heap's end before they go
back; and how many blocks may be mappings of their own."""
DEFAULT_TRIM_THRESHOLD, DEFAULT_MMAP_MAX = 2**17, 2**16


@contextmanager
def keeping() -> Iterator[None]:
    """Keep freed memory in the block, and give it back behind it; elsewhere than glibc, nothing."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is None or not hasattr(library, "mallopt"):
        yield
        return
    library.mallopt(TRIM_THRESHOLD, 2**31 - 1)
    library.mallopt(MMAP_MAX, 0)
    try:
        yield
    finally:
        library.mallopt(TRIM_THRESHOLD, DEFAULT_TRIM_THRESHOLD)
        library.mallopt(MMAP_MAX, DEFAULT_MMAP_MAX)
        library.malloc_trim(0)
