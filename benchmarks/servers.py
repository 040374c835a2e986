"""A server in a process of its own: a free port, its first answer, its CPU seconds, its end."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any


def free_port() -> int:
    """Return a port of this machine at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def first_answer(url: str, process: subprocess.Popen[Any], seconds: float) -> bytes:
    """Ask until the status is 200; return the answer. It is an error if the process ends first."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return bytes(answer.read())
        time.sleep(0.5)
    raise RuntimeError(f"no answer at {url}: the server ended, or took more than {seconds:.0f} s")


def end(process: subprocess.Popen[Any]) -> None:
    """Ask a process to end; kill it after a minute."""
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process so far, without those of its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
