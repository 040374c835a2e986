"""Child processes: their start, their tasks, their death and their end.

Used by everything in mathtune that works in more than one process, except the graders' workers
(answers/workers). A child builds its work once, from a picklable `make`, and then answers one task
after another. It leaves Ctrl-C to its parent and ends at once when its parent is gone, even in the
middle of a task. On Linux, children are forked by a server that has imported torch and transformers
once. On other systems, and for `fresh` children, each is a new interpreter: a GPU's driver needs
that.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, forkserver, get_context, parent_process, resource_tracker
from threading import Thread, current_thread, main_thread
from typing import Any, TypeVar

from mathtune.errors import KEPT, InputError, ProcessDiedError, Stopped
from mathtune.run import bill
from mathtune.run.progress import console

T = TypeVar("T")
Make = Callable[[], Callable[[Any], Any]]
"""Builds the worker's state: called once in each child, with its first task."""

PRELOAD = ["__main__", "mathtune.run.server_start", "mathtune.engines.transformers.preload"]
"""The modules that the server imports."""
WITH_SERVER = sys.platform == "linux"
"""On other systems a process that has loaded torch cannot be forked safely, or at all."""
server_cpu_s = 0.0
"""CPU seconds that the server spent on its imports; set in the server after them."""
_server_billed = False


def start_server() -> None:
    """Start the server if there is none yet, and return at once: it imports on its own."""
    if WITH_SERVER:
        get_context("forkserver").set_forkserver_preload(PRELOAD)
        with _ctrl_c_later():
            forkserver.ensure_running()


class Child:
    """A child process, as a context: it is killed with the block.

    `name` is the subject of the message about its death. `fresh`: a new interpreter; it may have
    children of its own. `quiet`: its messages are kept in `said` instead of printed.

    Example:
        >>> with Child("a worker", partial(loaded, model)) as child:     # doctest: +SKIP
        ...     child.send(task)
        ...     result = child.receive()
    """

    def __init__(self, name: str, make: Make, *, fresh: bool = False, quiet: bool = False) -> None:
        global _server_billed
        self.name, self.said = name, ""
        fresh = fresh or not WITH_SERVER
        context: Any = get_context("spawn" if fresh else "forkserver")
        if not fresh:
            context.set_forkserver_preload(PRELOAD)
        self.end, theirs = context.Pipe()
        # A fresh child's CPU seconds reach us when it has ended; others are the server's children.
        billing = (not fresh, not fresh and not _server_billed)
        _server_billed = _server_billed or not fresh
        self._process: Any = context.Process(
            target=_serve, args=(theirs, make, billing, quiet), daemon=not fresh
        )
        self._fault: Exception | None = None
        # In a thread: the server may still be importing for seconds.
        self._starting = Thread(target=self._start, args=(theirs,))
        self._starting.start()

    def _start(self, theirs: connection.Connection) -> None:
        try:
            with _ctrl_c_later():
                self._process.start()
        except Exception as fault:
            self._fault = fault
        finally:
            theirs.close()  # so that this side notices its end

    def send(self, task: Any) -> None:
        """Hand over a task and return at once; `receive` raises if the child is dead."""
        with suppress(ConnectionError):
            self.end.send(task)

    def receive(self) -> Any:
        """Return the result of the earliest task whose result has not been received.

        Raises:
            Exception: what the task raised.
            ProcessDiedError: the child died without an answer.
            SystemExit: the child was stopped by SIGTERM, or left with exit code 0, or with 2 and a
            sentence of its own.
        """
        self.said = ""
        try:
            result, error, self.said, counts = self.end.recv()
        except (EOFError, ConnectionError):
            raise self._death() from None
        bill.add(**counts)
        if error is not None:
            raise error
        return result

    def _death(self) -> BaseException:
        self._starting.join()
        if self._fault is not None:
            return self._fault
        self._process.join(5)
        code = self._process.exitcode
        if code in (0, 2):
            return SystemExit(code)
        if code == -signal.SIGTERM:
            return Stopped(signal.SIGTERM)
        how = f"signal {-code}, out of memory?" if code and code < 0 else f"exit code {code}"
        return ProcessDiedError(f"{self.name}: its process died ({how}); {KEPT}")

    def terminate(self) -> None:
        """Send SIGTERM: a training saves its state and exits with code 0, others end at once."""
        self._starting.join()
        self._process.terminate()

    def close(self, grace: float = 0.0) -> None:
        """End the child: kill it, or, with `grace`, ask it first and wait up to so many seconds."""
        self._starting.join()
        if self._fault is None:
            if grace:
                self._process.terminate()
                self._process.join(grace)
            self._process.kill()
            self._process.join()
        self.end.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@contextmanager
