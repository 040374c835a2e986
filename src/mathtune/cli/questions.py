"""The commands `solve` and `serve`: questions answered once, from a file, or for as long as asked.

Part of the command line; reads settings and hands over to solve, solve_file and serving.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from mathtune.cli.options import FILES, AsJson, continues
from mathtune.cli.serving.settings import Address, Limits, Solver
from mathtune.errors import InputError
from mathtune.run.stopping import stoppable

app = typer.Typer()
Text = str | None

OPTIONS: dict[type, dict[str, Any]] = {
    Solver: {
        "generator": Annotated[
            str,
            typer.Option(
                metavar="MODEL",
                help="Writes solutions: a model, a train step's folder, http://host/v1.",
            ),
        ],
        "evaluator": Annotated[
            Text,
            typer.Option(
                metavar="MODEL",
                help="Judges them, likewise; calculator: without a model. None: votes.",
            ),
        ],
        "n": Annotated[
            int, typer.Option("-n", "--n", "--samples", help="Most solutions to sample.")
        ],
        "stop_at": Annotated[
            float,
            typer.Option(
                metavar="P",
                help="Stop when the leading cluster is ahead with this probability. 0: draw all.",
            ),
        ],
        "strategy": Annotated[
            Text,
            typer.Option(
                metavar="NAME", help="Maj1, RR.All, W.RR, ...; else W.RR, or Maj1 unjudged."
            ),
        ],
        "k": Annotated[int, typer.Option("--k", help="The K (or N) of strategies that have one.")],
        "temperature": Annotated[float, typer.Option(help="0: always the likeliest token.")],
        "top_p": Annotated[float, typer.Option(help="Nucleus sampling.")],
        "max_tokens": Annotated[int, typer.Option(help="Tokens of the longest solution.")],
        "seed": Annotated[int, typer.Option(help="Seed of the samples.")],
        "rule": Annotated[
            str,
            typer.Option("--extract", metavar="RULE", help="explicit, auto or last-number."),
        ],
        "device": Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")],
        "engine": Annotated[str, typer.Option(help="For a model here: transformers or vllm.")],
        "form": Annotated[
            str,
            typer.Option(
                "--prompt",
                help="The form of the generator's prompts: auto, plain, alpaca, minerva or chat.",
            ),
        ],
        "system": Annotated[
            Text, typer.Option(metavar="TEXT", help="The system message of a chat.")
        ],
        "instruction": Annotated[
            Text,
            typer.Option(metavar="TEXT", help="What to do, behind the problem; '' for nothing."),
        ],
        "template": Annotated[
            str,
            typer.Option(
                metavar="{NAME: VALUE}",
                help="Variables of the chat template, such as {enable_thinking: false}.",
            ),
        ],
        "thoughts": Annotated[
            str,
            typer.Option(
                metavar="HOW", help="What the evaluator does with thoughts: read or drop."
            ),
        ],
        "generator_name": Annotated[
            Text, typer.Option(metavar="NAME", help="What the generator's server calls it.")
        ],
        "evaluator_name": Annotated[
            Text, typer.Option(metavar="NAME", help="What the evaluator's server calls it.")
        ],
        "evaluator_tokenizer": Annotated[
            Text,
            typer.Option(
                metavar="MODEL",
                help="The folder of an evaluator on a server, if it was trained on chats.",
            ),
        ],
        "evaluator_logprobs": Annotated[
            int,
            typer.Option(
                help="The likeliest tokens that its server is asked for, both labels among them."
            ),
        ],
    },
    Address: {
        "port": Annotated[int, typer.Option(help="The port; 0: any free one.")],
        "host": Annotated[
            str, typer.Option(help="The address to listen on; 0.0.0.0: every machine may ask.")
        ],
        "key": Annotated[
            Text,
            typer.Option(
                "--api-key",
                metavar="KEY",
                envvar="MATHTUNE_API_KEY",
                help="Clients must send it. Better in the environment: others see a command's "
                "words.",
            ),
        ],
        "log_prompts": Annotated[
            bool,
            typer.Option("--log-prompts", help="Print questions; else they are never logged."),
        ],
    },
    Limits: {
        "samples": Annotated[
            int, typer.Option("--max-samples", help="Most samples a request may ask for.")
        ],
        "queue": Annotated[int, typer.Option(help="Questions at once; further ones get 429.")],
        "timeout": Annotated[float, typer.Option(help="Seconds for a question.")],
    },
}
"""The options of groups of settings, by field; a field's default is the option's. `settings.check`
refuses values out of range, for options and requests alike.
"""


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of each parameter whose type is in `OPTIONS`, instead of it."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: one.annotation
        for name, one in signature.parameters.items()
        if one.annotation in OPTIONS
    }
    parameters: list[inspect.Parameter] = []
    for name, one in signature.parameters.items():
        if name not in groups:
            parameters.append(one.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        defaults = {field.name: field.default for field in fields(groups[name])}
        parameters += [
            inspect.Parameter(
                field,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults[field],
                annotation=option,
            )
            for field, option in OPTIONS[groups[name]].items()
        ]

    @wraps(command)
    def called(**given: Any) -> None:
        for name, kind in groups.items():
            given[name] = kind(**{field: given.pop(field) for field in OPTIONS[kind]})
        command(**given)

    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return called


@app.command(rich_help_panel=FILES)
@grouped
def solve(
    question: Annotated[str, typer.Argument(help="The problem in words, or a file of problems.")],
    solver: Solver,
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
    weighted with the evaluator's scores. Ends with exit code 1 if no sample has an answer.
    Examples:

    mathtune solve "Ann has 24 pens and gives away 7. How many pens are left?"

    mathtune solve problems.jsonl --out answers.jsonl
    """
    solver = replace(solver, stop_at=solver.stop_at or None)
    if out is None and not _is_file(question):
        _solve_one(question, solver, server, as_json=as_json)
        return
    with stoppable(continues):
        _solve_file(Path(question), out, solver, server)


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
    from mathtune.run.progress import output, say

    if server is None:
        if solver.generator == "embedded":
            say("generator: the embedded model, which knows short exercises and little else")
        found = solve.solve(question, solver)
    else:
        from mathtune.cli.serving.ask import Served

        with Served(server) as there:
            found = there.solve(question, solver)
    if as_json:
        typer.echo(json.dumps(found.document(), indent=2))
    else:
        output.print(solve.view(found))
    if found.answer is None:
        raise typer.Exit(1)


@app.command(rich_help_panel=FILES)
@grouped
def serve(solver: Solver, address: Address, limits: Limits) -> None:
    """Serve a generator and a judge behind OpenAI's protocol: votes in one request (docs/serve.md).

    Example: mathtune serve --generator runs/quickstart/ssft --evaluator runs/quickstart/evaluator
    """
    from mathtune.cli.serving.command import serve

    solver = replace(solver, stop_at=solver.stop_at or None)
    samples = max(limits.samples, solver.n)
    serve(solver, address, replace(limits, samples=samples, max_tokens=solver.max_tokens))
    sys.stdout.flush()
    os._exit(0)  # everything is closed; the libraries' own ends would take seconds
