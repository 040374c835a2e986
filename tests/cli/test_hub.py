"""Pushing a trained model, to a hub on loopback that knows the calls of the real one."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("huggingface_hub", reason="pip install 'mathtune[train]'")


class Hub(ThreadingHTTPServer):
    """A hub of one user; `refuses`: it takes no key."""

    daemon_threads = True

    def __init__(self, *, refuses: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.refuses = refuses
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.created: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}
        self.stored: dict[str, bytes] = {}
        self.keys: set[str] = set()


class _Answering(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.keys.add(self.headers.get("authorization", ""))
        if self.server.refuses:
            self.answer(401, {"error": "Invalid username or password."})
        elif self.path == "/api/repos/create":
            self.server.created = json.loads(body)
            self.answer(200, {"url": f"{self.server.url}/me/solver"})
        elif self.path == "/api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            asked = json.loads(body)["files"]
            modes = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for one in asked
            ]
            self.answer(200, {"files": modes})
        elif self.path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**one, "actions": {"upload": {"href": f"{self.server.url}/store/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            self.answer(200, {"transfer": "basic", "objects": objects})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    self.server.files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    self.server.files[value["path"]] = self.server.stored[value["oid"]]
            self.answer(
                200,
                {
                    "commitUrl": f"{self.server.url}/me/solver/commit/1",
                    "commitOid": "1",
                    "success": True,
                },
            )
        else:
            self.answer(404, {"error": self.path})

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.stored[self.path.rpartition("/")[2]] = body
        self.answer(200, {})

    def do_GET(self) -> None:
        self.answer(404, {"error": self.path})

    def answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    server = Hub(refuses=getattr(request, "param", False))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training of two updates."""
    folder = tmp_path_factory.mktemp("trained")
    row = {"problem_id": "a", "problem": "1 + 1?", "solution": "#### 2", "source": "gold"}
    (folder / "solutions.jsonl").write_text(json.dumps(row) + "\n")
    settings = ["model=embedded", "updates=1", "batch_size=1", "device=cpu", "threads=1"]
    command = ["train", "solutions.jsonl", *settings, "--out", "step"]
    done = mathtune(*command, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "step"


def mathtune(*arguments: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **more}
    if "HF_ENDPOINT" in more:
        environment.pop("HF_HUB_OFFLINE", None)
    return subprocess.run(
        [sys.executable, "-m", "mathtune", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


def pushed(hub: Hub, trained: Path, *more: str) -> subprocess.CompletedProcess[str]:
    given = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_secret", "HF_HUB_DISABLE_XET": "1"}
    given |= {"HF_HOME": str(trained.parent / "home")}
    return mathtune("push_to_hub", "step", "me/solver", *more, folder=trained.parent, **given)


def test_the_model_and_its_card_are_one_commit(hub: Hub, trained: Path) -> None:
    done = pushed(hub, trained, "--private")
    assert done.returncode == 0, done.stderr
    assert hub.created["name"] == "solver"
    assert hub.created["visibility"] == "private"
    model = trained / "model"
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= set(hub.files)
    assert "SHA256SUMS" not in hub.files
    assert hub.files["model.safetensors"] == (model / "model.safetensors").read_bytes()
    card = hub.files["README.md"].decode()
    assert "1 examples" in card
    assert "mathtune train solutions.jsonl model=embedded updates=1 batch_size=1 " in card
    assert " device=cpu threads=1 --out trained" in card
    assert hub.keys == {"Bearer hf_secret"}
    assert "hf_secret" not in done.stderr + done.stdout


@pytest.mark.parametrize("hub", [True], indirect=True)
def test_a_hub_that_refuses_costs_a_sentence(hub: Hub, trained: Path) -> None:
    done = pushed(hub, trained)
    assert done.returncode == 2
    assert "me/solver: cannot be pushed" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert "hf_secret" not in done.stderr
    assert hub.files == {}


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "nonsense"])
def test_a_hub_that_cannot_be_reached_costs_a_sentence(url: str, trained: Path) -> None:
    with socket.socket() as bound:  # a port that nobody listens on
        bound.bind(("127.0.0.1", 0))
        endpoint = url.format(port=bound.getsockname()[1])
        given = {"HF_ENDPOINT": endpoint, "HF_TOKEN": "hf_secret"}
        command = ["push_to_hub", "step", "me/solver"]
        done = mathtune(*command, folder=trained.parent, **given)
    assert done.returncode == 2
    assert f"me/solver: cannot be pushed to {endpoint}" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert (trained / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere", "me/solver"], "nowhere: holds no model"),
        (["step", "a/b/c"], "a/b/c: no name of a repository"),
        (["step", "me/solver"], "HF_HUB_OFFLINE is set"),
    ],
)
def test_what_cannot_be_pushed_costs_a_sentence(
    arguments: list[str], says: str, trained: Path
) -> None:
    done = mathtune("push_to_hub", *arguments, folder=trained.parent, HF_HUB_OFFLINE="1")
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
