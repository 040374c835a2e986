"""Memory that is freed and taken again brings no page faults."""

from __future__ import annotations

import resource
import sys

import pytest

torch = pytest.importorskip("torch")

from mathtune.training import allocator


def faults(numbers: int) -> int:
    """Page faults of a tensor with so many numbers, freed at once."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(numbers)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_freed_memory_stays_inside_the_block_and_goes_behind_it() -> None:
    many = 2**25  # 128 MB, always a mapping of its own by default
    assert faults(many) > 1000
    with allocator.keeping():
        faults(many)
        assert faults(many) < 100
    assert faults(many) > 1000
