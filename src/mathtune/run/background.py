"""Steps that leave cores free, worked through in a process of their own while the run goes on.

A run hands such steps over in its recipe's order, and waits for one where a later step reads it.
The process takes them one after another, so that what a step reads is there when its turn comes.
"""

from __future__ import annotations

import io
import signal
from collections.abc import Collection
from contextlib import suppress
from multiprocessing import connection
from pathlib import Path
from threading import Thread, current_thread, main_thread
from types import TracebackType
from typing import Any

from mathtune.errors import ProcessDiedError
from mathtune.run import fork_server
from mathtune.run.progress import console, say
from mathtune.run.stage import Stage
from mathtune.run.step import STEP, execute

SECONDS_TO_SAVE = 60.0
"""How long a training may take to write its checkpoint after SIGTERM."""


class Beside:
    """The steps handed over, as a context: the process ends with it, in the middle of a step where
    an error ends the run. SIGTERM ends both, with exit code 0, once a training has saved itself.

    Example:
        >>> with Beside() as beside:
        ...     beside.wait_for(["ssft"])  # nothing was handed over
    """

    def __init__(self) -> None:
        self._names: list[str] = []  # handed over and not known to be finished, in order
        self._process: Any = None
        self._starting: Thread | None = None
        self._end: Any = None
        self._before: Any = None  # what SIGTERM did

    def start(self, stage: Stage[Any], folder: Path, *, name: str, redo: bool) -> None:
        """Hand a step over and return at once; finished ones are skipped or refused here."""
        if not self._names and (folder / STEP).exists() and not redo:
            execute(stage, folder, name=name)
            return
        if self._process is None:
            self._begin()
        say(f"{name}: {stage.kind()}, beside the next steps")
        self._names.append(name)
        with suppress(ConnectionError):  # the process died: `wait_for` says so
            self._end.send((stage, folder, name, redo))

    def _begin(self) -> None:
        """Start the process, in a thread: the fork server may still be importing for seconds."""
        context = fork_server.context()
        self._end, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)

        def start() -> None:
            try:
                self._process.start()
            finally:
                theirs.close()  # so that its end is seen here

        self._starting = Thread(target=start)
        self._starting.start()
        if current_thread() is main_thread():
            self._before = signal.signal(signal.SIGTERM, _leave)

    def wait_for(self, names: Collection[str]) -> None:
        """Return when none of these steps is under way any more.

        Raises:
            Exception: what a step raised, as early as it is known.
            ProcessDiedError: the process died.
        """
        while self._names and (self._end.poll() or not set(names).isdisjoint(self._names)):
            try:
                lines, error = self._end.recv()
            except (EOFError, ConnectionError):
                raise ProcessDiedError(
                    f"{self._names[0]}: its process died (out of memory?); run the same command "
                    "again to go on."
                ) from None
            say(f"{self._names.pop(0)}: finished beside; what it said:\n{lines.rstrip()}")
            if error is not None:
                raise error

    def __enter__(self) -> Beside:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.wait_for(list(self._names))
        finally:
            if self._starting is not None:
                self._starting.join()
                if kind is SystemExit:
                    self._process.terminate()
                    self._process.join(SECONDS_TO_SAVE)
                self._process.kill()
                self._process.join()
            if self._before is not None:
                signal.signal(signal.SIGTERM, self._before)


def _leave(*_: object) -> None:
    raise SystemExit(0)


def _serve(end: connection.Connection) -> None:
    """The process's life: execute steps, answer with (what was said, error), until killed."""
    fork_server.belong_to_parent()
    while True:
        stage, folder, name, redo = end.recv()
        console.file = said = io.StringIO()
        error = None
        try:
            execute(stage, folder, name=name, redo=redo)
        except Exception as fault:
            error = fault
        end.send((said.getvalue(), error))
        if error is not None:
            return  # what comes next may read what is not there
