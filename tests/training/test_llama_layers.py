"""Packed and fused reading against the model's own forward call on one sequence at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import numpy as np
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, set_seed

from mathtune.training import llama_layers, objectives, segment_attention
from mathtune.training.batches import collate
from mathtune.training.examples import Item, Reading
from mathtune.training.segment_attention import Segment

SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "attn_implementation": "sdpa",
}
MODELS: dict[str, Callable[[], Any]] = {
    "tied": lambda: LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=True)),
    "untied": lambda: LlamaForCausalLM(LlamaConfig(**SIZES)),
    "biases": lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES)),
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Any:
    set_seed(0)
    made = MODELS[request.param]().train()
    with torch.no_grad():  # norms of 1 and biases of 0 would hide a missing factor
        for parameter in made.parameters():
            if parameter.ndim == 1:
                parameter += torch.randn_like(parameter) / 3
    return made


def readings() -> list[Reading]:
    """Three of a family with 12 tokens in common, and one by itself; each reads its last five."""
    draw = np.random.default_rng(0)
    shared = draw.integers(0, 50, 12)
    tails = [draw.integers(0, 50, n) for n in (9, 5, 14)]
    rows = [np.concatenate((shared, tail)) for tail in tails] + [draw.integers(0, 50, 17)]
    return [
        Reading(
            ids=row[:-1].astype(np.int32),
            positions=np.arange(len(row) - 6, len(row) - 1, dtype=np.int32),
            tokens=row[-5:].astype(np.int32),
            texts=np.zeros(5, dtype=np.int32),
            family="judge x" if number < 3 else "solve x",
        )
        for number, row in enumerate(rows)
    ]


def one_by_one(model: Any) -> Any:
    found = []
    for reading in readings():
        logits = model(input_ids=torch.tensor(reading.ids[None]).long()).logits[0]
        table = logits[torch.tensor(reading.positions).long()].log_softmax(-1)
        found.append(table.gather(1, torch.tensor(reading.tokens).long()[:, None])[:, 0])
    return torch.cat(found)


def together(model: Any, way: str) -> Any:
    items = [Item(str(n), (r,), True, 5) for n, r in enumerate(readings())]
    batch = collate(items, texts=1, packed=True, idle=items[0])
    assert batch["segments"] is not None
    model.set_attn_implementation(segment_attention.NAME)
    given = {name: batch[name] for name in ("input_ids", "position_ids", "segments")}
    if way == "one call":  # as accelerators attend
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(segment_attention, "one_by_one", segment_attention.side_by_side)
            logits = model(**given, use_cache=False).logits[0]
        log_p = objectives.token_log_p(logits[batch["positions"]], batch["tokens"])
    elif way == "fused":
        llama_layers.install(model)
        head = model.get_output_embeddings()
        with llama_layers.reading(head, batch["positions"], batch["tokens"]):
            log_p = model(**given, use_cache=False).logits
        llama_layers.remove(model)
    else:
        logits = model(**given, use_cache=False).logits[0]
        log_p = objectives.token_log_p(logits[batch["positions"]], batch["tokens"])
    model.set_attn_implementation("sdpa")
    return log_p


def side_by_side(model: Any) -> Any:
    """Padded on the right, by the model's own attention, where it is not the plain one."""
    items = [Item(str(n), (r,), True, 5) for n, r in enumerate(readings())]
    batch = collate(items, texts=1, packed=False, idle=items[0])
    assert batch["segments"] is None
    assert batch["input_ids"].shape == (4, 25)
    given = {name: batch[name] for name in ("input_ids", "position_ids")}
    logits = model(**given, use_cache=False).logits.flatten(0, 1)
    return objectives.token_log_p(logits[batch["positions"]], batch["tokens"])


def test_padding_changes_nothing(model: Any) -> None:
    torch.testing.assert_close(side_by_side(model), one_by_one(model), rtol=1e-5, atol=1e-5)


