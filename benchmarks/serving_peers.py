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
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import embedded_gguf
from servers import end, first_answer, free_port

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
        command = [str(program), "serve", str(model), "--log-level", "error", "--port"]
        with _started(command, str(model)) as served:
            yield served


@contextmanager
def llamacpp(python: Path) -> Iterator[Served]:
    """Start llama.cpp's server with the embedded model; yield what it is asked by."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "embedded.gguf"
        embedded_gguf.write(model)
        command = [str(python), str(Path(__file__).parent / "llama_server.py"), str(model)]
        command += ["--slots", str(SLOTS), "--context", str(CONTEXT)]
        with _started(command, model.name) as served:
            yield served


@contextmanager
def _started(command: list[str], model: str) -> Iterator[Served]:
    """Start a command with a free port as its last word; end it with the block."""
    port, quiet = str(free_port()), subprocess.DEVNULL
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen([*command, port], stdout=quiet, stderr=quiet, text=True) as process:
        try:
            try:
                first_answer(f"{url}/health", process, READY)
            except RuntimeError as error:
                raise SystemExit(f"{command[0]} does not answer at {url}") from error
            yield process, url, model
        finally:
            end(process)