def several(children: Sequence[Child]) -> Iterator[None]:
    """End all children with the block."""
    try:
        yield
    finally:
        for child in children:
            child.close()


def finished(
    children: Sequence[Child], tasks: Iterable[Any], *, ahead: int | None = None
) -> Iterator[tuple[int, Any]]:
    """Give each idle child the next task; yield (number of the task, result) as results come.

    `ahead`: the most tasks handed over from the earliest unfinished one on; None: all.
    """
    numbered = enumerate(tasks)
    upcoming = next(numbered, None)
    idle, busy, done = list(children), dict[Child, int](), list[tuple[int, Any]]()
    while True:
        while idle and upcoming is not None:
            number, task = upcoming
            if ahead is not None and busy and number >= min(busy.values()) + ahead:
                break
            child = idle.pop()
            child.send(task)
            busy[child] = number
            upcoming = next(numbered, None)
        yield from done
        if not busy:
            return
        done = []
        for end in connection.wait([child.end for child in busy]):
            child = next(child for child in busy if child.end is end)
            done.append((busy.pop(child), child.receive()))
            idle.append(child)


def in_order(results: Iterable[tuple[int, T]]) -> Iterator[T]:
    """Yield results in the order of their numbers.

    Example:
        >>> list(in_order([(1, "b"), (0, "a"), (2, "c")]))
        ['a', 'b', 'c']
    """
    waiting: dict[int, T] = {}
    following = 0
    for number, result in results:
        waiting[number] = result
        while following in waiting:
            yield waiting.pop(following)
            following += 1


@contextmanager
def on_sigterm(do: Callable[[], object]) -> Iterator[None]:
    """Call `do` if SIGTERM comes during the block; restore the former handler afterwards."""
    if current_thread() is not main_thread():
        yield  # only the main thread may set a signal's handler
        return
    before = signal.signal(signal.SIGTERM, lambda *_: do())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Hold Ctrl-C back in this thread.

    A process started in the block does not receive it, so that its imports cannot end in a
    traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its start would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(end: connection.Connection, make: Make, billing: tuple[bool, bool], quiet: bool) -> None:
    """Work as a child: build the work, then answer every task with (result, error, said, bill)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    Thread(target=_end_with_parent, daemon=True).start()
    with_process, server = billing
    before = bill.total(with_process=False)
    before["cpu_s"] -= server_cpu_s if server else 0.0
    work = None
    while True:
        try:
            task = end.recv()
        except EOFError:
            return  # the parent needs no more results
        result = error = None
        if quiet:
            console.file = io.StringIO()
        try:
            work = work or make()
            result = work(task)
        except Exception as fault:
            if not isinstance(fault, InputError):
                fault.add_note(f"In the child process:\n{traceback.format_exc()}")
            error = fault
        now = bill.total(with_process=with_process)
        counts = bill.difference(now, before)
        before = now
        said = console.file.getvalue() if isinstance(console.file, io.StringIO) else ""
        end.send((result, error, said, counts))
        if error is not None:
            return  # later tasks may need the worker that this one failed to build


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
