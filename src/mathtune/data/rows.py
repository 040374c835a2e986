"""Rows of any data set, unchanged: from files in any format, with their place. Under problems."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathtune.data.files import formats
from mathtune.data.files.sources import Source
from mathtune.errors import InputError


@dataclass(frozen=True)
class Row:
    """The values of one row, and its place in words ("a.jsonl, line 3"); or why it is broken."""

    where: str
    values: Mapping[str, Any]
    fault: str = ""


def read_rows(*paths: Path, columns: frozenset[str] | None = None) -> Iterator[Row]:
    """Yield the unchanged rows of files in any format of `files`.

    `columns`: the needed top-level fields, if the format can leave out others.

    Raises:
        InputError: a file is missing, empty, a Git-LFS pointer or of another kind.
    """
    for path in paths:
        word = "row" if path.suffix in (".parquet", ".arrow") else "line"
        for row in formats.rows(Source(path, str(path)), columns=columns):
            yield Row(f"{path}, {word} {row.place}", row.fields or {}, row.fault)


def normalized(text: str) -> str:
    """Return the text that identifies a problem: Unicode form, case and spaces do not count.

    Example:
        >>> normalized("What  is\\n1 + 1?") == normalized("what is 1 + 1?")
        True
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def stable_id(problem: str) -> str:
    """Return an id made of the problem's normalised text."""
    return hashlib.sha256(normalized(problem).encode()).hexdigest()[:12]


def required(row: Row, name: str) -> str:
    """Return the row's text in field `name`.

    Raises:
        InputError: the row is broken, or the text is missing or empty.
    """
    if row.fault:
        raise InputError(f"{row.where}: {row.fault}")
    text = row.values.get(name)
    if not isinstance(text, str) or not text.strip():
        found = ", ".join(map(repr, row.values))
        raise InputError(
            f"{row.where}, field '{name}': missing or empty; the row has {found}; expected a text."
        )
    return text
