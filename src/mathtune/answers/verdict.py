"""The four outcomes of grading one sample. Used by every grader."""

from enum import StrEnum


class Verdict(StrEnum):
    """What a grader says about one answer.

    `undecided` means that the comparison hit a limit or that there is no gold answer to compare
    with. It is counted by itself and never silently read as `wrong`.

    >>> Verdict.CORRECT == "correct"
    True
    """

    CORRECT = "correct"
    WRONG = "wrong"
    NO_ANSWER = "no_answer"
    UNDECIDED = "undecided"
