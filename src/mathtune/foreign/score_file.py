"""Scores in a file of their own, joined to the samples: `--score FILE[:FIELD]`. Under `read`.

A row has the score of a sample, or a list with one for each sample of a problem. It finds its
sample by the text, else by id (or question) and the sample's number, else by id in the order of
the rows: the first of these ways that serves half of the samples. Only a file without ids, texts
and numbers is read row by row.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from math import isnan, nan
from pathlib import Path
from typing import Any, NamedTuple

from mathtune.data.files import names
from mathtune.data.files.formats import rows
from mathtune.data.files.head import Head, refuse_missing
from mathtune.data.files.paths import MISSING, reach, unpacked
from mathtune.data.files.question_field import asked
from mathtune.data.files.sources import SUFFIXES, Source, sources
from mathtune.data.files.texts import NoTextError, finite, solutions
from mathtune.errors import InputError, many
from mathtune.foreign.filters import Filters
from mathtune.foreign.keys import identity
from mathtune.foreign.roles import Roles

LEAST = 0.5
"""The part of the samples that must find a score."""
_SCORES = re.compile(r"(?:\w+_)?(?:scores?|rewards?|logits?)")
_NUMBERS = re.compile(
    r"(?:\w+_)?(?:index|idx|no|num|number|i|k|n)|epoch|seed"
    r"|(?:sample|rollout|attempt|run|trial)(?:_id)?|(?:completion|response|generation)_id"
)
"""Fields that may number a problem's samples, from 0 or 1."""

Place = tuple[int, int]
"""The number of a file of samples, and a row's place in it."""
Rows = Iterable[tuple[Place, dict[str, Any], Sequence[str | None]]]
"""Place, fields and texts of rows of samples."""
_Keys = Sequence[Hashable]
"""What identifies each score or sample; None: unknown."""


class ScoreJoin(NamedTuple):
    """The scores of each row's samples, NaN for none; their source in words; the rest unused."""

    scores: Mapping[Place, list[float]]
    shown: str
    unused: int


class _Side:
    """The scores, or the samples, by what may identify them: fields and texts."""

    def __init__(self, paths: Sequence[str], numbers: Sequence[str]) -> None:
        self.keys: dict[str, list[int | None]] = {path: [] for path in paths}
        self.numbers: dict[str, list[float | None]] = {path: [] for path in numbers}
        self.texts: list[int | None] = []
        self.scores: list[float] = []

    def add(self, row: dict[str, Any], texts: Sequence[str | None]) -> None:
        """Take the items of a row."""
        for path, column in self.keys.items():
            value = reach(row, path)
            known = value is not MISSING and value is not None
            key = asked(row, [path]).strip() or (identity(value) if known else "")
            column += [hash(key) if key else None] * len(texts)
        for path, numbers in self.numbers.items():
            numbers += [finite(reach(row, path))] * len(texts)
        self.texts += [hash(text.strip()) if text else None for text in texts]


def score_file(score: str | None) -> ScoreFile | None:
    """Return the file that `--score FILE[:FIELD]` names; None: it names a field of the samples.

    Raises:
        InputError: there is no such file, or as `ScoreFile`.
    """
    for file, field in ((score, None), (score or "").rpartition(":")[::2]):
        if file and Path(file).is_file():
            return ScoreFile(Path(file), field)
        if file and file.endswith(SUFFIXES):
            raise InputError(f"--score {score}: no such file.")
    return None


def text_rows(files: Sequence[tuple[Source, Roles]], split: str | None) -> Rows:
    """Yield the rows of some files of samples that have texts."""
    for number, (source, roles) in enumerate(files):
        filters = Filters(roles.layout, roles.solution, Counter())
        for row in rows(source, split=split):
            if row.fields is not None and not filters.repeats(row.fields):
                value = reach(row.fields, roles.solution)
                with suppress(NoTextError):
                    texts = solutions(None if value is MISSING else value)
                    yield (number, row.place), row.fields, texts


