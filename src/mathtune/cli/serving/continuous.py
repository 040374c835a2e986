"""A generator and a judge that are loaded in this process, behind one thread that owns them.

The thread takes turns: it judges what waits for a judge, then draws a token for every sample in
flight. Questions that arrive while it works join the samples in flight.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mathtune.cli.serving.models import Drawn, FailedError, Judged, Question, prompt_of
from mathtune.engines import prompts
from mathtune.engines.protocol import Candidates, Draft, Sampling
from mathtune.engines.transformers import memory
from mathtune.engines.transformers.continuous import ContinuousLoop, Wave, wave_of
from mathtune.errors import InputError
from mathtune.run.progress import say

if TYPE_CHECKING:
    from mathtune.engines.transformers.engine import TransformersEngine

JUDGED = 64
"""Solutions judged between two turns of the decode loop, so that judging holds no sample up."""

Deliver = Callable[[Any], None]


class Continuous:
    """A loaded generator and a loaded judge, which may be the same. `longest`: the most tokens of a
    sample.
    """

    def __init__(
        self, generator: TransformersEngine, judge: TransformersEngine | None, *, longest: int
    ) -> None:
        self._generator, self._judge, self._longest = generator, judge, longest
        self._form = prompts.resolve(generator.form, generator.tokenizer)
        self.loop = ContinuousLoop(generator.sampler, longest=longest)
        self._asked: deque[tuple[str, Sampling, int, int, Deliver, list[Wave]]] = deque()
        self._judging: deque[tuple[Candidates, Deliver]] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="models", daemon=True)
        self._thread.start()

    @property
    def chats(self) -> bool:
        """True if the model has a chat template."""
        return self._form == "chat"

    def prompt(self, question: Question) -> str:
        """Return the text that the generator continues."""
        return prompt_of(question, self._generator.form, self._generator.tokenizer)

    async def sample(
        self, question: Question, sampling: Sampling, *, seed: int, first: int
    ) -> Drawn:
        """Draw samples; they leave the loop if this call is cancelled.

        Raises:
            FailedError: the model failed.
        """
        waves: list[Wave] = []
        deliver = _Promise()
        self._add(self._asked, (self.prompt(question), sampling, seed, first, deliver, waves))
        try:
            drafts: list[Draft] = await deliver.answer
        except asyncio.CancelledError:
            deliver.cancel()
            for wave in waves:
                wave.cancelled = True
            raise
        return Drawn(drafts, len(waves[0].prompt))

    async def judge(self, problem: str, solutions: Sequence[str]) -> Judged:
        """Score solutions, together with those of other questions that wait.

        Raises:
            FailedError: the model failed.
        """
        deliver = _Promise()
        self._add(self._judging, (Candidates(problem, tuple(solutions)), deliver))
        judged: Judged = await deliver.answer
        return judged

    def close(self) -> None:
        """End the thread; calls that wait are not answered."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(timeout=5)

    def _add(self, where: deque[Any], what: Any) -> None:
        with self._wake:
            where.append(what)
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed or self._asked or self._judging)
            with memory.keeping(self._generator.model.device):
                while not self._closed and self._turn():
                    pass
            if self._closed:
                return

    def _turn(self) -> bool:
        """Take what was asked, judge, draw; False: nothing is left to do."""
        while self._asked:
            self._enter(*self._asked.popleft())
        chosen: list[tuple[Candidates, Deliver]] = []
        while self._judging and sum(len(one.solutions) for one, _ in chosen) < JUDGED:
            chosen.append(self._judging.popleft())
        if chosen:
            self._judge_groups(chosen)
        try:
            busy = self.loop.turn()
        except Exception as error:  # whatever it is, only these questions fail
            say(f"  the generator failed ({type(error).__name__}: {error}); it goes on")
            reason = f" ({str(error).rstrip('.')})" if isinstance(error, InputError) else ""
            self.loop.fail(FailedError(f"the generator failed at this question{reason}."))
            self.loop = ContinuousLoop(self._generator.sampler, longest=self._longest)
            busy = True
        return busy or bool(self._judging)

    def _enter(
        self,
        text: str,
        sampling: Sampling,
        seed: int,
        first: int,
        deliver: Any,
        waves: list[Wave],
    ) -> None:
        """Let a wave wait for its samples, unless its question has been given up."""
        if deliver.cancelled:
            return
        try:
            wave = wave_of(
                self._generator.sampler, text, sampling, seed=seed, first=first, done=deliver
            )
        except Exception as error:
            deliver(FailedError(f"the question cannot be read ({type(error).__name__})."))
            return
        if not wave.prompt:
            deliver(InputError("question: no tokens; expected a text."))
            return
        waves.append(wave)
        wave.cancelled = deliver.cancelled
        self.loop.add(wave)

    def _judge_groups(self, chosen: list[tuple[Candidates, Deliver]]) -> None:
        """Judge groups at once; if that fails, each alone, so that only the faulty one fails."""
        assert self._judge is not None
        before = self._judge.tokens
        try:
            found = dict(self._judge.score([group for group, _ in chosen], "evaluator"))
        except Exception as error:
            if len(chosen) > 1:
                for one in chosen:
                    self._judge_groups([one])
                return
            say(f"  the evaluator failed ({type(error).__name__}: {error}); it goes on")
            chosen[0][1](FailedError("the evaluator failed at this question."))
            return
        read = self._judge.tokens - before
        total = sum(len(group.solutions) for group, _ in chosen)
        for place, (group, deliver) in enumerate(chosen):
            part = round(read * len(group.solutions) / total)
            deliver(Judged(found[place], part))


class _Promise:
    """Hands a value or an error from the models' thread to the event loop that waits for it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Any] = self._loop.create_future()
        self.cancelled = False

    def cancel(self) -> None:
        """Note that nobody waits any more."""
        self.cancelled = True

    def __call__(self, value: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._set, value)

    def _set(self, value: Any) -> None:
        if self.answer.done():
            return
        if isinstance(value, Exception):
            self.answer.set_exception(value)
        else:
            self.answer.set_result(value)
