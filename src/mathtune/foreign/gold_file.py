"""Golds in a file of problems, joined to samples by id or by question: `--problems`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mathtune.data.files import names
from mathtune.data.files.formats import rows
from mathtune.data.files.gold_field import gold_of_problems
from mathtune.data.files.head import Head
from mathtune.data.files.paths import MISSING, reach
from mathtune.data.files.sources import sources
from mathtune.data.files.texts import NoTextError, golds, question_of
from mathtune.errors import InputError
from mathtune.foreign.keys import identity

_SAMPLE_NUMBER = re.compile(
    r"(.+?)[-_#:./ ]+(?:s|n|k|sample|rollout|attempt|completion|run|gen)?\d+"
)


class Entry(NamedTuple):
    """A problem of the file."""

    golds: tuple[str, ...]
    question: str
    level: str | None
    subject: str | None


@dataclass(frozen=True)
class Join:
    """How samples find their problem: the value at `path` is a key of `found`."""

    path: str
    shown: str
    found: dict[str, Entry]
    file: str
    by_question: bool = False
    stripped: bool = False

    def entry(self, row: dict[str, Any]) -> Entry | None:
        """Return the problem of a sample's row."""
        return self.found.get(self.key(row))

    def key(self, row: dict[str, Any]) -> str:
        """Return the key of a row's problem; empty: the row has no such field."""
        key = _key(row, self.path, by_question=self.by_question) or ""
        return _stripped(key) if self.stripped else key

    def problem(self, row: dict[str, Any]) -> str:
        """Return what identifies a row's problem: its question, else its id."""
        entry = self.entry(row)
        return (entry.question if entry is not None else "") or self.key(row)


class GoldFile:
    """The problems of a file by each of its ids, and by question.

    Raises:
        InputError: the file has no problem with a gold, or two fields may be the gold.
    """

    def __init__(self, path: str | Path) -> None:
        (source,) = sources([path])
        self.name = source.name
        found = [row.fields for row in rows(source) if row.fields is not None]
        if not found:
            raise InputError(f"{self.name}: no row can be used; expected problems with golds.")
        head = Head(self.name, found[:1_000])
        self.gold = gold_of_problems(head)
        self._by: dict[str, dict[str, Entry]] = {}
        ids = [one for one in head.paths if names.leaf(one) in names.IDS]
        questions = [one for one in head.paths if names.leaf(one) in names.QUESTIONS]
        labels = label_paths(head.paths)
        for row in found:
            self._add(row, ids, questions, labels)
        if not any(self._by.values()):
            raise InputError(f"{self.name}: no problem has a gold in '{self.gold}'.")

    def _add(
        self,
        row: dict[str, Any],
        ids: Sequence[str],
        questions: Sequence[str],
        labels: tuple[Sequence[str], Sequence[str]],
    ) -> None:
        try:
            accepted = golds(reach(row, self.gold))
        except NoTextError:
            return
        asked = [text for path in questions if (text := question_of(reach(row, path)))]
        levels, subjects = labels
        entry = Entry(accepted, asked[0] if asked else "", label(row, levels), label(row, subjects))
        for path in ids:
            value = reach(row, path)
            if value is not MISSING and value is not None:
                self._by.setdefault(path, {}).setdefault(identity(value), entry)
        for text in asked:
            self._by.setdefault("question", {}).setdefault(text.strip(), entry)

    def join(self, head: Head, ids: Sequence[str], questions: Sequence[str], given: bool) -> Join:
        """Return the way in which the most samples of `head` find their golds.

        Raises:
            InputError: no way finds a single gold.
        """
        ways: list[tuple[int, Join]] = []
        for by, found in self._by.items():
            paths = questions if by == "question" else ids
            for path in paths:
                for stripped in (False, True) if by != "question" else (False,):
                    shown = f"{self.gold} of {self.name}, where {by} = {path}"
                    way = Join(path, shown, found, self.name, by == "question", stripped)
                    hits = sum(way.entry(row) is not None for row in head.rows)
                    ways.append((hits, way))
        hits, best = max(ways, key=lambda pair: pair[0], default=(0, None))
        if best is None or not hits:
            theirs = next((key for found in self._by.values() for key in found), "(none)")
            ours = next((identity(reach(head.rows[0], path)) for path in ids), "(none)")
            option = "" if given else "; name the field of its id with --fields problem=NAME"
            raise InputError(
                f"{self.name}: has the gold of no sample of {head.name}: its first problem is "
                f"{theirs[:60]!r}, the first sample's {ours[:60]!r}{option}."
            )
        return best


def _key(row: dict[str, Any], path: str, *, by_question: bool) -> str | None:
    value = reach(row, path)
    if value is MISSING or value is None:
        return None
    return question_of(value).strip() if by_question else identity(value)


def _stripped(key: str) -> str:
    """Return an id without its sample's number: `q0-s1` belongs to problem `q0`."""
    match = _SAMPLE_NUMBER.fullmatch(key)
    return match.group(1) if match else key


LONGEST_LABEL = 60
"""The number of characters of a level or subject that are kept."""


def label_paths(paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the paths of levels and of subjects, the likeliest names first."""
    found = list(paths)

    def of(known: tuple[str, ...]) -> list[str]:
        return sorted(
            (p for p in found if names.leaf(p) in known and "*" not in p),
            key=lambda p: (p.count("."), known.index(names.leaf(p))),
        )

    return of(names.LEVELS), of(names.SUBJECTS)


def label(row: dict[str, Any], paths: Sequence[str]) -> str | None:
    """Return a level or a subject: a short text or a number; None for anything else."""
    for path in paths:
        value = reach(row, path)
        if isinstance(value, str | int) and not isinstance(value, bool):
            return str(value)[:LONGEST_LABEL] or None
    return None
