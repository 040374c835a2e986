"""The key-value cache of the rows that are being sampled: their own keys and values, and those of
the prompts they share. Used by the decode loop.

Rows enter in cohorts. The prompts of a cohort were read together, so its rows have equally many
tokens of their own, and its attention has no masked column. A prompt begins as one row, which all
its samples follow; when they draw different tokens, the row becomes several. A row that ends leaves
its slot to another row of its cohort. Slots that a cohort no longer needs are a gap, which is
closed when the next cohort enters.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from mathtune.engines.transformers.shared_attention import Prompts, Rule


class Arena:
    """Memory for keys and values, kept from one call of the engine to the next.

    New memory is slow: the system clears every page when it is first written.
    """

    def __init__(self) -> None:
        self._sides: list[Tensor] = []

    def take(self, like: Tensor, layers: int, rows: int, columns: int) -> list[Tensor]:
        """Return memory for keys and for values, [layers, rows, kv_heads, columns, d]; `like` is a
        layer's keys [P, kv_heads, L, d].
        """
        shape = (layers, rows, like.shape[1], columns, like.shape[3])
        size = torch.Size(shape).numel()
        if not self._sides or self._sides[0].numel() < size:
            self._sides = []  # freed before more is allocated
            self._sides = [like.new_empty(size) for _ in range(2)]
        return [side[:size].view(shape) for side in self._sides]


@dataclass
class _Cohort:
    """Prompts read together, and the rows that continue them: slots start .. start + rows - 1."""

    prompts: Prompts
    bias: Tensor | None  # [P, 1, 1, L]: -inf at padding
    start: int
    prompt_of: Tensor  # [rows]
    columns: int = 0  # the number of each row's own tokens
    moved: bool = True  # True if rows left since `arrange`
    # The heads of rows in a grid prompts x kv_heads x width: each cell's number, which is
    # row * kv_heads + head, and each number's cell.
    width: int = 0
    gather: Tensor = field(default_factory=lambda: torch.empty(0))
    cell_of: Tensor = field(default_factory=lambda: torch.empty(0))

    @property
    def rows(self) -> int:
        return len(self.prompt_of)

    def arrange(self, device: torch.device) -> None:
        """Lay the rows out again; first forget prompts if half of them have no rows left."""
        counts = torch.bincount(self.prompt_of, minlength=len(self.prompts.real))
        if int((counts > 0).sum()) * 2 <= len(counts):
            kept = (counts > 0).nonzero()[:, 0]
            self.prompts.select(kept.to(device))
            if self.bias is not None:
                self.bias = self.bias[kept.to(device)]
            self.prompt_of = torch.searchsorted(kept, self.prompt_of)
            counts = counts[kept]
        by_prompt = torch.argsort(self.prompt_of, stable=True)
        prompt = self.prompt_of[by_prompt]
        rank = torch.arange(len(by_prompt)) - (counts.cumsum(0) - counts)[prompt]
        self.width = int(counts.max())
        head = torch.arange(self.prompts.keys[0].shape[1])
        cell = (prompt[:, None] * len(head) + head) * self.width + rank[:, None]
        gather = torch.zeros(len(counts) * len(head) * self.width, dtype=torch.long)
        gather[cell] = by_prompt[:, None] * len(head) + head
        cell_of = torch.empty_like(cell)
        cell_of[by_prompt] = cell
        self.gather, self.cell_of = gather.to(device), cell_of.flatten().to(device)
        self.moved = False


class KVCache:
    """Reads one new token per row, for up to `capacity` rows of up to `longest` tokens.

    Rows are numbered cohort after cohort, without gaps. `beginning`: what all prompts continue.
    """

    def __init__(
        self, capacity: int, longest: int, arena: Arena, beginning: Prompts | None = None
    ) -> None:
        self._shape, self._beginning = (capacity, longest), beginning
        self._arena = arena
        self._cohorts: list[_Cohort] = []
        self._buffers: list[Tensor] = []  # keys and values, each [layers, capacity, kv_heads, T, d]

    @property
    def rows(self) -> int:
        """The number of rows in flight."""
        return sum(cohort.rows for cohort in self._cohorts)

    def enter(self, prompts: Prompts, following: Tensor) -> None:
        """Add one row per prompt, numbered after the present rows.

        `following` [rows, the new ones included]: the number of samples that follow each row, which
        is the most rows it can become.
        """
        if not self._buffers:
            capacity, longest = self._shape
            layer = prompts.keys[0]
            self._buffers = self._arena.take(layer, len(prompts.keys), capacity, longest)
        start = self._close_gaps(following)
        bias = None
        if prompts.padded:
            bias = torch.zeros(prompts.real.shape, device=prompts.real.device)
            bias = bias.masked_fill(~prompts.real, -torch.inf)[:, None, None]
        self._cohorts.append(_Cohort(prompts, bias, start, torch.arange(len(prompts.real))))

    def change(self, counts: Tensor) -> Tensor:
        """Turn each row into `counts[row]` rows ([rows], on the CPU); 0: the row leaves.

        Returns:
            [new rows], the former number of each row, for the caller's own tables.
        """
        order, offset = [], 0
        for cohort in self._cohorts:
            before, offset = offset, offset + cohort.rows
            order.append(self._change(cohort, counts[before:offset]) + before)
        self._cohorts = [cohort for cohort in self._cohorts if cohort.rows]
        return torch.cat(order)

    def _change(self, cohort: _Cohort, counts: Tensor) -> Tensor:
        """Change one cohort; return the former slot of each row.

        Few rows move: those that stay keep their slots if these still exist.
        """
        slots = torch.arange(len(counts))
        if bool((counts == 1).all()):
            return slots
        rows = int(counts.sum())
        stays = counts > 0
        kept = torch.zeros(rows, dtype=torch.bool)
        kept[: len(counts)] = stays[:rows]
        moved = slots[rows:][stays[rows:]]
        more = slots.repeat_interleave((counts - 1).clamp(min=0))
        targets, sources = (~kept).nonzero()[:, 0], torch.cat((moved, more))
        former = torch.arange(rows)
        former[targets] = sources
        for buffer in self._buffers:
            mine = buffer[:, cohort.start :, :, : cohort.columns]
            mine[:, targets] = mine[:, sources]
        cohort.prompt_of = cohort.prompt_of[former]
        cohort.moved = True
        return former

    def prepare(self) -> None:
        """Lay out the rows of each changed cohort for the next forward call."""
        for cohort in self._cohorts:
            if cohort.moved:
                cohort.arrange(self._buffers[0].device)

    def advance(self) -> None:
        """End the forward call: the next one writes into the next column."""
        for cohort in self._cohorts:
            cohort.columns += 1

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, rule: Rule) -> Tensor:
        """Attend from each row's new token to its prompt, its earlier tokens and itself."""
        heads, kv_heads, d = query.shape[1], key.shape[1], query.shape[3]
        query = query if rule.scale == 1 else query * rule.scale
        query = query.reshape(len(query), kv_heads, -1, d).contiguous()  # it is read twice
        parts, offset = [], 0
        for cohort in self._cohorts:
            rows = slice(offset, offset + cohort.rows)
            slots = slice(cohort.start, cohort.start + cohort.rows)
            keys, values = (buffer[layer, slots] for buffer in self._buffers)
            keys[:, :, cohort.columns] = key[rows, :, 0]
            values[:, :, cohort.columns] = value[rows, :, 0]
            # The newest token sees the last `window` tokens: of its own, and before them.
            many = cohort.columns + 1
            window = rule.window if rule.window is not None else many + cohort.prompts.longest
            seen = slice(max(0, many - window), many)
            sampled = _part(query[rows], keys[:, :, seen], values[:, :, seen], None, rule)
            if window > many:
                before = _attend_prompts(cohort, layer, query[rows], window - many, rule)
                if self._beginning is not None:
                    start = _attend_beginning(self._beginning, layer, query[rows], rule)
                    before = _joined(before, start), torch.logaddexp(before[1], start[1])
                parts.append(_joined(sampled, before))
            else:
                parts.append(sampled[0])
            offset = rows.stop
        mixed = parts[0] if len(parts) == 1 else torch.cat(parts)
        return mixed.reshape(offset, 1, heads, -1)

    def _close_gaps(self, following: Tensor) -> int:
        """Compact the cohorts, leaving room for their samples; return the first free row."""
        end = offset = 0
        for cohort in self._cohorts:
            if cohort.start > end:
                for layer in (layer for buffer in self._buffers for layer in buffer):
                    seen = layer[:, :, : cohort.columns]
                    rows = seen[cohort.start : cohort.start + cohort.rows]
                    # If source and target overlap, copy first.
                    rows = rows.clone() if end + cohort.rows > cohort.start else rows
                    seen[end : end + cohort.rows] = rows
                cohort.start = end
            before, offset = offset, offset + cohort.rows
            end += int(following[before:offset].sum())
        return end


