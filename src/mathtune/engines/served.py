"""The answers of OpenAI-compatible servers: structs, and the drafts and numbers in them. For
openai.

Their shapes differ: vLLM gives likeliest tokens as a mapping, llama.cpp as a list; some keep a
model's thoughts apart, or write content in parts.
"""

from __future__ import annotations

from typing import Any

import msgspec

from mathtune.engines import prompts
from mathtune.engines.protocol import Draft, Sampling
from mathtune.errors import InputError

_WHOLE = {
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
    text: str = ""


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None

    def text(self) -> str:
        """Return the whole text of the model, including thoughts that the server keeps apart."""
        content = self.content or ""
        if not isinstance(content, str):
            content = "".join(part.text for part in content)
        thoughts = self.reasoning_content or self.reasoning
        if not thoughts:
            return content
        end = f"\n{prompts.THOUGHT_END}\n\n{content}" if content else ""
        return f"{prompts.THOUGHT_START}\n{thoughts.strip()}{end}"


class _Choice(msgspec.Struct):
    text: str | None = None
    message: _Message | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None

    def content(self) -> str | None:
        """Return the sampled text, from the field in which this endpoint puts it."""
        return self.message.text() if self.message is not None else self.text


class Usage(msgspec.Struct):
    """The tokens that a request took."""

    prompt_tokens: int = 0
    completion_tokens: int | None = 0


class Answer(msgspec.Struct):
    """An answer to /completions or /chat/completions."""

    choices: list[_Choice]
    usage: Usage | None = None
    timings: dict[str, Any] | None = None
    """llama.cpp gives them; its usage counts the first choice only."""


def drafts_of(answer: Answer, sampling: Sampling, *, unsaid: bool) -> list[Draft]:
    """Return the finished choices whose tokens are counted: of llama.cpp's only the first.

    The server counts the tokens of all together: each gets its share. `unsaid`: the answer before
    had no finished choice either, so the server does not report how samples end, and they count as
    finished.
    """
    total = (answer.usage.completion_tokens or 0) if answer.usage else 0
    choices = answer.choices if answer.timings is None else answer.choices[:1]
    full = total >= sampling.max_tokens * len(choices)
    ways = {**_WHOLE, "": "length" if full else "stop"} if unsaid else _WHOLE
    whole = [
        (text, ways[reason])
        for choice in choices
        if (text := choice.content()) is not None
        and (reason := (choice.finish_reason or "").lower()) in ways
    ]
    lengths = [len(text) for text, _ in whole]
    bounds = [0]
    for length in lengths:
        bounds.append(bounds[-1] + length)
    at = [round(total * bound / max(1, bounds[-1])) for bound in bounds]
    return [
        Draft(_cut(text, reason, sampling), reason, at[i + 1] - at[i])  # type: ignore[arg-type]
        for i, (text, reason) in enumerate(whole)
    ]


def _cut(text: str, reason: str, sampling: Sampling) -> str:
    """Return the text before the stop, where the server may have left the blank lines before it."""
    text = sampling.cut(text)
    return text.rstrip() if sampling.stop and reason == "stop" else text


def likeliest_of(answer: Answer) -> dict[str, float]:
    """Return log p of the first token's likeliest alternatives, by text, if the server gave any."""
    logprobs = answer.choices[0].logprobs if answer.choices else None
    found: dict[str, float | None] = {}
    if logprobs is not None and logprobs.top_logprobs:
        found = logprobs.top_logprobs[0] or {}
    elif logprobs is not None and logprobs.content:
        for one in logprobs.content[0].top_logprobs:  # likeliest first; parts of letters look alike
            found.setdefault(one.token, one.logprob)
    signed = {text: log for text, log in found.items() if text and text[0] in SPACES}
    decoded = {text: log for text, log in found.items() if text not in signed}
    for text, log in signed.items():
        decoded.setdefault(f" {text[1:]}", log)
    return {text: log for text, log in decoded.items() if log is not None}


def refuse_impossible(answer: Answer, server: str) -> None:
    """Raise InputError for impossible numbers."""
    usage = answer.usage or Usage()
    for name in ("prompt_tokens", "completion_tokens"):
        if (getattr(usage, name) or 0) < 0:
            raise InputError(
                f"{server}: counts {getattr(usage, name)} {name}; expected 0 or more: its other "
                "numbers cannot be trusted either."
            )
    for text, log in likeliest_of(answer).items():
        if not log < 0.001:  # rounding; NaN is refused too
            raise InputError(
                f"{server}: gives {text!r} a log p of {log:g}; expected at most 0: logarithms of "
                "probabilities, not logits."
            )
