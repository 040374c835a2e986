"""A server that is restarted in mid-run: every sample is there, each once."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mathtune.rows import jsonl
from mathtune.rows.records import Problem, Sample
from mathtune.run.step import execute
from mathtune.stages.sample import Sample as SampleStage

pytestmark = pytest.mark.timeout(120)
PROBLEMS, N = 12, 3


class Restarting:
    """A server that closes its port in the middle of an answer, and opens it again."""

    def __init__(self, *, at: int) -> None:
        self.asked, self.restarts = 0, 0
        self._at, self._lock = at, threading.Lock()
        self._open(0)
        self.port = self._server.server_port

    def _open(self, port: int) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None: ...

            def do_GET(self) -> None:
                self._answer({"data": [{"id": "m", "max_model_len": 4096}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer._lock:
                    outer.asked += 1
                    last = outer.asked == outer._at
                if last:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{")
                    threading.Thread(target=outer._restart).start()
                    self.close_connection = True
                    return
                text = f"#### {body['prompt'].split()[2]}"
                choices = [
                    {"index": i, "text": text, "finish_reason": "stop"}
                    for i in range(body.get("n", 1))
                ]
                self._answer(
                    {"choices": choices, "usage": {"prompt_tokens": 5, "completion_tokens": 3}}
                )

            def _answer(self, document: dict[str, Any]) -> None:
                content = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def _restart(self) -> None:
        self.close()
        self._open(self.port)
        self.restarts += 1

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(params=[1, 5, 11])
def server(request: pytest.FixtureRequest) -> Iterator[Restarting]:
    restarting = Restarting(at=request.param)
    yield restarting
    restarting.close()


def test_every_sample_is_there_once(server: Restarting, tmp_path: Path) -> None:
    problems = [Problem(id=f"p{k}", problem=f"Add {k} now", answer=str(k)) for k in range(PROBLEMS)]
    jsonl.write(tmp_path / "problems.jsonl", problems)
    stage = SampleStage(
        problems=tmp_path / "problems.jsonl",
        engine="openai",
        model="m",
        server={"url": f"http://127.0.0.1:{server.port}/v1", "concurrency": 2},
        prompt="plain",
        n=N,
        max_tokens=8,
    )
    execute(stage, tmp_path / "samples", name="samples")
    rows = list(jsonl.read(tmp_path / "samples/samples.jsonl", Sample))
    assert Counter((row.problem_id, row.index) for row in rows) == {
        (problem.id, index): 1 for problem in problems for index in range(N)
    }
    assert all(row.text == f"#### {row.problem_id[1:]}" for row in rows)
    assert server.restarts == 1
