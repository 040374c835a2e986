"""Select one solution per reasoning path of a problem (Yuan et al. 2023, 3.3 and A.3).

A path is the sequence of a solution's equations. Of the solutions with the same path, the one that
differs most from the others is kept; operand order and equation order make different paths.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, pairwise
from typing import Literal, TypeVar

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from mathtune.paths.equations import TOLERANCE, annotated, equations
from mathtune.paths.published import python_value
from mathtune.run.children import Child, finished, in_order, several

Rule = Literal["default", "published"]
Known = TypeVar("Known")
PROBLEMS_AT_ONCE = 16
"""The number of problems that a worker gets at a time."""

_WORD = re.compile(r"[^\W_]+")


@dataclass
class Selection:
    """The selection among one problem's correct solutions.

    `kept`: indices into them. `paths`: the path of each, None if an equation is false.
    `without_equations`: how many have no equation and are compared by their words.
    """

    kept: list[int] = field(default_factory=list)
    paths: list[str | None] = field(default_factory=list)
    without_equations: int = 0

    @property
    def false(self) -> int:
        """Return how many solutions were dropped for an equation that does not hold."""
        return self.paths.count(None)


def select(solutions: Sequence[str], *, rule: Rule = "default") -> list[int]:
    """Return the indices of one problem's correct solutions that are kept: one per distinct path.

    `default`: independent of the texts' order, in ascending order. `published`: the selection of
    the authors' code, in the order in which their paths appear.

    Example:
        >>> select(["3+4=<<3+4=7>>7", "So 3 + 4 is <<3+4=7>>7", "<<4+3=7>>7", "<<3+4=8>>8"])
        [1, 2]
    """
    return selection(solutions, rule=rule).kept


def selection(solutions: Sequence[str], *, rule: Rule = "default") -> Selection:
    """Select as `select` does; return also every solution's path and the counts of dropped ones."""
    return _default(solutions) if rule == "default" else _published(solutions)


def selections(
    problems: Iterable[tuple[Known, Sequence[str]]], *, rule: Rule, workers: int = 1
) -> Iterator[tuple[Known, Selection]]:
    """Yield the `selection` of every problem's solutions, in order, with the problem's extra data.

    Several workers select problems in parallel; only a few problems are held at a time.
    """
    if workers == 1:
        for known, solutions in problems:
            yield known, selection(solutions, rule=rule)
        return
    held: deque[list[Known]] = deque()

    def batches() -> Iterator[list[list[str]]]:
        asked = iter(problems)
        while batch := list(islice(asked, PROBLEMS_AT_ONCE)):
            held.append([known for known, _ in batch])
            yield [list(solutions) for _, solutions in batch]

    children = [Child("a worker", partial(_selecting, rule), fresh=True) for _ in range(workers)]
    with several(children):
        for chosen in in_order(finished(children, batches(), ahead=2 * workers)):
            yield from zip(held.popleft(), chosen, strict=True)


def _selecting(rule: Rule) -> Callable[[list[list[str]]], list[Selection]]:
    """Select the solutions of several problems, in a child process."""
    return lambda problems: [selection(solutions, rule=rule) for solutions in problems]


def path_of(solution: str) -> str | None:
    """Return a solution's path: its equations joined by `|`; None if an arithmetic one is false.

    Without equations: its words and numbers, so that texts differing in layout or case are one
    path.

    Example:
        >>> path_of("First 3 + 4 = 7. Then 7 * 2 = 14.")
        '3+4=7|7*2=14'
        >>> path_of("3 + 4 = 8"), path_of("It is TWO.")
        (None, 'words:it is two')
    """
    found = equations(solution)
    if any(equation.holds is False for equation in found):
        return None
    if not found:
        return "words:" + " ".join(_WORD.findall(solution.lower()))
    return "|".join(equation.text for equation in found)


def _default(solutions: Sequence[str]) -> Selection:
    found = Selection()
    known: dict[str, str | None] = {}
    for solution in solutions:
        if solution not in known:
            known[solution] = path_of(solution)
        path = known[solution]
        found.paths.append(path)
        found.without_equations += path is not None and path.startswith("words:")
    by_path: dict[str, list[str]] = {}
    for solution in sorted(known):  # by text: the order of the files must not matter
        path = known[solution]
        if path is not None:
            by_path.setdefault(path, []).append(solution)
    first_index: dict[str, int] = {}
    for index, solution in enumerate(solutions):
        first_index.setdefault(solution, index)
    found.kept = sorted(first_index[text] for text in farthest(list(by_path.values())))
    return found


def farthest(groups: Sequence[Sequence[str]]) -> list[str]:
    """Choose one text per group: the farthest of its group from the others that are chosen.

    Distance: summed Levenshtein, in characters. Starts from each group's first text and exchanges,
    group after group, until no exchange is farther; each exchange raises the sum over all chosen
    pairs, so this ends. Equal distances: the text chosen already, else the group's earliest.

    Example:
        >>> farthest([["ab", "abcdef"], ["ab"]])
        ['abcdef', 'ab']
    """
    chosen = [group[0] for group in groups]
    choices = [number for number, group in enumerate(groups) if len(group) > 1]
    if len(groups) < 2 or not choices:
        return chosen
    texts = [text for number in choices for text in groups[number]]
    starts = np.cumsum([0, *(len(groups[number]) for number in choices)])
    distances = cdist(texts, chosen, scorer=Levenshtein.distance)
    changed = True
    while changed:
        changed = False
        for number, (start, end) in zip(choices, pairwise(starts), strict=True):
            # The group's own column does not count.
            sums = distances[start:end].sum(axis=1) - distances[start:end, number]
            best = int(sums.argmax())
            if sums[best] > sums[groups[number].index(chosen[number])]:
                chosen[number] = groups[number][best]
                again = cdist(texts, [chosen[number]], scorer=Levenshtein.distance)
                distances[:, number] = again[:, 0]
                changed = True
    return chosen


def _published(solutions: Sequence[str]) -> Selection:
    """Select as the authors' code does, without its `eval`.

    Solutions without annotations share one empty path. A later solution replaces the kept one of
    its path where its summed distance to the other kept ones is larger.
    """
    found = Selection()
    kept: dict[str, int] = {}
    for index, solution in enumerate(solutions):
        parts = annotated(solution)
        path = "|".join(parts).replace(" ", "") if all(map(_holds, parts)) else None
        found.paths.append(path)
        found.without_equations += path == ""
        if path is None:
            continue
        if path not in kept:
            kept[path] = index
            continue
        others = [solutions[other] for key, other in kept.items() if key != path]
        if _distance(solution, others) > _distance(solutions[kept[path]], others):
            kept[path] = index
    found.kept = list(kept.values())
    return found


def _distance(solution: str, others: Sequence[str]) -> int:
    return sum(Levenshtein.distance(solution, other) for other in others)


def _holds(annotation: str) -> bool:
    """Return whether the first two parts around `=` agree, their numbers read as in Python."""
    left, equals, rest = annotation.partition("=")
    right = rest.partition("=")[0]
    if not equals or any(sign in right for sign in "$,%"):
        return False
    try:
        return abs(python_value(left) - float(right)) < TOLERANCE
    except (ValueError, TypeError, ArithmeticError):
        return False