def _attend_prompts(
    cohort: _Cohort, layer: int, query: Tensor, window: int, rule: Rule
) -> tuple[Tensor, Tensor]:
    """Attend from all rows of each prompt to the last `window` tokens of the prompt at once.

    Returns:
        The attention [rows, kv_heads, G, d], and its mass (see `_part`).
    """
    kv_heads, group, d = query.shape[1:]
    seen = slice(max(0, cohort.prompts.longest - window), None)
    keys, values = (
        side[layer][:, :, seen] for side in (cohort.prompts.keys, cohort.prompts.values)
    )
    bias = None if cohort.bias is None else cohort.bias[..., seen]
    grid = query.view(-1, group * d).index_select(0, cohort.gather)
    out, mass = _part(grid.view(len(keys), kv_heads, -1, d), keys, values, bias, rule)
    mixed, masses = (
        side.view(len(grid), -1).index_select(0, cohort.cell_of).view(*query.shape[:3], -1)
        for side in (out, mass)
    )
    return mixed, masses


def _attend_beginning(
    beginning: Prompts, layer: int, query: Tensor, rule: Rule
) -> tuple[Tensor, Tensor]:
    """Attend from all rows to the beginning at once; return what `_attend_prompts` does."""
    rows, kv_heads, group, d = query.shape
    grid = query.transpose(0, 1).reshape(1, kv_heads, rows * group, d)
    keys, values = beginning.keys[layer], beginning.values[layer]
    mixed, mass = (
        side[0].view(kv_heads, rows, group, -1).transpose(0, 1)
        for side in _part(grid, keys, values, None, rule)
    )
    return mixed, mass


def _joined(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Tensor:
    """Join the attention to two parts of the keys, each with its mass: the attention to both."""
    share = (one[1] - other[1]).sigmoid_()
    return torch.lerp(other[0], one[0], share.to(one[0].dtype))


def _part(
    query: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, rule: Rule
) -> tuple[Tensor, Tensor]:
    """Compute softmax attention over some of the keys, and its mass: the log of the softmax's
    denominator.

    Args:
        query: [..., M, d], scaled; keys and values: [..., N, d]; bias: broadcastable to [..., M,
        N].
    """
    scores = rule.capped((query @ keys.mT).float())
    if bias is not None:
        scores += bias
    top = scores.amax(-1, keepdim=True)
    weights = scores.sub_(top).exp_()
    total = weights.sum(-1, keepdim=True)
    mixed = (weights.to(values.dtype) @ values).div_(total.to(values.dtype))
    return mixed, top.add_(total.log_())
