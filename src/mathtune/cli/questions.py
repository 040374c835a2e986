"""The commands `solve` and `serve`: questions answered once, from a file, or for as long as asked.

Part of the command line; reads settings and hands over to solve, solve_file and serving.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from mathtune.cli.options import CONTINUES, FILES, AsJson, Extract
from mathtune.cli.serving.settings import STOP_AT, Solver
from mathtune.errors import InputError
from mathtune.run.stopping import stoppable

app = typer.Typer()

Generator = Annotated[
    str,
    typer.Option(
        metavar="MODEL", help="Writes solutions: a model, a train step's folder, http://host/v1."
    ),
]
Evaluator = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL", help="Judges them, likewise; calculator: without a model. None: votes."
    ),
]
Samples = Annotated[int, typer.Option("-n", "--n", help="The most solutions to sample.")]
StopAt = Annotated[
    float,
    typer.Option(
        metavar="P",
        help="Stop when the leading cluster is ahead with this probability. 0: draw all.",
    ),
]
StrategyName = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Maj1, RR.All, W.RR, ...; else W.RR, or Maj1 unjudged."),
]
TopK = Annotated[int, typer.Option("--k", help="The K (or N) of strategies that have one.")]
Temperature = Annotated[float, typer.Option(help="0: always the likeliest token.")]
TopP = Annotated[float, typer.Option(help="Nucleus sampling.")]
MaxTokens = Annotated[int, typer.Option(help="Longest solution.")]
Seed = Annotated[int, typer.Option(help="Seed of the samples.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
GeneratorName = Annotated[
    str | None, typer.Option(metavar="NAME", help="What the generator's server calls it.")
]
EvaluatorName = Annotated[
    str | None, typer.Option(metavar="NAME", help="What the evaluator's server calls it.")
]
EngineOption = Annotated[
    str, typer.Option("--engine", help="For a model here: transformers or vllm.")
]
System = Annotated[str | None, typer.Option(metavar="TEXT", help="The system message of a chat.")]
Instruction = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="What to do, behind the problem; '' for nothing."),
]
Prompt = Annotated[
    str, typer.Option(help="auto, plain, alpaca or chat: the form of the generator's prompts.")
]


@app.command(rich_help_panel=FILES)
def solve(
    question: Annotated[str, typer.Argument(help="The problem in words, or a file of problems.")],
    generator: Generator = "embedded",
    evaluator: Evaluator = None,
    n: Samples = 16,
    stop_at: StopAt = STOP_AT,
    strategy: StrategyName = None,
    k: TopK = 8,
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    max_tokens: MaxTokens = 512,
    seed: Seed = 0,
    extract: Extract = None,
    device: Device = "auto",
    prompt: Prompt = "auto",
    system: System = None,
    instruction: Instruction = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="Of a file of problems: the answers.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Let a `mathtune serve` solve it: http://host:8000/v1."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Solve a question, or a file of them: clusters of answers, the pick, and how sure it is.

    Samples solutions in waves until the lead is sure, groups equal answers, and picks by votes
    weighted with the evaluator's scores. Ends with exit code 1 where no sample has an answer.
    Examples:

    mathtune solve "Tom has 3 bags of 12 nuts. How many nuts?" --evaluator embedded

    mathtune solve problems.jsonl --out answers.jsonl
    """
    solver = _solver(
        stop_at,
        generator=generator,
        evaluator=evaluator,
        n=n,
        strategy=cast(Any, strategy),  # checked by name, with the others
        k=k,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        seed=seed,
        rule=cast(Any, extract or "explicit"),
        device=device,
        form=cast(Any, prompt),
        system=system,
        instruction=instruction,
    )
    with stoppable(CONTINUES):
        if out is not None or _is_file(question):
            _solve_file(Path(question), out, solver, server)
        else:
            _solve_one(question, solver, server, as_json=as_json)


def _solver(stop_at: float, **settings: Any) -> Solver:
    return replace(Solver(**settings), stop_at=stop_at or None)


def _is_file(question: str) -> bool:
    try:
        return Path(question).is_file()
    except (OSError, ValueError):  # no path at all: too long, or with a null character
        return False


def _solve_file(path: Path, out: Path | None, solver: Solver, server: str | None) -> None:
    from mathtune.cli import solve_file

    if out is None:
        raise InputError(f"--out: missing; expected a file for the answers to {path}.")
    if solve_file.solve_file(path, out, solver, server=server):
        raise typer.Exit(1)


def _solve_one(question: str, solver: Solver, server: str | None, *, as_json: bool) -> None:
    from mathtune.cli import solve
    from mathtune.run.progress import output

    if server is None:
        found = solve.solve(question, solver)
    else:
        from mathtune.cli.serving.ask import Served

        found = Served(server).solve(question, solver)
    if as_json:
        typer.echo(json.dumps(found.document(), indent=2))
    else:
        output.print(solve.view(found))
    if found.answer is None:
        raise typer.Exit(1)


@app.command(rich_help_panel=FILES)
def serve(
    generator: Generator = "embedded",
    evaluator: Evaluator = None,
    port: Annotated[int, typer.Option(help="The port; 0: any free one.")] = 8000,
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0: every machine may ask.")
    ] = "127.0.0.1",
    api_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            envvar="MATHTUNE_API_KEY",
            help="Clients must send it. Better in the environment: others see a command's words.",
        ),
    ] = None,
    samples: Annotated[int, typer.Option(help="Most samples of a question, by default.")] = 16,
    stop_at: StopAt = STOP_AT,
    strategy: StrategyName = None,
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    max_tokens: Annotated[int, typer.Option(help="Longest solution, and the most allowed.")] = 512,
    max_samples: Annotated[int, typer.Option(help="Most samples a request may ask for.")] = 64,
    queue: Annotated[int, typer.Option(help="Questions at once; further ones get 429.")] = 256,
    timeout: Annotated[float, typer.Option(help="Seconds for a question.")] = 120.0,
    seed: Seed = 0,
    device: Device = "auto",
    engine: EngineOption = "transformers",
    prompt: Prompt = "auto",
    system: System = None,
    instruction: Instruction = None,
    generator_name: GeneratorName = None,
    evaluator_name: EvaluatorName = None,
    log_prompts: Annotated[
        bool, typer.Option("--log-prompts", help="Print questions; else they are never logged.")
    ] = False,
) -> None:
    """Serve a generator and a judge behind OpenAI's protocol: votes in one request (docs/serve.md).

    Example: mathtune serve --generator runs/quickstart/ssft --evaluator runs/quickstart/evaluator
    """
    from mathtune.cli.serving.app import Limits
    from mathtune.cli.serving.command import Address, serve
    from mathtune.cli.serving.opened import Names

    solver = _solver(
        stop_at,
        generator=generator,
        evaluator=evaluator,
        n=samples,
        strategy=cast(Any, strategy),
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        seed=seed,
        device=device,
        form=cast(Any, prompt),
        system=system,
        instruction=instruction,
    )
    if engine not in ("transformers", "vllm"):
        raise InputError(f"--engine {engine}: no such engine; expected transformers or vllm.")
    if queue < 1 or timeout <= 0:
        raise InputError("--queue, --timeout: expected at least 1 question, and more than 0 s.")
    serve(
        solver,
        Address(host=host, port=port, key=api_key, log_prompts=log_prompts),
        Limits(
            queue=queue,
            timeout=timeout,
            samples=max(max_samples, samples),
            max_tokens=max_tokens,
        ),
        Names(cast(Any, engine), generator_name, evaluator_name),
    )
    sys.stdout.flush()
    os._exit(0)  # everything is closed; the libraries' own ends would take seconds
