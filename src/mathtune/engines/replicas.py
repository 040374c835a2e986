"""The same engine in several processes of this machine, one per GPU or group of GPUs.

Each takes a batch of problems at a time; rows come back as batches are finished.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import methodcaller
from typing import Any

from mathtune.engines.protocol import (
    Candidates,
    Drafts,
    Engine,
    Sampling,
    ScorerName,
    Scores,
    Want,
)
from mathtune.run.children import Child, finished, several

BATCHES = 8
"""The number of batches per engine: with several, few problems wait for the last one."""


class Replicas:
    """Processes, each with an engine made by `opened` and the GPUs of one entry of `devices`.

    `opened` must be picklable. An entry is a value of CUDA_VISIBLE_DEVICES, as "0" or "0,1".
    """

    def __init__(self, opened: Callable[[], Engine], devices: Sequence[str]) -> None:
        self.tokens = 0
        self._opened, self._devices = opened, devices

    def sample(
        self, wants: Sequence[Want], sampling: Sampling, *, seed: tuple[int, ...]
    ) -> Iterator[Drafts]:
        """Yield the drafts of each batch as soon as it is finished."""
        yield from self._results(
            wants,
            lambda number, part: methodcaller("sample", part, sampling, seed=(*seed, number)),
        )

    def score(self, groups: Sequence[Candidates], scorer: ScorerName) -> Iterator[Scores]:
        """Yield the scores of each batch as soon as it is finished."""
        yield from self._results(groups, lambda _, part: methodcaller("score", part, scorer))

    def _results(
        self, items: Sequence[Any], task: Callable[[int, Sequence[Any]], Callable[[Engine], Any]]
    ) -> Iterator[tuple[int, Any]]:
        """Yield the batches' results, numbered over all items."""
        size = max(1, len(items) // (len(self._devices) * BATCHES))
        parts = [items[at : at + size] for at in range(0, len(items), size)]
        tasks = [task(number, part) for number, part in enumerate(parts)]
        children = [
            Child("an engine", partial(_opened, self._opened, device), fresh=True)
            for device in self._devices
        ]
        with several(children):
            for number, (found, tokens) in finished(children, tasks):
                self.tokens += tokens
                for place, result in found:
                    yield number * size + place, result


def _opened(opened: Callable[[], Engine], device: str) -> Callable[[Any], tuple[list[Any], int]]:
    """Open the engine on its GPUs, in a child; a task calls one of its methods."""
    if device:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    engine = opened()

    def work(task: Callable[[Engine], Iterator[Any]]) -> tuple[list[Any], int]:
        before = engine.tokens
        found = list(task(engine))
        return found, engine.tokens - before

    return work
