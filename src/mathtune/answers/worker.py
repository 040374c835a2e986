"""The child process that compares pairs for the pool: batches in, one verdict a line out.

Started as a plain subprocess, so that it works from any thread, in notebooks, in daemonic processes
and in scripts without a main guard, where multiprocessing does not.
"""

import json
import sys
from typing import BinaryIO

MEMORY = 2 << 30
READY = b"ready\n"


def main() -> None:
    """Answer batches from standard input until it closes."""
    results = sys.stdout.buffer
    sys.stdout = sys.stderr
    _limit_memory()
    from mathtune.answers.grading import warm

    warm()
    results.write(READY)
    results.flush()
    for line in sys.stdin.buffer:
        _answer(json.loads(line), results)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))


def _answer(batch: dict[str, object], results: BinaryIO) -> None:
    from mathtune.answers.grading import judges
    from mathtune.records import Verdict

    judge = judges()[str(batch["grader"])]
    pairs = batch["pairs"]
    assert isinstance(pairs, list)
    for answer, gold in pairs:
        try:
            verdict = judge(answer, gold)
        except MemoryError:
            verdict = Verdict.undecided
        results.write(verdict.value.encode() + b"\n")
        results.flush()
