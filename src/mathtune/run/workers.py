"""Run blocks of work in worker processes, one thread each, results in order. Used by sample and
score.

Workers come from a fork server that has imported torch and transformers once; each loads the model
itself. For small models two processes beat two threads.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from typing import Any, TypeVar, cast

from mathtune.errors import ProcessDiedError
from mathtune.run import bill, fork_server

Task = TypeVar("Task")
Result = TypeVar("Result")
Make = Callable[[], Callable[[Task], Result]]
"""Builds what works: called once in each worker, so that a model is loaded once."""

_server_billed = False


def count(workers: int | None, device: str, *, threads: int, blocks: int) -> int:
    """How many workers: as asked, else one for every `threads` cores on a CPU and one elsewhere.

    Example:
        >>> count(None, "cuda", threads=1, blocks=10), count(4, "cpu", threads=1, blocks=3)
        (1, 3)
    """
    if workers is None:
        workers = len(os.sched_getaffinity(0)) // threads if device == "cpu" else 1
    return max(1, min(workers, blocks))


def run(
    make: Make[Task, Result], tasks: Sequence[Task], *, workers: int, threads: int
) -> Iterator[Result]:
    """Yield the result of every task, in order. `make` and tasks must be picklable for many
    workers.

    Results are the same however many workers there are, as long as each uses `threads` threads.

    Raises:
        RuntimeError: a worker died. What was yielded stands; running again continues.
    """
    if workers == 1:
        yield from _run_here(make, tasks, threads)
    else:
        yield from _run_workers(make, tasks, workers, threads)


def _run_here(make: Make[Task, Result], tasks: Sequence[Task], threads: int) -> Iterator[Result]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        work = make()
        for task in tasks:
            yield work(task)
    finally:
        torch.set_num_threads(before)


def _run_workers(
    make: Make[Task, Result], tasks: Sequence[Task], workers: int, threads: int
) -> Iterator[Result]:
    global _server_billed
    context = fork_server.context()
    processes, ends = [], []
    for _ in range(workers):
        mine, theirs = context.Pipe()
        args = (theirs, make, threads, not _server_billed)
        process = context.Process(target=_serve, args=args, daemon=True)
        _server_billed = True
        process.start()
        theirs.close()
        processes.append(process)
        ends.append(mine)
    try:
        yield from _deal(tasks, ends)
    except (EOFError, ConnectionError):
        raise ProcessDiedError(
            "a worker process died (out of memory?); run the same command again to go on, "
            "or with fewer workers."
        ) from None
    finally:
        for process in processes:
            process.kill()
            process.join()


def _deal(tasks: Sequence[Any], ends: list[connection.Connection]) -> Iterator[Any]:
    """Give each idle worker the next task; yield results in the order of the tasks."""
    results: dict[int, Any] = {}
    sent = given = 0
    for end in ends[: len(tasks)]:
        end.send((sent, tasks[sent]))
        sent += 1
    while given < len(tasks):
        for ready in connection.wait(ends):
            end = cast("connection.Connection", ready)
            number, result, error, seconds = end.recv()
            bill.add(cpu_s=seconds)
            if error is not None:
                raise error
            results[number] = result
            if sent < len(tasks):
                end.send((sent, tasks[sent]))
                sent += 1
        while given in results:
            yield results.pop(given)
            given += 1


def _serve(
    end: connection.Connection, make: Make[Any, Any], threads: int, bill_server: bool
) -> None:
    """A worker's life: build, then answer tasks with (number, result, error, CPU seconds) until
    killed.
    """
    import torch

    fork_server.belong_to_parent()
    torch.set_num_threads(threads)
    spent, work = -fork_server.cpu_s if bill_server else 0.0, None
    while True:
        number, task = end.recv()
        result, error = None, None
        try:
            work = work or make()
            result = work(task)
        except Exception as fault:
            error = fault
        now = time.process_time()
        end.send((number, result, error, now - spent))
        spent = now
