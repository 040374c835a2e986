"""Bodies and statuses of servers in the wild, over a real connection."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

pytest.importorskip("httpx2", reason="pip install 'mathtune[openai]'")

from mathtune.engines.openai import OpenAI, Unrendered
from mathtune.engines.protocol import Sampling, Want
from mathtune.engines.settings import Server
from mathtune.errors import InputError

MODELS = {"data": [{"id": "m"}]}
Say = Callable[[dict[str, Any]], tuple[int, Any]]


def finished(asked: dict[str, Any], reason: str | None = "stop") -> dict[str, Any]:
    """As many finished choices as were asked for."""
    choices = [
        {"index": at, "message": {"content": f"a{at}"}, "finish_reason": reason}
        for at in range(asked.get("n", 1))
    ]
    return {"choices": choices, "usage": {"completion_tokens": 2 * len(choices)}}


class Speaking(ThreadingHTTPServer):
    """A server that answers with what `say` returns of a request: a status and a body."""

    def __init__(self, say: Say, models: Any) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.say, self.models = say, models
        self.asked: list[dict[str, Any]] = []


class _Answering(BaseHTTPRequestHandler):
    server: Speaking

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self._answer(200, self.server.models)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(asked)
        self._answer(*self.server.say(asked))

    def _answer(self, status: int, body: Any) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def speak(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[OpenAI, Speaking]]]:
    """Start a server and open its model."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr("mathtune.engines.server.LONGEST_PAUSE", 0.01)
    started: list[Speaking] = []

    def start(say: Say, models: Any = MODELS) -> tuple[OpenAI, Speaking]:
        server = Speaking(say, models)
        started.append(server)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        there = Server(url=f"http://127.0.0.1:{server.server_port}/v1", concurrency=1, retries=2)
        return OpenAI("m", there, form="chat", judge=Unrendered()), server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def texts(engine: OpenAI, *counts: int) -> list[list[str]]:
    """Sample so many per problem."""
    how = Sampling(n=1, temperature=1, top_p=1, max_tokens=9)
    found: list[list[str]] = [[] for _ in counts]
    for place, drafts in engine.sample([Want("1 + 1", count) for count in counts], how, seed=(0,)):
        found[place] += [draft.text for draft in drafts]
    return found


@pytest.mark.parametrize("models", [[{"id": "m"}], {"data": [{"id": "m", "owned_by": 3}]}])
def test_lists_of_models_in_other_shapes(models: Any, speak: Any) -> None:
    engine, _ = speak(lambda asked: (200, finished(asked)), models)
    assert texts(engine, 1) == [["a0"]]


def test_a_server_without_models_says_so(speak: Any) -> None:
    with pytest.raises(InputError, match="has no model 'm'; it has none"):
        speak(lambda asked: (200, finished(asked)), {"object": "list", "data": None})


def test_a_byte_order_mark_is_no_part_of_a_body(speak: Any) -> None:
    engine, _ = speak(lambda asked: (200, BOM_UTF8 + json.dumps(finished(asked)).encode()))
    assert texts(engine, 2) == [["a0", "a1"]]
    refused, _ = speak(lambda _: (400, BOM_UTF8 + b'{"error": {"message": "too hot"}}'))
    with pytest.raises(InputError, match=r"refuses the request: status 400: too hot\.$"):
        texts(refused, 1)


def test_several_choices_that_are_not_implemented_are_asked_for_one_by_one(speak: Any) -> None:
    def say(asked: dict[str, Any]) -> tuple[int, Any]:
        return (501, {"error": "n"}) if "n" in asked else (200, finished(asked))

    engine, server = speak(say)
    assert texts(engine, 3) == [["a0", "a0", "a0"]]
    assert [asked.get("n") for asked in server.asked] == [3, None, None, None]


def test_a_server_that_says_how_samples_end_is_not_believed_when_it_does_not(speak: Any) -> None:
    reasons = iter(["stop", None, None, "stop", None, None, None])
    engine, server = speak(lambda asked: (200, finished(asked, next(reasons))))
    assert texts(engine, 1, 1) == [["a0"], ["a0"]]
    assert len(server.asked) == 4  # twice half a sample, which is asked for again
    with pytest.raises(InputError, match="3 answers without one finished sample"):
        texts(engine, 1)


def test_samples_that_a_filter_touched_are_told_once(speak: Any, capsys: Any) -> None:
    engine, _ = speak(lambda asked: (200, finished(asked, "content_filter")))
    assert texts(engine, 1, 1) == [["a0"], ["a0"]]
    assert capsys.readouterr().err.count("filtered the content of samples") == 1
