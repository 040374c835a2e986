"""A client's body, read strictly: what is asked, and with which settings. Below app.

Fields that would change nothing are accepted; a field that we cannot do is refused in a sentence,
as is one that nobody knows. Nothing is dropped in silence:
`SolveRequest.ignored` names what was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from mathtune.cli.serving.models import Question
from mathtune.cli.serving.settings import SUMS, Solver
from mathtune.engines import prompts
from mathtune.errors import InputError
from mathtune.metrics.strategies import Strategy
from mathtune.rows import jsonl

Endpoint = Literal["chat", "completions"]

REFUSED = {
    "logprobs": "the pick is not one draw of the model, so it has no log-probabilities",
    "top_logprobs": "the pick is not one draw of the model, so it has no log-probabilities",
    "tools": "solutions are texts; there are no tools",
    "tool_choice": "solutions are texts; there are no tools",
    "functions": "solutions are texts; there are no tools",
    "function_call": "solutions are texts; there are no tools",
    "logit_bias": "samples are drawn from the model as it is",
    "stop": "a solution ends where its model ends it",
    "best_of": "`samples` says how many are drawn, `strategy` how one is picked",
    "echo": "only the solution is returned",
    "suffix": "only the solution is returned",
    "audio": "solutions are texts",
    "modalities": "solutions are texts",
    "prediction": "solutions are sampled",
}
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "logprobs": (False, None),
    "top_logprobs": (0, None),
    "tools": ([], None),
    "tool_choice": ("none", "auto", None),
    "functions": ([], None),
    "function_call": ("none", "auto", None),
    "logit_bias": ({}, None),
    "stop": ([], None),
    "best_of": (1, None),
    "echo": (False, None),
    "suffix": ("", None),
    "audio": (None,),
    "modalities": (["text"], None),
    "prediction": (None,),
    "frequency_penalty": (0, None),
    "presence_penalty": (0, None),
    "response_format": ({"type": "text"}, None),
}
"""Values that change nothing."""
UNREAD = {
    *("user", "metadata", "store", "service_tier", "parallel_tool_calls", "safety_identifier"),
    *("prompt_cache_key", "prompt_cache_retention"),
}
"""Fields about the client, not about the answer."""

Count = Annotated[int, Meta(ge=1)]


class StreamOptions(msgspec.Struct):
    """The options of a stream."""

    include_usage: bool | None = False
    include_obfuscation: bool | None = False


class Part(msgspec.Struct):
    """A part of a message's content."""

    type: str
    text: str | None = None


class Message(msgspec.Struct):
    """A message of a chat."""

    role: str
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[Any] | None = None
    function_call: Any = None
    audio: Any = None

    def text(self, number: int) -> str:
        """Return the message's text.

        Raises:
            InputError: a part is no text, or there is more than text.
        """
        for name in ("tool_calls", "function_call", "audio"):
            if getattr(self, name):
                raise InputError(f"messages[{number}]: has {name}; expected text.")
        if isinstance(self.content, list):
            for part in self.content:
                if part.type != "text" or part.text is None:
                    raise InputError(
                        f"messages[{number}]: has a part of type {part.type!r}; expected text."
                    )
            return "".join(part.text or "" for part in self.content)
        return self.content or ""


class Body(msgspec.Struct):
    """The fields that are read; OpenAI's first, then ours."""

    model: str
    messages: list[Message] | UnsetType = UNSET
    prompt: str | list[str] | UnsetType = UNSET
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    seed: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    strategy: str | None = None
    k: Count | None = None
    samples: Count | None = None
    stop_at: float | UnsetType | None = UNSET
    system: str | None = None


@dataclass(frozen=True)
class SolveRequest:
    """A request: the question, how it is solved, and how the answer is sent."""

    question: Question
    solver: Solver
    endpoint: Endpoint
    n: int
    stream: bool
    usage: bool
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class Bounds:
    """The most that a request may ask for."""

    samples: int
    max_tokens: int


def read(
    raw: bytes, endpoint: Endpoint, defaults: Solver, *, chats: bool, bounds: Bounds
) -> tuple[str, SolveRequest]:
    """Read a body; return the model's name in it, and what is asked.

    Raises:
        InputError: it is no JSON object, or has a field that is unknown, refused or out of range.
    """
    try:
        given = msgspec.json.decode(raw, type=dict[str, Any])
        body = msgspec.convert(given, Body)
    except jsonl.UNREADABLE as error:
        raise InputError(_flaw(str(error))) from None
    _refuse_fields(given, endpoint)
    question, ignored = _question(body, endpoint, chats=chats)
    return body.model, SolveRequest(
        question,
        _solver(body, defaults, bounds),
        endpoint,
        n=body.n or 1,
        stream=bool(body.stream),
        usage=bool(body.stream_options and body.stream_options.include_usage),
        ignored=ignored,
    )


