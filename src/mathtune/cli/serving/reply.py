"""What a client gets: answers, chunks of a stream and errors in OpenAI's shapes. Below app."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mathtune.answers.visible import thoughts_and_answer
from mathtune.cli.serving.request import SolveRequest
from mathtune.cli.serving.solved import Sampled, Solved

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    502: "server_error",
    503: "server_error",
    504: "timeout_error",
}
"""The `type` of an error, by its status."""


def error(status: int, message: str, *, code: str | None = None) -> dict[str, Any]:
    """Return the document of an error.

    Example:
        >>> error(404, "no such model", code="model_not_found")["error"]["type"]
        'invalid_request_error'
    """
    return {"error": {"message": message, "type": KINDS[status], "param": None, "code": code}}


def decided(found: Solved, ignored: tuple[str, ...]) -> dict[str, Any]:
    """Return the extra field `mathtune`: what was decided, and on what."""
    document = {
        "answer": found.answer,
        "strategy": found.strategy,
        "votes": 0 if found.picked is None else found.picked.votes,
        "clusters": [_cluster(one.answer, one.votes, one.score) for one in found.clusters],
        "scores": found.scores,
        "samples_used": found.samples_used,
        "stopped": found.stopped,
        "no_answer": found.no_answer,
        "cut_off": found.cut_off,
    }
    return document | ({"ignored": list(ignored)} if ignored else {})


def progress(found: Sampled) -> dict[str, Any]:
    """Return what a stream's comment tells after a wave."""
    clusters = [_cluster(one.answer, one.votes, one.score) for one in found.answered()]
    return {"samples_used": len(found.answers), "clusters": clusters}


def _cluster(answer: str, votes: int, score: float | None) -> dict[str, Any]:
    return {"answer": answer, "votes": votes, "score": score}


def usage(found: Solved) -> dict[str, int]:
    """Return all tokens: read by generator and evaluator, written in all samples."""
    return {
        "prompt_tokens": found.read,
        "completion_tokens": found.tokens,
        "total_tokens": found.read + found.tokens,
    }


@dataclass(frozen=True)
class Reply:
    """The replies to one request. `model`: the name that the client knows the model by."""

    asked: SolveRequest
    model: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:24])
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def _chat(self) -> bool:
        return self.asked.endpoint == "chat"

    def _head(self, kind: str) -> dict[str, Any]:
        name = "chatcmpl" if self._chat else "cmpl"
        return {
            "id": f"{name}-{self.id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
        }

    def whole(self, found: Solved) -> dict[str, Any]:
        """Return the answer in one document."""
        choices = []
        for index, one in enumerate(found.choices(self.asked.n)):
            message = {**_said(one.solution), "refusal": None}
            content = {"message": message} if self._chat else {"text": one.solution}
            choices.append({"index": index, **content, "logprobs": None, **_end(one.finish_reason)})
        kind = "chat.completion" if self._chat else "text_completion"
        return {
            **self._head(kind),
            "choices": choices,
            "usage": usage(found),
            "mathtune": decided(found, self.asked.ignored),
        }

    def chunks(self, found: Solved) -> list[dict[str, Any]]:
        """Return the answer as the documents of a stream."""
        head = self._head("chat.completion.chunk" if self._chat else "text_completion")
        chunks: list[dict[str, Any]] = []
        for index, one in enumerate(found.choices(self.asked.n)):
            text: dict[str, Any] = {"text": one.solution}
            nothing: dict[str, Any] = {"text": ""}
            if self._chat:
                text = {"delta": _said(one.solution)}
                nothing = {"delta": {}}
            for part in (
                {**text, "finish_reason": None},
                {**nothing, **_end(one.finish_reason)},
            ):
                chunks.append({**head, "choices": [{"index": index, **part}]})
        chunks[-1]["mathtune"] = decided(found, self.asked.ignored)
        if self.asked.usage:
            chunks.append({**head, "choices": [], "usage": usage(found)})
        return chunks


def _said(solution: str) -> dict[str, str]:
    """Return the message of an assistant; thoughts have a field of their own, as in vLLM."""
    thoughts, rest = thoughts_and_answer(solution)
    apart = {"reasoning_content": thoughts} if thoughts else {}
    return {"role": "assistant", "content": rest, **apart}


def _end(reason: str) -> dict[str, str]:
    return {"finish_reason": "length" if reason == "length" else "stop"}


def event(document: dict[str, Any]) -> bytes:
    """Return a document as an event of a stream."""
    return b"data: " + msgspec.json.encode(document) + b"\n\n"


def comment(document: dict[str, Any]) -> bytes:
    """Return a document as a comment of a stream, which clients pass over."""
    return b": mathtune " + msgspec.json.encode(document) + b"\n\n"


END = b"data: [DONE]\n\n"
ALIVE = b": waiting\n\n"
"""Sent while nothing happens, so that a connection that is gone is noticed."""
