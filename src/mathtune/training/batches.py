# ruff: noqa: F722 (jaxtyping's dimension names)
"""Items -> tensors, and the order in which an epoch meets them. Between examples and trainer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import torch
from torch.utils.data import Sampler

from mathtune.training.examples import Item

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int
    from torch import Tensor

WINDOW = 8
"""Batches whose examples are sorted by length together: enough to avoid most padding."""


class Batch(TypedDict):
    """Items side by side, padded on the right, so that causal attention needs no mask.

    `positions` count through the flattened [B T] grid; `texts` through the flattened [I K] grid of
    items and their texts. B sequences of at most T tokens, R tokens whose log p is read, I items.
    """

    input_ids: Int[Tensor, "B T"]
    positions: Int[Tensor, " R"]
    tokens: Int[Tensor, " R"]
    texts: Int[Tensor, " R"]
    correct: Bool[Tensor, " I"]
    counts: Float[Tensor, " 2"]
    """Items, and target tokens of the mle term."""
    names: list[str]
    read_tokens: int
    """Tokens of the sequences, without padding."""


def collate(items: Sequence[Item], *, texts: int) -> Batch:
    """Lay items side by side; `texts` is the K of their objective."""
    readings = [(row, reading) for row, item in enumerate(items) for reading in item.readings]
    width = max(len(reading.ids) for _, reading in readings)
    ids = np.zeros((len(readings), width), dtype=np.int64)
    for line, (_, reading) in zip(ids, readings, strict=True):
        line[: len(reading.ids)] = reading.ids
    positions = [line * width + r.positions for line, (_, r) in enumerate(readings)]
    columns = [row * texts + r.texts for row, r in readings]
    return Batch(
        input_ids=torch.from_numpy(ids),
        positions=_flat(positions),
        tokens=_flat([r.tokens for _, r in readings]),
        texts=_flat(columns),
        correct=torch.tensor([item.correct for item in items]),
        counts=torch.tensor([len(items), sum(item.target_tokens for item in items)]).float(),
        names=[item.name for item in items],
        read_tokens=sum(len(r.ids) for _, r in readings),
    )


class Order(Sampler[int]):
    """The order of the items in one epoch, a function of (seed, epoch) and the items' lengths.

    Items are shuffled, then sorted by length inside windows of `WINDOW` batches and cut into
    batches, which are shuffled again. Inside a batch they stay sorted, so that micro-batches pad
    little too. The incomplete batch, drawn before the sorting, comes last."""

    def __init__(self, lengths: Sequence[int], *, batch_size: int, seed: int) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration walks; called by the data loader."""
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


def _flat(arrays: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate(arrays).astype(np.int64))
