"""Attention over rows of tokens that are concatenated to one line without padding and may continue
each other. Used by scoring.

A model's products with its weights treat all tokens alike, so the tokens of many rows can be one
row there. Only attention must know the tokens before a token: it gathers each row's keys from the
positions at which its tokens were read, in this call or in an earlier one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mathtune.engines.transformers.shared_attention import Rule, attended, hiding

KEYS = {"cpu": 2**12, "mps": 2**16, "cuda": 2**18}
"""The most keys gathered at once: a CPU is fastest if they stay in its caches."""
QUERIES = 32
"""The most queries of a run: every query of a run reads keys up to the last query's."""
SIMILAR = 1.5
"""Runs share a batch if the longest has less than this many times the queries of the shortest."""


class Line:
    """Rows of tokens to read, concatenated.

    Every token has a number. Numbers below `before` are tokens read earlier; the others belong to
    the line. A row's `path` is the list of its tokens' numbers, from its first token on.
    """

    def __init__(self, before: int) -> None:
        self.before = before
        self.tokens: list[int] = []
        self.paths: list[list[int]] = []
        self.added: list[int] = []
        """The number of tokens of each row that belong to the line."""

    def add(self, path: Sequence[int], tokens: Sequence[int]) -> list[int]:
        """Add a row that continues `path` by `tokens`; return the row's path."""
        start = self.before + len(self.tokens)
        self.tokens += tokens
        self.paths.append([*path, *range(start, start + len(tokens))])
        self.added.append(len(tokens))
        return self.paths[-1]


_Run = tuple[int, Sequence[int]]
"""Some of a row's tokens: the row's index, and their places in it."""


@dataclass(frozen=True)
class Kept:
    """Keys and values of tokens read before, [tokens, kv_heads, d], by layer."""

    keys: list[Tensor]
    values: list[Tensor]

    def between(self, start: int, stop: int) -> Kept:
        """Return the keys and values of the tokens from `start` to `stop`."""
        return Kept([k[start:stop] for k in self.keys], [v[start:stop] for v in self.values])


class Packed:
    """Reads a line whose rows continue `kept` tokens and each other. If `kept` is None, it keeps
    all that it reads.

    `wanted`: numbers of the tokens whose logits are wanted.

    Attributes:
        ids: [1, T], the line's tokens, wanted ones last.
        positions: [1, T], each token's place in its row. kept: the kept keys and values, by layer.
    """

    def __init__(
        self, line: Line, wanted: set[int], kept: Kept | None, device: torch.device
    ) -> None:
        self._continues = kept is not None
        self.kept = kept or Kept([], [])
        before, total = line.before, len(line.tokens)
        last = np.zeros(total, bool)
        last[np.fromiter(wanted, int) - before] = True
        order = last.argsort(kind="stable")
        at = np.arange(before + total)
        at[before + order] = np.arange(before, before + total)
        keys = at[_padded(line.paths)]
        every = [
            range(len(path) - added, len(path))
            for path, added in zip(line.paths, line.added, strict=True)
        ]
        some = [
            [place for place in places if path[place] in wanted]
            for path, places in zip(line.paths, every, strict=True)
        ]
        positions = np.array([place for places in every for place in places])
        self.ids = torch.from_numpy(np.array(line.tokens)[order])[None].to(device)
        self.positions = torch.from_numpy(positions[order])[None].to(device)
        self._plans = {
            many: _Plan(places, keys, before + total - many, device)
            for many, places in ((total, every), (len(wanted), some))
        }

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, rule: Rule) -> Tensor:
        """Attend causally within each row; query [1, heads, Q, d] -> [1, Q, heads, d].

        Q is T, or the number of wanted tokens.
        """
        query, key, value = (side[0].transpose(0, 1) for side in (query, key, value))
        if self._continues:
            key = torch.cat((self.kept.keys[layer], key))
            value = torch.cat((self.kept.values[layer], value))
        else:
            key, value = key.contiguous(), value.contiguous()
            self.kept.keys.append(key)
            self.kept.values.append(value)
        return self._plans[len(query)].attend(query, key, value, rule)[None]


