"""Engines on a Ray cluster. Each is an actor with its own copy of the model. Ray Data hands out
batches of problems, and gives the batches of a lost machine to the others.

A finished batch comes back at once, so that its rows are written while others are under way. Lost
batches are sampled again: results are complete, and greedy ones are the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from mathtune.engines.protocol import (
    Candidates,
    Draft,
    Drafts,
    Engine,
    Sampling,
    ScorerName,
    Scores,
    Want,
)
from mathtune.engines.settings import Ray
from mathtune.errors import InputError, one_line

Batch = dict[str, Any]
"""The columns of a batch in Ray Data: arrays of equal length."""


class Cluster:
    """Many engines, each made by `opened` (picklable) in an actor with `gpus_each` GPUs.

    Raises:
        InputError: Ray is not installed, or there is no such cluster.
    """

    def __init__(self, opened: Callable[[], Engine], settings: Ray, *, gpus_each: int) -> None:
        self._settings = settings
        self._opened = opened
        self._gpus_each = gpus_each
        self.tokens = 0
        _ray()  # raises now, not after the problems are read

    def sample(
        self, wants: Sequence[Want], sampling: Sampling, *, seed: tuple[int, ...]
    ) -> Iterator[Drafts]:
        """Yield the drafts of each batch of prompts as soon as the whole batch is finished."""
        items = [{"place": place, "task": _packed(want)} for place, want in enumerate(wants)]
        work = {"opened": self._opened, "work": "sample", "how": (sampling, seed)}
        for place, content, _ in self._results(items, work):
            yield place, msgspec.json.decode(content, type=list[Draft])

    def score(self, groups: Sequence[Candidates], scorer: ScorerName) -> Iterator[Scores]:
        """Yield the scores of each batch of groups as soon as the whole batch is finished."""
        items = [{"place": place, "task": _packed(group)} for place, group in enumerate(groups)]
        work = {"opened": self._opened, "work": "score", "how": scorer}
        for place, content, tokens in self._results(items, work):
            self.tokens += tokens
            yield place, msgspec.json.decode(content)

    def _results(
        self, items: list[dict[str, Any]], work: dict[str, Any]
    ) -> Iterator[tuple[int, bytes, int]]:
        """Yield (place, result, tokens) of every item, as batches come back."""
        with connected(self._settings) as ray:
            gpus, actors = self._shape(ray)
            blocks = -(-len(items) // self._settings.batch)
            done = ray.data.from_items(items, override_num_blocks=blocks).map_batches(
                _Worker,
                fn_constructor_kwargs=work,
                batch_size=self._settings.batch,
                compute=ray.data.ActorPoolStrategy(size=min(actors, blocks)),
                num_cpus=self._settings.cpus,
                num_gpus=gpus,
                max_restarts=-1,
                max_task_retries=-1,
            )
            for batch in done.iter_batches(batch_size=None, prefetch_batches=0):
                columns = (batch["place"], batch["result"], batch["tokens"])
                for place, result, tokens in zip(*columns, strict=True):
                    yield int(place), result, int(tokens)

    def _shape(self, ray: Any) -> tuple[float, int]:
        """Return the GPUs per engine, and the number of engines."""
        there = ray.cluster_resources().get("GPU", 0)
        gpus = self._settings.gpus
        if gpus is None:
            gpus = self._gpus_each if there else 0
        if self._settings.actors is not None:
            return gpus, self._settings.actors
        if gpus:
            return gpus, max(1, int(there / gpus))
        able = [
            node
            for node in ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU", 0) >= self._settings.cpus
        ]
        return 0, max(1, len(able))


class _Worker:
    """An actor: it opens an engine once, and answers batches."""

    def __init__(self, *, opened: Callable[[], Engine], work: str, how: Any) -> None:
        self._engine = opened()
        self._answers = {"sample": self._sample, "score": self._score}[work]
        self._how = how

    def __call__(self, batch: Batch) -> Batch:
        found, before = dict(self._answers(list(batch["task"]))), self._tokens()
        results = [msgspec.json.encode(found[at]) for at in range(len(found))]
        spent = [self._tokens() - before] + [0] * (len(results) - 1)
        return {"place": batch["place"], "result": results, "tokens": spent}

    def _sample(self, tasks: list[bytes]) -> Iterator[Drafts]:
        sampling, seed = self._how
        wants = [msgspec.json.decode(task, type=Want) for task in tasks]
        merged: dict[int, list[Draft]] = {}
        for place, drafts in self._engine.sample(wants, sampling, seed=seed):
            merged.setdefault(place, []).extend(drafts)
        yield from merged.items()

    def _score(self, tasks: list[bytes]) -> Iterator[Scores]:
        groups = [msgspec.json.decode(task, type=Candidates) for task in tasks]
        yield from self._engine.score(groups, self._how)

    def _tokens(self) -> int:
        return self._engine.tokens


def mapped(
    settings: Ray, work: Callable[[bytes], bytes], tasks: Iterable[bytes]
) -> Iterator[bytes]:
    """Yield the results of `work` on every task, in order, from all CPUs of the cluster."""
    items = [{"task": task} for task in tasks]
    with connected(settings) as ray:
        ray.data.DataContext.get_current().execution_options.preserve_order = True
        done = ray.data.from_items(items, override_num_blocks=len(items)).map(
            _One(work), num_cpus=settings.cpus
        )
        for row in done.iter_rows():
            yield row["result"]


class _One:
    """The work on one row, in the form that Ray Data calls."""

    def __init__(self, work: Callable[[bytes], bytes]) -> None:
        self._work = work

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        return {"result": self._work(row["task"])}


@contextmanager
def connected(settings: Ray) -> Iterator[Any]:
    """Connect to the cluster for a block; afterwards stop a cluster that was started for it.

    Raises:
        InputError: there is no such cluster, or an engine raised InputError.
    """
    ray = _ray()
    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(
                address=settings.address,
                log_to_driver=False,
                logging_level="ERROR",
                include_dashboard=False if settings.address is None else None,
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = one_line(error)
            raise InputError(
                f"ray: cannot use the cluster at {settings.address!r} ({reason}); start one with "
                "ray start, or leave ray.address out."
            ) from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    try:
        yield ray
    except ray.exceptions.RayError as error:
        raise (_users_fault(error) or error) from None
    finally:
        if ours:
            ray.shutdown()


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise InputError(
            f"ray: cannot be imported ({error}); install it with pip install 'mathtune[ray]'."
        ) from None
    return ray


def _users_fault(error: Exception) -> InputError | None:
    """Return an engine's InputError, which Ray passes on as text; None: another error."""
    name = f"{InputError.__module__}.{InputError.__qualname__}: "
    _, found, sentence = str(error).rpartition(name)
    return InputError(sentence.partition("\n")[0]) if found else None


def _packed(task: Want | Candidates) -> bytes:
    return msgspec.json.encode(task)
