"""A row's question, and its path with the passage that it is about. Over `texts`.

SVAMP has `Body` and `Question`, reading comprehension `passage` and `question`: the question alone
cannot be answered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from mathtune.data.files import names
from mathtune.data.files.paths import reach
from mathtune.data.files.texts import question_of


def asked(row: Mapping[str, Any], questions: Iterable[str]) -> str:
    """Return a row's question, by the first of its fields that has one; empty: none has."""
    return next((text for path in questions if (text := question_of(reach(row, path)))), "")


def with_passage(
    path: str, rows: Sequence[Mapping[str, Any]], taken: Collection[str | None] = ()
) -> str:
    """Return the path of a question behind its passage, if rows have one; else the path itself.

    Fields in `taken` have another role.

    >>> row = {"Body": "Ann has 3 pens.", "Question": "How many pens has Ann?"}
    >>> with_passage("Question", [row])
    'Body+Question'
    >>> with_passage("Question", [row | {"Question": "Ann has 3 pens. How many pens has Ann?"}])
    'Question'
    """
    outer, _, _ = path.rpartition(".")
    if names.leaf(path) not in names.ABOUT_A_PASSAGE:
        return path
    for row in rows:
        beside = reach(row, outer) if outer else row
        question = reach(row, path)
        if not (isinstance(beside, Mapping) and isinstance(question, str)):
            continue
        for name, text in beside.items():
            if (
                names.leaf(name) in names.PASSAGES
                and name not in taken
                and isinstance(text, str)
                and text.strip()
                and text.strip() not in question
            ):
                return f"{outer}.{name}+{path}" if outer else f"{name}+{path}"
    return path
