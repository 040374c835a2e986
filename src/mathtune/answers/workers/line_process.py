"""A Python child process that answers lines with lines, and can be killed. Under pool, and under
the engines' chat templates.

It is a plain subprocess, so that it works from any thread, in notebooks, in daemonic processes and
in scripts without a main guard, where multiprocessing does not.
"""

import json
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO, Any


class LineProcess(subprocess.Popen[bytes]):
    """A child that runs the statements of `program`. `said`: where its standard error goes."""

    def __init__(self, program: str, *, said: IO[bytes] | int = subprocess.DEVNULL) -> None:
        super().__init__(
            [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {program}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
        )
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._forward, name="lines", daemon=True).start()

    def _forward(self) -> None:
        """Put the child's lines into the queue; an empty one at its end."""
        assert self.stdout is not None
        with self.stdout:
            for line in self.stdout:
                self._lines.put(line)
        self._lines.put(b"")

    def ask(self, task: Any) -> None:
        """Send a task as a line of JSON; the answers of a dead child never come."""
        assert self.stdin is not None
        with suppress(OSError):  # a broken pipe has another class on Windows
            self.stdin.write(json.dumps(task).encode() + b"\n")
            self.stdin.flush()

    def receive(self, seconds: float) -> bytes | None:
        """Return the next line: empty if the child ended, None if nothing came in time."""
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            return None

    def end(self) -> None:
        """Kill the child."""
        self.kill()
        self.wait()
        assert self.stdin is not None
        with suppress(OSError):  # while the rest was sent
            self.stdin.close()
