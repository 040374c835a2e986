"""A reward function for reinforcement learning with TRL, over `grade`."""

from collections.abc import Sequence

from mathtune.answers.grading import grade_many
from mathtune.records import Verdict

Completion = str | Sequence[dict[str, str]]

_REWARDS = {
    Verdict.correct: 1.0,
    Verdict.wrong: 0.0,
    Verdict.no_answer: 0.0,
    Verdict.undecided: None,
}


def reward(
    completions: Sequence[Completion], solution: Sequence[str], **_: object
) -> list[float | None]:
    r"""1.0 for a correct completion, 0.0 for a wrong one or none, None where undecided.

    The signature is TRL's: `completions` are texts, or chats whose last message is judged;
    `solution` is the data set's column of golds; other columns are ignored. TRL leaves a sample
    with None out of this function's mean.

    >>> reward([r"\boxed{2}", r"\boxed{3}", "?"], ["2", "2", "2"])
    [1.0, 0.0, 0.0]
    >>> reward([[{"role": "assistant", "content": r"\boxed{2}"}]], solution=[""])
    [None]
    """
    texts = [text if isinstance(text, str) else text[-1]["content"] for text in completions]
    verdicts = grade_many(zip(texts, solution, strict=True))
    return [_REWARDS[verdict] for verdict in verdicts]
