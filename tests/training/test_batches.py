"""The order of an epoch."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mathtune.training.batches import Order

LENGTHS = st.lists(st.integers(1, 500), min_size=1, max_size=200)


@given(LENGTHS, st.integers(1, 9), st.integers(0, 3), st.integers(0, 3))
def test_every_epoch_meets_every_item_once(
    lengths: list[int], batch_size: int, seed: int, epoch: int
) -> None:
    order = Order(lengths, batch_size=batch_size, seed=seed)
    order.set_epoch(epoch)
    first = list(order)
    assert sorted(first) == list(range(len(lengths)))
    again = Order(lengths, batch_size=batch_size, seed=seed)
    again.set_epoch(epoch)
    assert list(again) == first


def test_epochs_and_seeds_differ_and_the_incomplete_batch_is_last() -> None:
    lengths = [1000] * 3 + [1] * 40  # 43 items in batches of 4: 3 are left over
    orders = []
    for seed, epoch in [(0, 0), (0, 1), (1, 0)]:
        order = Order(lengths, batch_size=4, seed=seed)
        order.set_epoch(epoch)
        orders.append(tuple(order))
    assert len(set(orders)) == 3
    # Were the remainder taken after sorting, it would hold all long or all short items every time.
    last = [sum(i < 3 for i in order[40:]) for order in orders]
    assert sum(last) < 9


def test_batches_hold_similar_lengths() -> None:
    draw = np.random.default_rng(0)
    lengths = draw.integers(50, 250, 512).tolist()
    order = Order(lengths, batch_size=8, seed=0)
    batches = np.asarray([lengths[i] for i in order]).reshape(-1, 8)
    shuffled = draw.permutation(lengths).reshape(-1, 8)

    def padded(batches: np.ndarray) -> float:
        return float((batches.max(1) * 8).sum() / batches.sum())

    assert padded(batches) < 1.1 < 1.4 < padded(shuffled)
    assert (np.diff(batches, axis=1) >= 0).all()  # sorted inside, so that micro-batches pad little
