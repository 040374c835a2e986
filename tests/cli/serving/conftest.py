"""A server with the embedded model, in a thread of the tests' process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

uvicorn = pytest.importorskip("uvicorn", reason="the extra serve is not installed")

from mathtune.cli.serving.app import Service
from mathtune.cli.serving.command import LOCAL
from mathtune.cli.serving.models import Models
from mathtune.cli.serving.opened import opened
from mathtune.cli.serving.settings import Limits, Solver

SOLVER = Solver(max_tokens=64)


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str
    service: Service
    models: Models


Start = Callable[..., Running]


@contextmanager
def running(models: Models, solver: Solver, **options: Any) -> Iterator[Running]:
    """Answer at a free port, until the block ends."""
    limits = options.pop("limits", Limits())
    service = Service(models, solver, name="embedded", limits=limits, **options)
    config = uvicorn.Config(
        service.app(list(LOCAL)), host="127.0.0.1", port=0, log_level="error", lifespan="off"
    )
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    socket.listen()  # clients may come before the thread runs
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve([socket])), name="server", daemon=True
    )
    thread.start()
    yield Running(f"http://127.0.0.1:{socket.getsockname()[1]}", service, models)
    server.should_exit = True
    thread.join(timeout=20)
    socket.close()


@pytest.fixture(scope="session")
def votes() -> Iterator[Running]:
    """A server without a judge."""
    with opened(SOLVER) as models, running(models, SOLVER) as found:
        yield found


@pytest.fixture(scope="session")
def judged() -> Iterator[Running]:
    """A server whose judge is the generator."""
    solver = Solver(evaluator="embedded", max_tokens=64)
    with opened(solver) as models, running(models, solver) as found:
        yield found


@pytest.fixture
def start(votes: Running) -> Iterator[Start]:
    """Start further servers with the same generator, or with another one."""
    with ExitStack() as stack:

        def begin(
            models: Models | None = None, *, solver: Solver = SOLVER, **options: Any
        ) -> Running:
            return stack.enter_context(running(models or votes.models, solver, **options))

        yield begin
