"""The command line. A command is a stage or a recipe: it reads settings, and hands over."""

from __future__ import annotations

import errno
import json
import sys
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NoReturn, cast

import typer
from typer.core import TyperGroup

from mathtune.cli.options import (
    CONTINUES,
    ClusterBy,
    Config,
    Extract,
    Fields,
    Grader,
    OnRay,
    ReportTo,
    with_ray,
)
from mathtune.errors import FailedStepsError, InputError, ProcessDiedError
from mathtune.run.stopping import stoppable
from mathtune.run.version import __version__


class Commands(TyperGroup):
    """The commands of this file, and those about questions and of the stages, which are imported
    when one is asked for.

    Importing the stages takes most of a second of CPU time: `--version` does without.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """The names in the order that the help shows."""
        return [
            *super().list_commands(ctx),
            *_questions().list_commands(ctx),
            *_stages().list_commands(ctx),
        ]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; None if there is none."""
        found = super().get_command(ctx, cmd_name) or _questions().get_command(ctx, cmd_name)
        return found or _stages().get_command(ctx, cmd_name)


@cache
def _questions() -> TyperGroup:
    from mathtune.cli.questions import app as questions

    return cast(TyperGroup, typer.main.get_command(questions))


@cache
def _stages() -> TyperGroup:
    from mathtune.cli.stages import app as stages

    return cast(TyperGroup, typer.main.get_command(stages))


app = typer.Typer(
    name="mathtune",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Fine-tune open language models to solve math problems and to judge their own solutions, "
        "and measure honestly what it gained."
    ),
)

EXTRAS = {
    **dict.fromkeys(("torch", "transformers", "accelerate", "peft", "gguf"), "train"),
    "datasets": "hub",
    "safetensors": "train",
    "vllm": "vllm",
    "ray": "ray",
    "httpx2": "openai",
    **dict.fromkeys(("starlette", "uvicorn", "prometheus_client"), "serve"),
}
"""The extra of pyproject.toml that brings a package."""
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
"""The system's errors about a path that the user may not use, or that is of another kind."""

Assignments = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Settings; dots reach one step."),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The run folder.")]


def recipe_names(incomplete: str) -> list[str]:
    """The recipes and shipped settings that begin so: what the shell completes."""
    from mathtune.recipes import RECIPES
    from mathtune.run import settings

    names = {*RECIPES, *settings.shipped("mathtune.recipes")}
    return sorted(name for name in names if name.startswith(incomplete))


def show_version(wanted: bool) -> None:
    """Print the version and stop, where it is asked for."""
    if wanted:
        typer.echo(f"mathtune {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options of the program itself; the text above is what `--help` shows."""


@app.command()
def run(
    recipe: Annotated[
        str,
        typer.Argument(help="A recipe, or settings that name one.", autocompletion=recipe_names),
    ],
    assignments: Assignments = None,
    config: Config = None,
    out: Annotated[Path | None, typer.Option(help="The run folder, else runs/<recipe>.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the steps and their predicted bill only.")
    ] = False,
    redo: Annotated[
        list[str] | None, typer.Option(help="A step to make again, and those that depend on it.")
    ] = None,
    ray: OnRay = False,
) -> None:
    """Run a recipe: quickstart, liu2023, yuan2023, scaling.

    Finished steps are skipped, an interrupted one goes on where it was. Example:

    mathtune run quickstart n=16 ssft.learning_rate=3e-4 --out runs/small
    """
    from mathtune import report
    from mathtune.cli import forecast
    from mathtune.cli.status import plan_table
    from mathtune.recipes import resolve, settings_of
    from mathtune.run import settings, trackers
    from mathtune.run.finished import STEP
    from mathtune.run.progress import output, say
    from mathtune.run.recipe_run import planned, work

    folder = (out or Path("runs") / recipe).absolute()
    given = with_ray(ray, assignments or [])
    again = frozenset(redo or ())
    with stoppable(CONTINUES):
        with settings.placed(settings_of(recipe, config), given, beside="mathtune.recipes"):
            found = resolve(recipe, config=config, assignments=given)
            trackers.require(found.report_to)
            steps = planned(
                found.compose, name=found.name, folder=folder, overrides=found.overrides, redo=again
            )
        if dry_run:
            output.print(plan_table(steps))
            output.print(forecast.table(steps, speed=found.speed))
            return
        bill = forecast.document(steps, speed=found.speed)
        failed: FailedStepsError | None = None
        try:
            work(steps, found.compose, name=found.name, redo=again, forecast=bill)
        except FailedStepsError as error:
            failed = error
            if not any((folder / name / STEP).exists() for name in steps.steps):
                raise
    page = report.build(folder)
    for table in report.terminal(folder):
        output.print(table)
    say(f"report: {page}")
    report.tell(folder, found.report_to)
    if failed is not None:
        raise failed


@app.command()
def status(run_folder: RunFolder) -> None:
    """Show a run's steps: finished, under way, waiting."""
    from mathtune.cli.status import status_table
    from mathtune.run.progress import output

    output.print(status_table(run_folder))


@app.command()
def show(
    run_folder: RunFolder,
    problem: Annotated[str, typer.Argument(help="The problem's id.")],
    row: Annotated[str | None, typer.Option(help="The measured step to show.")] = None,
) -> None:
    """Show a problem: its clusters, verdicts, scores and picks."""
    from mathtune.cli.status import problem_view
    from mathtune.run.progress import output

    output.print(problem_view(run_folder, problem, row=row))


@app.command()
def compare(
    rows: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]PATH[:METRIC]...",
            help="Two or more: measured steps, run folders, or sample files of any program.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    page: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FILE.html", help="Write a page with the problems that changed."
        ),
    ] = None,
    within: Annotated[
        float, typer.Option(help="Points within which two rows count as equal.", min=0.0)
    ] = 2.0,
    shared: Annotated[
        bool, typer.Option("--shared", help="Compare on the problems that all rows have.")
    ] = False,
    cluster_by: ClusterBy = None,
    grader: Grader = None,
    extract: Extract = None,
    fields: Fields = None,
) -> None:
    """Compare rows problem by problem: difference, interval, p, equality, wins by group.

    The difference is the first minus the second. Folders of several seeds are joined by commas;
    the interval then includes other seeds. Examples:

    mathtune compare runs/quickstart/ssft-row:W.RR runs/quickstart/ssft-row:Maj1@32

    mathtune compare mine=mine.jsonl theirs=theirs.jsonl --report compared.html
    """
    from mathtune.cli.compare import Asked, Reading, compared, write_page
    from mathtune.report.compare_rows import sentence, tables
    from mathtune.report.tables import grid
    from mathtune.run.progress import output, say

    found = compared(
        rows,
        reading=Reading(grader, extract, fields),
        asked=Asked(within=within / 100),
        cluster_by=cluster_by,
        shared=shared,
    )
    if page is not None:
        write_page(found, page)
        say(f"report: {page}")
    if as_json:
        typer.echo(json.dumps(found.document, indent=2))
        return
    output.print(sentence(found.document))
    for table in tables(found.document):
        output.print(grid(table))


