"""The process of `mathtune serve`: it starts, ends gracefully on SIGTERM, and refuses in words."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

httpx2 = pytest.importorskip("httpx2", reason="the extra serve is not installed")

from mathtune.cli.serving.command import served_name
from mathtune.cli.serving.settings import Solver

SLOW = {
    "model": "embedded",
    "messages": [{"role": "user", "content": "What is 7 + 8? Dictate the words after it."}],
    "samples": 64,
    "stop_at": None,
    "temperature": 2.0,
    "max_tokens": 500,
}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_on_sigterm_running_answers_finish_and_new_ones_are_refused() -> None:
    command = [sys.executable, "-m", "mathtune", "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            (url,) = re.findall(r"http://127\.0\.0\.1:\d+", line)
            with ThreadPoolExecutor(1) as pool:
                running = pool.submit(
                    httpx2.post, f"{url}/v1/chat/completions", json=SLOW, timeout=200
                )
                while httpx2.get(f"{url}/health").json()["running"] == 0:
                    assert not running.done()
                process.send_signal(signal.SIGTERM)
                while (health := httpx2.get(f"{url}/health")).json()["status"] == "ok":
                    pass
                assert health.status_code == 503
                refused = httpx2.post(f"{url}/v1/chat/completions", json=SLOW)
                assert refused.status_code == 503
                answer = running.result()
            assert answer.status_code == 200
            assert answer.json()["mathtune"]["samples_used"] == 64
            assert process.wait(timeout=60) == 0
            assert process.stderr.read().rstrip().endswith("stopped")
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "mathtune", "serve", "--port", port],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "cannot be listened on" in done.stderr
    assert "Traceback" not in done.stderr


def test_clients_know_a_folder_by_its_last_part(tmp_path: Path) -> None:
    (tmp_path / "ssft").mkdir()
    assert served_name(Solver(generator=str(tmp_path / "ssft"))) == "ssft"
    assert served_name(Solver(generator="org/model")) == "org/model"
    assert served_name(Solver(generator="http://host/v1", generator_name="theirs")) == "theirs"
