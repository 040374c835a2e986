"""The answers of OpenAI-compatible servers: structs, and the drafts and numbers in them. For
openai.

Their shapes differ: vLLM gives likeliest tokens as a mapping, llama.cpp as a list; some keep a
model's thoughts apart, or write content in parts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate, pairwise
from typing import Any

import msgspec

from mathtune.engines import prompts
from mathtune.engines.protocol import Draft, Sampling
from mathtune.errors import InputError
from mathtune.rows.records import Reason

_WHOLE: dict[str, Reason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "complete": "stop",
    "content_filter": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
}
"""The ends of a finished choice, in small letters; any other is half an answer and is requested
again.
"""
SPACES = "\u0120\u2581"
"""Signs for a space at the start of a token, which some servers do not decode."""
NONE = -9999.0
"""The log p that servers give for a probability of 0."""
ROUNDING = 1e-3


class _Alternative(msgspec.Struct):
    token: str
    logprob: float | None = None


class _Position(msgspec.Struct):
    top_logprobs: list[_Alternative] = []


class _Logprobs(msgspec.Struct):
    """The tokens after the prompt: in vLLM's shape, or in that of llama.cpp and chats."""

    top_logprobs: list[dict[str, float | None] | None] | None = None
    content: list[_Position] | None = None


class _Part(msgspec.Struct):
    """A part of a content: a text, or thoughts, which some servers write as parts again."""

    type: str = "text"
    text: str | None = None
    thinking: str | list[_Part] | None = None


class Message(msgspec.Struct):
    """What a model says in a chat, in the fields in which servers put it."""

    content: str | list[str | _Part] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking: str | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None

    def text(self) -> str | None:
        """Return the whole text of the model, with the thoughts that the server keeps apart
        between the marks and lines that a model writes. None: it calls a tool instead.
        """
        thoughts, content = _apart(self.content or self.refusal)
        if self.tool_calls and not content:
            return None
        thoughts = (self.reasoning_content or self.reasoning or self.thinking or thoughts).strip()
        twice = content.lstrip().startswith(prompts.THOUGHT_START) and thoughts in content
        if not thoughts or twice:
            return content
        end = f"\n{prompts.THOUGHT_END}\n\n{content.lstrip()}" if content else ""
        return f"{prompts.THOUGHT_START}\n{thoughts}{end}"


def _apart(content: str | Sequence[str | _Part] | None) -> tuple[str, str]:
    """Return the thoughts among the parts of a content, and the rest of its text."""
    thoughts, rest = "", ""
    for part in [content or ""] if isinstance(content, str | None) else content:
        if isinstance(part, str):
            rest += part
        elif part.type in ("thinking", "reasoning"):
            thoughts += part.text or _apart(part.thinking)[1]
        else:
            rest += part.text or ""
    return thoughts, rest


class _Choice(msgspec.Struct):
    index: int | str | None = None
    text: str | None = None
    message: Message | None = None
    finish_reason: str | None = None
    logprobs: Any = None
    """As `_Logprobs`; a server may give them unasked, in any other shape."""
    error: Any = None

    def content(self) -> str | None:
        """Return the sampled text, from the field in which this endpoint puts it; None: the server
        gives an error instead, or nothing.
        """
        if self.error:
            return None
        return self.message.text() if self.message is not None else self.text

    @property
    def end(self) -> str:
        """Return how the sample ended, in small letters; empty: the server does not say."""
        return (self.finish_reason or "").lower()


class Usage(msgspec.Struct):
    """The tokens that a request took; some servers write 12.0."""

    prompt_tokens: float | None = None
    completion_tokens: float | None = None


class Answer(msgspec.Struct):
    """An answer to /completions or /chat/completions."""

    choices: list[_Choice]
    usage: Usage | None = None
    timings: dict[str, Any] | None = None
    """llama.cpp gives them; its usage counts the first choice only."""

    @property
    def read(self) -> int:
        """Return the tokens of the prompt; 0 if the server does not count them."""
        return int((self.usage and self.usage.prompt_tokens) or 0)

    @property
    def written(self) -> int:
        """Return the tokens of all choices; 0 if the server does not count them."""
        return int((self.usage and self.usage.completion_tokens) or 0)

    def counted(self) -> list[_Choice]:
        """Return the choices whose tokens are counted: of llama.cpp's only the first."""
        return self.choices if self.timings is None else self.choices[:1]

    def distinct(self) -> list[_Choice]:
        """Return the first counted choice with each index: the others may be its copies."""
        choices, seen = [], set()
        for choice in self.counted():
            if choice.index is None or choice.index not in seen:
                choices.append(choice)
            seen.add(choice.index)
        return choices

    def flaw(self) -> str:
        """Say why none of the choices is a finished sample."""
        if any(choice.error for choice in self.choices):
            return "an error in them"
        ends = {choice.end for choice in self.choices if choice.content() is not None} - {""}
        if ends:
            return f"finish_reason {min(ends)[:40]!r}"
        return "no text in them" if self.choices else "no choices in them"


