"""A generator and a judge that are an engine of this process: what waits together is one call.

A thread makes the calls. A question that was given up asks for nothing more; a call that has begun
ends by itself.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from mathtune.cli.serving.models import Drawn, FailedError, Judged, Question, prompt_of
from mathtune.engines import prompts
from mathtune.engines.protocol import Candidates, Draft, Engine, Sampling, Want


@dataclass(frozen=True)
class _Asked:
    """A call that waits for its answer: what to sample, or without `sampling` what to judge."""

    answer: Future[Any]
    what: Any
    sampling: Sampling | None = None
    seed: tuple[int, ...] = ()


class Batched:
    """An engine and its tokenizer, behind one thread that owns them."""

    def __init__(self, engine: Engine, *, form: prompts.AnyForm, tokenizer: Any) -> None:
        self._engine, self._tokenizer, self._form = engine, tokenizer, form
        self.chats = prompts.resolve(form, tokenizer) == "chat"
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="engine", daemon=True).start()

    async def sample(
        self, question: Question, sampling: Sampling, *, seed: int, first: int
    ) -> Drawn:
        """Draw samples, in one call with other questions that wait and have the same settings.

        Raises:
            FailedError: the engine failed.
        """
        prompt = prompt_of(question, self._form, self._tokenizer)
        ids = prompts.encode(prompt, form=self._form, tokenizer=self._tokenizer)
        drafts = await self._ask(Want(prompt, sampling.n), sampling, (seed, first))
        return Drawn(drafts, len(ids))

    async def judge(self, problem: str, solutions: Sequence[str]) -> Judged:
        """Score solutions, in one call with those of other questions that wait.

        Raises:
            FailedError: the engine failed.
        """
        texts = [
            prompts.evaluator(problem, text, form=self._form, tokenizer=self._tokenizer)
            for text in solutions
        ]
        read = sum(
            len(prompts.encode(text, form=self._form, tokenizer=self._tokenizer)) for text in texts
        )
        scores = await self._ask(Candidates(problem, tuple(solutions)))
        return Judged(scores, read)

    async def _ask(self, *what: Any) -> Any:
        asked = _Asked(Future(), *what)
        self._asked.put(asked)
        return await asyncio.wrap_future(asked.answer)

    def close(self) -> None:
        """End the thread after the call that it is in."""
        self._asked.put(None)

    def _run(self) -> None:
        while True:
            waiting = [self._asked.get()]
            while not self._asked.empty():
                waiting.append(self._asked.get())
            if None in waiting:
                return
            kinds: dict[Sampling | None, list[_Asked]] = {}
            for one in waiting:
                if one is not None and one.answer.set_running_or_notify_cancel():
                    kinds.setdefault(one.sampling, []).append(one)
            for group in kinds.values():
                self._together(group)

    def _together(self, group: list[_Asked]) -> None:
        """Answer waves of one kind with one call; if it fails, each alone."""
        try:
            for one, result in zip(group, self._results(group), strict=True):
                one.answer.set_result(result)
        except Exception as error:
            if len(group) > 1:
                for one in group:
                    if not one.answer.done():
                        self._together([one])
            else:
                group[0].answer.set_exception(FailedError(f"the engine failed ({error})."))

    def _results(self, group: list[_Asked]) -> list[Any]:
        asked, sampling = [one.what for one in group], group[0].sampling
        if sampling is None:
            found = dict(self._engine.score(asked, "evaluator"))
            return [found[place] for place in range(len(group))]
        drafts: list[list[Draft]] = [[] for _ in group]
        for place, some in self._engine.sample(asked, sampling, seed=group[0].seed):
            drafts[place] += some
        return drafts
