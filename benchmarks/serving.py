"""Questions per second of `mathtune serve`, beside n copies voted on as strings, on one engine.

    python benchmarks/serving.py [--peer majority_voting_plugin.py] [--questions 64] [--json]

Two servers with the same engine and model: ours, and one that only samples. Clients ask the same
questions at several concurrencies, and every answer is graded.

ours            waves until the lead is sure, at most N samples (what `serve` does)
ours, all N     the same without stopping
peer, one n     optillm's majority voting: n samples in one request, votes over strings
peer, copies    the same where a server gives one choice per request: n requests in turn

The peer's own file does the voting (`pip download --no-deps optillm`; in the wheel it is
optillm/plugins/majority_voting_plugin.py). Without --peer its rows are left out. CPU-s: of server
and clients, which is what two busy cores share; times are of this machine as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import openai

from mathtune.answers import Verdict, grade
from mathtune.data.arithmetic import SCHOOLING, generate
from mathtune.rows.records import Problem

CONCURRENCY = (1, 8, 64)
SLOW = 8
"""One question in so many is asked of copies at concurrency 1, which takes minutes."""
Ask = Callable[[Any, Problem], tuple[str, int]]


def main() -> int:
    """Start the servers, ask everything, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--questions", type=int, default=64)
    parser.add_argument("-n", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--concurrency", type=int, nargs="*", default=CONCURRENCY)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.plain:
        plain(args.max_tokens)
        return 0
    problems = generate("test", args.questions, seed=0, families=list(SCHOOLING))
    rows = []
    command = [sys.executable, "-m", "mathtune", "serve", "--port", "0"]
    with server([*command, "--max-tokens", str(args.max_tokens)]) as (process, client):
        for name, stop_at in (("ours", 0.95), ("ours, all N", None)):
            rows += measured(name, ours(args.n, stop_at), problems, process, client, args)
    if args.peer is not None:
        voting = loaded(args.peer)
        command = [sys.executable, __file__, "--plain", "--max-tokens", str(args.max_tokens)]
        with server(command) as (process, client):
            for name, copies in (("peer, one n", False), ("peer, copies", True)):
                ask = theirs(voting, args.n, args.max_tokens, copies=copies)
                rows += measured(name, ask, problems, process, client, args)
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    print(
        f"{len(problems)} questions, at most {args.n} samples, up to {args.max_tokens} tokens\n"
        f"{'':<14}{'at once':>8}{'questions':>10}{'per s':>8}{'p50 s':>8}{'p95 s':>8}"
        f"{'CPU-s each':>12}{'tokens each':>13}{'right':>8}"
    )
    for row in rows:
        print(
            f"{row['who']:<14}{row['at_once']:>8}{row['questions']:>10}{row['per_second']:>8.2f}"
            f"{row['p50']:>8.2f}{row['p95']:>8.2f}{row['cpu']:>12.3f}{row['tokens']:>13.0f}"
            f"{row['right']:>8.1%}"
        )
    return 0


def measured(
    name: str,
    ask: Ask,
    problems: Sequence[Problem],
    process: subprocess.Popen[str],
    client: Any,
    args: argparse.Namespace,
) -> list[dict[str, Any]]:
    """Ask all problems at each concurrency."""
    ask(client, problems[0])  # the first request of a server pays for its start
    rows = []
    for at_once in args.concurrency:
        few = at_once == 1 and "copies" in name
        asked = problems[: max(1, len(problems) // SLOW)] if few else problems

        def timed(problem: Problem) -> tuple[float, str, int]:
            began = time.monotonic()
            text, tokens = ask(client, problem)
            return time.monotonic() - began, text, tokens

        began, cpu = time.monotonic(), spent(process)
        with ThreadPoolExecutor(at_once) as pool:
            found = list(pool.map(timed, asked))
        whole, cpu = time.monotonic() - began, spent(process) - cpu
        seconds = np.array([one for one, _, _ in found])
        right = [
            is_right(text, problem) for (_, text, _), problem in zip(found, asked, strict=True)
        ]
        rows.append(
            {
                "who": name,
                "at_once": at_once,
                "questions": len(asked),
                "per_second": len(asked) / whole,
                "p50": float(np.quantile(seconds, 0.5)),
                "p95": float(np.quantile(seconds, 0.95)),
                "cpu": cpu / len(asked),
                "tokens": float(np.mean([tokens for _, _, tokens in found])),
                "right": float(np.mean(right)),
            }
        )
        print(f"  {rows[-1]}", file=sys.stderr)
    return rows


def is_right(text: str, problem: Problem) -> bool:
    """Grade a picked solution, whoever picked it."""
    return grade(text, problem.answer) is Verdict.correct


def ours(n: int, stop_at: float | None) -> Ask:
    """One request of ours."""

    def ask(client: Any, problem: Problem) -> tuple[str, int]:
        answer = client.chat.completions.create(
            model="embedded",
            messages=[{"role": "user", "content": problem.problem}],
            extra_body={"samples": n, "stop_at": stop_at},
        )
        return answer.choices[0].message.content, answer.usage.completion_tokens

    return ask


def theirs(voting: Any, n: int, most: int, *, copies: bool) -> Ask:
    """The peer's own voting; with copies, its server refuses more than one choice."""
    config = {"k": n, "temperature": 0.6, "max_tokens": most}
    model = "one" if copies else "many"

    def ask(client: Any, problem: Problem) -> tuple[str, int]:
        text, tokens = voting.run("", problem.problem, client, model, config)
        return str(text), int(tokens)

    return ask


def loaded(path: Path) -> Any:
    """Load the peer's file alone: its package needs forty others."""
    spec = importlib.util.spec_from_file_location("majority_voting_plugin", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.logger.setLevel("ERROR")
    return module


@contextmanager
def server(command: list[str]) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """Start a server that says its address on standard error; end it with the block."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            (url,) = re.findall(r"http://127\.0\.0\.1:\d+", line)
            yield process, openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        finally:
            process.terminate()
            process.wait(timeout=30)


def spent(process: subprocess.Popen[str]) -> float:
    """CPU seconds of the server and of this process so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + time.process_time()


def plain(longest: int) -> None:
    """Serve the engine of `mathtune serve` without votes: n samples, n choices.

    The model `one` refuses n above 1, as many servers do.
    """
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from mathtune.cli.serving.models import Question
    from mathtune.cli.serving.opened import opened
    from mathtune.cli.serving.settings import Solver

    seeds = iter(range(2**31))
    with opened(Solver(max_tokens=longest)) as models:

        async def answer(request: Request) -> JSONResponse:
            body = msgspec.json.decode(await request.body())
            n = body.get("n", 1)
            if n > 1 and body["model"] == "one":
                return JSONResponse({"error": {"message": "n: at most 1"}}, 400)
            solver = Solver(temperature=body["temperature"], max_tokens=body["max_tokens"])
            question = Question(body["messages"][-1]["content"])
            drawn = await models.sample(question, solver.sampling(n), seed=next(seeds), first=0)
            return JSONResponse(
                {
                    "id": "x",
                    "object": "chat.completion",
                    "created": 0,
                    "model": body["model"],
                    "choices": [
                        {
                            "index": index,
                            "message": {"role": "assistant", "content": draft.text},
                            "finish_reason": draft.finish_reason,
                        }
                        for index, draft in enumerate(drawn.drafts)
                    ],
                    "usage": {
                        "prompt_tokens": drawn.read,
                        "completion_tokens": sum(draft.tokens for draft in drawn.drafts),
                        "total_tokens": 0,
                    },
                }
            )

        app = Starlette(routes=[Route("/v1/chat/completions", answer, methods=["POST"])])
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off")
        socket = config.bind_socket()
        socket.listen()
        print(f"http://127.0.0.1:{socket.getsockname()[1]}", file=sys.stderr, flush=True)
        asyncio.run(uvicorn.Server(config).serve([socket]))


if __name__ == "__main__":
    sys.exit(main())
