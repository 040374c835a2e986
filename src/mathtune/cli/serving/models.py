"""The generator and the judge of a question, as awaitable calls: loaded here, in vLLM, or served.

Continuous  any Hugging Face model; waves of all questions share one decode loop
Batched     any other engine of this process (vLLM): waves that wait together are one call
Remote      a server that speaks OpenAI's protocol: a request per wave

A thread owns each model of this process. Cancelling a call gives up its samples: at the next token
(Continuous), or before the next request (the others, whose calls cannot be interrupted).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mathtune.engines import prompts
from mathtune.engines.openai import Messages
from mathtune.engines.protocol import Draft, Sampling
from mathtune.errors import InputError


class FailedError(Exception):
    """A model failed at a request; its sentence says how."""


@dataclass(frozen=True)
class Question:
    """A problem, and the chat that ends with it.

    `messages`: the chat, the problem included; empty: the problem alone.
    """

    text: str
    messages: Messages = ()


def prompt_of(question: Question, form: prompts.AnyForm, tokenizer: prompts.ChatTokenizer) -> str:
    """Return the text that a generator continues.

    Raises:
        InputError: the chat template refuses the conversation.
    """
    if question.messages:
        return prompts.continued(question.messages, prompts.worded(form), tokenizer)
    return prompts.solver(question.text, form=form, tokenizer=tokenizer)


@dataclass(frozen=True)
class Drawn:
    """A wave's drafts, and how many tokens of the prompt were read."""

    drafts: Sequence[Draft]
    read: int


@dataclass(frozen=True)
class Judged:
    """S of each solution, None if it does not fit the context, and the tokens that were read."""

    scores: Sequence[float | None]
    read: int


class Generator(Protocol):
    """A model that writes solutions."""

    @property
    def chats(self) -> bool:
        """Return whether it reads chats: system messages and earlier turns."""
        ...

    async def sample(
        self, question: Question, sampling: Sampling, *, seed: int, first: int
    ) -> Drawn:
        """Draw `sampling.n` samples, numbered from `first` on."""
        ...


class Judge(Protocol):
    """A model that judges solutions."""

    async def judge(self, problem: str, solutions: Sequence[str]) -> Judged:
        """Score each solution of a problem."""
        ...


@dataclass(frozen=True)
class Models:
    """What solves a question: a generator and, if solutions are judged by a model, a judge."""

    generator: Generator
    judge_model: Judge | None = None

    async def sample(
        self, question: Question, sampling: Sampling, *, seed: int, first: int
    ) -> Drawn:
        """Draw samples, as the generator does."""
        return await self.generator.sample(question, sampling, seed=seed, first=first)

    async def judge(self, problem: str, solutions: Sequence[str]) -> Judged:
        """Score solutions, as the judge does."""
        if self.judge_model is None:
            raise InputError("evaluator: none was loaded; expected one to judge with.")
        return await self.judge_model.judge(problem, solutions)
