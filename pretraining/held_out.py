"""Held-out measures of a base in pre-training: loss and false equations of solving, verdicts."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from mathtune.data.arithmetic.puzzle import write
from pretraining.documents import JUDGED, SOLVED, Document, Rows, judging, rows_of, solving
from pretraining.mistakes import plant
from pretraining.schooling import draw

if TYPE_CHECKING:
    from pretraining.pretrain import Batch

COUNT = 240
"""Problems, families in turn."""


def text(tokenizer: PreTrainedTokenizerFast) -> tuple[list[Rows], list[Rows]]:
    """Return solutions, and pairs with verdicts, of schooling problems that the text never has."""
    rng, end = random.Random("held out"), str(tokenizer.eos_token)
    solve: list[Document] = []
    judge: list[Document] = []
    for index in range(COUNT):
        solve.append(solving(draw("validation", _turn(SOLVED, index), rng), rng, end))
        puzzle = draw("validation", _turn(JUDGED, index), rng)
        judge.append(judging(puzzle.text, write(puzzle, rng), tokenizer))
        judge.append(judging(puzzle.text, plant(puzzle, rng), tokenizer))
    return tuple(list(rows_of(each, tokenizer).values()) for each in (solve, judge))  # type: ignore[return-value]


def _turn(shares: dict[str, int], index: int) -> str:
    names = [name for name, share in shares.items() for _ in range(share)]
    return names[index % len(names)]


@torch.no_grad()
def measured(
    model: LlamaForCausalLM, text: tuple[list[Rows], list[Rows]], labels: tuple[int, int]
) -> dict[str, float]:
    """`loss`: nats per token of a solution. `exact`: the share of solution tokens that are the
    likeliest, given those before. `verdicts`: the share of right verdicts."""
    total = hit = count = right = asked = 0.0
    for rows in text[0]:
        batch = _batch(rows, model)
        hidden = model.model(input_ids=batch.tokens, use_cache=False).last_hidden_state
        logits = (hidden.flatten(0, 1)[batch.at] @ model.lm_head.weight.T).float()
        target = batch.tokens.flatten()[batch.at + 1]
        total += torch.nn.functional.cross_entropy(logits, target, reduction="sum").item()
        hit += (logits.argmax(-1) == target).sum().item()
        count += len(target)
    for rows in text[1]:
        batch = _batch(rows, model)
        hidden = model.model(input_ids=batch.tokens, use_cache=False).last_hidden_state
        last = (batch.tokens != model.config.pad_token_id).sum(1) - 1
        row = torch.arange(len(last), device=last.device)
        weight = model.lm_head.weight
        odds = hidden[row, last - 1] @ (weight[labels[0]] - weight[labels[1]])
        right += ((odds > 0) == (batch.tokens[row, last] == labels[0])).sum().item()
        asked += len(last)
    return {"loss": total / count, "exact": hit / count, "verdicts": right / asked}


def _batch(rows: Rows, model: LlamaForCausalLM) -> Batch:
    from pretraining.pretrain import batch_of

    return batch_of(rows, slice(None), model.device.type)