class ScoreFile:
    """The rows of a file of scores. `field`: the path of the scores; None: found by name.

    Raises:
        InputError: no row can be used, or the field is missing or one of several.
    """

    def __init__(self, path: Path, field: str | None = None) -> None:
        (source,) = sources([path])
        self.name = source.name
        self._rows = [row.fields for row in rows(source) if row.fields is not None]
        if not self._rows:
            raise InputError(f"{self.name}: no row can be used; expected rows with scores.")
        self._head = Head(self.name, self._rows[:1_000])
        there = [(path, names.leaf(path)) for path in self._head.paths]
        self._ids = [path for path, leaf in there if leaf in (*names.IDS, *names.QUESTIONS)]
        numbers = [path for path, leaf in there if _NUMBERS.fullmatch(leaf)]
        self._numbers = tuple(dict.fromkeys([*numbers, *self._ids]))
        if field is not None and not self._head.has(field):
            refuse_missing(self._head, field, "--score")
        self.field = field or self._field()

    def _field(self) -> str:
        numeric = [
            path
            for path in self._head.paths
            if not all(isnan(_last(value)) for value in self._head.column(path))
        ]
        named = [path for path in numeric if _SCORES.fullmatch(names.leaf(path))]
        exact = [path for path in named if names.leaf(path) in names.SCORES]
        best = exact or named or [path for path in numeric if path not in self._numbers]
        if len(best) != 1:
            raise InputError(
                f"{self.name}: {'several fields' if best else 'no field'} may hold the scores, of "
                f"{', '.join(best or self._head.paths[:30])}; name one: --score {self.name}:FIELD."
            )
        return best[0]

    def join(self, samples: Rows, paths: Sequence[str]) -> ScoreJoin:
        """Return the samples' scores. `paths`: the ids and questions of their rows.

        Raises:
            InputError: fewer than half of the samples find one, or two fields give different ones.
        """
        ours = _Side(paths, self._numbers)
        places: list[tuple[Place, int]] = []
        for place, row, texts in samples:
            ours.add(row, texts)
            places.append((place, len(texts)))
        text = self._text_field(set(ours.texts))
        found = []
        for each in (False, True):
            side = self._side(text, each)
            for rank, shown, theirs, mine in self._ways(side, ours):
                scores = _joined(theirs, side.scores, mine)
                hits = sum(score is not None for score in scores)
                found.append((rank, -hits, shown, scores, len(set(theirs) - set(mine))))
        total = len(ours.texts)
        good = [one for one in found if -one[1] >= LEAST * total]
        if not good:
            most = -min((one[1] for one in found), default=0)
            raise InputError(
                f"{self.name}: its scores ('{self.field}') cannot be joined: {most:,} of "
                f"{many(total, 'sample', 'samples')} find one; expected rows with the sample's "
                "text, with its problem's id and its number, or as many scores per id as samples."
            )
        rank, hits, shown, scores, unused = min(good, key=lambda one: one[:2])
        for other in good:
            if other[:2] == (rank, hits) and other[3] != scores:
                raise InputError(
                    f"{self.name}: the samples find other scores {shown} than {other[2]}; "
                    "leave out the field that is not meant."
                )
        several = iter(scores)
        each_row = {
            place: [nan if score is None else score for score in islice(several, count)]
            for place, count in places
        }
        return ScoreJoin(each_row, f"{self.field} of {self.name}, {shown}", unused)

    def _text_field(self, known: set[Hashable]) -> str | None:
        """Return the field that holds most of the samples' texts."""
        found = {}
        for path in self._head.paths:
            texts = [text for row in self._head.texts(path) or [] for text in row if text]
            found[path] = sum(hash(text.strip()) in known for text in texts)
        best = max(found, key=lambda path: found[path])
        return best if found[best] else None

    def _side(self, text: str | None, each: bool) -> _Side:
        """Return the scores; `each`: a list has a score for each sample, else for each step."""
        side = _Side(self._ids, self._numbers)
        for row in self._rows:
            value = unpacked(reach(row, self.field))
            members = value if each and isinstance(value, list) else [value]
            try:
                texts = solutions(reach(row, text)) if text is not None else []
            except NoTextError:
                texts = []
            side.add(row, texts if len(texts) == len(members) else [None] * len(members))
            side.scores += map(_last, members)
        return side

    def _ways(self, side: _Side, ours: _Side) -> Iterator[tuple[int, str, _Keys, _Keys]]:
        """Yield the ways of joining: rank (lower is surer), words, both sides' keys."""
        pairs = [(a, b) for a in side.keys for b in ours.keys if names.leaf(a) == names.leaf(b)]
        for a, b in pairs or [(a, b) for a in side.keys for b in ours.keys]:
            same, theirs, mine = f"where {a} = {b}", side.keys[a], ours.keys[b]
            yield 0, f"{same}, by text", _both(theirs, side.texts), _both(mine, ours.texts)
            for path, column in side.numbers.items():
                numbers = [number for number in column if number is not None]
                keys = _both(theirs, column)
                if path == a or len(numbers) < len(keys) or len(set(keys)) < len(keys):
                    continue
                own = [number for number in ours.numbers[path] if number is not None]
                first = min(numbers)
                places = [number + first for number in _ordinals(mine)]
                if len(own) == len(mine):
                    yield 2, f"{same}, by {path}", keys, _both(mine, own)
                elif first in (0, 1) and max(numbers) <= max(places):
                    yield 2, f"{same}, by {path}", keys, _both(mine, places)
            sizes, scores = Counter(mine), Counter(theirs)
            fits = [
                [key if sizes[key] == scores[key] else None for key in each]
                for each in (theirs, mine)
            ]
            how = f"{same}, in the order of the rows" if max(sizes.values()) > 1 else same
            yield 3, how, _both(fits[0], _ordinals(theirs)), _both(fits[1], _ordinals(mine))
        # Without an id a text counts only if all its scores are equal.
        given: dict[int | None, set[float]] = {}
        for text, score in zip(side.texts, side.scores, strict=True):
            given.setdefault(text, set()).add(score)
        clear = [text if len(given[text]) == 1 else None for text in side.texts]
        yield 1, "by text", clear, ours.texts
        if not side.keys and not side.numbers and len(side.texts) == len(ours.texts):
            places = list(range(len(ours.texts)))
            yield 4, "row by row", places, places


def _last(value: Any) -> float:
    """Return a score; of several scores of a sample's steps, the last; NaN: there is none."""
    value = unpacked(value)
    while isinstance(value, list) and value:
        value = value[-1]
    number = finite(value)
    return nan if number is None else number


def _joined(theirs: _Keys, scores: Sequence[float], ours: _Keys) -> list[float | None]:
    """Return the score of each of our keys; None: there is none."""
    found: dict[Hashable, float] = {}
    for key, score in zip(theirs, scores, strict=True):
        found.setdefault(key, score)
    return [None if key is None else found.get(key) for key in ours]


def _both(one: Sequence[Hashable], two: Sequence[Hashable]) -> _Keys:
    return [None if None in pair else pair for pair in zip(one, two, strict=True)]


def _ordinals(keys: _Keys) -> list[int]:
    """Return how often each key was there before."""
    seen: Counter[Hashable] = Counter()
    found = []
    for key in keys:
        found.append(seen[key])
        seen[key] += 1
    return found
