"""Sample and score with a server that speaks OpenAI's protocol: vLLM's, llama.cpp's, a hosted one.

Plain prompts go to /completions, chats to /chat/completions, where the server applies its model's
own template. All n samples of a prompt are one request if the server supports that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from random import Random
from typing import Any

from mathtune.engines import prompts
from mathtune.engines.label_endpoint import LabelEndpoint
from mathtune.engines.label_tokens import Labels
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
from mathtune.engines.served import (
    Answer,
    drafts_of,
    refuse_impossible,
)
from mathtune.engines.server import (
    CONTEXT,
    NEUTRAL,
    UNKNOWN,
    Client,
    Pool,
    RefusedError,
    listed,
)
from mathtune.engines.settings import Server
from mathtune.engines.thought_budget import after_thoughts, first, opened, refuse_ended
from mathtune.engines.token_ids import completed
from mathtune.errors import KEPT, InputError
from mathtune.run.progress import say_once

FILTERED = "filtered the content of samples, which are kept as they came"
UNCOUNTED = "does not count tokens, so those of its samples are written as 0"
Messages = Sequence[dict[str, str]]
"""A chat: role and content of each message."""


class Unrendered:
    """A stand-in for a served model's tokenizer: it leaves a chat unchanged, since the server
    applies its own template.
    """

    chat_template: str | None = None

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: Any) -> str:  # noqa: ARG002
        """Return the content of the user's message; the system's goes with every request."""
        return conversation[-1]["content"]

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Raise an error: the server tokenises itself."""
        raise NotImplementedError


