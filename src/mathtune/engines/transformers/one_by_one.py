"""Sampling and scoring through a model's own `generate` and forward call, one prompt at a time. For
models whose attention cannot be shared between rows; used by decode and scoring.

Slower, since every sample reads its prompt anew, but right for every architecture: convolutions,
states, sinks, position biases. No row is padded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, StoppingCriteria

from mathtune.engines.protocol import Sampling
from mathtune.engines.transformers.memory import ran_out
from mathtune.engines.transformers.probe import FAULTS
from mathtune.engines.transformers.top_p import draw
from mathtune.errors import InputError, one_line
from mathtune.run.progress import say_once

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from mathtune.engines.transformers.stops import Stops


class OneByOne:
    """A model that reads one prompt, or one candidate, at a time.

    `attention`: the name of the attention that it reads with; None: the one that it has.
    """

    def __init__(self, model: PreTrainedModel, attention: str | None = None) -> None:
        self._model, self._attention = model, attention

    @contextmanager
    def _own_attention(self) -> Iterator[None]:
        before = self._model.config._attn_implementation
        if self._attention is not None:
            self._model.set_attn_implementation(self._attention)
        try:
            yield
        finally:
            if self._attention is not None:
                self._model.set_attn_implementation(before)

    @torch.inference_mode()
    def logits(self, ids: Sequence[int], positions: Sequence[int]) -> Tensor:
        """Return the logits [positions, vocabulary] after these positions of a row of tokens."""
        row = torch.tensor([list(ids)], device=self._model.device)
        with self._own_attention():
            read = self._model(input_ids=row, attention_mask=torch.ones_like(row), use_cache=False)
        return read.logits[0, list(positions)]

    @torch.inference_mode()
    def sample(self, ids: list[int], sampling: Sampling, watch: StopWatch) -> Tensor:
        """Return the sampled tokens [samples, T] of one prompt; `watch` knows how many count.

        Raises:
            InputError: the library's `generate` fails with this model.
        """
        before = self._model.generation_config
        # `generate` takes what this config leaves out from the model's: a temperature, a top_k.
        self._model.generation_config = GenerationConfig(pad_token_id=0)
        rows = torch.tensor([ids] * len(watch.lengths), device=self._model.device)
        try:
            with self._own_attention():
                found: Any = self._model.generate(
                    rows,
                    attention_mask=torch.ones_like(rows),
                    max_new_tokens=watch.uniforms.shape[1],
                    do_sample=False,
                    logits_processor=[_Draw(sampling, watch, len(ids))],
                    stopping_criteria=[watch],
                )
        except InputError:
            raise
        except FAULTS as error:
            if isinstance(error, RuntimeError) and ran_out(error):
                raise
            raise InputError(
                f"model {self._model.name_or_path!r}: transformers' `generate` fails with "
                f"{type(self._model).__name__} ({one_line(error, most=200)}); expected a model "
                "that it can sample from, or engine=vllm."
            ) from error
        finally:
            self._model.generation_config = before
        return found[:, len(ids) :]


def apart(forward: object, steady: int | None, longest: int, what: str) -> bool:
    """Return whether rows of up to `longest` tokens must be read one by one: the forward can do
    no other, or they are longer than `steady`; then say once that `what` is slower, and why.
    """
    if isinstance(forward, OneByOne):
        return True
    if steady is None or longest <= steady:
        return False
    say_once(
        f"longrope: {what}",
        f"  {what} one by one, which is slower: past {steady} tokens all positions of a row change "
        "(longrope)",
    )
    return True


class _Draw(LogitsProcessor):
    """Leave each row only the token that it draws with its own random number."""

    def __init__(self, sampling: Sampling, watch: StopWatch, prompt: int) -> None:
        self._sampling, self._watch, self._prompt = sampling, watch, prompt

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        token = draw(
            scores,
            torch.arange(len(scores), device=scores.device),
            self._watch.uniforms[:, input_ids.shape[1] - self._prompt],
            self._sampling,
        )
        if self._watch.thoughts is not None:
            token = self._watch.thoughts.closed(input_ids[:, self._prompt :], token)
        return torch.full_like(scores, -torch.inf).scatter_(1, token[:, None], 0.0)


@dataclass(frozen=True)
class Thoughts:
    """The budget of thoughts, the token that ends them, and those that end a sample."""

    sampling: Sampling
    end: int
    ends: Tensor

    def closed(self, rows: Tensor, token: Tensor) -> Tensor:
        """Return the tokens after `rows` [B, T]; thoughts whose budget is used up are ended."""
        thinking = ~(rows == self.end).any(1) & ~torch.isin(token, self.ends)
        due = thinking & (rows.shape[1] + 1 >= self.sampling.thought_tokens)
        return token.masked_fill(due, self.end)

    def used_up(self, rows: Tensor) -> Tensor:
        """Return the rows that have all the tokens allowed after their thoughts."""
        ended = rows == self.end
        after = rows.shape[1] - 1 - ended.long().argmax(1)
        return ended.any(1) & (after >= self.sampling.max_tokens)


class StopWatch(StoppingCriteria):
    """Notes where each sample ends: at an end token, at a stop text, or nowhere.

    `uniforms` [samples, most tokens]: the random numbers, one per token.
    """

    def __init__(self, uniforms: Tensor, ends: Tensor, stops: Stops | None, *, prompt: int) -> None:
        self.uniforms, self._ends, self._stops, self._prompt = uniforms, ends, stops, prompt
        self.lengths = torch.full((len(uniforms),), uniforms.shape[1], device=ends.device)
        self.ended = torch.zeros(len(uniforms), dtype=torch.bool, device=ends.device)
        self._over = self.ended.clone()
        self.thoughts: Thoughts | None = None

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:  # noqa: ARG002
        rows = input_ids[:, self._prompt :]
        ended = torch.isin(rows[:, -1], self._ends)
        if self._stops is not None:
            counts = torch.full((len(rows),), rows.shape[1])
            ended |= self._stops.reached(rows, counts, rows[:, -1])
        over = ended if self.thoughts is None else ended | self.thoughts.used_up(rows)
        new = over & ~self._over
        self.lengths[new] = rows.shape[1]
        self.ended |= ended & new
        self._over |= over
        return self._over
