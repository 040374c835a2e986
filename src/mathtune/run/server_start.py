"""The first import of the fork server. While its other imports take seconds, Ctrl-C ends it without
a traceback, and it ends when its parent is gone. See children.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

SECONDS = 0.3
"""Seconds between two checks of the parent."""
_parent = os.getppid()


def _look(_: int, __: FrameType | None) -> None:
    if os.getppid() != _parent:
        os._exit(1)


def imported() -> None:
    """Stop checking: from now on the server waits for requests, and notices its parent's end."""
    signal.setitimer(signal.ITIMER_REAL, 0)


signal.signal(signal.SIGALRM, _look)
signal.setitimer(signal.ITIMER_REAL, SECONDS, SECONDS)
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
