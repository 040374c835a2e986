"""One writer per folder: a lock that the system releases with the process, however it ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from mathtune.errors import InputError

fcntl: Any = None
msvcrt: Any = None
with suppress(ImportError):
    import fcntl  # absent on Windows
with suppress(ImportError):
    import msvcrt  # only there

FAR = 2**30
"""The locked byte on Windows, where others cannot read a locked byte."""


@contextmanager
def locked(path: Path, *, folder: Path) -> Iterator[None]:
    """Hold the lock file `path` for this process, and remove it afterwards.

    Raises:
        InputError: another process holds it; the sentence names it and the `folder` it works in.
    """
    while True:
        stream = path.open("a+", encoding="utf-8")
        if not _taken(stream):
            with stream:
                stream.seek(0)
                owner = stream.read() or "unknown"
            raise InputError(
                f"{folder}: another mathtune process is working in it ({owner}); wait for its end, "
                "or stop it."
            )
        if _is(stream, path):
            break
        stream.close()  # its last owner has removed it since
    try:
        stream.truncate(0)
        stream.write(f"process {os.getpid()} on {socket.gethostname()}")
        stream.flush()
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        stream.close()


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock file."""
    try:
        with path.open("r+", encoding="utf-8") as stream:
            return not _taken(stream, shared=True)
    except FileNotFoundError:
        return False


def _taken(stream: IO[str], *, shared: bool = False) -> bool:
    """Take the lock of an open file, if nobody has it; return whether it is ours."""
    try:
        if fcntl is not None:
            fcntl.flock(stream, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        elif msvcrt is not None:
            stream.seek(FAR)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def _is(stream: IO[str], path: Path) -> bool:
    """Return whether the open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False
