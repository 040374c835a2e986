"""The samples in flight, and the rows that they follow. Used by the decode loops.

Samples of a prompt that have drawn the same tokens so far follow one row. One forward call gives
the next token's logits of every row; samples that draw different tokens follow different rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mathtune.engines.prompts import first_difference
from mathtune.engines.transformers.kv_cache import Arena, KVCache
from mathtune.engines.transformers.shared_attention import Forward, Prompts

SHARED = 64
"""The fewest tokens that are worth sharing between prompts: each adds a product per layer."""


class Flight:
    """Up to `capacity` samples of up to `longest` tokens each, on one device.

    `beginning`: the tokens that every prompt begins with, read before, if they are to be shared.

    Attributes:
        samples: [samples], the caller's number of each sample in flight. follows: [samples], the
        row that each follows. table: [5, capacity], one column per row: its last token, that
        token's position, its number of tokens, the most it may have, and 1 while it may still end
        its thoughts.
    """

    def __init__(
        self,
        forward: Forward,
        capacity: int,
        longest: int,
        arena: Arena,
        device: torch.device,
        beginning: Prompts | None = None,
    ) -> None:
        self._forward, self._beginning = forward, beginning
        self._cache = KVCache(capacity, longest, arena, beginning)
        self.samples = torch.zeros(0, dtype=torch.long, device=device)
        self.follows = torch.zeros(0, dtype=torch.long, device=device)
        self.table = torch.zeros(5, capacity, dtype=torch.long, device=device)

    @property
    def rows(self) -> int:
        """The number of rows in flight."""
        return self._cache.rows

    @property
    def lengths(self) -> Tensor:
        """[samples], the number of tokens that each has."""
        return self.table[2, self.follows]

    def enter(
        self,
        encoded: list[list[int]],
        room: Sequence[int],
        samples: Sequence[Tensor],
        *,
        thinking: bool = False,
    ) -> Tensor:
        """Read prompts, each of which begins as one row that its `samples` follow.

        `encoded`: their tokens after the beginning. `room`: the most tokens of each prompt's
        samples.

        Returns:
            The logits after each prompt, [prompts, vocabulary].
        """
        device = self.table.device
        shared, logits = read(self._forward, device, encoded, self._beginning)
        first = self._cache.rows
        counts = torch.tensor([len(numbers) for numbers in samples])
        follows = torch.repeat_interleave(counts) + first
        self.samples = torch.cat((self.samples, torch.cat(list(samples)).to(device)))
        self.follows = torch.cat((self.follows, follows.to(device)))
        self._cache.enter(shared, self.follows.bincount().cpu())
        new = self.table[:, first : self._cache.rows]
        before = 0 if self._beginning is None else self._beginning.longest
        new[1] = torch.tensor([before + len(ids) - 1 for ids in encoded])
        new[2] = 0
        new[3] = torch.tensor(room)
        new[4] = int(thinking)
        return logits

    def forward(self) -> Tensor:
        """Read the last token of every row; return the logits after it, [rows, vocabulary]."""
        cache = self._cache
        cache.prepare()
        last, position = self.table[:2, : cache.rows]
        logits = self._forward(last[:, None], position[:, None], cache)[:, -1]
        cache.advance()
        return logits

    def part(self, on: Tensor, token: Tensor, *, row: int, sample: int) -> None:
        """Turn each row from `row` on into one row per different token that its samples drew.

        Args:
            on: the indices, among the samples from number `sample` on, of those that continue.
            token: the new token of each sample that continues.
        """
        rows = self._cache.rows
        self.table[1:3, row:rows] += 1
        follows = self.follows[sample:][on]
        self.samples = torch.cat((self.samples[:sample], self.samples[sample:][on]))
        distinct, which = (follows << 32 | token).unique(return_inverse=True)
        others = torch.arange(row, device=token.device)  # rows outside the part stay as they are
        former = torch.cat((others, distinct >> 32))  # of each new row, in rising order
        order = self._cache.change(former.bincount(minlength=rows).cpu()).to(token.device)
        self.table[:, : len(order)] = self.table[:, order]
        place = order.argsort(stable=True)
        self.table[0, place[row:]] = distinct & 0xFFFFFFFF
        self.follows = torch.cat((self.follows[:sample], place[row + which]))


def read_beginning(
    forward: Forward, device: torch.device, encoded: list[list[int]], room: int
) -> Prompts | None:
    """Read the tokens that all prompts begin with; None: too few to share, or too many for a
    layer's window.

    `room`: the most tokens of a sample. The last token of each prompt is never shared.
    """
    if len(encoded) < 2:
        return None
    first, last = min(encoded), max(encoded)
    most = min(map(len, encoded)) - 1
    common = first_difference(first[:most], last[:most])
    if common < SHARED:
        return None
    beginning, _ = read(forward, device, [first[:common]])
    whole = max(map(len, encoded)) + room
    fits = beginning.window is None or whole <= beginning.window
    return beginning if fits else None


def read(
    forward: Forward,
    device: torch.device,
    encoded: list[list[int]],
    beginning: Prompts | None = None,
) -> tuple[Prompts, Tensor]:
    """Read prompts in one batch, after the beginning that they share; return their keys and values,
    and the logits after each, [P, vocabulary].
    """
    lengths = torch.tensor([len(ids) for ids in encoded], device=device)
    longest = max(1, *map(len, encoded))  # an empty batch reads as one token of padding
    ids, positions = left_padded(encoded, longest)
    if beginning is not None:
        positions += beginning.longest
    shared = Prompts(lengths, longest, beginning)
    return shared, forward(ids.to(device), positions.to(device), shared)[:, -1]


def left_padded(rows: list[list[int]], longest: int) -> tuple[Tensor, Tensor]:
    """Return token ids and positions, both [len(rows), longest], padded on the left."""
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    for row, tokens in zip(ids, rows, strict=True):
        row[longest - len(tokens) :] = torch.tensor(tokens)
    lengths = torch.tensor([len(tokens) for tokens in rows])
    positions = (torch.arange(longest) - (longest - lengths)[:, None]).clamp(min=0)
    return ids, positions
