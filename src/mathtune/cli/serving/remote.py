"""A generator or a judge on a server that speaks OpenAI's protocol.

Its requests run in threads. A question that was given up asks for nothing more; a request that has
begun ends by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mathtune.cli.serving.models import Drawn, FailedError, Judged, Question
from mathtune.engines import prompts
from mathtune.engines.openai import OpenAI, Unrendered
from mathtune.engines.protocol import Draft, Sampling, Want
from mathtune.errors import KEPT, InputError


class Remote:
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
