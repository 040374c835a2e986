"""Memory of forward calls: how much samples may take; keep freed memory in the process (glibc, on
CPUs); recognise out-of-memory errors.

Every forward call frees activations and allocates as much again. By default, large blocks go back
to the system in between and cause page faults later: up to a fifth of the CPU time.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

FOR_SAMPLES = 5 * 2**28
"""The bytes of keys, values and logits that samples in flight may take, except on CUDA."""
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
"""glibc's numbers for `mallopt` (malloc.h): the free bytes at the heap's end before they are
returned; the size from which blocks are separate mappings, and the most of these.
"""
BEHIND = {TRIM_THRESHOLD: 2**26, MMAP_THRESHOLD: 2**25, MMAP_MAX: 2**16}
"""The values that glibc reaches by itself once a block of 32 MB has been freed. It begins with
smaller ones, and stops adjusting them when a program sets one."""


def for_samples(device: torch.device) -> float:
    """Return the bytes that samples in flight may take; on CUDA, half of what the model leaves."""
    if device.type != "cuda":
        return FOR_SAMPLES
    torch.cuda.empty_cache()  # an earlier step's cached memory would count as taken
    return torch.cuda.mem_get_info(device)[0] / 2


@contextmanager
def keeping(device: torch.device) -> Iterator[None]:
    """Keep freed memory during the block, and return it to the system afterwards. Do nothing on
    accelerators, and on systems without glibc.
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
    """Return whether an error means that memory ran out.

    Accelerators have a class for it; CPUs and some libraries only say so in the message.
    """
    said = ("DefaultCPUAllocator", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(part in str(error) for part in said)
