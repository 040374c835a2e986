"""Problems of one set that equal, nearly equal, or share words with those of another.

near         the same numbers, and nearly the same characters
shared run   a run of 13 words (`WORDS`) of a test problem occurs in a training problem or solution;
             of a shorter problem, all its words
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import extract

from mathtune.data.rows import normalized
from mathtune.errors import InputError, many
from mathtune.rows.metrics import NearMetrics, OverlapMetrics
from mathtune.rows.records import Problem
from mathtune.run.progress import say

ALIKE = 0.9
"""The fraction of characters that two near problems with the same numbers share."""
_SHOWN = 5
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def refuse_shared(train: Mapping[str, Problem], test: Mapping[str, Problem], *, what: str) -> None:
    """Raise InputError if a training problem has the id or the text of a test problem.

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
    """Print the near problems; return their number and the first few."""
    found = near(train, test)
    if found:
        names = ", ".join(f"{ours} ~ {theirs}" for ours, theirs, _ in found[:_SHOWN])
        are = many(len(found), "training problem is", "training problems are")
        say(f"  {are} nearly a test problem: {names}")
    return NearMetrics(problems=len(found), first=found[:_SHOWN])


def near(train: Iterable[Problem], test: Iterable[Problem]) -> list[tuple[str, str, float]]:
    """Return (training id, id of the nearest test problem, likeness) of near-duplicates.

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


WORDS = 13
_WORD = re.compile(r"[^\W_]+")


def shared_runs(
    train: Iterable[Problem], test: Iterable[Problem], *, words: int = WORDS
) -> list[tuple[str, str]]:
    """Return (test id, id of the first training problem with a run of its words).

    Example:
        >>> def problem(name: str, text: str) -> Problem:
        ...     return Problem(id=name, problem=text, answer="7")
        >>> shared_runs([problem("a", "So: Ann has 3 red apples.")], [problem("t", "Ann has 3!")])
        [('t', 'a')]
    """
    runs: dict[tuple[str, ...], list[str]] = defaultdict(list)
    lengths: dict[tuple[str, ...], set[int]] = defaultdict(set)
    order = []
    for problem in test:
        order.append(problem.id)
        found = _words(problem.problem)
        length = min(words, len(found))
        for at in range(len(found) - length + 1 if length else 0):
            run = tuple(found[at : at + length])
            runs[run].append(problem.id)
            lengths[run[:2]].add(length)
    first: dict[str, str] = {}
    for problem in train:
        for text in (problem.problem, problem.solution or ""):
            found = _words(text)
            for at, start in enumerate(zip(found, [*found[1:], ""], strict=False)):
                for length in (*lengths.get(start, ()), *lengths.get(start[:1], ())):
                    for name in runs.get(tuple(found[at : at + length]), ()):
                        first.setdefault(name, problem.id)
    return [(name, first[name]) for name in order if name in first]


def _words(text: str) -> list[str]:
    return _WORD.findall(normalized(text))


def overlap(train: Sequence[Problem], test: Sequence[Problem], *, what: str) -> OverlapMetrics:
    """Return how much of a test set is in training problems; print it if anything is."""
    found = shared_runs(train, test)
    alike = {name for name, _, _ in near(test, train)}  # each test problem's nearest training one
    texts = {normalized(problem.problem) for problem in train}
    equal = sum(normalized(problem.problem) in texts for problem in test)
    touched = {name for name, _ in found} | alike
    if touched:
        names = ", ".join(f"{test_id} ~ {train_id}" for test_id, train_id in found[:_SHOWN])
        say(
            f"  {what}: {len(touched)} of {len(test)} problems overlap with training problems "
            f"({equal} equal, {len(alike)} near, {len(found)} share a run "
            f"of {WORDS} words): {names}"
        )
    elif train and test:
        say(f"  {what}: none of {len(test)} problems overlaps with training problems")
    return OverlapMetrics(
        problems=len(test),
        equal=equal,
        near=len(alike),
        shared_run=len(found),
        any=len(touched),
        first=found[:_SHOWN],
    )
