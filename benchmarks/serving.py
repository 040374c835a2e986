"""Questions per second of `mathtune serve`, beside servers and votes that people use today.

    python benchmarks/serving.py [--voting majority_voting_plugin.py] [--transformers PROGRAM]
        [--llamacpp PYTHON] [--questions 64] [--only WHO] [--json]

Clients ask the same questions at several concurrencies; every answer is graded. All rows have the
embedded model's weights:

ours               waves until the lead is sure, at most N samples: what `serve` does
ours, judge        the same with `--evaluator embedded`, which reads every solution
ours, all N        without stopping
optillm, one n     its majority voting on our engine: one request for n, votes over strings
optillm, copies    the same where a server gives one choice per request: n requests in turn
copies at once     n requests at the same time to our engine, the same votes
transformers       `transformers serve`, which gives one choice per request: n at the same time
llama.cpp, one n   llama.cpp's server, one request for n, the same votes
llama.cpp, copies  n requests at the same time to it
ours on llama.cpp  `mathtune serve --generator http://...` in front of it

--voting: optillm's file (`pip download --no-deps optillm`; in the wheel it is
optillm/plugins/majority_voting_plugin.py). --transformers and --llamacpp: see serving_peers.py.
What is not given is left out. CPU-s: of servers and clients together, which is what busy cores
share; times are of this machine as it is. Slow rows ask fewer questions, as the table says.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import openai
import serving_peers as peers
from servers import cpu_s, end

from mathtune.answers import Verdict, grade
from mathtune.data.arithmetic import generate
from mathtune.metrics.intervals import paired
from mathtune.rows.records import Problem

sys.path.append(str(Path(__file__).parents[1]))  # pretraining is not in the package
from pretraining.schooling import SCHOOLING

CONCURRENCY = (1, 8, 64)
SLOW = {"optillm, copies": 8, "copies at once": 4, "transformers": 8}
"""One question in so many is asked at each concurrency, at least as many as are asked at once."""
SERIAL = ("transformers",)
"""Servers that answer one request at a time: what more than 8 at once would show is the queue."""
OURS = [sys.executable, "-m", "mathtune", "serve", "--port", "0", "--timeout", "3600"]


@dataclass(frozen=True)
class Peer:
    """A server that is asked: its processes, a client, and what it calls its model."""

    processes: Sequence[subprocess.Popen[str]]
    client: Any
    model: str


@dataclass(frozen=True)
class Got:
    """An answer: the picked solution, and what was sampled for it."""

    text: str
    tokens: int
    samples: int


Ask = Callable[[Peer, Problem], Got]
Start = Callable[[], AbstractContextManager[Peer]]


def main() -> int:
    """Start the servers one after the other, ask everything, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voting", type=Path)
    parser.add_argument("--transformers", type=Path)
    parser.add_argument("--llamacpp", type=Path)
    parser.add_argument("--only", action="append", help="a row of the table; may be repeated")
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
    problems = generate("test", args.questions, seed=0, families=SCHOOLING)
    rows: list[dict[str, Any]] = []
    for start, asks in arms(args):
        wanted = {name: ask for name, ask in asks.items() if not args.only or name in args.only}
        if wanted:
            with start() as peer:
                for name, ask in wanted.items():
                    rows += measured(name, ask, problems, peer, args.concurrency)
    print(json.dumps(rows, indent=2) if args.json else table(rows, args))
    return 0


def arms(args: argparse.Namespace) -> Iterator[tuple[Start, dict[str, Ask]]]:
    """Yield each server with the ways in which it is asked."""
    most = ["--max-tokens", str(args.max_tokens)]
    yield (
        lambda: here([*OURS, *most]),
        {"ours": ours(args.n, 0.95), "ours, all N": ours(args.n, None)},
    )
    judge = [*OURS, *most, "--evaluator", "embedded"]
    yield lambda: here(judge), {"ours, judge": ours(args.n, 0.95)}
    if args.voting is None:
        return
    voting = peers.loaded(args.voting)
    n_copies = copies(voting, args)
    yield (
        lambda: here([sys.executable, __file__, "--plain", *most]),
        {
            "optillm, one n": optillm(voting, args),
            "optillm, copies": optillm(voting, args, model="one"),
            "copies at once": n_copies,
        },
    )
    if args.transformers is not None:
        yield lambda: theirs(peers.transformers(args.transformers)), {"transformers": n_copies}
    if args.llamacpp is not None:
        yield (
            lambda: theirs(peers.llamacpp(args.llamacpp)),
            {"llama.cpp, one n": optillm(voting, args), "llama.cpp, copies": n_copies},
        )
        yield lambda: in_front(args.llamacpp, most), {"ours on llama.cpp": ours(args.n, 0.95)}


