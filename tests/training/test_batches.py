"""The order of an epoch, and how many updates and micro-batches it makes."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mathtune.errors import InputError
from mathtune.training.batches import Order
from mathtune.training.examples import Item, Reading
from mathtune.training.fit import planned
from mathtune.training.settings import Plan, TrainingSettings

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


def plan(
    items: int,
    *,
    equal_to: int | None = None,
    vocabulary: int = 100,
    device: str = "cpu",
    **given: Any,
) -> Plan:
    """The plan for so many items of 64 tokens, 32 of them targets."""
    ids = np.zeros(64, dtype=np.int32)
    item = Item("a", (Reading(ids, ids[:32], ids[:32], ids[:32]),), True, 32)
    settings = TrainingSettings(**{"batch_size": 48, **given})
    return planned(
        settings,
        [item] * items,
        equal_to=equal_to,
        vocabulary=vocabulary,
        bfloat16=False,
        device=device,
    )


@pytest.mark.parametrize(
    ("given", "updates"),
    [
        ({"epochs": 3}, 9),  # 100 items in batches of 48: 3 updates an epoch, one incomplete
        ({"epochs": 1.5}, 5),
        ({"epochs": 3, "updates": 4}, 4),
        ({"epochs": 1, "updates": 4}, 3),
        ({"epochs": 1, "updates": 4, "equal_to": 77}, 77),
    ],
)
def test_updates(given: dict[str, Any], updates: int) -> None:
    assert plan(100, **given).updates == updates


@pytest.mark.parametrize(
    ("given", "micro_batch_size"),
    [
        ({}, 24),  # 2,048 tokens hold 32 of them; 24 divides 48
        ({"vocabulary": 2**17}, 16),  # 2**26 logits hold 512 target tokens, 16 of them
        ({"vocabulary": 2**25}, 1),
        ({"batch_size": 7}, 7),
        ({"micro_batch_size": 48}, 48),
    ],
)
def test_micro_batches_fit_a_laptop(given: dict[str, Any], micro_batch_size: int) -> None:
    assert plan(100, **given).micro_batch_size == micro_batch_size


def test_a_gpu_takes_four_times_as_much_at_once() -> None:
    found = [plan(100, batch_size=4096, device=device) for device in ("cpu", "cuda")]
    assert [plan.micro_batch_size for plan in found] == [32, 128]
    found = [plan(100, vocabulary=2**17, batch_size=4096, device=d) for d in ("cpu", "cuda")]
    assert [plan.micro_batch_size for plan in found] == [16, 64]


def test_a_micro_batch_must_divide_the_batch() -> None:
    with pytest.raises(InputError, match="micro_batch_size: found 7; expected a divisor of"):
        plan(100, micro_batch_size=7)
