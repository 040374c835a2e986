"""The rows that are being sampled: their own keys and values, and the prompts they share. Used by
the engine.

Time is a column: every row writes its newest token into the same column of one preallocated buffer,
so a step is one contiguous write and a row that entered late has its earlier columns masked. Rows
enter in cohorts (problems whose prompts were read together); a row that ends gives its place to the
last one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mathtune.engines.attention import Prompts


@dataclass
class _Cohort:
    """Prompts read together, and where the rows that continue them stand."""

    prompts: Prompts
    bias: Tensor | None  # [P, 1, 1, L]: -inf at padding
    gather: Tensor  # [P * width]: the row in each cell of the grid prompts x width
    width: int  # the most rows that one prompt has


class Decoding:
    """A reader of one new token a row, for up to `capacity` rows of up to `longest` tokens.

    Attributes:
        rows: how many rows are in flight; they stand at places 0 .. rows - 1.
    """

    def __init__(self, capacity: int, longest: int) -> None:
        self.rows = 0
        # A column more than the longest row; half as many again, so that they seldom run out.
        self._shape = (capacity, longest + longest // 2 + 1)
        self._column = 0  # where the next step writes
        self._first = 0  # the earliest column that any row still needs
        self._starts = torch.zeros(capacity, dtype=torch.long)
        self._cohort_of = torch.zeros(capacity, dtype=torch.long)
        self._prompt_of = torch.zeros(capacity, dtype=torch.long)
        self._cohorts: list[_Cohort] = []
        self._moved = True  # whether rows entered or left since the last step
        self._buffers: list[Tensor] = []  # keys and values, each [layers, capacity, kv_heads, T, d]

    def enter(self, prompts: Prompts, counts: Tensor) -> None:
        """Let `counts[p]` rows in for each prompt p, at the places after the present rows."""
        if not self._buffers:
            self._buffers = [self._buffer(side) for side in (prompts.keys, prompts.values)]
        new = slice(self.rows, self.rows + int(counts.sum()))
        for buffer in self._buffers:
            # Masked columns still meet the row's query: they must hold numbers.
            buffer[:, new, :, self._first : self._column] = 0
        self._starts[new] = self._column
        self._cohort_of[new] = len(self._cohorts)
        self._prompt_of[new] = torch.repeat_interleave(counts)
        bias = None
        if prompts.padded:
            bias = torch.zeros(prompts.real.shape, device=prompts.real.device)
            bias = bias.masked_fill(~prompts.real, -torch.inf)[:, None, None]
        self._cohorts.append(_Cohort(prompts, bias, torch.empty(0), 0))
        self.rows = new.stop
        self._moved = True

    def leave(self, ended: Tensor) -> tuple[Tensor, Tensor]:
        """Take out the rows at the places `ended` [rows] (bool, on the CPU); the last rows fill the
        holes.

        Returns:
            (moved, holes): who moved, and where to; for the caller's own tables.
        """
        left = self.rows - int(ended.sum())
        holes = ended[:left].nonzero()[:, 0]
        moved = (~ended[left:]).nonzero()[:, 0] + left
        for table in (self._starts, self._cohort_of, self._prompt_of):
            table[holes] = table[moved]
        self.rows = left
        self._first = int(self._starts[:left].min()) if left else self._column
        self._moved = True
        for buffer in self._buffers:
            window = buffer[:, :, :, self._first : self._column]
            window[:, holes] = window[:, moved]
        return moved, holes

    def prepare(self) -> None:
        """Get ready for a step: room for its column, masks, and who continues which prompt."""
        if self._column == self._buffers[0].shape[3]:
            self._make_room()
        device = self._buffers[0].device
        starts = self._starts[: self.rows]
        self._bias = None
        if int(starts.max()) > self._first:
            columns = torch.arange(self._first, self._column + 1)
            early = (columns < starts[:, None]).to(device)
            self._bias = torch.zeros(early.shape, device=device).masked_fill(early, -torch.inf)
            self._bias = self._bias[:, None, None]
        if self._moved:
            self._cell_of = self._arrange().to(device)
            self._moved = False

    def advance(self) -> None:
        """The step is over: the next one writes into the next column."""
        self._column += 1

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Attention of each row's new token to its prompt, its earlier tokens and itself."""
        heads, kv_heads, d = query.shape[1], key.shape[1], query.shape[3]
        query = (query if scale == 1 else query * scale).reshape(self.rows, kv_heads, -1, d)
        keys, values = (buffer[layer, : self.rows] for buffer in self._buffers)
        keys[:, :, self._column] = key[:, :, 0]
        values[:, :, self._column] = value[:, :, 0]
        window = slice(self._first, self._column + 1)
        own, own_mass = _part(query, keys[:, :, window], values[:, :, window], self._bias)
        parts = [self._attend_prompts(cohort, layer, query) for cohort in self._cohorts]
        shared, mass = parts[0] if len(parts) == 1 else map(torch.cat, zip(*parts, strict=True))
        shared, mass = shared.index_select(0, self._cell_of), mass.index_select(0, self._cell_of)
        mixed = torch.lerp(shared, own, own_mass.sub_(mass).sigmoid_().to(own.dtype))
        return mixed.view(self.rows, 1, heads, -1)

    @staticmethod
    def _attend_prompts(cohort: _Cohort, layer: int, query: Tensor) -> tuple[Tensor, Tensor]:
        """Each prompt's product with all its rows at once; cells [P * width, kv_heads, G, ...]."""
        _, kv_heads, group, d = query.shape
        keys, values = cohort.prompts.keys[layer], cohort.prompts.values[layer]
        grid = query.index_select(0, cohort.gather).view(-1, cohort.width, kv_heads, group, d)
        flat = grid.transpose(1, 2).reshape(len(keys), kv_heads, cohort.width * group, d)

        def cells(side: Tensor) -> Tensor:
            side = side.view(len(keys), kv_heads, cohort.width, group, -1).transpose(1, 2)
            return side.flatten(0, 1)

        out, mass = _part(flat, keys, values, cohort.bias)
        return cells(out), cells(mass)

    def _arrange(self) -> Tensor:
        """Lay every cohort's rows out in a grid prompts x width; [rows], the cell of each row."""
        cell_of = torch.empty(self.rows, dtype=torch.long)
        offset = 0
        kept: list[_Cohort] = []
        for number, cohort in enumerate(self._cohorts):
            places = (self._cohort_of[: self.rows] == number).nonzero()[:, 0]
            if not len(places):
                continue
            counts = torch.bincount(self._prompt_of[places], minlength=len(cohort.prompts.real))
            if int((counts > 0).sum()) * 2 <= len(counts):
                counts = self._forget(cohort, places, counts)
            order = torch.argsort(self._prompt_of[places], stable=True)
            places = places[order]
            prompt = self._prompt_of[places]
            rank = torch.arange(len(places)) - (counts.cumsum(0) - counts)[prompt]
            width = int(counts.max())
            cell = prompt * width + rank
            gather = torch.zeros(len(counts) * width, dtype=torch.long)
            gather[cell] = places
            cell_of[places] = cell + offset
            offset += len(gather)
            cohort.gather, cohort.width = gather.to(self._buffers[0].device), width
            self._cohort_of[places] = len(kept)
            kept.append(cohort)
        self._cohorts = kept
        return cell_of

    def _forget(self, cohort: _Cohort, places: Tensor, counts: Tensor) -> Tensor:
        """Drop the prompts whose rows have all ended; the counts of those that stay."""
        kept = (counts > 0).nonzero()[:, 0]
        cohort.prompts.select(kept.to(self._buffers[0].device))
        if cohort.bias is not None:
            cohort.bias = cohort.bias[kept.to(cohort.bias.device)]
        self._prompt_of[places] = torch.searchsorted(kept, self._prompt_of[places])
        return counts[kept]

    def _buffer(self, side: list[Tensor]) -> Tensor:
        _, kv_heads, _, d = side[0].shape
        capacity, columns = self._shape
        # On a CPU, memory that is never written is never taken.
        return side[0].new_empty(len(side), capacity, kv_heads, columns, d)

    def _make_room(self) -> None:
        """Move the columns that are still needed to the front."""
        used = self._column - self._first
        for buffer in self._buffers:
            rows = buffer[:, : self.rows]
            rows[:, :, :, :used] = rows[:, :, :, self._first : self._column].clone()
        self._starts -= self._first
        self._column, self._first = used, 0


def _part(
    query: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Softmax attention over some of the keys, and the log of the sum that its softmax divided by.

    Two parts over different keys are joined as lerp(a, b, sigmoid(mass_b - mass_a)).

    Args:
        query: [..., M, d], scaled; keys and values: [..., N, d]; bias: broadcastable to [..., M,
        N].
    """
    scores = (query @ keys.mT).float()
    if bias is not None:
        scores += bias
    top = scores.amax(-1, keepdim=True)
    weights = scores.sub_(top).exp_()
    total = weights.sum(-1, keepdim=True)
    mixed = (weights.to(values.dtype) @ values).div_(total.to(values.dtype))
    return mixed, top.add_(total.log_())
