"""Blocks of work in worker processes with one or few threads each; results come in order. Between
the stages sample and score and the children that do their work.

Each worker loads the model itself. For small models two processes beat two threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from mathtune.run.children import Child, finished, in_order, several
from mathtune.run.cores import usable_cores

Task = TypeVar("Task")
Result = TypeVar("Result")
Make = Callable[[], Callable[[Task], Result]]
"""Builds the worker's state: called once in each worker, so that a model is loaded once."""


def count(workers: int | None, device: str, *, threads: int, blocks: int) -> int:
    """Return the number of workers: as asked, else one per `threads` CPU cores, one elsewhere.

    Example:
        >>> count(None, "cuda", threads=1, blocks=10), count(4, "cpu", threads=1, blocks=3)
        (1, 3)
    """
    if workers is None:
        workers = usable_cores() // threads if device == "cpu" else 1
    return max(1, min(workers, blocks))


def run(
    make: Make[Task, Result], tasks: Sequence[Task], *, workers: int, threads: int
) -> Iterator[Result]:
    """Yield the result of every task, in order. Several workers need a picklable `make` and tasks.

    Results do not depend on the number of workers, as long as each uses `threads` threads.

    Raises:
        ProcessDiedError: a worker died. The yielded results are kept; running again continues.
    """
    if workers == 1:
        yield from _run_here(make, tasks, threads)
        return
    children = [Child("a worker", partial(_on_threads, make, threads)) for _ in range(workers)]
    with several(children):
        yield from in_order(finished(children, tasks))


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


def _on_threads(make: Make[Task, Result], threads: int) -> Callable[[Task], Result]:
    """Call `make` in a worker with this number of threads."""
    import torch

    torch.set_num_threads(threads)
    return make()
