"""Let a `mathtune serve` solve questions. `opened` solves them here."""

from __future__ import annotations

from typing import Any, Self

import msgspec

from mathtune.cli.serving.settings import Solver
from mathtune.cli.serving.solved import Answered, Solved, Sure
from mathtune.engines.protocol import Draft
from mathtune.engines.served import Message
from mathtune.engines.server import Client, RefusedError
from mathtune.engines.settings import Server
from mathtune.errors import InputError
from mathtune.metrics.early_stopping import Ending
from mathtune.metrics.strategies import Strategy


class _Cluster(msgspec.Struct):
    answer: str
    votes: int
    score: float | None = None


class _Decided(msgspec.Struct):
    answer: str | None
    strategy: Strategy
    votes: int
    clusters: list[_Cluster]
    scores: list[float | None] | None
    samples_used: int
    stopped: Ending
    no_answer: int
    cut_off: int


class _Choice(msgspec.Struct):
    message: Message
    finish_reason: str


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage
    mathtune: _Decided | None = None


class Served:
    """A `mathtune serve` at an address, as a context. Its models and its judge are those it was
    started with.

    Raises:
        InputError: nothing answers there, or it is another server.
    """

    def __init__(self, url: str) -> None:
        try:
            self._client = Client(Server(url=url))
        except ValueError:
            raise InputError(
                f"--server: found {url!r}; expected an address such as http://127.0.0.1:8000/v1."
            ) from None
        self.url = url
        try:
            there = self._client.models()
            if len(there) != 1:
                raise InputError(
                    f"--server: {url} serves {len(there)} models; expected mathtune's."
                )
        except InputError:
            self.close()
            raise
        self.model = there[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all requests and close the connections."""
        self._client.close()

    def solve(self, question: str, solver: Solver) -> Solved:
        """Ask for one question's solution, with these settings.

        Raises:
            InputError: the server refuses it, or does not answer.
        """
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": question}],
            "samples": solver.n,
            "temperature": solver.temperature,
            "top_p": solver.top_p,
            "max_tokens": solver.max_tokens,
            "seed": solver.seed,
            "k": solver.k,
            "stop_at": solver.stop_at,
        }
        for name in ("instruction", "template", "thoughts"):
            if getattr(solver, name) != getattr(Solver(), name):
                raise InputError(f"--{name}: not with --server, which has its own; expected none.")
        if solver.system is not None:
            body["system"] = solver.system
        if solver.strategy is not None:
            body["strategy"] = solver.strategy
        try:
            answer = self._client.post("/chat/completions", body, _Answer)
        except RefusedError as error:
            raise InputError(f"--server: {error}.") from None
        if answer.mathtune is None:
            raise InputError(
                f"--server: {self.url} answers without the field `mathtune`; expected the address "
                "of a `mathtune serve` (another server can be the --generator)."
            )
        return _solved(question, solver, answer, answer.mathtune, self.model)


def _solved(question: str, solver: Solver, answer: _Answer, found: _Decided, model: str) -> Solved:
    choice = answer.choices[0]
    text = choice.message.text() or ""
    solutions = {found.answer: text}  # of the other clusters it sends none
    clusters = tuple(
        Answered(one.answer, one.votes, one.score, None, solutions.get(one.answer, ""))
        for one in found.clusters
    )
    sure, pick = None, None
    if found.answer is not None:
        total = sum(one.score or 0.0 for one in found.clusters)
        score = next((one.score for one in found.clusters if one.answer == found.answer), None)
        part = None if score is None else score / total if total else 0.0
        sure = Sure(found.votes / found.samples_used, part, None)
        pick = Answered(found.answer, found.votes, score, None, text)
    return Solved(
        question=question,
        answer=found.answer,
        solution=None if pick is None else pick.solution,
        strategy=found.strategy,
        sure=sure,
        clusters=clusters,
        scores=None if found.scores is None else tuple(found.scores),
        n=solver.n,
        samples_used=found.samples_used,
        stopped=found.stopped,
        no_answer=found.no_answer,
        cut_off=found.cut_off,
        tokens=answer.usage.completion_tokens,
        read=answer.usage.prompt_tokens,
        generator=model,
        evaluator=None,
        first=Draft(text, "unknown", 0),
        picked=pick,
    )
