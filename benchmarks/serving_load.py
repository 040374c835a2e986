"""Many requests to one `mathtune serve`, some of them broken: nothing is lost, mixed up or leaked.

    python benchmarks/serving_load.py [--requests 10000] [--faults 0.01] [--at-once 64]

Every question has numbers of its own, and most are asked at temperature 0, where the solution
depends on the question alone: it must be the one that the model gives to it by itself, and must
not be the one that it gives to another question. Faults are drawn at random: a client that leaves
in the middle, a body that is no JSON, one that is too large. Memory is read when each tenth of
the requests is answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
from serving import server, spent

from mathtune.engines import prompts
from mathtune.engines.protocol import Sampling
from mathtune.engines.transformers import models
from mathtune.engines.transformers.decode import Sampler

MAX_TOKENS = 16
"""Enough for the question's numbers to be in its solution; ten thousand are to be answered."""
SAMPLED = 20
"""One question in so many is sampled, in waves; the others are asked at temperature 0."""
FAULTS = ("leaves", "garbage", "oversize")


def main() -> int:
    """Ask everything; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--faults", type=float, default=0.01)
    parser.add_argument("--at-once", type=int, default=64)
    args = parser.parse_args()
    command = [
        sys.executable,
        "-m",
        "mathtune",
        "serve",
        "--port",
        "0",
        "--max-tokens",
        str(MAX_TOKENS),
        "--timeout",
        "3600",  # a busy machine is no fault
    ]
    with server(command) as (process, client):
        began, cpu = time.monotonic(), spent(process)
        url = str(client.base_url).removesuffix("/v1/")
        found, memory, health = asyncio.run(loaded(url, process.pid, args, alone(args.requests)))
        seconds, cpu = time.monotonic() - began, spent(process) - cpu
        alive = process.poll() is None
    print(
        f"{args.requests} requests, {args.at_once} at once, {seconds:.0f} s, {cpu:.0f} CPU-s "
        f"({args.requests / cpu:.0f} per CPU-s)"
    )
    print(", ".join(f"{name} {count}" for name, count in sorted(found.items())))
    print(f"memory of the server, MiB: {', '.join(f'{one:.0f}' for one in memory)}; {health}")
    grown = memory[-1] - memory[0]
    wrong = found["another question's"] + found["differs"] + found["unexpected"]
    print(f"alive: {alive}; memory grew by {grown:.1f} MiB; wrong: {wrong}")
    return int(not alive or wrong > 0 or grown > 20 or health["running"] != 0)


def question(number: int) -> str:
    """Return a question that no other number has."""
    return f"Ann has {100 + number} pens and gives away {2 + number % 7}. How many pens are left?"


def alone(requests: int) -> list[str]:
    """Return the likeliest solution of each question, by the model in this process."""
    model, tokenizer = models.load("embedded", device="cpu")
    sampling = Sampling(n=1, temperature=0, top_p=1, max_tokens=MAX_TOKENS)
    texts = [
        prompts.solver(question(number), form="auto", tokenizer=tokenizer)
        for number in range(requests)
    ]
    drafts = Sampler(model, tokenizer, form="auto").sample(texts, sampling, seed=(0, 0))
    return [draft.text for (draft,) in drafts]


async def loaded(
    url: str, pid: int, args: argparse.Namespace, wanted: list[str]
) -> tuple[Counter[str], list[float], Any]:
    """Send all requests, `at_once` of them at a time."""
    rng = random.Random(0)
    plans = [
        (number, rng.choice(FAULTS) if rng.random() < args.faults else "asks")
        for number in range(args.requests)
    ]
    left = iter(plans)
    found: Counter[str] = Counter()
    memory: list[float] = []
    done = 0
    tenth = max(1, args.requests // 10)
    async with httpx2.AsyncClient(timeout=3600, limits=httpx2.Limits(max_connections=None)) as http:

        async def worker() -> None:
            nonlocal done
            for number, plan in left:
                found[await one(http, url, number, plan, wanted)] += 1
                done += 1
                if done % tenth == 0:
                    memory.append(resident(pid))

        await asyncio.gather(*(worker() for _ in range(args.at_once)))
        await asyncio.sleep(1)
        health = (await http.get(f"{url}/health")).json()
    return found, memory, health


async def one(http: httpx2.AsyncClient, url: str, number: int, plan: str, wanted: list[str]) -> str:
    """Send one request; return what became of it."""
    body = {
        "model": "embedded",
        "messages": [{"role": "user", "content": question(number)}],
        "user": str(number),
        "temperature": 0 if number % SAMPLED else 0.6,
        "samples": 4,
    }
    kind = {"content-type": "application/json"}
    address = f"{url}/v1/chat/completions"
    if plan == "garbage":
        raw = json.dumps(body).encode()[: 20 + number % 60]
        answer = await http.post(address, content=raw, headers=kind)
        return "garbage refused" if answer.status_code == 400 else "unexpected"
    if plan == "oversize":
        try:
            answer = await http.post(address, content=b" " * 2**21, headers=kind)
        except httpx2.HTTPError:
            return "oversize refused"
        return "oversize refused" if answer.status_code == 413 else "unexpected"
    if plan == "leaves":
        await left_in_the_middle(url, body, number)
        return "left"
    answer = await http.post(address, json=body)
    if answer.status_code != 200:
        return "unexpected"
    document = answer.json()
    solution = document["choices"][0]["message"]["content"]
    if body["temperature"] > 0:
        return "sampled"
    if solution == wanted[number]:
        return "as alone"
    return "another question's" if solution in set(wanted) else "differs"


async def left_in_the_middle(url: str, body: dict[str, Any], number: int) -> None:
    """Send a request and hang up, at once or after a moment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    raw = json.dumps({**body, "stream": number % 2 == 0}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(raw)}\r\n"
    )
    writer.write(head.encode() + b"content-type: application/json\r\n\r\n" + raw)
    await writer.drain()
    await asyncio.sleep(0.02 * (number % 4))
    writer.transport.abort()
    del reader


def resident(pid: int) -> float:
    """MiB of the process in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    sys.exit(main())
