"""A judge as a reward function for reinforcement learning, with TRL's signature. Above the engines.

`mathtune.answers.reward` needs a gold answer; a judge needs none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mathtune.engines import opener
from mathtune.engines.protocol import Candidates, Engine
from mathtune.engines.settings import ModelChoice, Server
from mathtune.errors import InputError, many

Text = str | Sequence[Mapping[str, Any]]
"""A text, or a chat whose last message counts."""


class RewardFunction(Protocol):
    """The function that `GRPOTrainer(reward_funcs=...)` calls."""

    def __call__(
        self, prompts: Sequence[Text], completions: Sequence[Text], **columns: Any
    ) -> list[float | None]:
        """Return a reward per completion."""
        ...


def judge_reward(
    model: str, *, url: str | None = None, device: str = "auto", top_logprobs: int = 20
) -> RewardFunction:
    """Return a function that scores completions with a judge: S in [0, 1], the evaluator's score.

    `model`: a train step's model folder, a hub id or `embedded`; with `url`, the name of a model on
    the server there, which is asked for its `top_logprobs` likeliest tokens. The problem is the
    data set's column `problem` or `question`, else the prompt (of a chat, the last message).

    Raises:
        InputError: the model or the server cannot be used.
    """
    if url is None:
        return judged_by(opener.open_engine(ModelChoice(model, device=device), "auto"))
    server = Server(url=url, top_logprobs=top_logprobs)
    choice = ModelChoice(model, "openai", device, server)
    return judged_by(opener.open_engine(choice, "plain"))


def judged_by(engine: Engine) -> RewardFunction:
    """Return the reward function of an engine that is open already."""

    def judge_reward(
        prompts: Sequence[Text], completions: Sequence[Text], **columns: Any
    ) -> list[float | None]:
        problems = columns.get("problem", columns.get("question", prompts))
        if len(problems) != len(completions):
            raise InputError(
                f"judge reward: {many(len(problems), 'problem', 'problems')} for "
                f"{many(len(completions), 'completion', 'completions')}; expected as many."
            )
        positions: dict[str, list[int]] = {}
        for position, problem in enumerate(problems):
            positions.setdefault(_text(problem), []).append(position)
        groups = [
            Candidates(problem, tuple(_text(completions[position]) for position in group))
            for problem, group in positions.items()
        ]
        rewards: list[float | None] = [None] * len(completions)
        members = list(positions.values())
        for number, scores in engine.score(groups, "evaluator"):
            for position, score in zip(members[number], scores, strict=True):
                rewards[position] = score
        return rewards

    return judge_reward


def _text(text: Text) -> str:
    return text if isinstance(text, str) else str(text[-1]["content"])
