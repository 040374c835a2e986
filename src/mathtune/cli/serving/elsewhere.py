"""A generator or a judge that is not driven token by token: on a server, or in vLLM.

Their calls run in threads. A question that was given up asks for nothing more; a call that has
begun ends by itself.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from mathtune.cli.serving.models import Drawn, FailedError, Judged, Question, prompt_of
from mathtune.engines import prompts
from mathtune.engines.openai import OpenAI, Unrendered
from mathtune.engines.protocol import Candidates, Draft, Engine, Sampling, Want
from mathtune.errors import KEPT, InputError


class Elsewhere:
    """A model on a server that speaks OpenAI's protocol. `width`: requests in flight at once."""

    def __init__(self, engine: OpenAI, *, wording: prompts.Wording, width: int) -> None:
        self._engine, self._wording = engine, wording
        self.chats = wording.form == "chat"
        self._threads = ThreadPoolExecutor(width, thread_name_prefix="server")

    async def sample(
        self,
        question: Question,
        sampling: Sampling,
        *,
        seed: int,  # noqa: ARG002 (servers have their own)
        first: int,  # noqa: ARG002
    ) -> Drawn:
        """Draw samples with one request, or with more if the server gives fewer than it is asked.

        Raises:
            FailedError: the server failed, or refuses the request.
        """
        prompt = prompts.solver(question.text, form=self._wording, tokenizer=Unrendered())
        messages = prompts.chat(question.messages, self._wording) if question.messages else None
        drafts: list[Draft] = []
        read = 0
        while len(drafts) < sampling.n:
            missing = sampling.n - len(drafts)
            parts = [1] * missing if self._engine.copies else [missing]
            asked = [
                self._call(self._engine.drafts, Want(prompt, part), sampling, messages)
                for part in parts
            ]
            for some, tokens in await asyncio.gather(*asked):
                drafts += some
                read = max(read, tokens)
        return Drawn(drafts[: sampling.n], read)

    async def judge(self, problem: str, solutions: Sequence[str]) -> Judged:
        """Score each distinct solution with one request.

        Raises:
            FailedError: the server failed, or does not return both labels.
        """
        texts = list(dict.fromkeys(solutions))
        calls = [self._call(self._engine.judged, problem, text) for text in texts]
        found = dict(zip(texts, await asyncio.gather(*calls), strict=True))
        return Judged(
            [found[text][0] for text in solutions], sum(read for _, read in found.values())
        )

    async def _call(self, work: Any, *arguments: Any) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        except InputError as error:
            said = str(error).replace("server.top_logprobs", "--evaluator-logprobs")
            said = said.removesuffix(f"; {KEPT}")  # a question that failed has kept nothing
            raise FailedError(said) from None

    def close(self) -> None:
        """End all requests."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._engine.close()


@dataclass(frozen=True)
class _Asked:
    """A call that waits for its answer: what to sample, or without `sampling` what to judge."""

    answer: Future[Any]
    what: Any
    sampling: Sampling | None = None
    seed: tuple[int, ...] = ()


class Batched:
    """An engine of this process: what waits together is one call."""

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