class _Plan:
    """The queries that attend together, and the positions of their keys.

    `places`: the tokens of each row that are its queries. `keys` [rows, longest]: the position of
    each row's tokens; `first`: the position of the first query.
    """

    def __init__(
        self, places: Sequence[Sequence[int]], keys: np.ndarray, first: int, device: torch.device
    ) -> None:
        self._parts: list[_Part] = []
        cells, start = [], 0
        for runs in _similar(list(_runs(places)), KEYS[device.type]):
            asking = _padded([places for _, places in runs])
            row_keys = keys[[row for row, _ in runs], : asking.max() + 1]
            queries = np.take_along_axis(row_keys, asking, 1) - first
            real = np.arange(asking.shape[1]) < [[len(places)] for _, places in runs]
            cells.append((queries[real], start + np.flatnonzero(real)))
            start += real.size
            grids = (queries.clip(min=0), row_keys, asking)
            self._parts.append(_Part(*(torch.from_numpy(grid).to(device) for grid in grids)))
        queries, cell = (np.concatenate(found) for found in zip(*cells, strict=True))
        self._cell_of = torch.from_numpy(cell[queries.argsort()]).to(device)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, rule: Rule) -> Tensor:
        """Attend: query [Q, heads, d], key and value [tokens, kv_heads, d] -> [Q, heads, d]."""
        found = [part.attend(query, key, value, rule).flatten(0, 1) for part in self._parts]
        return torch.cat(found).index_select(0, self._cell_of)


class _Part:
    """Runs that attend together: [R, S] queries, [R, N] keys, padded on the right.

    `places` [R, S]: each query's place in its row; key n has place n. The padding of a run's
    keys comes after all its queries; the padding of its queries sees the row's first key.
    """

    def __init__(self, queries: Tensor, keys: Tensor, places: Tensor) -> None:
        self._queries, self._keys = queries.flatten(), keys.flatten()
        self._places = places[:, :, None]
        self._columns = torch.arange(keys.shape[1], device=keys.device)
        self._biases: dict[int | None, Tensor] = {}

    def attend(self, query: Tensor, key: Tensor, value: Tensor, rule: Rule) -> Tensor:
        """Attend as the plan does, for one part; return [R, S, heads, d]."""
        rows, many = self._places.shape[:2]
        heads, (kv_heads, d) = query.shape[1], key.shape[1:]
        group = heads // kv_heads
        bias = self._bias(rule.window, group, query.dtype)
        # Heads that share a key head become further queries of it: no key is replicated.
        query = query.index_select(0, self._queries).view(rows, many, kv_heads, -1, d)
        query = query.permute(0, 2, 3, 1, 4).reshape(rows, kv_heads, group * many, d)
        key, value = (
            side.index_select(0, self._keys).unflatten(0, (rows, -1)).transpose(1, 2)
            for side in (key, value)
        )
        out = attended(query, key, value, bias, rule)
        return out.reshape(rows, heads, many, d).transpose(1, 2)

    def _bias(self, window: int | None, group: int, dtype: torch.dtype) -> Tensor:
        """Return the bias [R, 1, group * S, N], computed once for all layers with equal windows."""
        if window not in self._biases:
            hidden = self._places < self._columns
            if window is not None:
                hidden |= self._columns <= self._places - window
            self._biases[window] = hiding(hidden, group, dtype)
        return self._biases[window]


def _runs(queries: Sequence[Sequence[int]]) -> Iterator[_Run]:
    """Cut each row's queries into runs of at most QUERIES."""
    for row, places in enumerate(queries):
        count, total = -(-len(places) // QUERIES), len(places)
        for run in range(count):
            yield row, places[run * total // count : (run + 1) * total // count]


def _similar(runs: list[_Run], most: int) -> Iterator[list[_Run]]:
    """Group runs of similar numbers of queries, then of keys, up to `most` keys or one run."""
    part: list[_Run] = []
    for row, places in sorted(runs, key=lambda run: (-_size(run), -run[1][-1])):
        keys = part[0][1][-1] + 1 if part else 0
        if part and (_size(part[0]) != _size((row, places)) or keys * (len(part) + 1) > most):
            yield part
            part = []
        part.append((row, places))
    yield part


def _size(run: _Run) -> int:
    """Return the class of a run's number of queries: the logarithm to the base `SIMILAR`."""
    return int(math.log(len(run[1]), SIMILAR))


def _padded(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Stack rows of numbers, padded with zeros on the right."""
    padded = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for line, row in zip(padded, rows, strict=True):
        line[: len(row)] = row
    return padded