def test_the_order_of_a_batch_changes_nothing(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = together(model, "fused").view(4, 5)
    turned = readings()[::-1]
    monkeypatch.setitem(globals(), "readings", lambda: turned)
    after = together(model, "fused").view(4, 5)
    torch.testing.assert_close(after.flip(0), before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("way", ["packed", "one call", "fused"])
def test_packed_log_p_and_gradients_are_those_of_each_sequence_alone(model: Any, way: str) -> None:
    weights = torch.linspace(-1, 1, 20)  # every log p counts differently
    found = []
    for read in (one_by_one, lambda m: together(m, way)):
        model.zero_grad()
        log_p = read(model)
        (log_p * weights).sum().backward()
        found.append((log_p.detach(), {n: p.grad for n, p in model.named_parameters()}))
    (log_p, gradients), (ours, our_gradients) = found
    torch.testing.assert_close(ours, log_p, rtol=1e-5, atol=1e-5)
    for name, gradient in gradients.items():
        torch.testing.assert_close(our_gradients[name], gradient, rtol=1e-4, atol=1e-5, msg=name)


def test_what_a_family_shares_is_read_once() -> None:
    items = [Item(str(n), (r,), True, 5) for n, r in enumerate(readings())]
    batch = collate(items, texts=1, packed=True, idle=items[0])
    segments = (Segment(12), Segment(8, 0), Segment(4, 0), Segment(13, 0), Segment(16))
    assert batch["segments"] == segments
    assert batch["input_ids"].shape == (1, 12 + 8 + 4 + 13 + 16)
    assert batch["position_ids"][0, 12:20].tolist() == list(range(12, 20))
    # The second one's positions 11..15: the last shared token, then its own four.
    assert batch["positions"][5:10].tolist() == [11, 20, 21, 22, 23]


@pytest.mark.parametrize("way", ["packed", "one call", "fused"])
def test_a_neighbour_changes_nothing(model: Any, way: str, monkeypatch: Any) -> None:
    before = together(model, way).detach()
    changed = readings()
    changed[1].ids[12:] = (changed[1].ids[12:] + 7) % 50  # the own part of the second
    monkeypatch.setitem(globals(), "readings", lambda: changed)
    after = together(model, way).detach()
    for number, same in enumerate((True, False, True, True)):
        rows = slice(5 * number, 5 * number + 5)
        assert torch.equal(before[rows], after[rows]) == same


@pytest.mark.parametrize("kept", [0, 2**26])
def test_logits_in_chunks_are_the_same_log_p(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_layers, "LOGITS_AT_ONCE", 3 * 11)  # three rows of eleven words
    monkeypatch.setattr(llama_layers, "LOGITS_KEPT", kept)
    torch.manual_seed(0)
    hidden = torch.randn(8, 5, dtype=torch.float64, requires_grad=True)
    head = torch.randn(11, 5, dtype=torch.float64, requires_grad=True)
    tokens = torch.tensor([0, 10, 3, 3, 7, 1, 2, 9])
    plain = (hidden @ head.T).log_softmax(-1).gather(1, tokens[:, None])[:, 0]
    ours = llama_layers.token_log_p(hidden, head, tokens)
    torch.testing.assert_close(ours, plain)
    weights = torch.linspace(-1, 1, 8, dtype=torch.float64)
    for theirs, mine in zip(
        torch.autograd.grad((plain * weights).sum(), (hidden, head)),
        torch.autograd.grad((ours * weights).sum(), (hidden, head)),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


def test_other_models_are_left_alone() -> None:
    made = LlamaForCausalLM(LlamaConfig(**SIZES, hidden_act="gelu"))
    assert segment_attention.fits(made)
    assert not llama_layers.fits(made)
    assert not segment_attention.fits(
        Qwen2ForCausalLM(Qwen2Config(**SIZES, use_sliding_window=True))
    )
