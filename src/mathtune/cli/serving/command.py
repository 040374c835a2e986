"""The process of `mathtune serve`: models, socket, signals, end.

The first SIGTERM or Ctrl-C lets the questions that are being answered finish, while new ones get
503; a second one ends at once.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from mathtune.cli.serving.app import Service
from mathtune.cli.serving.opened import is_address, opened
from mathtune.cli.serving.settings import Address, Limits, Solver, check, check_server
from mathtune.errors import InputError, many
from mathtune.run.progress import say

LOCAL = ("127.0.0.1", "localhost", "::1")
DRAINED = 0.05
"""Seconds between two looks at whether the last question is answered."""
KEPT = 3
"""Seconds that an idle connection is kept open."""
WAITING = 2048
"""Connections that the system holds until they are accepted."""


def serve(solver: Solver, address: Address, limits: Limits) -> None:
    """Open the models and answer until a signal ends it.

    Raises:
        InputError: a setting is out of range, a model cannot be used, or the address is taken.
    """
    check(solver)
    check_server(address, limits)
    with opened(solver, timeout=limits.timeout, longest=limits.max_tokens) as models:
        service = Service(
            models,
            solver,
            name=served_name(solver),
            limits=limits,
            key=address.key,
            log_prompts=address.log_prompts,
        )
        asyncio.run(_answering(service, address))


def served_name(solver: Solver) -> str:
    """Return what clients call the model: a hub id as it is, a folder by its last part.

    Example:
        >>> served_name(Solver()), served_name(Solver(generator="http://127.0.0.1:8000/v1"))
        ('embedded', 'mathtune')
    """
    name = solver.generator
    if is_address(name):
        return solver.generator_name or "mathtune"
    return Path(name).resolve().name if Path(name).exists() else name


async def _answering(service: Service, address: Address) -> None:
    here = address.host in LOCAL
    config = uvicorn.Config(
        service.app([*LOCAL, "[::1]"] if here else ["*"]),
        host=address.host,
        port=address.port,
        log_level="error",
        access_log=False,
        timeout_keep_alive=KEPT,
        server_header=False,
        lifespan="off",
        h11_max_incomplete_event_size=2**16,
    )
    server = _Server(config)
    stopping = asyncio.Event()
    with _signals(service, server, stopping):
        try:
            socket = config.bind_socket()
        except SystemExit:
            raise InputError(
                f"{address.host}:{address.port}: cannot be listened on; is another server there? "
                "expected a free --port."
            ) from None
        socket.listen(WAITING)  # what is said below is true from here on
        port = socket.getsockname()[1]
        if not here and address.key is None:
            say("everybody who reaches this address can ask; --api-key asks for a key")
        say(f"serving on http://{address.host}:{port}/v1 (Ctrl-C stops)")
        drain = asyncio.create_task(_drained(service, server, stopping))
        await server.serve([socket])
        drain.cancel()
    say("stopped")


class _Server(uvicorn.Server):
    """uvicorn's server without its own signals, which would refuse new questions instead of
    answering them 503.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


async def _drained(service: Service, server: uvicorn.Server, stopping: asyncio.Event) -> None:
    """Wait for the first signal, then end the server once no question is being answered."""
    await stopping.wait()
    while service.running:
        await asyncio.sleep(DRAINED)
    server.should_exit = True


@contextmanager
def _signals(service: Service, server: uvicorn.Server, stopping: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():
            server.should_exit = server.force_exit = True
            return
        service.draining = True
        stopping.set()
        running = many(service.running, "question is", "questions are")
        say(f"stopping: {running} being answered; again to stop at once")

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
