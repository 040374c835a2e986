"""The child process that compares pairs for the pool: batches in, one verdict per line out."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import BinaryIO

from mathtune.answers.workers.pool import READY
from mathtune.rows.records import Verdict

Judge = Callable[[str, str], Verdict]

MEMORY = 2 << 30


def main(grader: str) -> None:
    """Answer batches for `grader` from standard input until it closes."""
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    results = sys.stdout.buffer
    sys.stdout = sys.stderr
    limit_memory()
    from mathtune.answers.graders.table import JUDGES

    judge = JUDGES[grader]
    judge(r"\sqrt{2}", "x + 1")  # loads the modules that the first comparison needs
    results.write(READY)
    results.flush()
    for line in sys.stdin.buffer:
        _answer(json.loads(line), judge, results)


def end_with_parent(parent: int) -> None:
    """End this process when its parent dies: a killed parent does not close the pipe."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def limit_memory() -> None:
    """Limit the worker's memory if the system can: not on Windows, nor on macOS."""
    try:
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        limit = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))
    except (ImportError, AttributeError, ValueError, OSError):
        return


def _answer(pairs: list[list[str]], judge: Judge, results: BinaryIO) -> None:
    for answer, gold in pairs:
        try:
            verdict = judge(answer, gold)
        except MemoryError:
            verdict = Verdict.undecided
        results.write(verdict.value.encode() + b"\n")
        results.flush()
