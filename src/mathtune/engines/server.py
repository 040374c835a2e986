"""Requests to an OpenAI-compatible server. After a passing fault they are repeated; others are
InputErrors.

The key is read from the environment variable OPENAI_API_KEY and sent in a header, and is never
written. If a server repeats it in an error, `***` is shown instead.
"""

from __future__ import annotations

import math
import os
import random
import re
import socket
import threading
import time
from codecs import BOM_UTF8
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from email.utils import parsedate_to_datetime
from threading import Event
from typing import Any, TypeVar
from weakref import WeakSet

import msgspec

from mathtune.engines.settings import Server
from mathtune.errors import KEPT, InputError
from mathtune.rows import jsonl
from mathtune.run.progress import say

KEY = "OPENAI_API_KEY"
LONGEST_PAUSE = 60.0
MANY = 20
"""The most models of a server that a message names."""
PASSING = (408, 425, 429)
"""The 4xx statuses that a repetition may change."""
NOT_IMPLEMENTED = 501
"""A status that no repetition changes: some servers answer so if asked for several choices."""
LARGEST = 2**28
"""The largest answer, in bytes; anything larger is not one."""

CONTEXT = re.compile(
    r"context[ _](length|window|size)|maximum (context|model|sequence) length|max_model_len|"
    r"prompt is too long|too many tokens|exceeds? the (available |maximum )?(context|length)",
    re.IGNORECASE,
)
"""The words in which servers say that a request exceeds the model's context."""

SECRETS = re.compile(r"(?<=//)[^/@]*@|[?#].*")
"""The parts of an address that may hold a secret: a user with a password, a query."""
UNKNOWN = re.compile(
    r"top_k|min_p|repetition_penalty|repeat_penalty|samplers|mirostat|chat_template_kwargs|"
    r"(unrecogni[sz]ed|unknown|unexpected|unsupported|extra) (request )?"
    r"(argument|field|param|input|key|propert)|extra_forbidden|not permitted",
    re.IGNORECASE,
)
"""The words in which servers say that they do not know a field of the request."""
NEUTRAL: dict[str, Any] = {
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "repeat_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "samplers": ["penalties", "dry", "temperature", "top_k", "min_p", "top_p", "xtc"],
    "dry_multiplier": 0.0,
    "xtc_probability": 0.0,
    "mirostat": 0,
    "dynatemp_range": 0.0,
}
"""Settings sent with every request: a server's or a model's defaults would change the draws.
llama.cpp alone divides by the temperature after top-p and min-p unless `samplers` says otherwise.
"""

T = TypeVar("T", bound=msgspec.Struct)


class RefusedError(Exception):
    """The server refused the request: a status that a repetition does not change."""


class AbsentError(InputError):
    """The server has no such path, or does not have this model."""