def _flaw(said: str) -> str:
    """Return msgspec's message as our sentence: the field, what was expected, what was found.

    Example:
        >>> _flaw("Expected `int | null`, got `str` - at `$.n`"), _flaw("JSON is malformed")
        ('n: expected `int | null`, got `str`.', 'body: JSON is malformed; expected a JSON object.')
    """
    message, _, field = said.partition(" - at `$.")
    if field:
        return f"{field.rstrip('`')}: {message[0].lower()}{message[1:]}."
    missing = "" if "required field" in said else "; expected a JSON object"
    return f"body: {said}{missing}."


def _refuse_fields(given: dict[str, Any], endpoint: Endpoint) -> None:
    known = {field.name for field in msgspec.structs.fields(Body)} | UNREAD
    other = "prompt" if endpoint == "chat" else "messages"
    if given.get(other) is not None:
        raise InputError(f"{other}: no field of this endpoint; see docs/serve.md.")
    for name, value in given.items():
        if name in known or any(value == one for one in NEUTRAL.get(name, ())):
            continue
        if name in REFUSED:
            raise InputError(f"{name}: not possible here; {REFUSED[name]}.")
        if name in NEUTRAL:
            raise InputError(f"{name}: found {str(value)[:60]!r}; only its default is possible.")
        raise InputError(f"{name[:60]}: unknown field; see docs/serve.md for those that are read.")


def _solver(body: Body, defaults: Solver, bounds: Bounds) -> Solver:
    """Return the settings of the request, over the server's."""
    if body.strategy is not None and body.strategy not in get_args(Strategy):
        known = ", ".join(get_args(Strategy))
        raise InputError(f"strategy: found {body.strategy[:60]!r}; expected one of {known}.")
    if body.strategy not in (None, "Maj1") and defaults.evaluator is None:
        raise InputError(
            f"strategy: {body.strategy} reads scores, and this server has no evaluator; expected "
            "Maj1, or a server that was started with --evaluator."
        )
    most = body.max_completion_tokens or body.max_tokens
    for name, value, limit in (
        ("samples", body.samples, bounds.samples),
        ("max_tokens", most, bounds.max_tokens),
    ):
        if value is not None and value > limit:
            raise InputError(f"{name}: found {value}; this server allows at most {limit}.")
    changed: dict[str, Any] = {
        "strategy": body.strategy,
        "k": body.k,
        "n": body.samples,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "max_tokens": most,
        "seed": None if body.seed is None else body.seed % 2**63,
    }
    solver = replace(defaults, **{k: v for k, v in changed.items() if v is not None})
    if body.stop_at is UNSET:
        return solver
    if body.stop_at is not None and not 0.5 < body.stop_at <= 1:
        raise InputError(f"stop_at: found {body.stop_at}; expected above 0.5, at most 1, or null.")
    if body.stop_at is not None and solver.picks_by not in SUMS:
        raise InputError(
            f"stop_at: {solver.picks_by} adds nothing up, so no lead can be sure; expected "
            f"{' or '.join(SUMS)}, or no stop_at."
        )
    return replace(solver, stop_at=body.stop_at)


def _question(body: Body, endpoint: Endpoint, *, chats: bool) -> tuple[Question, tuple[str, ...]]:
    """Return the question, and the names of what a model without chats does not read."""
    if endpoint == "completions":
        return _prompted(body), ()
    if body.messages is UNSET or not body.messages:
        raise InputError("messages: missing or empty; expected a list with a user's message.")
    turns = [(one.role, one.text(number)) for number, one in enumerate(body.messages)]
    for number, (role, _) in enumerate(turns):
        if role not in ("system", "developer", "user", "assistant"):
            raise InputError(
                f"messages[{number}]: found the role {role[:60]!r}; expected system, user or "
                "assistant."
            )
    if turns[-1][0] != "user":
        raise InputError("messages: the last one is not the user's; expected a question there.")
    if body.system is not None:
        turns = [("system", body.system), *turns]
    text = turns[-1][1]
    if not chats:
        if sum(role in ("user", "assistant") for role, _ in turns) > 1:
            raise InputError(
                "messages: this model reads one question, not a chat with earlier turns; expected "
                "one user's message."
            )
        system = any(role in ("system", "developer") for role, _ in turns[:-1])
        return Question(text), ("system",) if system else ()
    messages = tuple(
        {"role": "system" if role == "developer" else role, "content": content}
        for role, content in turns
    )
    return Question(text, messages), ()


def _prompted(body: Body) -> Question:
    """Return the question of a prompt: text in the solver's form is sampled as it is."""
    if body.prompt is UNSET or (isinstance(body.prompt, list) and len(body.prompt) != 1):
        raise InputError("prompt: expected one text.")
    text = body.prompt if isinstance(body.prompt, str) else body.prompt[0]
    before, after = prompts.FIXED["plain"].split("{problem}")
    if text.startswith(before) and text.endswith(after):
        text = text.removeprefix(before).removesuffix(after)
    return Question(text)
