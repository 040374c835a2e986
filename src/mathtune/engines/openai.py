"""Sample and score with a server that speaks OpenAI's protocol: vLLM's, llama.cpp's, a hosted one.

Plain prompts go to /completions, chats to /chat/completions, where the server applies its model's
own template. All n samples of a prompt are one request, where the server can do that.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Event
from typing import Any

import msgspec

from mathtune.engines import prompts
from mathtune.engines.protocol import (
    TOO_LONG,
    Candidates,
    Draft,
    Drafts,
    Sampling,
    ScorerName,
    Scores,
    Want,
    share,
)
from mathtune.engines.server import Client, RefusedError
from mathtune.engines.settings import Server
from mathtune.errors import InputError

_CONTEXT = re.compile(
    r"context[ _](length|window|size)|maximum (context|model|sequence) length|max_model_len|"
    r"prompt is too long|too many tokens|exceeds? the (available |maximum )?(context|length)",
    re.IGNORECASE,
)
"""How servers say that a request does not fit the model's context."""
_WHOLE = {"stop": "stop", "content_filter": "stop", "eos_token": "stop", "length": "length"}
"""How a finished choice ended; one that ended otherwise is half an answer and asked for again."""


class Unrendered:
    """A stand-in for a served model's tokenizer: it leaves a chat as it is, for the server applies
    its own template.
    """

    chat_template: str | None = None

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: Any) -> str:  # noqa: ARG002
        """Return the content of the user's message; the system's goes with every request."""
        return conversation[-1]["content"]

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Raise an error: a server tokenises by itself."""
        raise NotImplementedError


class _Logprobs(msgspec.Struct):
    top_logprobs: list[dict[str, float] | None] | None = None


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    text: str | None = None
    message: _Message | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None

    def content(self) -> str | None:
        """Return the sampled text, from the field in which this endpoint puts it."""
        return self.message.content or "" if self.message is not None else self.text


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int | None = 0


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class OpenAI:
    """A model on a server. `form` must be resolved: a server does not know `auto`.

    `judge` renders the evaluator's prompts; in chat form it is the model's own tokenizer, since the
    evaluator's last sentence is part of the assistant's turn.

    Raises:
        InputError: there is no such server, it refuses the key, or it lacks the model.
    """

    def __init__(
        self, model: str, server: Server, *, form: prompts.AnyForm, judge: prompts.ChatTokenizer
    ) -> None:
        self._server, self._judge = server, judge
        self._form = prompts.worded(form)
        self._chat = self._form.form == "chat"
        self._model = server.model or model
        self._client = Client(server)
        self.tokens = 0
        self._counting = threading.Lock()
        self._copies = False  # whether the server makes one choice a request only
        self._limit = "max_tokens"  # what the server calls the most tokens of a sample
        there = self._client.models()
        if self._model not in there:
            raise InputError(
                f"{self._client}: has no model {self._model!r}; it has {', '.join(there) or 'none'}"
                "; set server.model to one of them."
            )

    def sample(
        self,
        wants: Sequence[Want],
        sampling: Sampling,
        *,
        seed: tuple[int, ...],  # noqa: ARG002 (copies with one seed would be equal)
    ) -> Iterator[Drafts]:
        """Yield drafts as requests are answered. An answer with too few is kept, and the rest is
        requested again.
        """
        with _Pool(self._server.concurrency, self._client) as pool:
            for place, want in enumerate(wants):
                self._submit(pool, place, want, sampling)
            for place, want, drafts in pool.finished():
                yield place, drafts
                left = want.count - len(drafts)
                if left:
                    self._submit(pool, place, Want(want.prompt, left), sampling)

    def score(self, groups: Sequence[Candidates], scorer: ScorerName) -> Iterator[Scores]:
        """Yield S of every candidate, with one request per distinct candidate.

        Raises:
            InputError: the scorer is `likelihood`, or a label is not among the tokens that the
            server returns.
        """
        if scorer == "likelihood":
            raise InputError(
                "scorer: found 'likelihood' with engine openai, whose protocol gives no "
                "probabilities of a given text; expected engine=transformers or engine=vllm."
            )
        left = [len(dict.fromkeys(group.solutions)) for group in groups]
        found: list[dict[str, float | None]] = [{} for _ in groups]
        with _Pool(self._server.concurrency, self._client) as pool:
            for place, group in enumerate(groups):
                for solution in dict.fromkeys(group.solutions):
                    pool.submit(place, solution, self._judged, group.problem, solution)
            for place, solution, value in pool.finished():
                found[place][solution] = value
                left[place] -= 1
                if not left[place]:
                    yield place, [found[place][text] for text in groups[place].solutions]

    def _submit(self, pool: _Pool, place: int, want: Want, sampling: Sampling) -> None:
        parts = [1] * want.count if self._copies else [want.count]
        for count in parts:
            part = Want(want.prompt, count)
            pool.submit(place, part, self._drafts, part, sampling)

    def _drafts(self, want: Want, sampling: Sampling) -> list[Draft]:
        """Return one request's drafts: at least one, at most `want.count`."""
        body: dict[str, Any] = {
            "model": self._model,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        if sampling.stop is not None:
            body["stop"] = [sampling.stop]
        room, count = sampling.max_tokens, 1 if self._copies else want.count
        broken = 0
        while True:
            if count > 1:
                body["n"] = count
            else:
                body.pop("n", None)
            try:
                answer = self._ask(want.prompt, {**body, self._limit: room})
            except RefusedError as error:
                if "max_completion_tokens" in str(error) and self._limit == "max_tokens":
                    self._limit = "max_completion_tokens"
                elif _CONTEXT.search(str(error)):
                    # It says no to prompt and sample together: half as long a sample may fit.
                    room //= 2
                    if not room:
                        return [TOO_LONG] * want.count
                elif count > 1:
                    count = 1  # perhaps it is the n that it refuses
                else:
                    raise InputError(f"{self._client}: refuses the request: {error}.") from None
                continue
            drafts = _drafts_of(answer, sampling)[: want.count]
            if drafts:
                self._copies = self._copies or len(answer.choices) == 1 < want.count
                return drafts
            broken += 1
            if broken > self._server.retries:
                raise InputError(
                    f"{self._client}: {broken} answers without one finished sample; what was "
                    "finished is kept, and the same command goes on from there."
                )

    def _ask(self, prompt: str, body: dict[str, Any]) -> _Answer:
        if self._chat:
            chat = {**body, "messages": prompts.turns(prompt, self._form)}
            if self._form.template:
                chat["chat_template_kwargs"] = dict(self._form.template)
            return self._client.post("/chat/completions", chat, _Answer)
        return self._client.post("/completions", {**body, "prompt": prompt}, _Answer)

    def _judged(self, problem: str, solution: str) -> float | None:
        """Return S = p(correct) / (p(correct) + p(incorrect)), with labels of one token each."""
        text = prompts.evaluator(problem, solution, form=self._form, tokenizer=self._judge)
        if self._chat:
            text = _without_start(text, self._judge)
        # Temperature 1: some servers return the logarithms of what they draw from.
        asked = self._server.top_logprobs
        body = {
            "model": self._model,
            "prompt": text,
            "max_tokens": 1,
            "temperature": 1,
            "top_p": 1,
            "logprobs": asked,
        }
        try:
            answer = self._client.post("/completions", body, _Answer)
        except RefusedError as error:
            if _CONTEXT.search(str(error)):
                return None
            raise InputError(
                f"{self._client}: refuses to score with server.top_logprobs={asked}: {error}."
            ) from None
        with self._counting:
            self.tokens += answer.usage.prompt_tokens if answer.usage else 0
        likeliest = _likeliest(answer)
        missing = [
            label for label in (prompts.CORRECT, prompts.INCORRECT) if label not in likeliest
        ]
        if missing:
            raise InputError(
                f"{self._client}: the label {missing[0]!r} is not among the {len(likeliest)} "
                f"likeliest next tokens that it returned ({asked} were asked for), so there is no "
                "score; expected both labels, one token each: set server.top_logprobs higher (vLLM "
                "gives more than 20 when started with --max-logprobs), or use engine=vllm or "
                "engine=transformers, which need no such list."
            )
        return share(likeliest[prompts.CORRECT], likeliest[prompts.INCORRECT])


_NOT_BEGUN = object()


class _Pool:
    """Requests in flight and their results, as a context that ends the unfinished ones."""

    def __init__(self, width: int, client: Client) -> None:
        self._threads = ThreadPoolExecutor(width)
        self._client = client
        self._pending: dict[Future[Any], tuple[int, Any]] = {}
        self._failed = Event()

    def submit(self, place: int, what: Any, work: Any, *arguments: Any) -> None:
        """Start `work(*arguments)`; `finished` yields its result with `place` and `what`."""
        self._pending[self._threads.submit(self._tried, work, *arguments)] = place, what

    def _tried(self, work: Any, *arguments: Any) -> Any:
        """Do the work, unless other work has failed already."""
        if self._failed.is_set():
            return _NOT_BEGUN
        try:
            return work(*arguments)
        except BaseException:
            self._failed.set()
            raise

    def finished(self) -> Iterator[tuple[int, Any, Any]]:
        """Yield results as they come, until nothing is pending."""
        while self._pending:
            for future in wait(self._pending, return_when=FIRST_COMPLETED).done:
                place, what = self._pending.pop(future)
                if (result := future.result()) is not _NOT_BEGUN:
                    yield place, what, result

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._client.close()
        self._threads.shutdown(cancel_futures=True)


def _drafts_of(answer: _Answer, sampling: Sampling) -> list[Draft]:
    """Return the finished choices. The server counts the tokens of all together: each gets its
    share.
    """
    whole = [
        (text, _WHOLE[choice.finish_reason or ""])
        for choice in answer.choices
        if (text := choice.content()) is not None and choice.finish_reason in _WHOLE
    ]
    total = (answer.usage.completion_tokens or 0) if answer.usage else 0
    lengths = [len(text) for text, _ in whole]
    bounds = [0]
    for length in lengths:
        bounds.append(bounds[-1] + length)
    at = [round(total * bound / max(1, bounds[-1])) for bound in bounds]
    return [
        Draft(sampling.cut(text).rstrip() if sampling.stop else text, reason, at[i + 1] - at[i])  # type: ignore[arg-type]
        for i, (text, reason) in enumerate(whole)
    ]


def _likeliest(answer: _Answer) -> dict[str, float]:
    """Return log p of the first token's likeliest alternatives, by text; empty if the server gave
    none.
    """
    for choice in answer.choices[:1]:
        if choice.logprobs is not None and choice.logprobs.top_logprobs:
            return choice.logprobs.top_logprobs[0] or {}
    return {}


def _without_start(text: str, tokenizer: Any) -> str:
    """Remove the start token from a rendered chat: the server adds its own."""
    start = tokenizer.bos_token
    if start and tokenizer.encode("", add_special_tokens=True)[:1] == [tokenizer.bos_token_id]:
        return text.removeprefix(start)
    return text
