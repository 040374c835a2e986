"""The endpoints of `mathtune serve`, as an ASGI application: access, requests and responses.

    POST /v1/chat/completions, /v1/completions     solve a question
    GET  /v1/models /health /metrics               the model, whether it answers, numbers
    GET  /                                         a page to ask from

A client's text goes to the model and into its own answer, and nowhere else.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from mathtune.cli.serving import page, reply, request, waves
from mathtune.cli.serving.counts import Counts
from mathtune.cli.serving.models import FailedError, Models
from mathtune.cli.serving.reply import Reply
from mathtune.cli.serving.request import Bounds, SolveRequest
from mathtune.cli.serving.settings import Limits, Solver
from mathtune.cli.serving.solved import Sampled, Solved
from mathtune.errors import InputError
from mathtune.run.progress import say

ALIVE = 10.0
"""Seconds without news after which a stream says that it is alive."""


class RefusalError(Exception):
    """A status and a sentence for the client."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, retry: int | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.retry = status, code, retry

    def response(self) -> JSONResponse:
        headers = {} if self.retry is None else {"retry-after": str(self.retry)}
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        document = reply.error(self.status, str(self), code=self.code)
        return JSONResponse(document, self.status, headers)


class Service:
    """One server: its models, its limits, and the questions that it is answering.

    `name`: what clients call the model. `hosts`: the Host headers that are answered, so that no web
    page can reach a server of this machine under another name.
    """

    def __init__(
        self,
        models: Models,
        solver: Solver,
        *,
        name: str,
        limits: Limits,
        key: str | None = None,
        log_prompts: bool = False,
    ) -> None:
        self._models, self._solver, self._name, self._limits = models, solver, name, limits
        self._key = key.encode() if key else None
        self._log_prompts = log_prompts
        self.counts = Counts()
        self.running = 0
        self.draining = False
        self._began = int(time.time())
        self._pace = 1.0  # seconds per question, smoothed

    def app(self, hosts: list[str]) -> Starlette:
        """Return the ASGI application."""
        routes = [
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/completions", self._completions, methods=["POST"]),
            Route("/v1/models", self._list),
            Route("/v1/models/{name:path}", self._one),
            Route("/health", self._health),
            Route("/metrics", self._metrics),
            Route("/", self._page),
        ]
        return Starlette(
            routes=routes,
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)],
            exception_handlers={HTTPException: _http_error, Exception: _unexpected},
        )

    async def _chat(self, asked: Request) -> Response:
        return await self._answered(asked, "chat")

    async def _completions(self, asked: Request) -> Response:
        return await self._answered(asked, "completions")

    async def _answered(self, http: Request, endpoint: request.Endpoint) -> Response:
        """Answer a request for a solution; count its status."""
        try:
            self._let_in(http)
            response = await self._solution(http, endpoint)
        except (RefusalError, InputError, FailedError) as error:
            response = _refusal(error).response()
        self.counts.requests.labels(endpoint, str(response.status_code)).inc()
        return response

    async def _solution(self, http: Request, endpoint: request.Endpoint) -> Response:
        if self.draining:
            raise RefusalError(503, "the server is stopping; ask another one, or later.", retry=5)
        if self.running >= self._limits.queue:
            raise RefusalError(
                429,
                f"{self.running} questions are being answered, which is the most; ask again later.",
                code="queue_full",
                retry=max(1, round(self._pace)),
            )
        self.running += 1
        self.counts.running.set(self.running)
        streams = False
        try:
            asked = self._read(await self._body(http), endpoint)
            updates: asyncio.Queue[Sampled] = asyncio.Queue()
            task = asyncio.create_task(self._solve(asked, updates))
            if asked.stream:
                streams = True
                return _Stream(self._events(http, asked, task, updates), self._leave, task)
            return await self._waited(http, asked, task)
        finally:
            if not streams:
                self._leave()

    def _leave(self) -> None:
        self.running -= 1
        self.counts.running.set(self.running)

    async def _waited(
        self, http: Request, asked: SolveRequest, task: asyncio.Task[Solved]
    ) -> Response:
        """Return the answer; give its samples up if the client leaves."""
        gone = asyncio.create_task(_gone(http))
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self.counts.left.inc()
                return Response(status_code=499)
            return JSONResponse(Reply(asked, self._name).whole(task.result()))
        finally:
            await _ended(task, gone)

    async def _events(
        self,
        http: Request,
        asked: SolveRequest,
        task: asyncio.Task[Solved],
        updates: asyncio.Queue[Sampled],
    ) -> AsyncGenerator[bytes]:
        """Yield progress as comments, then the answer as chunks."""
        gone = asyncio.create_task(_gone(http))
        news = asyncio.create_task(updates.get())
        try:
            while not task.done() or news.done():
                if news.done():
                    yield reply.comment(reply.progress(news.result()))
                    news = asyncio.create_task(updates.get())
                done, _ = await asyncio.wait(
                    {task, news, gone}, timeout=ALIVE, return_when=asyncio.FIRST_COMPLETED
                )
                if gone.done() and not task.done():
                    self.counts.left.inc()
                    return
                if not done:
                    yield reply.ALIVE
                elif task.done():
                    await asyncio.sleep(0)  # the last update can still be taken
            try:
                found = task.result()
            except (RefusalError, InputError, FailedError) as error:
                yield reply.event(reply.error(_refusal(error).status, str(error)))
                return
            for chunk in Reply(asked, self._name).chunks(found):
                yield reply.event(chunk)
            yield reply.END
        finally:
            await _ended(task, gone, news)

    async def _solve(self, asked: SolveRequest, updates: asyncio.Queue[Sampled]) -> Solved:
        """Solve a question within the time limit."""
        if self._log_prompts:
            say(f"question: {asked.question.text}")
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._limits.timeout):
                found = await waves.solved(
                    asked.question, asked.solver, self._models, updates.put_nowait
                )
        except TimeoutError:
            raise RefusalError(
                504,
                f"not answered within {self._limits.timeout:g} s; ask for fewer samples or tokens.",
                code="timeout",
            ) from None
        seconds = time.monotonic() - began
        self._pace += 0.1 * (seconds - self._pace)
        self.counts.solved(found, seconds)
        return found

    def _let_in(self, http: Request) -> None:
        """Raise a refusal if a key is needed and the client does not send it."""
        if self._key is None:
            return
        kind, _, sent = http.headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(sent.strip().encode(), self._key)
        if not (same and kind.lower() == "bearer"):
            raise RefusalError(401, "the API key is missing or wrong.", code="invalid_api_key")

    async def _body(self, http: Request) -> bytes:
        """Read the body, up to the limit.

        Raises:
            RefusalError: it is too large, too slow, or said to be no JSON.
        """
        said = http.headers.get("content-type", "").partition(";")[0].strip().lower()
        if said != "application/json":  # a form of a foreign web page could send anything else
            raise RefusalError(
                415, f"content-type: found {said[:60]!r}; expected application/json."
            )
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.timeout):
                async for chunk in http.stream():
                    body += chunk
                    if len(body) > self._limits.body:
                        raise RefusalError(
                            413, f"body: more than {self._limits.body} bytes, which is the most."
                        )
        except TimeoutError:
            raise RefusalError(504, "body: not sent in time.", code="timeout") from None
        except ClientDisconnect:
            raise RefusalError(400, "body: the client left before its end.") from None
        return bytes(body)

    def _read(self, body: bytes, endpoint: request.Endpoint) -> SolveRequest:
        bounds = Bounds(self._limits.samples, self._limits.max_tokens)
        model, asked = request.read(
            body, endpoint, self._solver, chats=self._models.generator.chats, bounds=bounds
        )
        if model != self._name:
            raise RefusalError(
                404,
                f"model: found {model[:100]!r}; this server has {self._name!r}.",
                code="model_not_found",
            )
        length = len(asked.question.text) + sum(len(m["content"]) for m in asked.question.messages)
        if length > self._limits.prompt:
            raise RefusalError(
                400,
                f"question: {length} characters; this server reads at most {self._limits.prompt}.",
                code="context_length_exceeded",
            )
        if not asked.question.text.strip():
            raise InputError("question: empty; expected a text.")
        return asked

    async def _list(self, http: Request) -> Response:
        return self._guarded(http, JSONResponse({"object": "list", "data": [self._card()]}))

    async def _one(self, http: Request) -> Response:
        allowed = self._guarded(http, JSONResponse(self._card()))
        if allowed.status_code == 200 and http.path_params["name"] != self._name:
            return RefusalError(404, "no such model.", code="model_not_found").response()
        return allowed

    def _card(self) -> dict[str, Any]:
        return {
            "id": self._name,
            "object": "model",
            "created": self._began,
            "owned_by": "mathtune",
        }

    def _guarded(self, http: Request, response: Response) -> Response:
        """Return the response, or a refusal if a key is needed and the client does not send it."""
        try:
            self._let_in(http)
        except RefusalError as refusal:
            return refusal.response()
        return response

    async def _health(self, _: Request) -> Response:
        status = {"status": "stopping" if self.draining else "ok", "running": self.running}
        return JSONResponse(status, 503 if self.draining else 200)

    async def _metrics(self, http: Request) -> Response:
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return self._guarded(http, Response(self.counts.text(), media_type=kind))

    async def _page(self, _: Request) -> Response:
        text, policy = page.built(
            model=self._name, judged=self._solver.evaluator is not None, key=self._key is not None
        )
        return HTMLResponse(text, headers={"content-security-policy": policy})


