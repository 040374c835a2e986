"""The same engine in several processes of this machine, one per GPU or group of GPUs.

Each is given a batch of problems at a time; rows come back as batches are finished.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context
from multiprocessing.queues import Queue
from typing import Any, TypeVar

from mathtune.engines.protocol import (
    Candidates,
    Drafts,
    Engine,
    Sampling,
    ScorerName,
    Scores,
    Want,
)
from mathtune.errors import ProcessDiedError

BATCHES = 8
"""Batches that an engine is given in all: the last ones keep few waiting."""

Item = TypeVar("Item")


class Replicas:
    """Processes, each with an engine made by `opened` and the GPUs of one entry of `devices`.

    `opened` must be picklable. An entry is what CUDA_VISIBLE_DEVICES holds there, as "0" or "0,1".
    """

    def __init__(self, opened: Callable[[], Engine], devices: Sequence[str]) -> None:
        self.tokens = 0
        self._many = len(devices)
        context = get_context("spawn")
        queue: Queue[str] = context.Queue()
        for device in devices:
            queue.put(device)
        self._pool = ProcessPoolExecutor(
            len(devices), mp_context=context, initializer=_begin, initargs=(opened, queue)
        )

    def sample(
        self, wants: Sequence[Want], sampling: Sampling, *, seed: tuple[int, ...]
    ) -> Iterator[Drafts]:
        """Drafts of each batch as soon as it is finished."""
        batches = [
            self._pool.submit(_sample, part, sampling, (*seed, number))
            for number, part in enumerate(self._parts(wants))
        ]
        yield from self._placed(batches, len(wants))

    def score(self, groups: Sequence[Candidates], scorer: ScorerName) -> Iterator[Scores]:
        """Scores of each batch as soon as it is finished."""
        batches = [self._pool.submit(_score, part, scorer) for part in self._parts(groups)]
        yield from self._placed(batches, len(groups))

    def _size(self, items: int) -> int:
        return max(1, items // (self._many * BATCHES))

    def _parts(self, items: Sequence[Item]) -> list[Sequence[Item]]:
        size = self._size(len(items))
        return [items[at : at + size] for at in range(0, len(items), size)]

    def _placed(self, batches: list[Future[Any]], items: int) -> Iterator[tuple[int, Any]]:
        """What the batches give, its places counted from the first item of all."""
        first = {batch: number * self._size(items) for number, batch in enumerate(batches)}
        try:
            for batch in as_completed(batches):
                found, tokens = batch.result()
                self.tokens += tokens
                for place, result in found:
                    yield first[batch] + place, result
        except BrokenProcessPool:
            raise ProcessDiedError(
                "an engine's process died (out of memory?); what was finished is kept, and the "
                "same command goes on from there."
            ) from None
        finally:
            self._pool.shutdown(cancel_futures=True)


_here: dict[str, Callable[[], Engine]] = {}
"""Opens the engine of this process, where it is one of several, or gives the one that is open."""


def _begin(opened: Callable[[], Engine], devices: Queue[str]) -> None:
    device = devices.get()
    if device:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    # Opened with the first batch, whose caller is told a fault; here it would break the pool.
    _here["engine"] = cache(opened)


def _sample(
    wants: Sequence[Want], sampling: Sampling, seed: tuple[int, ...]
) -> tuple[list[Drafts], int]:
    return list(_here["engine"]().sample(wants, sampling, seed=seed)), 0


def _score(groups: Sequence[Candidates], scorer: ScorerName) -> tuple[list[Scores], int]:
    engine = _here["engine"]()
    before = engine.tokens
    found = list(engine.score(groups, scorer))
    return found, engine.tokens - before
