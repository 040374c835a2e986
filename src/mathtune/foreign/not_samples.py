"""Fields whose values cannot be samples, whatever their names suggest. Under `solution_field`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

from mathtune.answers import Verdict, compare, extract
from mathtune.data.files import names
from mathtune.data.files.gold_field import (
    NEARLY_ALL,
    SHORT,
    TEXTS_COMPARED,
    agrees_with,
    gold_columns,
)
from mathtune.data.files.head import Head, Texts

SHOWN, AHEAD = 0.8, 0.2
"""The part of the answers that an extraction's source shows at least, and its lead on others."""
FEWEST = 3
"""The number of wrong answers that tell an extraction's source."""
_NAMES_A_THING = re.compile(
    r"(?=\S*[A-Fa-f])\w*[0-9A-Fa-f-]{16,}\w*|https?://\S+|[^\s\\]+\.(?:png|jpe?g|gif|svg|jsonl?|txt|py|csv)"
)
_CUT = re.compile(r"\s*(?:\.\.\.|…)?\s*\Z")


def no_samples(head: Head, path: str, texts: Texts) -> bool:
    """Return whether a field holds counts, scores, names of files, digests or offered answers."""
    flat = filled(texts)
    if names.are_options(path) and (
        "option" in names.leaf(path) or sum(map(len, flat)) < SHORT * len(flat)
    ):
        return True
    if (
        names.sample_rank(path) == 3
        and not names.holds_answers(path)
        and _numbers(head, path, flat)
    ):
        return True
    return bool(flat) and all(_NAMES_A_THING.fullmatch(text) for text in flat[:TEXTS_COMPARED])


def filled(texts: Texts) -> list[str]:
    """Return the texts of all rows that are there and not empty."""
    return [text for row in texts for text in row if text]


def has_numbers(head: Head, path: str) -> bool:
    """Return whether a value of a field is a number, true or false, or a list with one of them."""
    return any(map(_is_number, head.column(path)))


def _is_number(value: object) -> bool:
    """Return whether a value is a number, or a list with one; fractions are read as Decimals."""
    if isinstance(value, list):
        return any(map(_is_number, value))
    return isinstance(value, int | float | Decimal)


def _numbers(head: Head, path: str, flat: Sequence[str]) -> bool:
    """Return whether a field holds numbers only; a CSV file has them as texts."""
    if has_numbers(head, path):
        return True
    return len(flat) > 1 and all(re.fullmatch(r"-?\d+\.\d+", text) for text in flat)


def without_beginnings(found: dict[str, Texts]) -> dict[str, Texts]:
    """Leave out fields that hold the beginning of another one's texts: `response_preview`."""
    return {
        path: texts
        for path, texts in found.items()
        if not any(
            other != path and _begins(texts, whole) and not _begins(whole, texts)
            for other, whole in found.items()
        )
    }


def _begins(texts: Texts, whole: Texts) -> bool:
    pairs = [(one, two) for one, two in _pairs(texts, whole) if len(_CUT.sub("", one)) > SHORT]
    begun = sum(two.startswith(_CUT.sub("", one)) for one, two in pairs)
    return bool(pairs) and begun >= NEARLY_ALL * len(pairs)


def _pairs(texts: Texts, other: Texts) -> Iterator[tuple[str, str]]:
    for row, rest in zip(texts[:TEXTS_COMPARED], other[:TEXTS_COMPARED], strict=True):
        if len(row) == len(rest):
            for one, two in zip(row, rest, strict=True):
                if one and two:
                    yield one, two


def source(head: Head, candidates: dict[str, Texts]) -> str | None:
    """Return the field that shows the answers which the file extracted from its samples.

    Only answers other than the gold tell: a reference shows the gold. None: nothing was extracted,
    or no field shows clearly more of it than all others.
    """
    every = gold_columns(head, exclude=tuple(candidates))
    strong = {path: column for path, column in every.items() if names.is_strong_gold(path)}
    golds = strong or every
    for path in head.paths:
        is_text = names.sample_rank(path) == 2 and (strong or not names.is_weak_gold(path))
        texts = head.texts(path) if is_text else None
        if texts is None or not any(other != path for other in golds):
            continue
        told = _wrong(texts, [column for other, column in golds.items() if other != path])
        shown = {name: _shown(told, rest) for name, rest in candidates.items() if name != path}
        if len(shown) < 2:
            continue
        *others, (share, best) = sorted((share, name) for name, share in shown.items())
        if sum(map(bool, told)) >= FEWEST and share >= max(SHOWN, others[-1][0] + AHEAD):
            beside = any(names.is_beside(best, other) for other in candidates)
            return None if beside else best  # several models' samples have an answer each
    return None


def _wrong(texts: Texts, golds: Sequence[Sequence[tuple[str, ...]]]) -> Texts:
    """Return each row's extracted answers if they fit none of its golds."""
    found: Texts = []
    for number, row in enumerate(texts[:TEXTS_COMPARED]):
        accepted = [gold for column in golds for gold in column[number]]
        wrong = bool(accepted) and not any(
            text is None or text == gold or compare(text, gold) is Verdict.correct
            for text in row
            for gold in accepted
        )
        found.append(list(row) if wrong else [])
    return found


def _shown(told: Texts, texts: Texts) -> float:
    """Return the part of the extracted answers that are the texts' own."""
    rows = [(row, rest) for row, rest in zip(told, texts, strict=False) if row]
    shown = sum(len(row) == len(rest) and all(map(_ends_with, row, rest)) for row, rest in rows)
    return shown / len(rows) if rows else 0.0


def _ends_with(answer: str | None, text: str | None) -> bool:
    if not answer or not text or len(answer) >= len(text):
        return False
    found = extract(text, rule="auto")
    return agrees_with(text, (answer,)) or (found is not None and answer.strip() in found.text)
