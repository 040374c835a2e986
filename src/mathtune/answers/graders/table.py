"""Compare an answer with its gold, and grade whole solutions, one or many. The named graders."""

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from typing import Literal, get_args

from mathtune.answers.extract import ExtractRule, extract, require_text
from mathtune.answers.graders import math_verify, mathematical, prm800k
from mathtune.answers.workers import pool
from mathtune.rows.records import Verdict
from mathtune.run.cores import usable_cores

Grader = Literal["math", "prm800k", "math-verify"]

JUDGES: dict[str, Callable[[str, str], Verdict]] = {
    "math": mathematical.judge,
    "prm800k": prm800k.judge,
    "math-verify": math_verify.judge,
}
# The verdicts that need no parser; None leaves the pair to the judge.
_QUICK: dict[str, Callable[[str, str], Verdict | None]] = {
    "math": mathematical.quick,
    "prm800k": prm800k.quick,
    "math-verify": math_verify.quick,
}
_VERSIONS = {"math": mathematical.VERSION, "prm800k": prm800k.VERSION}


def grader_version(grader: Grader) -> str:
    """Return the version that is printed with a grader's numbers: ours, or the library's.

    >>> grader_version("prm800k")
    '2'
    """
    _check(grader)
    return _VERSIONS[grader] if grader in _VERSIONS else version("math-verify")


def compare(answer: str | None, gold: str, *, grader: Grader = "math") -> Verdict:
    r"""Judge an extracted `answer` against `gold`. Never raises on any string.

    `math` and `prm800k` work within fixed limits; `math-verify`, which has none, runs in a worker
    that is killed after a second. A pair beyond the limits is `undecided`. A number
    instead of a text raises TypeError.

    >>> compare(r"\frac{2}{4}", "0.5")
    <Verdict.correct: 'correct'>
    >>> compare("0.33", r"\frac{1}{3}")
    <Verdict.wrong: 'wrong'>
    >>> compare(None, "7")
    <Verdict.no_answer: 'no_answer'>
    >>> compare("7", "")
    <Verdict.undecided: 'undecided'>
    """
    _check(grader)
    verdict = _settled(answer, gold, grader)
    if verdict is not None:
        return verdict
    assert answer is not None
    if grader == "math-verify":
        return pool.shared(1, grader).run_one((answer, gold), limit=pool.CALL)
    return JUDGES[grader](answer, gold)


def grade(solution: str, gold: str, *, grader: Grader = "math") -> Verdict:
    r"""Extract the answer of `solution` (explicit rules only) and judge it against `gold`.

    >>> grade(r"Half of it: $\boxed{\frac12}$", "0.5")
    <Verdict.correct: 'correct'>
    >>> grade("I do not know.", "0.5")
    <Verdict.no_answer: 'no_answer'>
    """
    answer = extract(solution)
    return compare(answer.text if answer else None, gold, grader=grader)


def grade_many(
    pairs: Iterable[tuple[str, str]],
    *,
    grader: Grader = "math",
    rule: ExtractRule = "explicit",
    workers: int | None = None,
    limit: float = pool.LIMIT,
) -> list[Verdict]:
    """Return the verdicts of many (solution, gold) pairs, in order. See `compare_many`.

    >>> [v.value for v in grade_many([("#### 7", "7"), ("So 7.", "7")], rule="last-number")]
    ['correct', 'correct']
    """
    found = ((extract(solution, rule=rule), gold) for solution, gold in pairs)
    answers = ((answer.text if answer else None, gold) for answer, gold in found)
    return compare_many(answers, grader=grader, workers=workers, limit=limit)


def compare_many(
    pairs: Iterable[tuple[str | None, str]],
    *,
    grader: Grader = "math",
    workers: int | None = None,
    limit: float = pool.LIMIT,
) -> list[Verdict]:
    """Return the verdicts of many (answer, gold) pairs, in order.

    Equal pairs are judged once and plain numbers at once; the rest goes in batches to `workers`
    processes (default: as many as there are cores); a pair that takes longer than `limit`
    seconds is `undecided`. Works on any thread.

    >>> [v.value for v in compare_many([("1/2", "0.5"), (None, "3"), ("4", "3")])]
    ['correct', 'no_answer', 'wrong']
    """
    _check(grader)
    verdicts: list[Verdict | None] = []
    hard: dict[tuple[str, str], list[int]] = {}
    seen: dict[tuple[str | None, str], Verdict | None] = {}
    for index, pair in enumerate(pairs):
        if pair not in seen:
            seen[pair] = _settled(*pair, grader)
        verdict = seen[pair]
        verdicts.append(verdict)
        if verdict is None:
            assert pair[0] is not None
            hard.setdefault((pair[0], pair[1]), []).append(index)
    crew = pool.shared(workers or usable_cores(), grader)
    for indices, verdict in zip(hard.values(), crew.run(list(hard), limit=limit), strict=True):
        for index in indices:
            verdicts[index] = verdict
    return [verdict for verdict in verdicts if verdict is not None]


def compare_accepted(
    answers: Sequence[str | None], accepted: Sequence[Sequence[str]], *, grader: Grader = "math"
) -> list[Verdict]:
    """Return the verdicts of answers, each against all its accepted golds: the kindest counts.

    >>> [v.value for v in compare_accepted(["2", "3"], [("1", "2"), ("1", "2")])]
    ['correct', 'wrong']
    """
    first = [(answer, golds[0]) for answer, golds in zip(answers, accepted, strict=True)]
    found = compare_many(first, grader=grader)
    others = [
        (i, gold)
        for i, golds in enumerate(accepted)
        if found[i] is not Verdict.correct
        for gold in golds[1:]
    ]
    more = compare_many([(answers[i], gold) for i, gold in others], grader=grader) if others else []
    for (i, _), verdict in zip(others, more, strict=True):
        if verdict is Verdict.correct or (
            verdict is Verdict.undecided and found[i] is Verdict.wrong
        ):
            found[i] = verdict
    return found


def _check(grader: str) -> None:
    if grader not in JUDGES:
        raise ValueError(f"grader is {grader!r}, expected one of {get_args(Grader)}")
    if grader == "math-verify":
        math_verify.require()


def _settled(answer: str | None, gold: str, grader: str) -> Verdict | None:
    require_text("gold", gold)
    if answer is None:
        return Verdict.no_answer
    require_text("answer", answer)
    if not answer.strip():
        return Verdict.no_answer
    if not gold.strip():
        return Verdict.undecided
    return _QUICK[grader](answer, gold)
