"""Memory that is freed and taken again brings no more page faults than without the allocator's
settings, and goes back behind the block."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from mathtune.engines.transformers.memory import ran_out

COUNT = """
import json, resource, torch
from mathtune.engines.transformers import memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**25)  # 128 MB, always a mapping of its own by default
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

found = [faults()]
with memory.keeping(torch.device("cpu")):
    faults()
    found.append(faults())
found.append(faults())
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_freed_memory_goes_back_behind_the_block() -> None:
    # A process of its own: what others freed before would be taken again.
    run = subprocess.run([sys.executable, "-c", COUNT], check=True, capture_output=True, text=True)
    before, inside, behind = json.loads(run.stdout)
    # Whether it stays inside depends on where the system put the heap: it cannot always grow.
    assert inside < 1.1 * before
    assert behind > before / 2


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("[enforce fail] DefaultCPUAllocator: can't allocate memory", True),
        ("CUDA error: out of memory", True),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("CUDA error: device-side assert triggered", False),
    ],
)
def test_ways_of_saying_that_memory_ran_out(sentence: str, expected: bool) -> None:
    assert ran_out(RuntimeError(sentence)) == expected
    assert ran_out(torch.OutOfMemoryError("CUDA out of memory."))
