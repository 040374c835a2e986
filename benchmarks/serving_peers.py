"""Servers of others with the embedded model, and votes over strings. For benchmarks/serving.py.

transformers serve     `pip install 'transformers[serving]' requests`; one choice per request
llama.cpp's server     `pip install xllamacpp`, which holds a built one; n choices per request

Both run in environments of their own and get the embedded model with the plain form as its chat
template. transformers serve reads no `do_sample` from a request: the model's folder must say it,
else every temperature is greedy.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import embedded_gguf

from mathtune.engines import embedded_model

SLOTS = 64
"""Samples that llama.cpp draws side by side."""
CONTEXT = 256
"""Tokens of a question with its solution; those asked here are shorter."""
READY = 120
"""Seconds in which a server must answer."""
Served = tuple[subprocess.Popen[str], str, str]
"""A server's process, its address, and what it calls the model."""


def loaded(path: Path) -> Any:
    """Load optillm's majority voting alone: its package needs forty others."""
    spec = importlib.util.spec_from_file_location("majority_voting_plugin", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.logger.setLevel("ERROR")
    return module


def voted(voting: Any, texts: Sequence[str]) -> str:
    """Return the first text whose string the most texts agree on, as optillm reads strings."""
    strings = [voting.normalize_response(voting.extract_final_answer(text)) for text in texts]
    ((most, _),) = Counter(strings).most_common(1)
    return texts[strings.index(most)]


@contextmanager
def transformers(program: Path) -> Iterator[Served]:
    """Start `transformers serve` with a copy of the embedded model; yield what it is asked by."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "embedded"
        shutil.copytree(embedded_model.path(), model)
        (model / "chat_template.jinja").write_text(embedded_gguf.TEMPLATE)
        settings = model / "generation_config.json"
        settings.write_text(json.dumps({**json.loads(settings.read_text()), "do_sample": True}))
        port, url = _free()
        command = [str(program), "serve", str(model), "--port", str(port), "--log-level", "error"]
        with _started(command, url) as process:
            yield process, url, str(model)


@contextmanager
def llamacpp(python: Path) -> Iterator[Served]:
    """Start llama.cpp's server with the embedded model; yield what it is asked by."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "embedded.gguf"
        embedded_gguf.write(model)
        port, url = _free()
        script = str(Path(__file__).parent / "llama_server.py")
        slots = ["--slots", str(SLOTS), "--context", str(CONTEXT)]
        command = [str(python), script, str(model), str(port), *slots]
        with _started(command, url) as process:
            yield process, url, "embedded.gguf"


@contextmanager
def _started(command: list[str], url: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            began = time.monotonic()
            while not _answers(url):
                if process.poll() is not None or time.monotonic() - began > READY:
                    raise SystemExit(f"{command[0]} does not answer at {url}")
                time.sleep(0.5)
            yield process
        finally:
            process.kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free() -> tuple[int, str]:
    """Return a free port and its address."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = int(one.getsockname()[1])
    return port, f"http://127.0.0.1:{port}"
