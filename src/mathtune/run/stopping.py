"""Ctrl-C and SIGTERM on the command line: one sentence, no traceback, an end within two seconds.

The first signal raises `Stopped` in the main thread, so that files are closed and children end with
their blocks. A second one, or a main thread that has not ended by the deadline, ends the process at
once. Imports nothing heavy: it works while everything else is imported.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from mathtune.errors import Stopped

DEADLINE = 1.5
"""The seconds in which the main thread may end by itself."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)

_sentence: Callable[[], str] = "stopped".__str__
_asked: int | None = None
_telling = threading.Lock()


@contextmanager
def stoppable(sentence: Callable[[], str]) -> Iterator[None]:
    """Set what makes the sentence that a command prints if it is stopped during the block.

    It is called in any thread, shortly before the process ends, and must not raise.
    """
    global _sentence
    before, _sentence = _sentence, sentence
    yield  # a stop leaves the sentence for `on_signals` to print
    _sentence = before


@contextmanager
def on_signals() -> Iterator[None]:
    """Handle the signals from now on; end a stopped block with its sentence and exit code."""
    for number in SIGNALS:
        signal.signal(number, _stop)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(ours,), daemon=True).start()
    sys.unraisablehook = _unraisable
    try:
        yield
    except BaseException:
        if _asked is None:
            raise
        _tell()  # libraries may turn `Stopped` into errors of their own
        sys.stdout.flush()
        # Files and children are closed; waiting for the libraries to end would take seconds.
        os._exit(128 + _asked)


def _stop(number: int, _: FrameType | None) -> None:
    global _asked
    if _asked is not None:
        _leave(number)
    _asked = number
    raise Stopped(number)


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    """Print nothing for a `Stopped` that Python drops inside a `__del__`: the deadline ends it."""
    if not isinstance(lost.exc_value, Stopped):
        sys.__unraisablehook__(lost)


def _watch(wakeups: socket.socket) -> None:
    """Keep the deadline, in a thread that no long call of the main thread can delay.

    A training handles SIGTERM itself, and may take longer to save.
    """
    while came := wakeups.recv(1):
        number = came[0]
        if number in SIGNALS and signal.getsignal(number) is _stop:
            time.sleep(DEADLINE)
            _leave(number)


def _leave(number: int) -> None:
    _tell()
    os._exit(128 + number)


def _tell() -> None:
    """Print the sentence once, whichever thread is first."""
    if _telling.acquire(blocking=False):
        with suppress(OSError):
            os.write(2, f"{_sentence()}\n".encode())
