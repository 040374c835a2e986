"""Decide what identifies a file's problems: an id, the question's text, or nothing. Over `roles`.

An id may be unique per sample, may count the samples of a problem, or may start again in every
file; a question may occur twice in a data set. So both are considered, over all rows:

- an id names a problem if its rows agree in question and gold, in every file;
- an id that starts again in every file names a problem together with the file;
- if most questions have several ids and a row holds one sample, the ids belong to samples and the
  question counts.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mathtune.data.files.paths import MISSING, reach
from mathtune.data.files.question_field import asked
from mathtune.foreign.labels import crossed
from mathtune.foreign.roles import Roles

Digests = NDArray[np.int64]

SAMPLE_IDS = 1.5
"""From this many ids per question on, ids belong to samples; below, some questions repeat."""
_NONE = 0
_NAMES = 1_000


@dataclass(frozen=True)
class Key:
    """What identifies problems: the value at `path`, together with the file if `per_file`.

    joined: the problem that the file of golds has for the row (`path` is its name).
    """

    kind: Literal["id", "question", "joined", "row"]
    path: str = ""
    per_file: bool = False

    @property
    def shown(self) -> str:
        """The key as it is printed."""
        if self.kind == "row":
            return "each row"
        if self.kind == "joined":
            return f"the problem of {self.path}"
        return f"file and {self.path}" if self.per_file else self.path

    def of(self, row: dict[str, Any], file: str, place: int) -> str:
        """Return a row's problem."""
        found = ""
        if self.kind == "question":
            found = asked(row, [self.path])
        elif self.kind != "row":
            value = reach(row, self.path)
            found = "" if value is MISSING or value is None else identity(value)
        found = found or f"line {place}"
        return f"{file}: {found}" if self.per_file else found


def identity(value: Any) -> str:
    """Return an id as text; a whole number has no fraction, since tables write 7 as 7.0.

    >>> identity("7"), identity(7), identity(7.0), identity([7, "a"])
    ('7', '7', '7', '[7, "a"]')
    """
    if isinstance(value, float | Decimal) and -1e15 < value < 1e15 and value == int(value):
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value, default=str)


class Looks:
    """The digests kept of every row while the file is examined; no texts."""

    def __init__(self, roles: Sequence[Roles]) -> None:
        first, *rest = roles
        self.ids = [path for path in first.ids if all(path in one.ids for one in rest)]
        self.questions = [p for p in first.questions if all(p in one.questions for one in rest)]
        self._files, self._golds = array("q"), array("q")
        self._ids = {path: array("q") for path in self.ids}
        self._questions = {path: array("q") for path in self.questions[:3]}
        self._runs = {path: array("q") for path in first.runs}
        self._names: dict[int, str] = {}
        self.samples = 0

    def add(self, row: dict[str, Any], file: int, gold: object, samples: int) -> None:
        """Examine a row."""
        self._files.append(file)
        self._golds.append(hash(gold))
        for path, column in self._ids.items():
            value = reach(row, path)
            column.append(_NONE if value is MISSING or value is None else hash(identity(value)))
        for path, column in self._questions.items():
            text = asked(row, [path])
            column.append(hash(text) if text else _NONE)
        for path, column in self._runs.items():
            value = reach(row, path)
            column.append(hash(value) if isinstance(value, str) else _NONE)
            if isinstance(value, str) and len(self._names) < _NAMES:
                self._names[hash(value)] = value
        self.samples += samples

    def runs(self, key: Key) -> tuple[str, list[str]] | None:
        """Return a field that splits the samples of every problem alike, and its values."""
        known = {**self._ids, **self._questions}
        if key.path not in known or key.kind not in ("id", "question"):
            return None
        problems = _column(known[key.path])
        if key.per_file:
            problems = problems * np.int64(1_000_003) + _column(self._files)
        columns = [_column(values) for values in self._runs.values()]
        place = crossed(problems, columns)
        if place is None:
            return None
        values = [self._names.get(int(one), "") for one in np.unique(columns[place])]
        return list(self._runs)[place], sorted(values)

    def __len__(self) -> int:
        return len(self._files)

    def decide(self) -> tuple[Key, int]:
        """Return the key, and the number of problems it finds in the examined rows."""
        files, golds = _column(self._files), _column(self._golds)
        question = self._question(golds)
        texts = None if question is None else _column(self._questions[question])
        many_files = len(np.unique(files)) > 1
        found: list[tuple[Key, int]] = []
        for path, raw in self._ids.items():
            column = _column(raw)
            if 20 * np.count_nonzero(column == _NONE) > len(column):
                continue
            for per_file in (False, True) if many_files else (False,):
                ids = column * np.int64(1_000_003) + files if per_file else column
                if _agree(ids, golds) and (texts is None or _agree(ids, texts)):
                    found.append((Key("id", path, per_file), _distinct(ids)))
                    break
        best = min(found, key=lambda pair: pair[1], default=None)
        if question is None or texts is None:
            return best or (Key("row"), len(files))
        by_text = Key("question", question), _distinct(texts)
        one_each = self.samples <= len(self)
        if best is None or (one_each and best[1] >= SAMPLE_IDS * by_text[1]):
            return by_text
        return best

    def _question(self, golds: Digests) -> str | None:
        """Return the first question field of nearly all rows, preferably with one gold each."""
        there = []
        for path, raw in self._questions.items():
            column = _column(raw)
            if 20 * np.count_nonzero(column == _NONE) <= len(column):
                there.append(path)
        agreeing = (path for path in there if _agree(_column(self._questions[path]), golds))
        return next(agreeing, there[0] if there else None)


def _column(values: array[int]) -> Digests:
    return np.array(values, dtype=np.int64)


def _distinct(column: Digests) -> int:
    return len(np.unique(column))


def _agree(keys: Digests, values: Digests) -> bool:
    """Return whether rows of equal keys have equal values."""
    _, first, number = np.unique(keys, return_index=True, return_inverse=True)
    return bool((values == values[first][number]).all())
