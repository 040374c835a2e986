"""The interface of every engine: sample texts and score candidates. Imports no torch.

transformers  `transformers.engine.TransformersEngine`: any Hugging Face model, in this process
vllm          `vllm.VLLM`: one engine process per GPU, or per group of them
openai        `openai.OpenAI`: any server that speaks OpenAI's protocol
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from mathtune.engines import Dtype
from mathtune.engines.settings import EngineName, Ray, Server, Vllm
from mathtune.rows.records import Reason

ScorerName = Literal["evaluator", "likelihood"]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Sampling settings: `n` solutions per prompt, up to `max_tokens` each, cut at the text `stop`.

    A temperature of 0 takes the likeliest token each time; a top_k or min_p of 0 keeps all.
    """

    n: int
    temperature: float
    top_p: float
    max_tokens: int
    stop: str | None = None
    top_k: int = 0
    min_p: float = 0.0
    thought_tokens: int = 0
    """The most tokens of thoughts; `max_tokens` then counts from their end. 0: it counts all."""

    @property
    def most(self) -> int:
        """The most tokens of a sample."""
        return self.thought_tokens + self.max_tokens

    def cut(self, text: str) -> str:
        """Return the text before the first stop, without the blank lines before it.

        Example:
            >>> how = Sampling(n=1, temperature=0, top_p=1, max_tokens=9, stop="\\nProblem:")
            >>> how.cut("#### 4\\n\\nProblem: more")
            '#### 4'
        """
        if self.stop is None:
            return text
        before, found, _ = text.partition(self.stop)
        return before.rstrip() if found else text


@dataclass(frozen=True)
class Draft:
    """One sampled text; `tokens` counts those generated, the end token not included."""

    text: str
    finish_reason: Reason
    tokens: int


TOO_LONG = Draft("", "prompt_too_long", 0)


@dataclass(frozen=True)
class Want:
    """A prompt, and the number of drafts that are wanted."""

    prompt: str
    count: int


@dataclass(frozen=True)
class Candidates:
    """A problem and its candidate solutions, to be scored by an evaluator or a solver."""

    problem: str
    solutions: tuple[str, ...]


def share(correct: float, incorrect: float) -> float:
    """Compute the evaluator's score from log p of its two words (Liu et al. 2023, 3.2).

        S = p(correct) / (p(correct) + p(incorrect))      without overflow

    Example:
        >>> round(share(math.log(0.03), math.log(0.01)), 6)
        0.75
    """
    return 0.5 * (1 + math.tanh((correct - incorrect) / 2))


Drafts = tuple[int, list[Draft]]
"""The index of a want, and some of its drafts."""
Scores = tuple[int, list[float | None]]
"""The index of a group, and its candidates' scores; None: it exceeds the model's context."""


class EngineChoice(Protocol):
    """The settings of `sample` or `score` that open an engine."""

    @property
    def model(self) -> str: ...
    @property
    def engine(self) -> EngineName: ...
    @property
    def adapter(self) -> Path | None: ...
    @property
    def server(self) -> Server: ...
    @property
    def vllm(self) -> Vllm: ...
    @property
    def ray(self) -> Ray | None: ...
    @property
    def device(self) -> str: ...
    @property
    def dtype(self) -> Dtype: ...


class Engine(Protocol):
    """A model that is ready to sample and to score."""

    @property
    def tokens(self) -> int:
        """The number of tokens read so far by `score`."""
        ...

    def sample(
        self, wants: Sequence[Want], sampling: Sampling, *, seed: tuple[int, ...]
    ) -> Iterator[Drafts]:
        """Yield drafts as they are finished, until every want has `count` of them.

        `sampling.n` is not read. Only the transformers engine draws the same samples again from the
        same seed.
        """
        ...

    def score(self, groups: Sequence[Candidates], scorer: ScorerName) -> Iterator[Scores]:
        """Yield each group's scores as they are known: S in [0, 1], or likelihoods."""
        ...