class _PassingError(Exception):
    """A fault that may pass; `pause`: the seconds that the server asks to wait."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class Listed(msgspec.Struct):
    """A model of a server."""

    id: str
    owned_by: Any = None


class Models(msgspec.Struct):
    """The answer to GET /models, if it is no bare list."""

    data: list[Listed] | None


class Client:
    """A connection to one server, for many threads.

    Raises:
        InputError: httpx2 is not installed, or the key cannot be sent in a header.
    """

    def __init__(self, server: Server) -> None:
        try:
            import httpx2
        except ImportError:
            raise InputError(
                "engine openai: needs httpx2; install it with pip install 'mathtune[openai]'."
            ) from None
        self._httpx, self._server = httpx2, server
        self._key = os.environ.get(KEY, "").strip()
        if not self._key.isascii() or not self._key.isprintable():
            raise InputError(f"{KEY}: holds signs that no key has; expected the server's key.")
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        limits = httpx2.Limits(max_connections=server.concurrency)
        timeout = httpx2.Timeout(server.timeout, connect=min(10.0, server.timeout), pool=None)
        self._http = httpx2.Client(headers=headers, limits=limits, timeout=timeout)
        self._closed = threading.Event()
        self._streams: WeakSet[Any] = WeakSet()  # this side's ends of the connections
        self._connecting = threading.Lock()
        self.counts_first_only = False
        """True if the server counts the tokens of the first choice only, as llama.cpp does."""

    def close(self) -> None:
        """End all requests, including those that wait for an answer; none is repeated."""
        with self._connecting:
            self._closed.set()
            for stream in self._streams:
                _hang_up(stream)
        self._http.close()

    def models(self) -> list[str]:
        """Return the names of the server's models. This first request finds a wrong address at
        once.

        Raises:
            InputError: nothing answers, it is no OpenAI-compatible server, or it refuses the key.
        """
        try:
            # Together's is a bare list, Ollama's without models null.
            found = self._patient("GET", "/models", None, Models | list[Listed], retries=2)
        except RefusedError as error:
            raise InputError(f"{self}: is no OpenAI-compatible server ({error}).") from None
        models = found if isinstance(found, list) else found.data or []
        self.counts_first_only = any(model.owned_by == "llamacpp" for model in models)
        return [self._clean(model.id) for model in models]

    def post(self, path: str, body: dict[str, Any], kind: type[T]) -> T:
        """Return the answer to a request, which is repeated as long as its fault may pass.

        Raises:
            RefusedError: a 4xx status or 501, which says something about this request.
            InputError: 401, 403, 404, or nothing usable after all retries.
        """
        answer: T = self._patient("POST", path, body, kind, retries=self._server.retries)
        return answer

    @property
    def root(self) -> str:
        """The server's address without its last part, /v1."""
        return self._server.url.removesuffix("/v1")

    def __str__(self) -> str:
        return f"server {self._server.url}"

    def _patient(
        self, method: str, path: str, body: dict[str, Any] | None, kind: Any, *, retries: int
    ) -> Any:
        for attempt in range(retries + 1):
            try:
                return self._once(method, path, body, kind)
            except _PassingError as error:
                if attempt == retries or self._closed.is_set():
                    raise InputError(self._gave_up(path, str(error), attempt + 1)) from None
                pause = max(error.pause, 0.5 * 2**attempt) * random.uniform(0.75, 1.25)
                if attempt >= 2:
                    say(f"  {self}: {error}; trying again in {min(pause, LONGEST_PAUSE):.0f} s")
                self._closed.wait(min(pause, LONGEST_PAUSE))
        raise AssertionError("unreachable")

    def _gave_up(self, path: str, reason: str, attempts: int) -> str:
        if path == "/models":
            return (
                f"{self}: no OpenAI-compatible server answers there ({reason}); "
                "start it, or set server.url to its base URL, which usually ends in /v1."
            )
        return f"{self}: {path} still fails after {attempts} attempts ({reason}); {KEPT}"

    def _once(self, method: str, path: str, body: dict[str, Any] | None, kind: Any) -> Any:
        try:
            status, headers, content = self._exchange(method, path, body)
        except self._httpx.TimeoutException:
            raise _PassingError(f"no answer within {self._server.timeout:g} s") from None
        except self._httpx.HTTPError as error:
            raise _PassingError(self._shown(f"{type(error).__name__}: {error}")) from None
        said, is_error = _message(content)
        said = self._shown(said) or "no reason given"
        if 200 <= status < 300:
            try:
                return msgspec.json.decode(content, type=kind)
            except jsonl.UNREADABLE as error:
                flaw = (
                    f"an error with status {status}: {said}"
                    if is_error
                    else self._shown(str(error))
                )
                raise _PassingError(f"the answer is not what was expected: {flaw}") from None
        if status < 400:
            there = self._shown(SECRETS.sub("", headers.get("location", "")))
            raise InputError(
                f"{self}: redirects {path} to {there or 'nowhere'}, status {status}; redirections "
                "are not followed: set server.url to the server's own address."
            )
        if status in (401, 403):
            held = f"the key in {KEY}" if self._key else f"a request without key ({KEY} is not set)"
            raise InputError(f"{self}: refuses {held}, status {status} ({said}).")
        if status == 404:
            raise AbsentError(
                f"{self}: lacks {path} or this model, status 404 ({said}); expected the base "
                "URL, which usually ends in /v1, and prompt=chat if it serves only chats."
            )
        if status in PASSING or (status >= 500 and status != NOT_IMPLEMENTED):
            raise _PassingError(f"status {status} ({said})", _retry_after(headers))
        raise RefusedError(f"status {status}: {said}")

    def _exchange(
        self, method: str, path: str, body: dict[str, Any] | None
    ) -> tuple[int, Any, bytes]:
        """Return status, headers and content, within the timeout even if they arrive slowly."""
        deadline = time.monotonic() + self._server.timeout
        address = path if path.startswith("http") else self._server.url + path
        with self._http.stream(
            method, address, json=body, extensions={"trace": self._traced}
        ) as answer:
            content = bytearray()
            for chunk in answer.iter_bytes():
                content += chunk
                if time.monotonic() > deadline:
                    raise self._httpx.ReadTimeout("too slow")
                if len(content) > LARGEST:
                    raise _PassingError(f"the answer is larger than {LARGEST} bytes")
            return answer.status_code, answer.headers, bytes(content.removeprefix(BOM_UTF8))

    def _traced(self, event: str, info: dict[str, Any]) -> None:
        """Keep every new connection, so that `close` can hang up."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            with self._connecting:
                self._streams.add(info["return_value"])
                if self._closed.is_set():
                    _hang_up(info["return_value"])

    def _clean(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text

    def _shown(self, text: str) -> str:
        """Return a text of the server as one short line without the key."""
        line = self._clean(" ".join(text.split()))
        return line if len(line) <= 300 else f"{line[:300]}…"


_NOT_BEGUN = object()


class Pool:
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
        """Do the work unless other work has already failed."""
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

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._client.close()
        self._threads.shutdown(cancel_futures=True)


def _hang_up(stream: Any) -> None:
    """Shut the connection down: closing it alone would let its threads wait for the timeout."""
    with suppress(OSError):  # it is closed, or TLS took its socket over
        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


def listed(names: list[str]) -> str:
    """Return the names of a server's models as one phrase, of many the first ones.

    Example:
        >>> listed([]), listed(["a", "b"])
        ('none', 'a, b')
    """
    more = f" and {len(names) - MANY:,} more" if len(names) > MANY else ""
    return (", ".join(name[:100] for name in names[:MANY]) or "none") + more


def _message(content: bytes) -> tuple[str, bool]:
    """Return the message of a body, and whether the body is an error's."""
    try:
        found: Any = msgspec.json.decode(content)
    except jsonl.UNREADABLE:
        return content.decode("utf-8", "replace"), False
    whole = found
    for key in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(key):
            found = found[key]
    return str(found), found is not whole


def _retry_after(headers: Any) -> float:
    """Return the seconds to wait that the server names as a number or a date; 0: none."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return 0.0
    return seconds if 0 < seconds < math.inf else 0.0
