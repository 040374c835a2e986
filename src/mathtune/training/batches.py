# ruff: noqa: F722 (jaxtyping's dimension names)
"""Items -> tensors, and the order of an epoch's items. Between examples and trainer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import torch
from torch.utils.data import Sampler

from mathtune.training.examples import Item, Reading
from mathtune.training.segment_attention import Segment

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int
    from torch import Tensor

WINDOW = 8
"""The number of batches whose examples are sorted by length together: this avoids most padding."""


SHARED = 8
"""The shortest common beginning, in tokens, that is read once: less is not worth a segment."""


class Batch(TypedDict):
    """Items as tensors: packed into one row without padding, or as rows padded on the right (so
    that causal attention needs no mask).

    `positions` count through the flattened [B T] grid; `texts` through the flattened [I K] grid of
    items and their texts. There are B sequences of at most T tokens, R tokens whose log p is read,
    and I items.
    """

    input_ids: Int[Tensor, "B T"]
    position_ids: Int[Tensor, "B T"]
    segments: tuple[Segment, ...] | None
    """The parts of a packed row; None: rows are padded."""
    positions: Int[Tensor, " R"]
    tokens: Int[Tensor, " R"]
    texts: Int[Tensor, " R"]
    correct: Bool[Tensor, " I"]
    counts: Float[Tensor, " 2"]
    """The numbers of items and of target tokens of the mle term."""
    items: tuple[Item, ...]
    read_tokens: int
    """The number of tokens of the sequences, without padding."""


def collate(items: Sequence[Item], *, texts: int, packed: bool, idle: Item) -> Batch:
    """Lay items out; `texts` is the K of their objective.

    A process without items reads `idle`, since the others wait for its gradients, and counts
    nothing.
    """
    if not items:
        batch = collate([idle], texts=texts, packed=packed, idle=idle)
        return {**batch, "counts": torch.zeros(2), "items": (), "read_tokens": 0}
    readings = [reading for item in items for reading in item.readings]
    rows = [row for row, item in enumerate(items) for _ in item.readings]
    ids, position_ids, segments, positions = (_packed if packed else _padded)(readings)
    return Batch(
        input_ids=torch.from_numpy(ids.astype(np.int64)),
        position_ids=torch.from_numpy(position_ids),
        segments=segments,
        positions=_flat(positions),
        tokens=_flat([r.tokens for r in readings]),
        texts=_flat([row * texts + r.texts for row, r in zip(rows, readings, strict=True)]),
        correct=torch.tensor([item.correct for item in items]),
        counts=torch.tensor([len(items), sum(item.target_tokens for item in items)]).float(),
        items=tuple(items),
        read_tokens=sum(len(r.ids) for r in readings),
    )


_Layout = tuple[np.ndarray, np.ndarray, tuple[Segment, ...] | None, list[np.ndarray]]


def _padded(readings: Sequence[Reading]) -> _Layout:
    width = max(len(reading.ids) for reading in readings)
    ids = np.zeros((len(readings), width), dtype=np.int64)
    for line, reading in zip(ids, readings, strict=True):
        line[: len(reading.ids)] = reading.ids
    position_ids = np.broadcast_to(np.arange(width), ids.shape).copy()
    return ids, position_ids, None, [line * width + r.positions for line, r in enumerate(readings)]


def _packed(readings: Sequence[Reading]) -> _Layout:
    """Put the readings in one row; the common beginning of a family is read once."""
    families: dict[str, list[int]] = {}
    for number, reading in enumerate(readings):
        families.setdefault(reading.family or str(number), []).append(number)
    parts: list[np.ndarray] = []
    position_ids: list[np.ndarray] = []
    segments: list[Segment] = []
    positions: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(readings)
    end = 0
    for numbers in families.values():
        shared = _common([readings[number].ids for number in numbers])
        shared = shared if len(numbers) > 1 and shared >= SHARED else 0
        start, parent = end, -1
        if shared:
            parent = len(segments)
            parts.append(readings[numbers[0]].ids[:shared])
            position_ids.append(np.arange(shared))
            segments.append(Segment(shared))
            end += shared
        for number in numbers:
            reading = readings[number]
            rest = len(reading.ids) - shared
            parts.append(reading.ids[shared:])
            position_ids.append(np.arange(shared, shared + rest))
            segments.append(Segment(rest, parent))
            moved = np.where(reading.positions < shared, start, end - shared)
            positions[number] = reading.positions + moved
            end += rest
    return (
        np.concatenate(parts)[None],
        np.concatenate(position_ids)[None],
        tuple(segments),
        positions,
    )


def _common(rows: list[np.ndarray]) -> int:
    """Count the tokens that all rows begin with; at least one token of each row is left over."""
    least = min(len(row) for row in rows) - 1
    stacked = np.stack([row[:least] for row in rows])
    alike = (stacked == stacked[0]).all(0)
    return least if alike.all() else int(alike.argmin())


class Order(Sampler[int]):
    """The order of the items in one epoch, a function of (seed, epoch) and the items' lengths.

    Items are shuffled, then sorted by length inside windows of `WINDOW` batches and cut into
    batches, which are shuffled again. Inside a batch they stay sorted, so that micro-batches also
    need little padding. The incomplete batch, drawn before the sorting, comes last.
    """

    def __init__(self, lengths: Sequence[int], *, batch_size: int, seed: int) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration; called by the data loader."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        draw = np.random.default_rng([self.seed, self.epoch])
        order = draw.permutation(len(self.lengths))
        whole = len(order) // self.batch_size * self.batch_size
        batches = []
        for start in range(0, whole, WINDOW * self.batch_size):
            window = self._by_length(order[start : min(start + WINDOW * self.batch_size, whole)])
            batches += np.split(window, len(window) // self.batch_size)
        for i in draw.permutation(len(batches)):
            yield from batches[i].tolist()
        yield from self._by_length(order[whole:]).tolist()

    def _by_length(self, order: np.ndarray) -> np.ndarray:
        return order[np.argsort(self.lengths[order], kind="stable")]


class MicroBatches(Sampler[list[int]]):
    """One process's micro-batches of an epoch: batches of `batch_size`, split among `processes`.

    All processes get equally many of every batch; if a batch has too few items, some are empty."""

    def __init__(
        self, order: Order, *, micro_batch_size: int, process: int = 0, processes: int = 1
    ) -> None:
        self.batch_sampler = order
        """The attribute whose `set_epoch` transformers calls."""
        self.micro_batch_size = micro_batch_size
        self.process, self.processes = process, processes

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration."""
        self.batch_sampler.set_epoch(epoch)

    def __len__(self) -> int:
        order = self.batch_sampler
        whole, rest = divmod(len(order), order.batch_size)
        return whole * self._turns(order.batch_size) + self._turns(rest)

    def __iter__(self) -> Iterator[list[int]]:
        indices = list(self.batch_sampler)
        for start in range(0, len(indices), self.batch_sampler.batch_size):
            batch = indices[start : start + self.batch_sampler.batch_size]
            for turn in range(self._turns(len(batch))):
                first = (turn * self.processes + self.process) * self.micro_batch_size
                yield batch[first : first + self.micro_batch_size]

    def _turns(self, count: int) -> int:
        return -(-count // (self.micro_batch_size * self.processes))


def _flat(arrays: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate(arrays).astype(np.int64))
