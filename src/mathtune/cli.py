"""The command line. A command is a stage or a recipe: it reads settings, and hands over."""

from __future__ import annotations

import errno
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape

from mathtune import settings
from mathtune.errors import InputError
from mathtune.fingerprint import inputs
from mathtune.progress import console, output, say
from mathtune.recipes import resolve
from mathtune.run import execute, missing, run_recipe
from mathtune.stage import Stage, validated
from mathtune.stages.collect import Collect
from mathtune.stages.grade import Grade
from mathtune.stages.measure import Measure
from mathtune.stages.prepare import Prepare
from mathtune.stages.sample import Sample
from mathtune.stages.score import Score
from mathtune.stages.train import Train

app = typer.Typer(
    name="mathtune",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Fine-tune open language models to solve math problems and to judge their own solutions, "
        "and measure honestly what it gained."
    ),
)

Assignments = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Settings; dots reach one step."),
]
FileAndAssignments = Annotated[
    list[str] | None, typer.Argument(metavar="[FILE] [KEY=VALUE]...", help="See below.")
]
Config = Annotated[
    str | None,
    typer.Option("--config", metavar="NAME|FILE", help="Settings: shipped, or a YAML file."),
]
Out = Annotated[Path | None, typer.Option(help="The folder to write into.")]
Redo = Annotated[bool, typer.Option("--redo", help="Make it again.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The run folder.")]


@app.command()
def run(
    recipe: Annotated[str, typer.Argument(help="A recipe, or settings that name one.")],
    assignments: Assignments = None,
    config: Config = None,
    out: Annotated[Path | None, typer.Option(help="The run folder, else runs/<recipe>.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the steps only.")] = False,
    redo: Annotated[
        list[str] | None, typer.Option(help="A step to make again, with what hangs on it.")
    ] = None,
) -> None:
    """Run a recipe: quickstart, liu2023, yuan2023.

    Finished steps are skipped, an interrupted one goes on where it was. Example:

    mathtune run quickstart n=16 ssft.learning_rate=3e-4 --out runs/small
    """
    found = resolve(recipe, config=config, assignments=assignments or [])
    folder = (out or Path("runs") / recipe).absolute()
    with _interruptible():
        done = run_recipe(
            found.compose,
            name=found.name,
            folder=folder,
            overrides=found.overrides,
            redo=frozenset(redo or ()),
            dry_run=dry_run,
        )
    from mathtune import report
    from mathtune.overview import plan_table

    if dry_run:
        output.print(plan_table(done))
        return
    page = report.build(folder)
    for table in report.terminal(folder):
        output.print(table)
    say(f"report: {page}")


@app.command()
def status(run_folder: RunFolder) -> None:
    """Show a run's steps: finished, under way, waiting."""
    from mathtune.overview import status_table

    output.print(status_table(run_folder))


@app.command()
def show(
    run_folder: RunFolder,
    problem: Annotated[str, typer.Argument(help="The problem's id.")],
    row: Annotated[str | None, typer.Option(help="The measured step to show.")] = None,
) -> None:
    """Show a problem: its clusters, verdicts, scores and picks."""
    from mathtune.overview import problem_view

    output.print(problem_view(run_folder, problem, row=row))


@app.command()
def report(run_folder: RunFolder) -> None:
    """Write report.md, report.html and metrics.json of a run."""
    from mathtune import report

    say(f"report: {report.build(run_folder)}")


@app.command()
def env() -> None:
    """Print what to paste into a bug report."""
    from mathtune.provenance import environment

    for key, value in environment().items():
        typer.echo(f"{key}: {value}")


def _stage_command(kind: type[Stage[Any]], positional: str) -> None:
    """Add a stage as a command: `mathtune STAGE [FILE] [key=value ...] --out FOLDER`."""

    def command(
        arguments: FileAndAssignments = None,
        config: Config = None,
        out: Out = None,
        redo: Redo = False,
    ) -> None:
        run_stage(kind, positional, arguments or [], config, out, redo)

    command.__doc__ = stage_help(kind, positional)
    app.command(name=kind.kind())(command)


def run_stage(
    kind: type[Stage[Any]],
    positional: str,
    arguments: list[str],
    config: str | None,
    out: Path | None,
    redo: bool,
) -> None:
    """Execute one stage on plain files; its folder is skipped and resumed as a recipe's step is."""
    if arguments and "=" not in arguments[0]:
        arguments = [f"{positional}={arguments[0]}", *arguments[1:]]
    stage = validated(kind, settings.read(config, arguments, beside=None))
    if out is None:
        raise InputError(f"mathtune {kind.kind()}: --out is missing; expected the folder to write.")
    for path in inputs(stage):
        if missing(path):
            raise InputError(f"{path}: no such file or folder.")
    with _interruptible():
        execute(stage, out.absolute(), name=out.name, redo=redo)
    say(f"wrote {out}")


def stage_help(kind: type[Stage[Any]], positional: str) -> str:
    """A stage's help: its docstring's first paragraph, then every setting with its default."""
    summary = (inspect.getdoc(kind) or "").partition("\n\n")[0]
    lines = [summary, "", f"The file given first is `{positional}`. Settings:", "", "\b"]
    for name, field in kind.model_fields.items():
        default = "" if field.is_required() else f" [{field.default}]"
        lines.append(f"{name}{default}: {' '.join((field.description or '').split())}")
    return "\n".join(lines)


for _kind, _positional in (
    (Prepare, "source"),
    (Train, "examples"),
    (Sample, "problems"),
    (Score, "samples"),
    (Collect, "samples"),
    (Grade, "samples"),
    (Measure, "samples"),
):
    _stage_command(_kind, _positional)


def main() -> None:
    """Start the command line; faults of the user end with one sentence and exit code 2."""
    try:
        app()
    except InputError as error:
        _fault(str(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _fault(
            f"{error.filename or 'the disk'}: no space left; what was finished is kept, "
            "the same command continues once there is space."
        )


def _fault(sentence: str) -> NoReturn:
    console.print(f"[bold red]error:[/] {escape(sentence)}")
    sys.exit(2)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end with a sentence and the usual exit code."""
    try:
        yield
    except KeyboardInterrupt:
        say("stopped; the same command continues from here")
        raise typer.Exit(130) from None
