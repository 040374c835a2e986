"""The fork server that workers come from. Started early, it imports torch while we do."""

from __future__ import annotations

import os
import signal
from multiprocessing import forkserver, get_context, parent_process
from multiprocessing.context import ForkServerContext
from threading import Thread

PRELOAD = ["__main__", "mathtune.engines.transformers.preload"]
cpu_s = 0.0
"""CPU seconds that the server spent on its imports; set in the server by what it preloads."""


def context() -> ForkServerContext:
    """The context whose processes start from a server that has torch and the engine loaded."""
    found = get_context("forkserver")
    found.set_forkserver_preload(PRELOAD)
    return found


def start() -> None:
    """Start the server, if it does not run yet, and return at once: it loads by itself."""
    context()
    forkserver.ensure_running()


def belong_to_parent() -> None:
    """In a process from the server: leave Ctrl-C to the parent, and end at once when it is gone,
    even in the middle of a block or an update.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
