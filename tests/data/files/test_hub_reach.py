"""A hub that does not answer is asked once, and the reason is one sentence."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

huggingface_hub = pytest.importorskip("huggingface_hub")
datasets = pytest.importorskip("datasets")

from huggingface_hub import constants

from mathtune.data import hub
from mathtune.data.files import formats
from mathtune.data.files.sources import Source
from mathtune.errors import InputError

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A hub that hangs up at once; how often it was asked."""
    asked: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                asked.append(1)
                connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        for settings, offline in ((constants, "ENDPOINT"), (datasets.config, "HF_ENDPOINT")):
            monkeypatch.setattr(settings, offline, address)
            monkeypatch.setattr(settings, "HF_HUB_OFFLINE", False)
        yield asked


def test_problems(connections: list[int]) -> None:
    with pytest.raises(InputError, match=r"owner/name: .*\(the hub cannot be reached\)"):
        hub.load("owner/name")
    assert len(connections) <= 2  # the session may be renewed


def test_samples(connections: list[int]) -> None:
    with pytest.raises(InputError, match=r"owner/name: .*\(the hub cannot be reached\)"):
        list(formats.rows(Source(Path("owner/name"), "owner/name", hub=True)))
    assert len(connections) == 1
