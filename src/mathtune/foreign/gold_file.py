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
from mathtune.data.files.options import either, options
from mathtune.data.files.paths import MISSING, reach
from mathtune.data.files.question_field import asked, with_passage
from mathtune.data.files.sources import sources
from mathtune.data.files.texts import NoTextError, golds
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
        """Return the problem of a sample's row; one without golds if several have the key."""
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
        asking = [one for one in head.paths if names.leaf(one) in names.QUESTIONS]
        questions = [
            one for path in asking for one in (with_passage(path, head.rows, (self.gold,)), path)
        ]
        labels = label_paths(head.paths)
        self._options = head.options, head.first_option(self.gold)
        for row in found:
            self._add(row, ids, dict.fromkeys(questions), labels)
        if not any(self._by.values()):
            raise InputError(f"{self.name}: no problem has a gold in '{self.gold}'.")

    def _add(
        self,
        row: dict[str, Any],
        ids: Iterable[str],
        questions: Iterable[str],
        labels: tuple[Sequence[str], Sequence[str]],
    ) -> None:
        try:
            accepted = golds(reach(row, self.gold))
        except NoTextError:
            return
        offering, first = self._options
        if offering is not None:
            accepted = either(accepted, options(reach(row, offering)), first)
        levels, subjects = labels
        question = asked(row, questions)
        entry = Entry(accepted, question, label(row, levels), label(row, subjects))
        for path in ids:
            value = reach(row, path)
            if value is not MISSING and value is not None:
                self._enter(path, identity(value), entry)
        for path in questions:
            if text := asked(row, [path]):
                self._enter("question", text.strip(), entry)

    def _enter(self, by: str, key: str, entry: Entry) -> None:
        """Keep a problem under a key; one without golds stands for keys that have several."""
        known = self._by.setdefault(by, {}).setdefault(key, entry)
        if known.golds != entry.golds:
            self._by[by][key] = entry._replace(golds=())

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
                    entries = (way.entry(row) for row in head.rows)
                    hits = sum(bool(entry.golds) for entry in entries if entry is not None)
                    ways.append((hits, way))
        # A number of a row may be an id by chance; a question is none.
        hits, best = max(ways, key=lambda pair: (pair[0], pair[1].by_question), default=(0, None))
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
    if by_question:
        return asked(row, [path]).strip()
    value = reach(row, path)
    return None if value is MISSING or value is None else identity(value)


def _stripped(key: str) -> str:
    """Return an id without its sample's number: `q0-s1` belongs to problem `q0`."""
    match = _SAMPLE_NUMBER.fullmatch(key)
    return match.group(1) if match else key


LONGEST_LABEL = 60
"""The number of characters of a level or subject that are kept."""


def label_paths(paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the paths of levels and of subjects, the likeliest names first."""
    found = [path for path in paths if "*" not in path]
    return names.called(found, names.LEVELS), names.called(found, names.SUBJECTS)


def label(row: dict[str, Any], paths: Sequence[str]) -> str | None:
    """Return a level or a subject: a short text or a number; None for anything else."""
    for path in paths:
        value = reach(row, path)
        if isinstance(value, str | int) and not isinstance(value, bool):
            return str(value)[:LONGEST_LABEL] or None
    return None