class OpenAI:
    """A model on a server. `form` must be resolved: a server does not know `auto`.

    `judge` renders the evaluator's prompts; in chat form it is the model's own tokenizer, since the
    evaluator's last sentence is part of the assistant's turn. `tokenizer` loads the model's own,
    which scores label tokens if the server has an endpoint for them; None: it is not on this
    machine.

    Raises:
        InputError: there is no such server, it refuses the key, or it does not have the model.
    """

    def __init__(
        self,
        model: str,
        server: Server,
        *,
        form: prompts.AnyForm,
        judge: prompts.ChatTokenizer,
        tokenizer: Callable[[], prompts.EndingTokenizer] | None = None,
    ) -> None:
        self._server, self._judge = server, judge
        self._form = prompts.worded(form)
        self._chat = self._form.form == "chat"
        self._model = server.model or model
        self._client = Client(server)
        self.tokens = 0
        self._counting = threading.Lock()
        self._limit = "max_tokens"  # the server's name for the most tokens of a sample
        self._tokenizer = tokenizer
        self._ids = True  # False if the server refuses to name tokens by their ids
        self._says_ends = False  # True once it has said how a sample ended
        self._strict = False  # True if the server refuses fields that OpenAI's protocol lacks
        there = self._client.models()
        self.copies = self._client.counts_first_only
        """True if each sample is a request of its own: the server makes or counts one at a time."""
        if self._model not in there:
            raise InputError(
                f"{self._client}: has no model {self._model!r}; it has {listed(there)}; set "
                "server.model to one of them."
            )

    def close(self) -> None:
        """End all requests and close the connections."""
        self._client.close()

    def sample(
        self,
        wants: Sequence[Want],
        sampling: Sampling,
        *,
        seed: tuple[int, ...],
    ) -> Iterator[Drafts]:
        """Yield drafts as requests are answered. If an answer has too few, they are kept and the
        rest is requested again. `seed` enters requests only if `server.extra` has a seed.
        """
        if sampling.thought_tokens:
            wants = self._rendered(wants, sampling)
        with Pool(self._server.concurrency, self._client) as pool:
            have = sum(seed[1:])
            for place, want in enumerate(wants):
                self._submit(pool, place, want, sampling, (have, 0))
            for place, want, drafts in pool.finished():
                yield place, drafts
                left = want.count - len(drafts)
                if left:
                    drawn = have, wants[place].count - left
                    self._submit(pool, place, Want(want.prompt, left), sampling, drawn)

    def score(self, groups: Sequence[Candidates], scorer: ScorerName) -> Iterator[Scores]:
        """Yield S of every candidate: with one request per group if the server scores label tokens
        (vLLM, SGLang), else with one per distinct candidate.

        Raises:
            InputError: the scorer is `likelihood`, or a label is not among the tokens that the
            server returns.
        """
        if scorer == "likelihood":
            raise InputError(
                "scorer: found 'likelihood' with engine openai, whose protocol gives no "
                "probabilities of a given text; expected engine=transformers or engine=vllm."
            )
        if self._own_tokenizer is not None:
            labels = LabelEndpoint(self._client, self._model, self._form, self._own_tokenizer)
            if labels.find(groups):
                yield from self._labelled(labels, groups)
                return
        left = [len(dict.fromkeys(group.solutions)) for group in groups]
        found: list[dict[str, float | None]] = [{} for _ in groups]
        with Pool(self._server.concurrency, self._client) as pool:
            for place, group in enumerate(groups):
                for solution in dict.fromkeys(group.solutions):
                    pool.submit(place, solution, self._judged, group.problem, solution)
            for place, solution, value in pool.finished():
                found[place][solution] = value
                left[place] -= 1
                if not left[place]:
                    yield place, [found[place][text] for text in groups[place].solutions]

    def _labelled(self, labels: LabelEndpoint, groups: Sequence[Candidates]) -> Iterator[Scores]:
        """Yield each group's scores, with one request per group, or per candidate if it is too
        long.
        """
        with Pool(self._server.concurrency, self._client) as pool:
            for place, group in enumerate(groups):
                pool.submit(place, None, labels.score, group)
            for place, _, values in pool.finished():
                if values is None:
                    group = groups[place]
                    values = [self._judged(group.problem, text) for text in group.solutions]
                yield place, values
        self._count(labels.tokens)

    def _count(self, tokens: int) -> None:
        """Count the tokens that the server read."""
        with self._counting:
            self.tokens += tokens

    def _submit(
        self, pool: Pool, place: int, want: Want, sampling: Sampling, drawn: tuple[int, int]
    ) -> None:
        alone = self.copies or sampling.thought_tokens
        parts = [1] * want.count if alone else [want.count]
        for number, count in enumerate(parts, drawn[1]):
            part = Want(want.prompt, count)
            pool.submit(place, part, self._drafts, part, sampling, (drawn[0], number))

    def _drafts(self, want: Want, sampling: Sampling, drawn: tuple[int, int]) -> list[Draft]:
        if sampling.thought_tokens:
            return opened([self._thought_through(want.prompt, sampling, drawn)], want.prompt)
        return self._opened(self.drafts(want, sampling, drawn=drawn)[0], want.prompt)

    def _opened(self, drafts: list[Draft], prompt: str) -> list[Draft]:
        """Return the drafts with the mark of the thought that the template opens, if the template
        is here; a server that keeps thoughts apart has given them their marks.
        """
        if not self._chat or self._own_tokenizer is None:
            return drafts
        whole = opened(drafts, prompts.chat_prompt(prompt, self._form, self._own_tokenizer))
        pairs = zip(drafts, whole, strict=True)
        return [one if one.text.startswith(prompts.THOUGHT_START) else new for one, new in pairs]

    @cached_property
    def _own_tokenizer(self) -> prompts.EndingTokenizer | None:
        """The model's tokenizer, loaded once; None: it is not on this machine."""
        return None if self._tokenizer is None else self._tokenizer()

    def _rendered(self, wants: Sequence[Want], sampling: Sampling) -> list[Want]:
        """Return the wants with whole texts as prompts, after which the model's thoughts begin.

        Raises:
            InputError: the model's tokenizer is not here, or its template ends the thoughts.
        """
        tokenizer = self._own_tokenizer
        if tokenizer is None:
            raise InputError(
                f"thought_tokens: found {sampling.thought_tokens} with model {self._model!r} of a "
                "server, which is no folder here; thoughts are ended with the model's own template "
                "and tokenizer: expected model=FOLDER with server.model as its name there."
            )
        if not self._chat:
            return list(wants)
        texts = [prompts.chat_prompt(want.prompt, self._form, tokenizer) for want in wants]
        refuse_ended(texts)
        return [Want(text, want.count) for text, want in zip(texts, wants, strict=True)]

    def _thought_through(self, prompt: str, sampling: Sampling, drawn: tuple[int, int]) -> Draft:
        """Return one draft whose thoughts keep to their budget, of one or two requests.

        Raises:
            InputError: as `drafts`.
        """
        begun = Draft("", "length", 0)
        if sampling.thought_tokens > 1:
            want, how = Want(prompt, 1), first(sampling)
            begun = self.drafts(want, how, rendered=True, drawn=drawn)[0][0]
        if begun.finish_reason == "prompt_too_long":
            return begun
        assert self._own_tokenizer is not None
        more = after_thoughts(begun, sampling, self._own_tokenizer)
        if isinstance(more, Draft):
            return more
        want = Want(prompt + more.text, 1)
        how = replace(sampling, max_tokens=more.room, thought_tokens=0)
        return more.joined(self.drafts(want, how, rendered=True, drawn=drawn)[0][0])

    def drafts(
        self,
        want: Want,
        sampling: Sampling,
        messages: Messages | None = None,
        *,
        rendered: bool = False,
        drawn: tuple[int, int] = (0, 0),
    ) -> tuple[list[Draft], int]:
        """Return one request's drafts, at least one and at most `want.count`, and how many tokens
        of the prompt the server read. `messages`: the chat, if it is more than the prompt;
        `rendered`: the prompt is the whole text after which the model writes; `drawn`: the
        samples of earlier runs, and those of this prompt that were requested before.

        Raises:
            InputError: the server refuses the request, or returns nothing usable.
        """
        body = self._asking(want, sampling, None if rendered else messages or ())
        body |= self._server.extra
        if "seed" in body and any(drawn):  # with the same seed it would be the same sample
            body["seed"] = Random(f"{body['seed']} {drawn}").getrandbits(31)
        path = "/chat/completions" if "messages" in body else "/completions"
        room, count = sampling.max_tokens, 1 if self.copies else want.count
        broken = 0
        while True:
            if count > 1:
                body["n"] = count
            else:
                body.pop("n", None)
            try:
                answer = self._post(path, {**body, self._limit: room})
            except RefusedError as error:
                if "max_completion_tokens" in str(error) and self._limit == "max_tokens":
                    self._limit = "max_completion_tokens"
                elif CONTEXT.search(str(error)):
                    # It refuses prompt and sample together: half as long a sample may fit.
                    room //= 2
                    if not room:
                        return [TOO_LONG] * want.count, 0
                elif count > 1:
                    count = 1  # it may be the n that it refuses
                else:
                    raise InputError(f"{self._client}: refuses the request: {error}.") from None
                continue
            refuse_impossible(answer, str(self._client), most=room)
            self._says_ends = self._says_ends or any(choice.end for choice in answer.choices)
            unsaid = broken > 0 and not self._says_ends
            drafts = drafts_of(answer, sampling, unsaid=unsaid)[: want.count]
            if drafts:
                self.copies = self.copies or (len(answer.distinct()) == 1 and want.count > 1)
                if not answer.written and any(draft.text for draft in drafts):
                    say_once(f"{self._client} counts", f"  {self._client}: {UNCOUNTED}")
                if any(choice.end == "content_filter" for choice in answer.choices):
                    say_once(f"{self._client} filters", f"  {self._client}: {FILTERED}")
                return drafts, answer.read
            broken += 1
            if broken > self._server.retries:
                raise InputError(
                    f"{self._client}: {broken} answers without one finished sample "
                    f"({answer.flaw()}); {KEPT}"
                )

    def _asking(self, want: Want, sampling: Sampling, messages: Messages | None) -> dict[str, Any]:
        """Return a request's fields. `messages`: the chat, empty if it is the prompt alone; None:
        the prompt is a rendered text.
        """
        body: dict[str, Any] = {
            "model": self._model,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            **NEUTRAL,
            **({"top_k": sampling.top_k} if sampling.top_k else {}),
            "min_p": sampling.min_p,
        }
        if sampling.stop is not None:
            body["stop"] = [sampling.stop]
        if self._chat and messages is not None:
            body["messages"] = messages or prompts.turns(want.prompt, self._form)
            if self._form.template:
                body["chat_template_kwargs"] = dict(self._form.template)
        else:
            rendered = self._chat  # by the model's own template
            body["prompt"] = (
                completed(want.prompt, self._own_tokenizer) if rendered else want.prompt
            )
        return body

    def _post(self, path: str, body: dict[str, Any]) -> Answer:
        """Return the answer; neutral settings are left out for a server that does not know them."""
        if self._strict:
            body = {name: value for name, value in body.items() if NEUTRAL.get(name) != value}
        try:
            return self._client.post(path, body, Answer)
        except RefusedError as error:
            if self._strict or not UNKNOWN.search(str(error)):
                raise
            self._strict = True
            return self._post(path, body)

    def _judged(self, problem: str, solution: str) -> float | None:
        score, read = self.judged(problem, solution)
        self._count(read)
        return score

    def judged(self, problem: str, solution: str) -> tuple[float | None, int]:
        """Return S = p(correct) / (p(correct) + p(incorrect)), with labels of one token each, and
        how many tokens the server read. None: the prompt does not fit the context.

        Raises:
            InputError: the server refuses to score, or returns too few of the likeliest tokens.
        """
        text = prompts.evaluator(problem, solution, form=self._form, tokenizer=self._judge)
        labels = Labels(text, self._form, self._own_tokenizer if self._ids else None)
        prompt = completed(text, self._judge) if self._chat else text
        # Temperature 1: some servers return the logarithms after the temperature.
        asked = self._server.top_logprobs
        body = {
            "model": self._model,
            "prompt": prompt if labels.prompt is None else labels.prompt,
            "max_tokens": 1,
            "temperature": 1,
            "top_p": 1,
            "logprobs": asked,
            **labels.fields,
            **NEUTRAL,
            **self._server.extra,
        }
        try:
            answer = self._post("/completions", body)
        except RefusedError as error:
            if CONTEXT.search(str(error)):
                return None, 0
            if labels.fields:
                self._ids = False  # it may be these that it refuses
                return self.judged(problem, solution)
            raise InputError(
                f"{self._client}: refuses to score with server.top_logprobs={asked}: {error}."
            ) from None
        refuse_impossible(answer, str(self._client))
        return share(*labels.found(answer, str(self._client), asked)), answer.read
