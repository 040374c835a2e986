"""Items as tensors by hand, the order of an epoch, and its updates and micro-batches."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mathtune.errors import InputError
from mathtune.training.batches import Batch, MicroBatches, Order, collate
from mathtune.training.examples import Item, Reading
from mathtune.training.fit import planned
from mathtune.training.segment_attention import Segment
from mathtune.training.settings import Plan, TrainingSettings


def reading(ids: list[int], positions: list[int], texts: list[int], family: str = "") -> Reading:
    """A sequence whose read tokens are 100 more than their positions."""
    at = np.array(positions, np.int32)
    return Reading(np.array(ids, np.int32), at, at + 100, np.array(texts, np.int32), family)


def laid_out(*items: Item, packed: bool, texts: int = 1) -> Batch:
    return collate(items, texts=texts, packed=packed, idle=items[0])


ONE = Item("one", (reading([1, 2, 3], [1, 2], [0, 0]),), correct=True, target_tokens=2)
TWO = Item(
    "two",
    (reading([4, 5, 6, 7], [3], [0]), reading([8, 9], [0, 1], [1, 1])),
    correct=False,
    target_tokens=3,
)


@pytest.mark.parametrize("packed", [False, True])
def test_the_counts_of_a_batch(packed: bool) -> None:
    batch = laid_out(ONE, TWO, packed=packed, texts=2)
    assert batch["tokens"].tolist() == [101, 102, 103, 100, 101]
    assert batch["texts"].tolist() == [0, 0, 2, 3, 3]  # item * 2 + the text's column
    assert batch["correct"].tolist() == [True, False]
    assert batch["counts"].tolist() == [2.0, 5.0]
    assert batch["read_tokens"] == 9
    assert batch["items"] == (ONE, TWO)


def test_rows_are_padded_on_the_right() -> None:
    batch = laid_out(ONE, TWO, packed=False, texts=2)
    assert batch["input_ids"].tolist() == [[1, 2, 3, 0], [4, 5, 6, 7], [8, 9, 0, 0]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3]] * 3
    assert batch["segments"] is None
    assert batch["positions"].tolist() == [1, 2, 4 + 3, 8, 9]


def test_rows_are_packed_one_after_the_other() -> None:
    batch = laid_out(ONE, TWO, packed=True, texts=2)
    assert batch["input_ids"].tolist() == [[1, 2, 3, 4, 5, 6, 7, 8, 9]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1, 2, 3, 0, 1]]
    assert batch["segments"] == (Segment(3), Segment(4), Segment(2))
    assert batch["positions"].tolist() == [1, 2, 3 + 3, 7, 8]


def test_a_familys_common_beginning_is_read_once() -> None:
    start = [1, 2, 3, 4, 5, 6, 7, 8]
    alone = Item("alone", (reading([9, 9], [1], [0]),), correct=True, target_tokens=1)
    first = Item("a", (reading([*start, 20, 21], [7, 8, 9], [0] * 3, "p"),), True, 3)
    second = Item("b", (reading([*start, 30], [2, 8], [0] * 2, "p"),), True, 2)
    batch = laid_out(alone, first, second, packed=True)
    assert batch["input_ids"].tolist() == [[9, 9, *start, 20, 21, 30]]
    assert batch["position_ids"].tolist() == [[0, 1, *range(8), 8, 9, 8]]
    assert batch["segments"] == (Segment(2), Segment(8), Segment(2, 1), Segment(1, 1))
    # `alone`; of `first`, one in the beginning and two behind it; of `second`, one and one.
    assert batch["positions"].tolist() == [1, 2 + 7, 10, 11, 2 + 2, 12]
    assert batch["read_tokens"] == 2 + 10 + 9


@pytest.mark.parametrize(
    ("rows", "shared"),
    [
        (([1] * 7 + [2], [1] * 7 + [3]), 0),  # a beginning of 7 tokens is not worth a segment
        (([1] * 8 + [2], [1] * 8 + [3]), 8),
        (([1] * 9, [1] * 9), 8),  # at least one token of each is left over
        (([1] * 12, [1] * 9), 8),
        (([1] * 9,), 0),  # a family of one
    ],
)
def test_the_length_of_a_common_beginning(rows: tuple[list[int], ...], shared: int) -> None:
    items = [Item("x", (reading(ids, [0], [0], "p"),), True, 1) for ids in rows]
    segments = laid_out(*items, packed=True)["segments"]
    rest = [len(ids) - shared for ids in rows]
    if shared:
        assert segments == (Segment(shared), *(Segment(length, 0) for length in rest))
    else:
        assert segments == tuple(map(Segment, rest))


@pytest.mark.parametrize("packed", [False, True])
def test_a_process_without_items_reads_one_and_counts_nothing(packed: bool) -> None:
    batch = collate([], texts=1, packed=packed, idle=ONE)
    assert batch["input_ids"].tolist() == [[1, 2, 3]]
    assert batch["counts"].tolist() == [0.0, 0.0]
    assert (batch["items"], batch["read_tokens"]) == ((), 0)


@pytest.mark.parametrize(
    ("processes", "micro_batch_size", "sizes"),
    [
        (1, 2, [[2, 2, 2, 2, 2]]),
        (1, 3, [[3, 1, 3, 1, 2]]),
        (2, 1, [[1] * 5, [1] * 5]),
        (2, 2, [[2, 2, 2], [2, 2, 0]]),  # of the last 2 items, the second process has none
    ],
)
def test_processes_share_every_batch(
    processes: int, micro_batch_size: int, sizes: list[list[int]]
) -> None:
    order = Order([5] * 10, batch_size=4, seed=3)
    parts = [
        MicroBatches(order, micro_batch_size=micro_batch_size, process=n, processes=processes)
        for n in range(processes)
    ]
    found = [list(part) for part in parts]
    assert [[len(micro) for micro in process] for process in found] == sizes
    assert [len(part) for part in parts] == list(map(len, sizes))
    in_turn = [i for turn in zip(*found, strict=True) for micro in turn for i in micro]
    assert in_turn == list(order)
    if processes == 1:
        assert list(MicroBatches(order, micro_batch_size=micro_batch_size)) == found[0]
    parts[0].set_epoch(1)
    assert [i for micro in parts[0] for i in micro] != [i for micro in found[0] for i in micro]


def test_items_are_sorted_by_length_in_windows_of_eight_batches() -> None:
    lengths = list(range(1000, 1000 - 68, -1))  # the later, the shorter: 17 batches of 4
    order = Order(lengths, batch_size=4, seed=0)
    batches = np.array(list(order)).reshape(-1, 4)
    drawn = np.random.default_rng([0, 0]).permutation(68)
    expected = [
        drawn[start : start + 32][np.argsort(-drawn[start : start + 32])] for start in (0, 32, 64)
    ]
    assert sorted(batches.tolist()) == sorted(np.concatenate(expected).reshape(-1, 4).tolist())


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
