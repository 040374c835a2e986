"""The first import of the fork server, whose other imports take seconds: until they are done, it
dies of Ctrl-C without a traceback, and ends when its parent is gone. See children.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

SECONDS = 0.3
"""Between two looks at the parent."""
_parent = os.getppid()


def _look(_: int, __: FrameType | None) -> None:
    if os.getppid() != _parent:
        os._exit(1)


def imported() -> None:
    """Stop looking: from now on the server waits for requests, and notices its parent's end."""
    signal.setitimer(signal.ITIMER_REAL, 0)


signal.signal(signal.SIGALRM, _look)
signal.setitimer(signal.ITIMER_REAL, SECONDS, SECONDS)
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
