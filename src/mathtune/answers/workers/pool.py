"""Worker processes that can be killed: bulk comparisons with a wall-clock limit for each pair.

A worker gets a batch and returns its verdicts one by one. A pair that takes longer than the limit
is `undecided`; its worker is killed and replaced, and the rest of the batch continues. Workers are
subprocesses with bounded memory; they stay for the next call.
"""

import atexit
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import IO

from mathtune.answers.workers.line_process import LineProcess
from mathtune.errors import ProcessDiedError
from mathtune.rows.records import Verdict

Pair = tuple[str, str]

READY = b"ready\n"
"""The line that a worker (`worker.py`) writes when it is ready to compare."""

LIMIT = 1.0
"""The longest time for one comparison, in seconds."""
CALL = 1.4
"""The longest time for a single call, in seconds, the start of a worker included."""
START = 60.0
"""The longest start of a worker in bulk work, in seconds: there one slow start does no harm."""
_BATCH = 64


class Worker:
    """One child process. Not thread-safe: a pool hands it to one thread at a time."""

    def __init__(self, grader: str) -> None:
        self._grader = grader
        self._process: LineProcess | None = None
        self._said: IO[bytes] | None = None  # the child's standard error
        self._ready = False

    def run(self, pairs: Sequence[Pair], *, limit: float, start: float) -> list[Verdict]:
        """Return the verdicts of a batch, in order. Wait at most `start` seconds for the child's
        start.

        Raises:
            ProcessDiedError: the child did not start.
        """
        verdicts: list[Verdict] = []
        while len(verdicts) < len(pairs):
            if not self.await_ready(start):
                raise ProcessDiedError(f"a grading worker did not start within {start:g} s.")
            assert self._process is not None
            self._process.ask(pairs[len(verdicts) :])
            while len(verdicts) < len(pairs):
                line = self._receive(limit)
                if line is None:
                    verdicts.append(Verdict.undecided)
                    self.kill()
                    break
                verdicts.append(Verdict(line.decode().strip()))
        return verdicts

    def kill(self) -> None:
        """End the child at once. The next batch starts another."""
        process, self._process, self._ready = self._process, None, False
        if process is not None:
            process.end()
        if self._said is not None:
            self._said.close()

    def await_ready(self, seconds: float) -> bool:
        """Start the child if there is none; return whether it is ready within `seconds`.

        Raises:
            ProcessDiedError: the child died during its start; the message holds its last words.
        """
        if self._process is None:
            self._launch()
        if not self._ready:
            line = self._receive(seconds)
            if line == b"":
                words = self._last_words()
                self.kill()
                raise ProcessDiedError(f"a grading worker cannot start ({words}).")
            self._ready = line == READY
        return self._ready

    def _last_words(self) -> str:
        """Return the last line that the child wrote to standard error."""
        assert self._said is not None
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def _launch(self) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed by kill)
        self._process = LineProcess(
            f"from mathtune.answers.workers.worker import main; main({self._grader!r})",
            said=self._said,
        )

    def _receive(self, seconds: float) -> bytes | None:
        """Return the next line: empty if the child ended in its start, None if nothing came."""
        assert self._process is not None
        line = self._process.receive(seconds)
        return None if line == b"" and self._ready else line


class Pool:
    """Workers that share the batches of one call."""

    def __init__(self, workers: int, grader: str) -> None:
        self.owner, self._grader = os.getpid(), grader
        self._workers = [Worker(grader) for _ in range(workers)]
        self._lock = threading.Lock()

    def run(self, pairs: Sequence[Pair], *, limit: float) -> list[Verdict]:
        """Return the verdicts of `pairs`, in order.

        Raises:
            ProcessDiedError: a worker cannot start.
        """
        batches = [range(i, min(i + _BATCH, len(pairs))) for i in range(0, len(pairs), _BATCH)]
        verdicts: list[Verdict] = [Verdict.undecided] * len(pairs)
        waiting = iter(batches)
        taking = threading.Lock()

        faults: list[BaseException] = []

        def work(worker: Worker) -> None:
            while not faults:
                with taking:
                    batch = next(waiting, None)
                if batch is None:
                    return
                try:
                    found = worker.run([pairs[i] for i in batch], limit=limit, start=START)
                except ProcessDiedError as fault:
                    faults.append(fault)
                    return
                for i, verdict in zip(batch, found, strict=True):
                    verdicts[i] = verdict
            worker.kill()

        with self._lock:
            active = self._workers[: len(batches)]
            threads = [threading.Thread(target=work, args=(w,), daemon=True) for w in active[1:]]
            try:
                for thread in threads:
                    thread.start()
                if active:
                    work(active[0])
                for thread in threads:
                    thread.join()
            except BaseException as interruption:
                # What the old workers still answer would be taken for the next call's verdicts.
                faults.append(interruption)
                active[0].kill()
                self._workers = [Worker(self._grader) for _ in self._workers]
                raise
        if faults:
            raise faults[0]
        return verdicts

    def run_one(self, pair: Pair, *, limit: float) -> Verdict:
        """Return one verdict within `limit` seconds, the start of a worker included.

        If the worker does not start in time the pair is undecided; the start continues, so that
        later calls find the worker ready.
        """
        with self._lock:
            began = time.monotonic()
            if not self._workers[0].await_ready(limit):
                return Verdict.undecided
            left = max(0.1, limit - (time.monotonic() - began))
            try:
                return self._workers[0].run([pair], limit=left, start=0)[0]
            except BaseException:  # Ctrl-C: as above
                self._workers[0].kill()
                raise

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.kill()


_POOLS: dict[tuple[int, str], Pool] = {}
_INHERITED: list[Pool] = []
_POOLS_LOCK = threading.Lock()


def shared(workers: int, grader: str) -> Pool:
    """Return this process's pool of so many workers for a grader; a forked child gets its own."""
    with _POOLS_LOCK:
        pool = _POOLS.get((workers, grader))
        if pool is not None and pool.owner != os.getpid():
            _INHERITED.append(pool)  # a forked child must not end its parent's workers
            pool = None
        if pool is None:
            pool = _POOLS[workers, grader] = Pool(workers, grader)
        return pool


@atexit.register
def _close_all() -> None:
    for pool in _POOLS.values():
        if pool.owner == os.getpid():
            pool.close()
