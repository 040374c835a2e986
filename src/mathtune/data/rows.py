"""One row of any data set -> a Problem; JSON Lines files, folders of them. Before the splits."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mathtune.data import local
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Problem

FIELDS = ("id", "problem", "answer", "solution", "level", "subject")

SPLIT_NAMES = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
"""The names that other data sets give to our three splits."""


@dataclass(frozen=True)
class Row:
    """The values of one row, and its place in words ("a.jsonl, line 3")."""

    where: str
    values: Mapping[str, Any]


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a JSON Lines file as they are, whatever their fields.

    Raises:
        InputError: the file is missing, empty, a Git-LFS pointer, or a line is no JSON object.
    """
    local.refuse_pointer(path)
    decoder = msgspec.json.Decoder(dict[str, Any])
    empty = True
    for number, line in jsonl.lines(path):
        empty = False
        where = f"{path}, line {number}"
        try:
            yield Row(where, decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{where}: {error}; expected a JSON object.") from None
    if empty:
        raise InputError(f"{path}: the file has no rows; expected one problem a line.")


def read_folder(folder: Path) -> dict[str, Path]:
    """The JSON Lines files of a folder by the name of their split: train.jsonl is "train"."""
    files = sorted((*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")))
    return {file.name.split(".")[0]: file for file in files}


def to_problems(rows: Iterable[Row], *, fields: Mapping[str, str]) -> list[Problem]:
    """Make problems of rows. `fields` names a row's fields where they differ from ours.

    A row without an answer takes the one its solution marks. A row without an id gets one made of
    its problem's text, so that it does not change when other rows come or go.

    Raises:
        InputError: an unknown field in `fields`, a row without problem or answer, or an id that
            stands twice; names both rows.

    Example:
        >>> row = Row("a.jsonl, line 1", {"id": 7, "question": "1 + 1?", "answer": 2})
        >>> (problem,) = to_problems([row], fields={"problem": "question"})
        >>> problem.id, problem.problem, problem.answer
        ('7', '1 + 1?', '2')
    """
    for name in fields:
        if name not in FIELDS:
            raise InputError(f"fields.{name}: no such field; fields are {', '.join(FIELDS)}.")
    names = {name: fields.get(name, name) for name in FIELDS}
    problems: list[Problem] = []
    first: dict[str, str] = {}
    repeats: dict[str, int] = {}
    for row in rows:
        problem = _problem(row, names)
        if not problem.id:
            stable = stable_id(problem.problem)
            repeats[stable] = repeats[stable] + 1 if stable in repeats else 1
            suffix = f"-{repeats[stable]}" if repeats[stable] > 1 else ""
            problem = msgspec.structs.replace(problem, id=stable + suffix)
        elif problem.id in first:
            raise InputError(
                f"{row.where}, field '{names['id']}': {problem.id!r} stands twice, first in "
                f"{first[problem.id]}; expected every id once."
            )
        first[problem.id] = row.where
        problems.append(problem)
    return problems


def normalized(text: str) -> str:
    """The text by which two problems are the same: Unicode form, case and spaces do not count.

    Example:
        >>> normalized("What  is\\n1 + 1?") == normalized("what is 1 + 1?")
        True
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def stable_id(problem: str) -> str:
    """An id made of the problem's normalised text."""
    return hashlib.sha256(normalized(problem).encode()).hexdigest()[:12]


def required(row: Row, name: str) -> str:
    """The row's text in field `name`.

    Raises:
        InputError: it is missing, empty or no text.
    """
    text = _text(row, name)
    if text is None or not text.strip():
        found = ", ".join(repr(name) for name in row.values)
        raise InputError(
            f"{row.where}, field '{name}': missing or empty; the row has {found}; expected a text."
        )
    return text


def _problem(row: Row, names: Mapping[str, str]) -> Problem:
    problem = _text(row, names["problem"])
    if problem is None or not problem.strip():
        found = ", ".join(repr(name) for name in row.values)
        raise InputError(
            f"{row.where}, field '{names['problem']}': missing or empty; the row has {found}; "
            "expected the problem's text; fields.problem=NAME says where else it stands."
        )
    solution = _text(row, names["solution"])
    return Problem(
        id=(_text(row, names["id"]) or "").strip(),
        problem=problem,
        answer=_answer(row, names, solution),
        solution=solution,
        level=_text(row, names["level"]),
        subject=_text(row, names["subject"]),
    )


def _answer(row: Row, names: Mapping[str, str], solution: str | None) -> str:
    answer = (_text(row, names["answer"]) or "").strip()
    if answer:
        return answer
    from mathtune.answers import extract  # sympy behind it is slow to import

    found = extract(solution) if solution else None
    if found is None:
        raise InputError(
            f"{row.where}, field '{names['answer']}': missing or empty, and no solution marks an "
            "answer (\\boxed{...}, #### ...); expected the gold answer."
        )
    return found.text


def _text(row: Row, name: str) -> str | None:
    value = row.values.get(name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise InputError(
        f"{row.where}, field '{name}': found {type(value).__name__}; expected a string."
    )
