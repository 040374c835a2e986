"""Problems of one split that are, or nearly are, problems of another. Before any training."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import extract

from mathtune.data.rows import normalized
from mathtune.errors import InputError
from mathtune.rows.metrics import NearMetrics
from mathtune.rows.records import Problem
from mathtune.run.progress import say

ALIKE = 0.9
"""Part of the characters that two problems with the same numbers share to be called near."""
_SHOWN = 5
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def refuse_shared(train: Mapping[str, Problem], test: Mapping[str, Problem], *, what: str) -> None:
    """Raise if a training problem has the id or the text of a test problem.

    Raises:
        InputError: it does; `what` names the files.
    """
    texts = {normalized(problem.problem) for problem in test.values()}
    shared = [p.id for p in train.values() if p.id in test or normalized(p.problem) in texts]
    if shared:
        raise InputError(
            f"{what}: {len(shared)} training problems are test problems, {shared[0]!r} for one; "
            "training on them would be leakage."
        )


def report_near(train: Iterable[Problem], test: Iterable[Problem]) -> NearMetrics:
    """Say which problems are near, and return their number and the first few."""
    found = near(train, test)
    if found:
        names = ", ".join(f"{ours} ~ {theirs}" for ours, theirs, _ in found[:_SHOWN])
        say(f"  {len(found)} training problems are nearly a test problem: {names}")
    return NearMetrics(problems=len(found), first=found[:_SHOWN])


def near(train: Iterable[Problem], test: Iterable[Problem]) -> list[tuple[str, str, float]]:
    """(training id, id of the nearest test problem, likeness) of near-duplicates.

    Near: the same numbers in the same order, and a Levenshtein similarity of the normalised texts
    of at least 0.9. The same story with other numbers is another problem.

    Example:
        >>> def problem(name: str, text: str) -> Problem:
        ...     return Problem(id=name, problem=text, answer="7")
        >>> near([problem("a", "Ann has 3 red apples.")], [problem("t", "Ann had 3 red apples.")])
        [('a', 't', 0.9524)]
    """
    by_numbers: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for problem in test:
        text = normalized(problem.problem)
        by_numbers[tuple(_NUMBER.findall(text))][problem.id] = text
    found = []
    for problem in train:
        text = normalized(problem.problem)
        choices = by_numbers.get(tuple(_NUMBER.findall(text)), {})
        similarity = Levenshtein.normalized_similarity
        best = extract(text, choices, scorer=similarity, score_cutoff=ALIKE, limit=1)
        found += [(problem.id, test_id, round(score, 4)) for _, score, test_id in best]
    return found
