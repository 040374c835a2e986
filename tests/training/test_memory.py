"""The plan on paper against what small models take, counted tensor by tensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import numpy as np
from transformers import LlamaConfig, LlamaForCausalLM

from mathtune.training import llama_layers, objectives, segment_attention
from mathtune.training.batches import collate
from mathtune.training.examples import Item, Reading
from mathtune.training.memory import Shape, planned

SHAPE = Shape(layers=4, width=128, kv_width=64, feed_forward=320, vocabulary=1000, tied=True)
TOKENS, TARGETS = 4 * 150, 4 * 60


def model(shape: Shape = SHAPE) -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=8,
        num_key_value_heads=4,
        tie_word_embeddings=True,
    )
    made = LlamaForCausalLM(config).train()
    made.set_attn_implementation(segment_attention.NAME)
    return made


def batch() -> Any:
    reading = Reading(
        ids=np.arange(150, dtype=np.int32),
        positions=np.arange(90, 150, dtype=np.int32),
        tokens=np.arange(60, dtype=np.int32),
        texts=np.zeros(60, dtype=np.int32),
    )
    items = [Item(str(n), (reading,), True, 60) for n in range(4)]
    return collate(items, texts=1, packed=True, idle=items[0])


def loss(made: Any, given: Any, way: str) -> Any:
    inputs = {name: given[name] for name in ("input_ids", "position_ids", "segments")}
    head = made.get_output_embeddings()
    if way == "fused":
        with llama_layers.reading(head, given["positions"], given["tokens"]):
            return made(**inputs, use_cache=False).logits.sum()
    hidden = made.model(**inputs, use_cache=False).last_hidden_state[0, given["positions"]]
    return objectives.token_log_p(head(hidden), given["tokens"]).sum()


def kept(made: Any, run: Callable[[], Any]) -> int:
    """Bytes that the forward pass keeps for the backward pass, weights not counted."""
    own = {p.untyped_storage().data_ptr() for p in made.parameters()}
    storages: dict[int, int] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        held = run()
    found = sum(storages.values())
    del held
    return found


def test_weights_are_those_of_a_model() -> None:
    assert model().num_parameters() == SHAPE.parameters


SMALL = Shape(layers=2, width=3, kv_width=2, feed_forward=5, vocabulary=7)
TIED = replace(SMALL, tied=True)


def test_weights_by_hand() -> None:
    # Per layer 2 x 9 + 2 x 6 of attention, 3 x 15 of the feed-forward network, 2 x 3 of norms: 81.
    assert SMALL.parameters == 2 * 81 + 2 * 21 + 3
    assert TIED.parameters == 2 * 81 + 21 + 3
    # Rank 2, in and out widths: two of 3 + 3, two of 3 + 2, three of 3 + 5, in two layers.
    assert SMALL.adapters(2) == 2 * 2 * (12 + 10 + 24)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # weights, gradients, optimizer, activations of 10 tokens, logits of 4
        ({}, (828, 828, 1656, 2 * 10 * 2 * (27 + 4 + 20), 10 * 4 * 7)),
        ({"fused": True}, (828, 828, 1656, 4 * 10 * 2 * (15 + 4 + 10), 8 * 4 * 7)),
        ({"checkpointing": True}, (828, 828, 1656, 2 * 10 * (2 * 3 + 51), 280)),
        ({"checkpointing": True, "fused": True}, (828, 828, 1656, 4 * 10 * (6 + 29), 224)),
        ({"adapters": 184}, (4 * 184 + 2 * 207, 4 * 184, 8 * 184, 2040, 280)),
        # Gathered in bfloat16: two layers of 82.5 (the last norm is shared out) and the embeddings.
        ({"shards": 4}, (207 + 2 * (2 * 82.5 + 21), 207, 414, 2040, 280)),
        ({"shards": 2, "adapters": 184}, (575 + 372, 368, 736, 2040, 280)),
    ],
)
def test_plans_by_hand(given: dict[str, Any], expected: tuple[float, ...]) -> None:
    plan = planned(SMALL, tokens=10, targets=4, **given)
    found = (plan.weights, plan.gradients, plan.optimizer, plan.activations, plan.logits)
    assert found == expected
    assert plan.total == sum(expected)


def test_tied_embeddings_are_no_part_of_the_layers() -> None:
    both = (planned(shape, tokens=1, targets=1, shards=4) for shape in (SMALL, TIED))
    plain, tied = (plan.weights for plan in both)
    assert plain - tied == 4 * 21 / 4  # one matrix of 21 in float32, a fourth of it here


@pytest.mark.parametrize("way", ["fused", "packed"])
def test_what_is_kept_for_the_backward_pass_is_planned(way: str) -> None:
    made, given = model(), batch()
    if way == "fused":
        llama_layers.install(made)
    plan = planned(SHAPE, tokens=TOKENS, targets=TARGETS, fused=way == "fused")
    scale = 1 if way == "fused" else 2  # the plan is for bfloat16, these are float32
    logits = 4 * TARGETS * SHAPE.vocabulary
    measured = kept(made, lambda: loss(made, given, way))
    assert measured == pytest.approx(scale * plan.activations + logits, rel=0.1)


LARGER = Shape(layers=4, width=512, kv_width=256, feed_forward=1536, vocabulary=8000, tied=True)


def grown(answer: Any) -> None:
    """Send by how many bytes this process grows at most while it makes two updates."""
    status = Path("/proc/self/status")

    def read(field: str) -> int:
        return int(status.read_text().partition(f"{field}:")[2].split()[0]) * 1024

    torch.set_num_threads(1)
    small, given = model(), batch()
    loss(small, given, "packed").backward()  # what libraries take the first time
    before = read("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    made = model(LARGER)
    llama_layers.install(made)
    optimizer = torch.optim.AdamW(made.parameters(), fused=True)
    for _ in range(2):  # the second one has the optimizer's state beside it
        (-loss(made, given, "fused")).backward()
        optimizer.step()
        optimizer.zero_grad()
    answer.send(read("VmHWM") - before)


@pytest.mark.slow
def test_the_peak_of_an_update_is_planned() -> None:
    context = get_context("forkserver")
    here, there = context.Pipe()
    process = context.Process(target=grown, args=(there,))
    process.start()
    measured = here.recv()
    process.join()
    plan = planned(LARGER, tokens=TOKENS, targets=TARGETS, fused=True)
    assert plan.total > 300e6
    assert measured == pytest.approx(plan.total, rel=0.15)