def measured(
    name: str,
    ask: Ask,
    problems: Sequence[Problem],
    peer: Peer,
    concurrency: Sequence[int],
) -> list[dict[str, Any]]:
    """Ask all problems at each concurrency."""
    ask(peer, problems[0])  # the first request of a server pays for its start
    rows = []
    for at_once in concurrency:
        if at_once > 8 and name in SERIAL:
            continue
        asked = problems[: max(at_once, len(problems) // SLOW.get(name, 1))]

        def timed(problem: Problem) -> tuple[float, Got]:
            began = time.monotonic()
            got = ask(peer, problem)
            return time.monotonic() - began, got

        began, cpu = time.monotonic(), spent(*peer.processes)
        with ThreadPoolExecutor(at_once) as pool:
            found = list(pool.map(timed, asked))
        whole, cpu = time.monotonic() - began, spent(*peer.processes) - cpu
        seconds = np.array([one for one, _ in found])
        right = [
            is_right(got.text, problem) for (_, got), problem in zip(found, asked, strict=True)
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
                "samples": float(np.mean([got.samples for _, got in found])),
                "tokens": float(np.mean([got.tokens for _, got in found])),
                "right": float(np.mean(right)),
                "outcomes": right,
            }
        )
        print(line(rows[-1]), file=sys.stderr, flush=True)
    return rows


def table(rows: Sequence[dict[str, Any]], args: argparse.Namespace) -> str:
    """Return the rows as a table."""
    lines = [
        f"{args.questions} questions, at most {args.n} samples, up to {args.max_tokens} tokens",
        (
            f"{'':<18}{'at once':>8}{'questions':>10}{'per s':>8}{'p50 s':>8}{'p95 s':>8}"
            f"{'CPU-s':>8}{'samples':>9}{'tokens':>8}{'right':>8}"
        ),
        *map(line, rows),
        *map(against_all, stopped(rows)),
    ]
    return "\n".join(lines)


def line(row: dict[str, Any]) -> str:
    """Return one row of the table; CPU seconds, samples and tokens are per question."""
    return (
        f"{row['who']:<18}{row['at_once']:>8}{row['questions']:>10}{row['per_second']:>8.2f}"
        f"{row['p50']:>8.2f}{row['p95']:>8.2f}{row['cpu']:>8.3f}{row['samples']:>9.2f}"
        f"{row['tokens']:>8.0f}{row['right']:>8.1%}"
    )


def stopped(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the rows that stopped early, each with all samples of the same questions."""
    whole = {row["at_once"]: row for row in rows if row["who"] == "ours, all N"}
    for row in rows:
        if row["who"] == "ours" and row["at_once"] in whole:
            yield row, whole[row["at_once"]]


def against_all(rows: tuple[dict[str, Any], dict[str, Any]]) -> str:
    """Return what stopping saved and cost, with a 95 % interval over questions."""
    some, whole = rows
    columns = [np.array(row["outcomes"], dtype=float)[:, None] for row in rows]
    (found,) = paired(columns[0], columns[1], resamples=2000, seed=0)
    return (
        f"stopping, {some['at_once']} at once: {whole['samples'] / some['samples']:.1f}x fewer "
        f"samples, {whole['tokens'] / some['tokens']:.1f}x fewer tokens, "
        f"{whole['cpu'] / some['cpu']:.1f}x fewer CPU-s, right {100 * found.difference:+.1f} "
        f"[{100 * found.low:+.1f}, {100 * found.high:+.1f}] points"
    )


def is_right(text: str, problem: Problem) -> bool:
    """Grade a picked solution, whoever picked it."""
    return grade(text, problem.answer) is Verdict.correct


def ours(n: int, stop_at: float | None) -> Ask:
    """Return one request of ours."""

    def ask(peer: Peer, problem: Problem) -> Got:
        answer = peer.client.chat.completions.create(
            model=peer.model,
            messages=[{"role": "user", "content": problem.problem}],
            extra_body={"samples": n, "stop_at": stop_at},
        )
        return Got(
            answer.choices[0].message.content,
            answer.usage.completion_tokens,
            answer.model_extra["mathtune"]["samples_used"],
        )

    return ask


def optillm(voting: Any, args: argparse.Namespace, *, model: str | None = None) -> Ask:
    """optillm's own voting."""
    config = {"k": args.n, "temperature": 0.6, "max_tokens": args.max_tokens}

    def ask(peer: Peer, problem: Problem) -> Got:
        text, tokens = voting.run("", problem.problem, peer.client, model or peer.model, config)
        return Got(str(text), int(tokens), args.n)

    return ask


def copies(voting: Any, args: argparse.Namespace) -> Ask:
    """n requests at the same time, and votes over strings."""

    def ask(peer: Peer, problem: Problem) -> Got:
        def one(_: int) -> Any:
            return peer.client.chat.completions.create(
                model=peer.model,
                messages=[{"role": "user", "content": problem.problem}],
                temperature=0.6,
                top_p=0.95,
                max_tokens=args.max_tokens,
            )

        with ThreadPoolExecutor(args.n) as pool:
            answers = list(pool.map(one, range(args.n)))
        texts = [answer.choices[0].message.content or "" for answer in answers]
        tokens = sum(answer.usage.completion_tokens for answer in answers)
        return Got(peers.voted(voting, texts), tokens, args.n)

    return ask


@contextmanager
def theirs(starting: Any) -> Iterator[Peer]:
    """Start a peer's server."""
    with starting as (process, url, model):
        yield Peer((process,), asking(url), model)


@contextmanager
def in_front(python: Path, most: Sequence[str]) -> Iterator[Peer]:
    """Start llama.cpp's server, and ours in front of it."""
    with peers.llamacpp(python) as (process, url, _):
        there = ["--generator", f"{url}/v1", "--prompt", "plain"]
        with server([*OURS, *most, *there]) as (own, client):
            yield Peer((process, own), client, "mathtune")


@contextmanager
def here(command: list[str]) -> Iterator[Peer]:
    """Start a server of this project."""
    with server(command) as (process, client):
        yield Peer((process,), client, "embedded")


@contextmanager
def server(command: list[str]) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """Start a server that says its address on standard error; end it with the block."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            (url,) = re.findall(r"http://127\.0\.0\.1:\d+", line)
            yield process, asking(url)
        finally:
            end(process)


def asking(url: str) -> Any:
    """Return the official client for an address."""
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=3600)


def spent(*processes: subprocess.Popen[str]) -> float:
    """CPU seconds of the servers and of this process so far."""
    return sum(cpu_s(process.pid) for process in processes) + time.process_time()


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
