"""Choose the field of the samples by the rows' values. Under `roles`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mathtune.answers import extract
from mathtune.data.files import names
from mathtune.data.files.gold_field import (
    NEARLY_ALL,
    SHORT,
    TEXTS_COMPARED,
    Golds,
    agrees_with,
    gold_columns,
)
from mathtune.data.files.head import Head, Texts, refuse_shape, refuse_two
from mathtune.foreign.not_samples import (
    filled,
    has_numbers,
    no_samples,
    source,
    without_beginnings,
)

_COMPARED_LENGTH = 20_000
MOST_FIELDS = 100
"""The most fields whose texts are compared, each with every other one."""

_Found = dict[str, Texts]
"""The texts of each row, by path."""


def solution_field(head: Head, taken: Collection[str | None]) -> str:
    """Return the field of the samples; those in `taken` have another role.

    Raises:
        InputError: there is none, or two may be it.
    """
    every = {
        path: texts
        for path in head.paths
        if path not in taken
        and not head.offers(path)
        and names.sample_rank(path) >= 0
        and (texts := head.texts(path)) is not None
        and (names.sample_rank(path) > 0 or _holds_values(head, path, texts))
        and not no_samples(head, path, texts)
    }
    if len(every) > MOST_FIELDS:
        named = {path: texts for path, texts in every.items() if names.sample_rank(path) > 0}
        if not named:
            refuse_two(head, "solution", list(every))
        every = named
    found = _without_parts(without_beginnings(_without_copies(_without_steps(every))))
    found = _without_constants(found, head.problems)
    likely = {path: texts for path, texts in found.items() if _likely(path, texts)}
    told = source(head, likely)
    if told is not None:
        return told
    ranks = {path: _rank(head, path, texts) for path, texts in likely.items()}
    golds_of = gold_columns(head, exclude=tuple(path for path in likely if ranks[path] >= 2))
    ranks = _without_references(likely, ranks, golds_of)
    if not ranks:
        refuse_shape(head)
    best = max(ranks.values())
    first = [path for path, rank in ranks.items() if rank == best]
    if best == 3 and len(first) == 1:
        return first[0]
    rivals = first if best >= 2 else [path for path in ranks if _answers(likely[path])] or first
    if best == 1 and len(rivals) == 1 and _always_right(likely[rivals[0]], golds_of, rivals[0]):
        # It seems a reference: any other field that may hold samples is a rival, even a short one.
        rivals = [rivals[0], *(path for path in found if path not in likely)]
    if len(rivals) > 1:
        refuse_two(head, "solution", rivals)
    return rivals[0]


def _holds_values(head: Head, path: str, texts: Texts) -> bool:
    """Return whether a field of unclear name has texts, and numbers or formulas in half of them."""
    if has_numbers(head, path):
        return False
    flat = filled(texts)
    return 2 * sum(any(sign in text for sign in "0123456789$\\") for text in flat) >= len(flat)


def _likely(path: str, texts: Texts) -> bool:
    """Return whether texts may be solutions: by name, as lists, by length, or by marked answers."""
    flat = filled(texts)
    return (
        names.sample_rank(path) > 0
        or any(len(row) > 1 for row in texts)
        or sum(map(len, flat)) >= 15 * len(flat)
        or all(extract(text) is not None for text in flat[:TEXTS_COMPARED])
    )


def _rank(head: Head, path: str, texts: Texts) -> int:
    """Return 3 for a name of samples or lists of several texts, 2: extracted answers, 1: unclear.

    The `output` of an `instruction` is the data set's own.
    """
    rank = names.sample_rank(path)
    if rank in (0, 1) and any(len(row) > 1 for row in texts):
        return 3
    if names.leaf(path) == "output" and head.has("instruction"):
        return 1
    if rank == 2:  # a long answer is the sample itself: `model_answer_raw`
        flat = filled(texts)
        return 3 if sum(map(len, flat)) > 2 * SHORT * len(flat) else 2
    return max(rank, 1)


def _answers(texts: Texts) -> bool:
    """Return whether half of the texts have an answer that can be found."""
    flat = filled(texts)[:TEXTS_COMPARED]
    return 2 * sum(extract(text, rule="auto") is not None for text in flat) >= len(flat)


def _without_steps(found: _Found) -> _Found:
    """Leave out the steps of texts that another field has whole."""
    whole = {path: texts for path, texts in found.items() if ".+" not in path}
    return {
        path: texts
        for path, texts in found.items()
        if path in whole or not any(_inside(texts, other) for other in whole.values())
    }


def _inside(steps: Texts, whole: Texts) -> bool:
    """Return whether nearly all lines of the steps are in the whole texts: some lose a number."""
    lines = [
        line in text
        for row, rest in zip(steps[:TEXTS_COMPARED], whole[:TEXTS_COMPARED], strict=True)
        for one, text in zip(row, rest, strict=False)
        if one and text
        for line in one.splitlines()
    ]
    return bool(lines) and sum(lines) >= NEARLY_ALL * len(lines)


def _without_parts(found: _Found) -> _Found:
    """Leave out fields extracted from another one: short parts of it in every row."""
    return {
        path: texts
        for path, texts in found.items()
        if not any(
            other != path and _is_part(texts, rest) and not _is_part(rest, texts)
            for other, rest in found.items()
        )
        or not _has_rival(path, found)
    }


def _has_rival(path: str, found: _Found) -> bool:
    """Return whether a field that could be the samples remains besides `path`."""
    return any(
        other != path and (names.sample_rank(other) in (0, 1, 3)) and _is_part(found[path], rest)
        for other, rest in found.items()
    )


def _is_part(short: Texts, long: Texts) -> bool:
    """Return whether the texts of `short` are short and nearly always inside those of `long`."""
    pairs = 0
    inside = 0
    for few, many in zip(short[:TEXTS_COMPARED], long[:TEXTS_COMPARED], strict=True):
        if len(few) not in (1, len(many)):
            return False
        wholes = many if len(few) == len(many) else [" ".join(text for text in many if text)]
        for part, whole in zip(few, wholes, strict=True):
            if part and whole:
                pairs += 1
                inside += len(part) <= SHORT and len(part) < len(whole) and part.strip() in whole
    return pairs > 0 and inside >= NEARLY_ALL * pairs


def _without_copies(found: _Found) -> _Found:
    """Keep the first of equal fields; of prompt with sample and sample alone, keep the sample."""
    kept: _Found = {}
    for path, texts in found.items():
        if any(_same_end(texts, other) and _better(kept_path, path) for kept_path, other in
               kept.items()):  # fmt: skip
            continue
        kept = {
            name: other
            for name, other in kept.items()
            if not (_same_end(texts, other) and _better(path, name))
        }
        kept[path] = texts
    return kept


def _better(path: str, other: str) -> bool:
    return names.sample_rank(path) >= names.sample_rank(other)


def _same_end(texts: Texts, other: Texts) -> bool:
    """Return whether two fields hold the same texts, or one the other after something else."""
    pairs = 0
    for row, rest in zip(texts[:TEXTS_COMPARED], other[:TEXTS_COMPARED], strict=True):
        if len(row) != len(rest):
            return False
        for one, two in zip(row, rest, strict=True):
            if one and two:
                pairs += 1
                a, b = one.strip()[-_COMPARED_LENGTH:], two.strip()[-_COMPARED_LENGTH:]
                if not (a.endswith(b) or b.endswith(a)):
                    return False
    return pairs > 0


def _without_constants(found: _Found, problems: Sequence[str]) -> _Found:
    """Leave out fields that are equal in all samples of a problem, if another one is not."""
    varies = {path: _varies(texts, problems) for path, texts in found.items()}
    if True not in varies.values():
        return found
    return {path: found[path] for path, verdict in varies.items() if verdict is not False}


def _varies(texts: Texts, problems: Sequence[str]) -> bool | None:
    """Return whether samples of a problem differ; None: no problem has several rows or texts."""
    first: dict[str, str | None] = {}
    several = False
    for problem, row in zip(problems, texts, strict=True):
        for text in row:
            if problem not in first:
                first[problem] = text
                continue
            several = True
            if first[problem] != text:
                return True
    return False if several else None


def _without_references(
    found: _Found, ranks: dict[str, int], golds_of: dict[str, Golds]
) -> dict[str, int]:
    """Leave out the data set's own solutions, which always have the gold's answer.

    A field with a name of samples that always has it may also be such a reference (`output` in
    instruction data): then a field of unclear name is a rival, and the user must choose.
    """
    if len(ranks) < 2:
        return ranks
    agrees = {path: _always_right(found[path], golds_of, path) for path in ranks}
    unclear = [path for path, rank in ranks.items() if rank == 1]
    strong = [path for path, rank in ranks.items() if rank == 3]
    if strong and not any(len(row) > 1 for path in strong for row in found[path]):
        doubtful = [p for p in unclear if names.sample_rank(p) == 0 and _answers(found[p])]
        if doubtful and all(agrees[path] for path in strong):
            return dict.fromkeys((*strong, *doubtful), 3)
    if strong:
        return {path: rank for path, rank in ranks.items() if rank != 1}
    # A model may always be right: without a reference's name its field is no reference.
    named = {path: names.sample_rank(path) > 0 for path in ranks}
    kept = not all(named.values()) and any(agrees[path] and not named[path] for path in unclear)
    left = {
        path: rank
        for path, rank in ranks.items()
        if not (rank == 1 and agrees[path] and (named[path] or not kept))
    }
    return left or ranks


def _always_right(texts: Texts, golds_of: dict[str, Golds], path: str) -> bool:
    """Return whether the texts of `path` always have the answer of a field that may be the gold."""
    for name, column in golds_of.items():
        if name == path:
            continue
        verdicts = [
            agrees_with(text, gold)
            for row, gold in zip(texts[:TEXTS_COMPARED], column[:TEXTS_COMPARED], strict=True)
            for text in row[:4]
            if gold
        ]
        if verdicts and sum(verdicts) >= NEARLY_ALL * len(verdicts):
            return True
    return False
