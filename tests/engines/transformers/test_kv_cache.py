"""Rows that enter, part and leave, against attention over lists of each row's own keys."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from mathtune.engines.transformers.kv_cache import Arena, KVCache
from mathtune.engines.transformers.shared_attention import Prompts, Rule

HEADS, KV_HEADS, D, SAMPLES, STEPS = 4, 2, 3, 12, 9


@dataclass
class Row:
    """What a row should attend to, [kv_heads, columns, d], and how many samples follow it."""

    keys: Tensor
    values: Tensor
    read: int
    following: int


def attended(row: Row, query: Tensor, rule: Rule) -> Tensor:
    """Softmax attention of one query [heads, d], head by head."""
    seen = slice(-(rule.window or row.keys.shape[1]), None)
    out = []
    for head in range(HEADS):
        keys, values = (side[head * KV_HEADS // HEADS, seen] for side in (row.keys, row.values))
        out.append((rule.scale * keys @ query[head]).softmax(0) @ values)
    return torch.stack(out)


def beginning_of(length: int) -> Prompts | None:
    """What all prompts continue: `length` tokens, or nothing."""
    if not length:
        return None
    beginning = Prompts(torch.tensor([length]), length)
    keys, values = (torch.randn(1, KV_HEADS, length, D) for _ in range(2))
    beginning.keys, beginning.values = [keys], [values]
    return beginning


def entered(
    decoding: KVCache, rows: list[Row], draw: random.Random, free: int, before: Prompts | None
) -> list[Row]:
    """One to three prompts of different lengths, with several samples each."""
    lengths = [draw.randint(1, 5) for _ in range(draw.randint(1, 3))]
    longest = max(lengths)
    prompts = Prompts(torch.tensor(lengths), longest)
    keys, values = (torch.randn(len(lengths), KV_HEADS, longest, D) for _ in range(2))
    prompts.keys, prompts.values = [keys], [values]
    new = []
    for at, length in enumerate(lengths):
        row = Row(keys[at, :, -length:], values[at, :, -length:], 0, max(1, free // len(lengths)))
        if before is not None:
            row.keys = torch.cat((before.keys[0][0], row.keys), 1)
            row.values = torch.cat((before.values[0][0], row.values), 1)
        new.append(row)
    following = [row.following for row in rows + new]
    decoding.enter(prompts, torch.tensor(following))
    return rows + new


def parted(row: Row, draw: random.Random) -> list[Row]:
    """None, one or several rows, with at most as many samples together."""
    left = draw.choice([row.following, row.following, draw.randint(0, row.following)])
    left = left if row.read < STEPS else 0
    many = draw.choice([1, draw.randint(1, left)]) if left else 0
    return [replace(row, following=left // many) for _ in range(many)]


@pytest.mark.parametrize(
    ("rule", "shared"),
    [(Rule(0.7), 0), (Rule(1.0, window=4), 0), (Rule(0.7), 6), (Rule(1.0, window=40), 6)],
)
def test_every_row_attends_to_its_prompt_and_its_own_tokens(rule: Rule, shared: int) -> None:
    draw = random.Random(0)
    torch.manual_seed(0)
    before = beginning_of(shared)
    decoding, rows, most = KVCache(SAMPLES, STEPS + 1, Arena(), before), list[Row](), 0
    for _ in range(300):
        free = SAMPLES - sum(row.following for row in rows)
        if free >= 3 and (not rows or draw.random() < 0.3):
            rows = entered(decoding, rows, draw, free, before)
        assert decoding.rows == len(rows)
        most = max(most, len(rows))
        decoding.prepare()
        query = torch.randn(len(rows), HEADS, 1, D)
        key, value = (torch.randn(len(rows), KV_HEADS, 1, D) for _ in range(2))
        found = decoding.attend(0, query, key, value, rule)
        decoding.advance()
        for at, row in enumerate(rows):
            row.keys = torch.cat((row.keys, key[at]), 1)
            row.values = torch.cat((row.values, value[at]), 1)
            row.read += 1
            torch.testing.assert_close(found[at, 0], attended(row, query[at, :, 0], rule))
        then = [parted(row, draw) for row in rows]
        order = decoding.change(torch.tensor([len(several) for several in then]))
        rows = [then[former].pop() for former in order.tolist()]
        assert not any(then)
    assert most > 8
