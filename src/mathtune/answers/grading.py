"""Compare an answer with its gold, and grade a whole solution. The door to the named graders."""

from collections.abc import Callable
from typing import Literal, get_args

from mathtune.answers import mathematical, prm800k
from mathtune.answers.extract import extract
from mathtune.records import Verdict

Grader = Literal["math", "prm800k", "math-verify"]


def compare(answer: str | None, gold: str, *, grader: Grader = "math") -> Verdict:
    r"""Judge an extracted `answer` against `gold`. Never raises on any string.

    >>> compare(r"\frac{2}{4}", "0.5")
    <Verdict.correct: 'correct'>
    >>> compare("0.33", r"\frac{1}{3}")
    <Verdict.wrong: 'wrong'>
    >>> compare(None, "7")
    <Verdict.no_answer: 'no_answer'>
    >>> compare("7", "")
    <Verdict.undecided: 'undecided'>
    """
    if grader not in _GRADERS:
        raise ValueError(f"compare: grader is {grader!r}, expected one of {get_args(Grader)}")
    if answer is None or not answer.strip():
        return Verdict.no_answer
    if not gold.strip():
        return Verdict.undecided
    return _GRADERS[grader](answer, gold)


def grade(solution: str, gold: str, *, grader: Grader = "math") -> Verdict:
    r"""Extract the answer of `solution` (explicit rules only) and judge it against `gold`.

    >>> grade(r"Half of it: $\boxed{\frac12}$", "0.5")
    <Verdict.correct: 'correct'>
    >>> grade("I do not know.", "0.5")
    <Verdict.no_answer: 'no_answer'>
    """
    answer = extract(solution)
    return compare(answer.text if answer else None, gold, grader=grader)


_GRADERS: dict[str, Callable[[str, str], Verdict]] = {
    "math": mathematical.judge,
    "prm800k": prm800k.judge,
}
