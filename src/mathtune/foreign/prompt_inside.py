"""Samples that begin with their prompt, found by the question in them. Under `roles`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from mathtune.data.files.gold_field import NEARLY_ALL, TEXTS_COMPARED
from mathtune.data.files.head import Head
from mathtune.data.files.question_field import asked

SHORTEST = 12
"""The shortest question that is sought in a sample, in characters."""
FEWEST = 3
"""The number of samples that must begin with the same words before their question."""


def prompts_inside(head: Head, solution: str, questions: Sequence[str]) -> bool:
    """Return whether nearly all samples begin with the same words and then their own question."""
    texts = head.texts(solution)
    if texts is None:
        return False
    known = beginnings = 0
    before: Counter[str] = Counter()
    for row, rest in zip(head.rows[:TEXTS_COMPARED], texts[:TEXTS_COMPARED], strict=True):
        question = asked(row, questions).strip()
        if len(question) < SHORTEST:
            continue
        for text in filter(None, rest):
            known += 1
            parts = _around(text, question)
            if parts is not None and parts[1].strip():
                beginnings += 1
                before[parts[0]] += 1
    if beginnings < max(FEWEST, NEARLY_ALL * known):
        return False
    return before.most_common(1)[0][1] >= NEARLY_ALL * beginnings


def without_prompt(text: str | None, question: str) -> str | None:
    r"""Return what follows the question in a sample; the sample itself if it is not in there.

    >>> without_prompt("user\nWhat is 3 + 4?\nmodel\nIt is 7.", "What is 3 + 4?")
    '\nmodel\nIt is 7.'
    """
    if text is None or len(question.strip()) < SHORTEST:
        return text
    parts = _around(text, question.strip())
    return text if parts is None else parts[1]


def _around(text: str, question: str) -> tuple[str, str] | None:
    """Return what is before and behind a question in a text; its spaces may be line breaks there,
    as between a passage and its question.
    """
    first, found, after = text.partition(question)
    if found:
        return first, after
    if " ".join(question.split()) not in " ".join(text.split()):
        return None
    match = re.search(r"\s+".join(map(re.escape, question.split())), text)
    return None if match is None else (text[: match.start()], text[match.end() :])
