"""A reward function for reinforcement learning with TRL, over `grade`."""

from collections.abc import Mapping, Sequence
from typing import Any

from mathtune.answers.extract import gold_answer
from mathtune.answers.graders.table import grade_many
from mathtune.errors import InputError
from mathtune.rows.records import Verdict

Message = Mapping[str, Any]
Completion = str | Sequence[Message]
Gold = str | int | float | None

_REWARDS = {
    Verdict.correct: 1.0,
    Verdict.wrong: 0.0,
    Verdict.no_answer: 0.0,
    Verdict.undecided: None,
}


def reward(
    completions: Sequence[Completion],
    solution: Sequence[Gold] | None = None,
    answer: Sequence[Gold] | None = None,
    **_: object,
) -> list[float | None]:
    r"""Return 1.0 for a correct completion, 0.0 for a wrong or missing answer, None if undecided.

    The signature is TRL's (`GRPOTrainer(reward_funcs=reward)`): `completions` are texts, or chats
    whose last message is judged; `solution` (or `answer`) is the data set's column of golds, each
    an answer or a solution that marks one; whatever else TRL hands over is ignored. A gold that is
    None, as in data sets of several tasks, gives None. TRL leaves a sample with None out of this
    function's mean.

    >>> reward([r"\boxed{2}", r"\boxed{3}", "?"], ["2", "2", "2"])
    [1.0, 0.0, 0.0]
    >>> reward([[{"role": "assistant", "content": r"\boxed{2}"}]], solution=[""])
    [None]
    """
    golds = solution if solution is not None else answer
    if golds is None:
        raise InputError("reward: the data set has no column `solution` or `answer` of golds.")
    pairs = [
        (_text(completion), "" if gold is None else gold_answer(str(gold)))
        for completion, gold in zip(completions, golds, strict=True)
    ]
    return [
        _REWARDS[verdict] if gold else None
        for verdict, (_, gold) in zip(grade_many(pairs), pairs, strict=True)
    ]


def _text(completion: Completion) -> str:
    """Return the text to judge; for a chat its last message, which may hold parts or nothing."""
    if isinstance(completion, str):
        return completion
    content = completion[-1]["content"] if completion else None
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part["text"] for part in content if part.get("type") == "text")
