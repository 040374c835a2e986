"""A reward function for reinforcement learning with TRL, over `grade`."""

from collections.abc import Sequence

from mathtune.answers.extract import gold_answer
from mathtune.answers.grading import grade_many
from mathtune.errors import InputError
from mathtune.records import Verdict

Completion = str | Sequence[dict[str, str]]

_REWARDS = {
    Verdict.correct: 1.0,
    Verdict.wrong: 0.0,
    Verdict.no_answer: 0.0,
    Verdict.undecided: None,
}


def reward(
    completions: Sequence[Completion],
    solution: Sequence[str] | None = None,
    answer: Sequence[str] | None = None,
    **_: object,
) -> list[float | None]:
    r"""1.0 for a correct completion, 0.0 for a wrong one or none, None where undecided.

    The signature is TRL's: `completions` are texts, or chats whose last message is judged;
    `solution` (or `answer`) is the data set's column of golds, each an answer or a solution that
    marks one; other columns are ignored. TRL leaves a sample with None out of this function's mean.

    >>> reward([r"\boxed{2}", r"\boxed{3}", "?"], ["2", "2", "2"])
    [1.0, 0.0, 0.0]
    >>> reward([[{"role": "assistant", "content": r"\boxed{2}"}]], solution=[""])
    [None]
    """
    golds = solution if solution is not None else answer
    if golds is None:
        raise InputError("reward: the data set has no column `solution` or `answer` of golds.")
    texts = [text if isinstance(text, str) else text[-1]["content"] for text in completions]
    verdicts = grade_many(zip(texts, map(gold_answer, golds), strict=True))
    return [_REWARDS[verdict] for verdict in verdicts]
