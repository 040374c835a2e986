"""What a user would pick instead to sample on a CPU: vLLM and llama.cpp's server. For sampling.py.

Each contender, ours too, is a process of its own with the same weights and one thread. Read from
/proc: the CPU seconds and the peak memory of it and its children. vLLM is run from .venv-vllm
(`make vllm-env`), llama.cpp from .venv-llama with models/smollm2.gguf (`make llama-env`); what is
not there is left out, with a sentence. llama.cpp multiplies the file's 4-bit weights, the others
the same weights in float32. Its usage counts the first choice only, so its tokens are those of its
texts.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from servers import cpu_s, end, first_answer, free_port

from mathtune.engines.protocol import Sampling
from mathtune.engines.transformers import models

ROOT = Path(__file__).parent.parent
VLLM, LLAMA = ROOT / ".venv-vllm/bin/python", ROOT / ".venv-llama/bin/python"
GGUF = ROOT / "models/smollm2.gguf"
CONTEXT = 512
START = 600.0
"""Seconds that a server may take to start."""


@dataclass(frozen=True)
class Job:
    """What each contender is to sample."""

    model: str
    texts: tuple[str, ...]
    sampling: Sampling


@dataclass(frozen=True)
class Spent:
    """What a contender made, and took: tokens, CPU seconds, seconds, bytes."""

    tokens: int
    cpu: float
    seconds: float
    peak: int


def measured(job: Job) -> dict[str, Spent]:
    """Let each contender that is installed do the job, one after the other; print each result."""
    found = {"ours": _ours(job)}
    print(line("ours", found["ours"]), flush=True)
    for name, there, server in (
        ("vLLM", (VLLM,), _vllm),
        ("llama.cpp", (LLAMA, GGUF), _llama),
    ):
        if all(path.exists() for path in there):
            found[name] = _served(name, job, server)
            print(line(name, found[name]), flush=True)
        else:
            print(f"{name}: not installed here (make {name.lower().replace('.cpp', '')}-env)")
    return found


def line(name: str, one: Spent) -> str:
    """Return a contender's line of the table."""
    return (
        f"{name:>10}  {one.tokens / one.cpu:>8,.0f} tokens/CPU-s  {one.cpu:>7.1f} CPU-s  "
        f"{one.seconds:>7.1f} s  peak {one.peak / 2**20:>6,.0f} MiB"
    )


def _ours(job: Job) -> Spent:
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_sampler, args=(there, job))
    process.start()
    here.recv()
    with _watched(process.pid or 0) as watch:
        here.send("go")
        tokens = here.recv()
    spent = watch(tokens)
    here.send("end")
    process.join()
    return spent


def _sampler(connection: Connection, job: Job) -> None:
    import torch

    from mathtune.engines.transformers.decode import Sampler

    torch.set_num_threads(1)
    model, tokenizer = models.load(job.model, device="cpu")
    sampler = Sampler(model, tokenizer, form="auto")
    connection.send("ready")
    connection.recv()
    drafts = sampler.sample(job.texts, job.sampling, seed=(0, 0))
    connection.send(sum(draft.tokens for group in drafts for draft in group))
    connection.recv()


def _vllm(job: Job, port: int) -> tuple[list[str], dict[str, str]]:
    command = [str(VLLM), "-m", "vllm.entrypoints.openai.api_server", "--model", job.model]
    command += ["--dtype", "float32", "--enforce-eager", "--max-model-len", str(CONTEXT)]
    more = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    return [*command, "--port", str(port)], more | {"VLLM_LOGGING_LEVEL": "ERROR"}


def _llama(job: Job, port: int) -> tuple[list[str], dict[str, str]]:
    script = str(ROOT / "benchmarks/llama_server.py")
    slots = ["--slots", str(job.sampling.n), "--context", str(CONTEXT)]
    return [str(LLAMA), script, str(GGUF), str(port), *slots], {}


def _served(name: str, job: Job, server: Any) -> Spent:
    """Start a server, ask for all samples of a problem at once, and end it."""
    port = free_port()
    command, more = server(job, port)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **more}
    environment.pop("PYTHONPATH", None)
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}/v1"
    try:
        model = json.loads(first_answer(f"{url}/models", process, START))["data"][0]["id"]
        tokenizer = models.load_tokenizer(job.model)
        _asked(url, model, job.texts[0], job.sampling, most=1)  # the first request pays for more
        with _watched(process.pid) as watch, ThreadPoolExecutor(len(job.texts)) as pool:
            answers = list(pool.map(lambda text: _asked(url, model, text, job.sampling), job.texts))
        texts = [choice["text"] for answer in answers for choice in answer["choices"]]
        tokens = sum(answer["usage"]["completion_tokens"] for answer in answers)
        if name == "llama.cpp":
            tokens = sum(len(tokenizer.encode(text, add_special_tokens=False)) for text in texts)
        assert len(texts) == len(job.texts) * job.sampling.n
        return watch(tokens)
    finally:
        end(process)


def _asked(url: str, model: str, text: str, sampling: Sampling, most: int | None = None) -> Any:
    body = {
        "model": model,
        "prompt": text,
        "n": sampling.n,
        "max_tokens": most or sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": -1,
        "min_p": 0.0,
        "repeat_penalty": 1.0,
    }
    request = urllib.request.Request(
        f"{url}/completions",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=3600) as answer:
        return json.load(answer)


@contextmanager
def _watched(pid: int) -> Iterator[Any]:
    """Give the function that says, after the block, what a process and its children took in it."""
    began, cpu = time.monotonic(), _cpu(pid)
    taken: list[float] = []

    def spent(tokens: int) -> Spent:
        return Spent(tokens, taken[0], taken[1], _peak(pid))

    yield spent
    taken += [_cpu(pid) - cpu, time.monotonic() - began]


def _family(pid: int) -> Sequence[int]:
    """Return a process and those below it."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _cpu(pid: int) -> float:
    """Return the CPU seconds of a process and those below it."""
    return sum(map(cpu_s, _family(pid)))


def _peak(pid: int) -> int:
    """Return the bytes that a process and those below it had at most, each at its own time."""
    kib = 0
    for one in _family(pid):
        lines = Path(f"/proc/{one}/status").read_text().splitlines()
        kib += sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return 1024 * kib