class _Stream(StreamingResponse):
    """A stream that says when it is over, however it ends, also if it never began."""

    def __init__(
        self, events: AsyncGenerator[bytes], leave: Any, task: asyncio.Task[Solved]
    ) -> None:
        super().__init__(
            events,
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )
        self._events, self._leave, self._task = events, leave, task

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002
        """Send the stream."""
        try:
            # Starlette would read `receive` itself; `_events` does.
            with suppress(OSError):  # the client is gone
                await self.stream_response(send)
        finally:
            await self._events.aclose()
            await _ended(self._task)
            self._leave()


async def _gone(http: Request) -> None:
    """Return when the client has left."""
    while (await http.receive())["type"] != "http.disconnect":
        pass


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and wait until they have given up what they hold."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task


def _refusal(error: RefusalError | InputError | FailedError) -> RefusalError:
    """Return the refusal for a fault of the question, or of a model."""
    if isinstance(error, RefusalError):
        return error
    if isinstance(error, FailedError):
        return RefusalError(502, str(error))
    code = "context_length_exceeded" if "longer than" in str(error) else None
    return RefusalError(400, str(error), code=code)


async def _http_error(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    known = status if status in reply.KINDS else 400
    return JSONResponse(reply.error(known, f"no such endpoint ({status})."), status)


async def _unexpected(_: Request, error: Exception) -> Response:
    say(f"  a request failed ({type(error).__name__}); the server goes on")
    return JSONResponse(reply.error(500, "the server failed at this request."), 500)
