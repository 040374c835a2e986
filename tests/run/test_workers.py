"""Worker processes: results in order, errors and deaths told."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from mathtune.errors import InputError, ProcessDiedError
from mathtune.run import bill, workers


def squaring() -> Callable[[int], int]:
    def work(number: int) -> int:
        time.sleep(0.05 if number == 0 else 0)  # the first is the last to be ready
        if number == 13:
            raise InputError("13 is refused.")
        if number == 17:
            os.kill(os.getpid(), signal.SIGKILL)
        return number * number

    return work


@pytest.mark.parametrize("many", [1, 2])
def test_results_come_in_the_order_of_the_tasks(many: int) -> None:
    tasks = list(range(6))
    found = list(workers.run(squaring, tasks, workers=many, threads=1))
    assert found == [0, 1, 4, 9, 16, 25]


@pytest.mark.parametrize("many", [1, 2])
def test_an_error_in_a_worker_reaches_the_caller(many: int) -> None:
    with pytest.raises(InputError, match="13 is refused"):
        list(workers.run(squaring, [1, 2, 13, 3], workers=many, threads=1))


def test_a_dead_worker_is_told_and_what_was_yielded_stands() -> None:
    found: list[int] = []
    results = workers.run(squaring, [1, 2, 3, 17, 4], workers=2, threads=1)
    with pytest.raises(ProcessDiedError, match=r"a worker: its process died \(signal 9"):
        found.extend(results)
    assert found == [1, 4, 9][: len(found)]


def test_workers_report_their_cpu_seconds() -> None:
    meter = bill.Meter()
    list(workers.run(squaring, [1, 2], workers=2, threads=1))
    assert meter.read()["cpu_s"] > 0
