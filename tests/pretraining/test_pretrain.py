"""Pre-training: losses, Muon, the schedule, the text's file, and a very short run to its end."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from mathtune.data.arithmetic.puzzle import write
from mathtune.engines import prompts
from pretraining import ladder, text
from pretraining.documents import judging, rows_of
from pretraining.muon import Muon, orthogonalised
from pretraining.pretrain import Plan, batch_of, batches, losses, model_of, pretrain, rate
from pretraining.schooling import draw


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return text.build_tokenizer()


def test_padding_does_not_change_the_losses(tokenizer: PreTrainedTokenizerFast) -> None:
    labels = (tokenizer.encode(prompts.CORRECT)[0], tokenizer.encode(prompts.INCORRECT)[0])
    torch.manual_seed(0)
    model = model_of(len(tokenizer), width=32, layers=2)
    rng = random.Random(0)
    puzzle = draw("pretrain", "pay", rng)
    document = judging(puzzle.text, write(puzzle, rng), tokenizer)
    ((width, rows),) = rows_of([document], tokenizer).items()
    short = batch_of(rows, slice(None), "cpu")
    wider = {
        name: np.pad(getattr(rows, name), ((0, 0), (0, 16)), constant_values=value)
        for name, value in (("tokens", 1), ("weights", 0), ("so_far", 2))
    }
    long = batch_of(type(rows)(**wider), slice(None), "cpu")
    assert long.tokens.shape[1] == width + 16
    for ours, theirs in zip(losses(model, short, labels), losses(model, long, labels), strict=True):
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)


def test_the_next_token_loss_by_hand(tokenizer: PreTrainedTokenizerFast) -> None:
    """With all weights equal, every token is as likely: the loss is log of the vocabulary."""
    model = model_of(len(tokenizer), width=32, layers=1)
    with torch.no_grad():
        model.lm_head.weight.fill_(0.0)
    rng = random.Random(0)
    puzzle = draw("pretrain", "pay", rng)
    ((_, rows),) = rows_of([judging(puzzle.text, write(puzzle, rng), tokenizer)], tokenizer).items()
    next_loss, so_far = losses(model, batch_of(rows, slice(None), "cpu"), (5, 6))
    assert next_loss.item() == pytest.approx(np.log(len(tokenizer)), rel=1e-5)
    assert so_far.item() == pytest.approx(np.log(2), rel=1e-5)


def test_the_rate_rises_and_comes_down_to_zero() -> None:
    assert rate(0.0) == pytest.approx(0.02)
    assert rate(0.01) == pytest.approx(0.99)
    assert rate(0.5) == pytest.approx(0.5)
    assert rate(1.0) == 0.0


def test_a_plan_ends_with_its_tokens_or_its_seconds() -> None:
    plan = Plan(width=8, layers=1, tokens=100, seconds=10.0)
    assert plan.done(50, 1.0) == 0.5
    assert plan.done(10, 9.0) == 0.9
    assert plan.done(200, 1.0) == 1.0


def test_a_pass_reads_every_row_once() -> None:
    data = text.make(3000, seed=0, processes=1)
    made = sum(len(rows.tokens) for rows in data.values())
    data = {width: type(rows)(rows.tokens[:50], rows.weights[:50], rows.so_far[:50])
            for width, rows in data.items()}  # fmt: skip
    read = [batch.tokens for batch in batches(data, 512, np.random.default_rng(0), "cpu")]
    assert made >= sum(map(len, read)) == sum(len(rows.tokens) for rows in data.values())
    for width, rows in data.items():
        ours = sorted(map(tuple, rows.tokens.tolist()))
        theirs = sorted(tuple(r) for b in read if b.shape[1] == width for r in b.tolist())
        assert ours == theirs


def test_muon_pushes_singular_values_to_one() -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalised(torch.randn(3, 24, 16)))
    assert float(values.min()) > 0.5
    assert float(values.max()) < 1.4


def test_muon_descends() -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(8, 4))
    goal = torch.randn(8, 4)
    step = Muon([weight], lr=0.05, momentum=0.9, decay=0.0)
    first = (weight - goal).square().sum().item()
    for _ in range(200):
        (weight - goal).square().sum().backward()
        step.step()
        step.zero_grad()
    assert (weight - goal).square().sum().item() < first / 20


def test_a_short_run_writes_a_model_that_loads(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    data = text.make(3000, seed=0, processes=1)
    text.save(tmp_path / "text.npz", data)
    data = text.load(tmp_path / "text.npz")
    data = {width: type(rows)(rows.tokens[:64], rows.weights[:64], rows.so_far[:64])
            for width, rows in data.items()}  # fmt: skip
    plan = Plan(width=16, layers=1, tokens=40_000, lr=1e-2, batch=2048, logs=3)
    summary = pretrain(tmp_path / "out", plan, data, tokenizer)
    curve = [
        json.loads(line) for line in (tmp_path / "out" / "curve.jsonl").read_text().splitlines()
    ]
    assert curve[-1]["loss"] < 0.95 * curve[0]["loss"]
    assert curve[-1]["tokens"] == summary["tokens"] >= 40_000
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    assert model.config.hidden_size == 16


def test_held_out_text_is_of_problems_that_no_base_reads() -> None:
    rows = list(ladder.held_out(12))
    assert len({row.problem for row in rows}) == 12
    assert all(row.solution.split("\n")[-1].startswith("#### ") for row in rows)