def drafts_of(answer: Answer, sampling: Sampling, *, unsaid: bool) -> list[Draft]:
    """Return the distinct choices that are finished.

    The server counts the tokens of all together: each gets its share. `unsaid`: the answer before
    had no finished choice either, so the server does not report how samples end, and they count as
    finished.
    """
    choices = answer.counted()
    full = answer.written >= sampling.max_tokens * len(choices)
    ways = dict(_WHOLE)
    if unsaid:
        ways[""] = "length" if full else "stop"
    lengths = [len(choice.content() or "") for choice in choices]
    if not any(lengths):
        lengths = [1] * len(choices)
    ends = accumulate(lengths, initial=0)
    at = [round(answer.written * end / max(1, sum(lengths))) for end in ends]
    tokens = {id(one): end - start for one, (start, end) in zip(choices, pairwise(at), strict=True)}
    return [
        _draft(text, ways[choice.end], tokens[id(choice)], sampling)
        for choice in answer.distinct()
        if (text := choice.content()) is not None and choice.end in ways
    ]


def _draft(text: str, reason: Reason, tokens: int, sampling: Sampling) -> Draft:
    """Return the sample up to the stop, which a server may not know, without the blank lines that
    it may have left before it.
    """
    if sampling.stop is None:
        return Draft(text, reason, tokens)
    reason = "stop" if sampling.stop in text else reason
    text = sampling.cut(text)
    return Draft(text.rstrip() if reason == "stop" else text, reason, tokens)


def likeliest_of(answer: Answer) -> dict[str, float]:
    """Return log p of the first token's likeliest alternatives, by text, if the server gave any."""
    logprobs, found = None, dict[str, float | None]()
    if answer.choices:
        with suppress(msgspec.ValidationError):  # another shape names no token that we look for
            logprobs = msgspec.convert(answer.choices[0].logprobs, _Logprobs | None)
    if logprobs is not None and logprobs.top_logprobs:
        found = logprobs.top_logprobs[0] or {}
    elif logprobs is not None and logprobs.content:
        for one in logprobs.content[0].top_logprobs:  # likeliest first; parts of letters look alike
            found.setdefault(one.token, one.logprob)
    signed = {text: log for text, log in found.items() if text and text[0] in SPACES}
    decoded = {text: log for text, log in found.items() if text not in signed}
    for text, log in signed.items():
        decoded.setdefault(f" {text[1:]}", log)
    return {text: log for text, log in decoded.items() if log is not None and log > NONE}


def refuse_impossible(answer: Answer, server: str, *, most: float = math.inf) -> None:
    """Raise InputError for impossible numbers. `most`: the most tokens of a sample."""
    usage = answer.usage or Usage()
    largest = (most + 1) * max(1, len(answer.choices))  # some servers count the end token
    for name, limit in (("prompt_tokens", math.inf), ("completion_tokens", largest)):
        found = getattr(usage, name) or 0
        if not 0 <= found <= limit or found != int(found):
            expected = f"at most {limit:,}, by max_tokens" if found > limit else "0 or more, whole"
            raise InputError(
                f"{server}: counts {found:g} {name}; expected {expected}: its other numbers cannot "
                "be trusted either."
            )
    likeliest = likeliest_of(answer)
    for text, log in likeliest.items():
        if not log < ROUNDING:  # NaN is refused too
            raise InputError(
                f"{server}: gives {text!r} a log p of {log:g}; expected at most 0: logarithms of "
                "probabilities, not logits."
            )
    if (total := math.fsum(map(math.exp, likeliest.values()))) > 1 + 10 * ROUNDING:
        raise InputError(
            f"{server}: gives the next token probabilities that add up to {total:g}; expected at "
            "most 1: logarithms of probabilities."
        )
