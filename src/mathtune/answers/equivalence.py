"""Equivalence of answers, and the clusters that votes are counted in. Under grade and solve.

`equivalent` compares canonical keys: reflexive, symmetric and transitive whatever the texts are.
A grader forgives more, and what it forgives is no equivalence: 5 m and 5 cm both agree with 5.
`cluster` therefore groups a problem's answers by the connected components of the grader's verdicts:
the finest equivalence relation that keeps together what the grader calls equal.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import combinations, product

from mathtune.answers.extract import Answer, require_text
from mathtune.answers.graders.outlines import may_agree, outline
from mathtune.answers.graders.table import JUDGES, Grader, compare_many
from mathtune.answers.values.keys import canonical_key
from mathtune.answers.values.numbers import WORK, work_spent
from mathtune.rows.records import Graded, Verdict

MOST_LINKED = 60
"""The number of a problem's classes that are compared with each other, most votes first."""
_MOST_SPELLINGS = 3
_ALLOWANCE = 20 * WORK


def equivalent(a: str, b: str) -> bool:
    r"""Compare two answers by their canonical keys.

    >>> equivalent(r"\frac{1}{2}", "0.5"), equivalent("36", r"36^\circ")
    (True, False)
    """
    return canonical_key(a) == canonical_key(b)


def cluster(answers: Sequence[str | None], *, grader: Grader = "math") -> list[list[int]]:
    r"""Group the indices of answers that state the same thing; None joins no cluster.

    Equivalent answers are together, and so are answers that `grader` calls equal, whichever of the
    two is the gold. The order of `answers` does not change the groups. Clusters are ordered by
    their first member, members by index.

    >>> cluster(["1/2", "3", None, "0.5"])
    [[0, 3], [1]]
    >>> cluster(["36", r"36^\circ", r"144^\circ"])
    [[0, 1], [2]]
    """
    classes: dict[Hashable, list[int]] = {}
    for index, answer in enumerate(answers):
        if answer is not None:
            require_text("answer", answer)
            classes.setdefault(canonical_key(answer), []).append(index)
    groups = list(classes.values())
    if len(groups) > 1:
        groups = _linked(groups, [answer or "" for answer in answers], grader)
    return groups


def graded_rows(
    problem_id: str,
    indices: Sequence[int],
    answers: Sequence[Answer | None],
    verdicts: Sequence[Verdict],
    *,
    grader: Grader,
) -> list[Graded]:
    """Return the rows of a problem's samples with these indices; their answers are clustered."""
    texts = [answer.text if answer else None for answer in answers]
    number = {i: k for k, members in enumerate(cluster(texts, grader=grader)) for i in members}
    return [
        Graded(
            problem_id=problem_id,
            index=index,
            answer=texts[i],
            rule=answer.rule if answer else None,
            verdict=verdict,
            cluster=number.get(i),
        )
        for i, (index, answer, verdict) in enumerate(zip(indices, answers, verdicts, strict=True))
    ]


def _linked(groups: list[list[int]], answers: list[str], grader: Grader) -> list[list[int]]:
    """Join the classes that the grader calls equal; keep the order of their first members."""
    found = [sorted({answers[i] for i in group}, key=lambda t: (len(t), t)) for group in groups]
    texts = [spellings[:_MOST_SPELLINGS] for spellings in found]
    most = sorted(range(len(groups)), key=lambda k: (-len(groups[k]), texts[k]))[:MOST_LINKED]
    root = list(range(len(groups)))

    def top(k: int) -> int:
        while root[k] != k:
            k = root[k]
        return k

    if grader == "math-verify":
        pairs = _library_links(most, texts)
    else:
        pairs = _links(most, texts, grader, top)
    for a, b in pairs:
        root[top(a)] = top(b)
    joined: dict[int, list[int]] = {}
    for k, group in enumerate(groups):
        joined.setdefault(top(k), []).extend(group)
    return sorted(sorted(group) for group in joined.values())


def _links(
    order: list[int], texts: list[list[str]], grader: Grader, top: Callable[[int], int]
) -> Iterator[tuple[int, int]]:
    """Yield the pairs of equal classes, except those that are joined already."""
    judge = JUDGES[grader]
    rough = [[outline(text) for text in spellings] for spellings in texts]
    until = work_spent() + _ALLOWANCE
    for a, b in combinations(order, 2):
        if top(a) == top(b):
            continue
        pairs = product(zip(texts[a], rough[a], strict=True), zip(texts[b], rough[b], strict=True))
        if any(
            judge(x, y) is Verdict.correct or judge(y, x) is Verdict.correct
            for (x, ours), (y, others) in pairs
            if grader != "math" or may_agree(ours, others)
        ):
            yield a, b
        if work_spent() > until:
            return


def _library_links(order: list[int], texts: list[list[str]]) -> Iterator[tuple[int, int]]:
    """Yield the same pairs by math-verify: its workers get all pairs at once."""
    pairs = [(a, b) for a, b in combinations(order, 2)]
    asked = [(texts[x][0], texts[y][0]) for a, b in pairs for x, y in ((a, b), (b, a))]
    verdicts = iter(compare_many(asked, grader="math-verify"))
    for pair in pairs:
        if Verdict.correct in (next(verdicts), next(verdicts)):
            yield pair