@app.command()
def plan(
    pilot: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A pilot: samples, or a measured step.")
    ] = None,
    effect: Annotated[
        float, typer.Option(metavar="PART", help="The gain to see: 0.02 for two points.")
    ] = 0.02,
    accuracy: Annotated[
        float | None, typer.Option(metavar="PART", help="Without a pilot: the accuracy, 0 to 1.")
    ] = None,
    between: Annotated[
        float, typer.Option(help="Without a pilot: part of the variance between problems.")
    ] = 0.6,
    correlation: Annotated[
        float, typer.Option(help="Of the two systems' chances, over problems.")
    ] = 0.9,
    training_sd: Annotated[
        float, typer.Option("--training-sd", help="By how much a training shifts all problems.")
    ] = 0.01,
    tokens: Annotated[
        float | None, typer.Option(help="Tokens per sample; else the pilot's, or 300.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Tokens per second.")] = 2000.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Plan a comparison: problems, samples and seeds that show a gain, and what they cost.

    Examples:

    mathtune plan pilot.jsonl --effect 0.02

    mathtune plan --accuracy 0.4 --effect 0.02
    """
    from mathtune.cli.plan import Assumed, planned, table
    from mathtune.report.tables import grid
    from mathtune.run.progress import output

    found = planned(
        pilot,
        effect=effect,
        accuracy=accuracy,
        part=between,
        assumed=Assumed(correlation=correlation, training_sd=training_sd, speed=speed),
        tokens=tokens,
    )
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        output.print(grid(table(found)))


@app.command()
def report(
    run_folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Of several runs: the page, else comparison.html."),
    ] = None,
    report_to: ReportTo = None,
) -> None:
    """Write report.md, report.html and metrics.json of a run; or compare several runs.

    Several: each is compared with the first, problem by problem, with intervals and p. Example:

    mathtune report runs/quickstart runs/other --out comparison.html
    """
    from mathtune import report
    from mathtune.run import trackers
    from mathtune.run.progress import output, say

    told = trackers.parse(report_to)
    if len(run_folders) == 1:
        if out is not None:
            raise InputError("--out: only for several runs; one run's report is in its folder.")
        say(f"report: {report.build(run_folders[0])}")
        report.tell(run_folders[0], told)
        return
    if told:
        raise InputError("--report-to: only for one run; expected one run folder.")
    page, tables = report.build_comparison(run_folders, out or Path("comparison.html"))
    for table in tables:
        output.print(table)
    say(f"report: {page}")


@app.command()
def env() -> None:
    """Print what to paste into a bug report: versions, devices, memory, threads; no secrets."""
    from mathtune.run.provenance import bug_report

    for key, value in bug_report().items():
        typer.echo(f"{key}: {value}")


@app.command("settings")
def all_settings() -> None:
    """Print every setting of every recipe and stage, in Markdown: docs/settings.md."""
    from mathtune.cli.settings_reference import markdown

    typer.echo(markdown(), nl=False)


@app.command()
def schema(
    recipe: Annotated[str, typer.Argument(help="A recipe.", autocompletion=recipe_names)],
) -> None:
    """Print the JSON Schema of a recipe's YAML settings, for editors.

    Example: mathtune schema liu2023 > liu2023.schema.json, and as the first line of the settings
    # yaml-language-server: $schema=liu2023.schema.json
    """
    from mathtune.cli import settings_reference

    typer.echo(json.dumps(settings_reference.schema(recipe), indent=2))


def main() -> None:
    """Start the command line; faults of the user end with one sentence and exit code 2, processes
    that died with one and exit code 1.
    """
    try:
        app()
    except InputError as error:
        _fault(str(error))
    except ProcessDiedError as error:
        _fault(str(error), code=1)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        _fault(
            f"this needs the package {package}, which is not installed; "
            f"pip install 'mathtune[{EXTRAS[package]}]'."
        )
    except OSError as error:
        if error.errno in REFUSED and error.filename:
            _fault(f"{error.filename}: cannot be used ({(error.strerror or '').lower()}).")
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        _fault(
            f"{error.filename or 'the disk'}: no space left; what was finished is kept, "
            "the same command continues once there is space."
        )


def _fault(sentence: str, code: int = 2) -> NoReturn:
    from rich.text import Text

    from mathtune.run.progress import console, visible

    console.print(Text.assemble(("error:", "bold red"), f" {visible(sentence)}"))
    sys.exit(code)
