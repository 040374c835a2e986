"""Memory that is freed stays with the process while a model works, and how it is told that none is
left. For CPUs, under glibc.

Every forward call frees activations and takes as much again. By default large blocks go back to
the system in between, and come back as page faults: up to a fifth of the CPU time.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
"""glibc's numbers of what `mallopt` sets (malloc.h): bytes free at the heap's end before they go
back; the size from which blocks are mappings of their own, and how many may be."""
BEHIND = {TRIM_THRESHOLD: 2**26, MMAP_THRESHOLD: 2**25, MMAP_MAX: 2**16}
"""What glibc arrives at by itself once a block of 32 MB has been freed. It begins with smaller
thresholds, and would stay with them: whoever sets one ends its own adjusting."""


@contextmanager
def keeping(device: torch.device) -> Iterator[None]:
    """Keep freed memory in the block, and give it back behind it; on another device than a CPU, or
    elsewhere than with glibc, nothing.
    """
    here = device.type == "cpu" and sys.platform == "linux"
    library = ctypes.CDLL(None) if here else None
    if library is None or not hasattr(library, "mallopt"):
        yield
        return
    library.mallopt(TRIM_THRESHOLD, 2**31 - 1)
    library.mallopt(MMAP_MAX, 0)
    try:
        yield
    finally:
        for what, value in BEHIND.items():
            library.mallopt(what, value)
        library.malloc_trim(0)


def ran_out(error: RuntimeError) -> bool:
    """Whether an error says that memory ran out, as an accelerator's does, or in words only, as a
    CPU's and some libraries' do.
    """
    said = ("DefaultCPUAllocator", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(part in str(error) for part in said)
