"""The fork server that workers come from. Started early, it imports torch while we do."""

from __future__ import annotations

from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerContext

PRELOAD = ["__main__", "mathtune.engines.preload"]


def context() -> ForkServerContext:
    """The context whose processes start from a server that has torch and the engine loaded."""
    found = get_context("forkserver")
    found.set_forkserver_preload(PRELOAD)
    return found


def start() -> None:
    """Start the server, if it does not run yet, and return at once: it loads by itself."""
    context()
    forkserver.ensure_running()
