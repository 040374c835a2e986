"""Choose the columns of our fields by a source's first row. Under `problems`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mathtune.data.files import names
from mathtune.data.files.options import are_numbers, letter, options, options_field
from mathtune.data.files.paths import leaves
from mathtune.data.files.question_field import with_passage
from mathtune.data.files.texts import verdict
from mathtune.data.values import columns_of, value_at

QUESTIONS = ("question", "prompt", "query", "messages", "conversations", "instruction")
"""Fields that hold the problem if no field has that name and the user names none."""
IDS = ("problem_id", "question_id", "unique_id", "uid")
"""Fields that hold the id if no field has that name and the user names none."""


def columns_by(row: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, str | None]:
    """Return our names -> the paths of a row's fields; `fields`: those that the user named.

    A question is read with the passage beside it, and with its options if the gold is the letter
    or the number of one.

    >>> columns_by({"Question": "1 + 1?", "Answer": 2}, {})["problem"]
    'Question'
    >>> row = {"question": "1 + 1?", "options": ["A)1", "B)2"], "correct": "B"}
    >>> columns_by(row, {})["problem"], columns_by(row, {})["answer"]
    ('question+options', 'correct')
    """
    columns = columns_of(fields)
    for ours, path in columns.items():
        if path is not None and ours not in fields and ours not in row:
            same = names.called(row, (ours,))
            columns[ours] = same[0] if same else ours
    if "id" not in fields and columns["id"] not in row:
        columns["id"] = next(iter(names.called(row, IDS)), columns["id"])
    answer = columns["answer"]
    if "answer" not in fields and answer is not None and answer not in row:
        golds = [path for path, value in leaves(dict(row)) if _is_gold(path, value)]
        if len(golds) == 1 and golds[0] != columns["solution"]:
            columns["answer"] = golds[0]
    if "problem" not in fields and columns["problem"] is not None:
        columns["problem"] = _question(row, columns["problem"], columns["answer"])
    return columns


def _question(row: Mapping[str, Any], path: str, answer: str | None) -> str:
    there = names.called(row, QUESTIONS)
    if path not in row and len(there) == 1:
        path = there[0]
    path = with_passage(path, [row])
    gold = None if answer is None else value_at(row, answer)
    offering = options_field(row)
    if offering is None or not isinstance(gold, str | int):
        return path
    offered = options(row[offering])
    chosen = letter(str(gold), offered) or are_numbers([str(gold)], [offered])
    missing = chosen and not _names_options(row, path, offered)
    return f"{path}+{offering}" if missing else path


def _names_options(row: Mapping[str, Any], path: str, offered: Mapping[str, str]) -> bool:
    """Return whether a question names its options itself."""
    question = value_at(row, path)
    return isinstance(question, str) and all(text in question for text in offered.values())


def _is_gold(path: str, value: Any) -> bool:
    """Return whether a field's name marks a gold: `ground_truth`, `final_answer`."""
    if names.leaf(path) == "correct":
        return value is not None and verdict(value) is None
    return names.is_strong_gold(path) or names.leaf(path) in ("final_answer", "answers")
