"""The command line. A command is a stage or a recipe: it reads settings, and hands over."""

from __future__ import annotations

import errno
import json
import sys
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NoReturn, cast

import typer
from typer.core import TyperGroup

from mathtune.cli.options import (
    REFERENCE,
    RUNS,
    Assignments,
    Config,
    OnRay,
    ReportTo,
    SettingsCommand,
    folder_name,
    page_name,
    with_ray,
)
from mathtune.errors import InputError, ProcessDiedError
from mathtune.run import extras
from mathtune.run.version import __version__


class Commands(TyperGroup):
    """The commands of this file and those of others, which are imported when used.

    Importing the stages takes most of a second of CPU time; `--version` avoids it.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order that the help shows."""
        here = super().list_commands(ctx)
        last = [name for name in here if vars(self.commands[name])["rich_help_panel"] == REFERENCE]
        return [*(one for one in here if one not in last), *_others().list_commands(ctx), *last]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command; a misspelt one is refused with the names that resemble it."""
        similar = get_close_matches(args[0], self.list_commands(ctx))
        if similar and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {' or '.join(similar)}?")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of that name; None if there is none."""
        found = super().get_command(ctx, cmd_name) or _others().get_command(ctx, cmd_name)
        if found is not None:
            _without_types(found.params if ctx is None else found.get_params(ctx))
        return found

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options of the program itself."""
        return _without_types(super().get_params(ctx))


def _without_types(params: list[Any]) -> list[Any]:
    """Let the help show no type for a flag, which takes no value; return the parameters."""
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


@cache
def _others() -> TyperGroup:
    from mathtune.cli import compare, files, hub, plan, questions, stages

    every = typer.Typer()
    for module in (questions, files, compare, plan, stages, hub):
        every.registered_commands += module.app.registered_commands
    return cast(TyperGroup, typer.main.get_command(every))


class RunCommand(SettingsCommand):
    """`run`, whose help ends with the shipped settings."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the usual help, then a line for each recipe and each of its shipped settings."""
        from mathtune.cli.settings_reference import shipped_table
        from mathtune.run.progress import output

        super().format_help(ctx, formatter)
        output.print(shipped_table())


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

REFUSED = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
    *(errno.ENOENT, errno.EEXIST, errno.ELOOP, errno.EBUSY, errno.ENXIO),
)
"""The system's errors about a path that the user may not use, or of the wrong kind."""

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The run folder.")]


def recipe_names(incomplete: str) -> list[str]:
    """Return the recipes and shipped settings that begin so, for the shell's completion."""
    from mathtune.recipes import RECIPES
    from mathtune.run import settings

    names = {*RECIPES, *settings.shipped("mathtune.recipes")}
    return sorted(name for name in names if name.startswith(incomplete))


def show_version(wanted: bool) -> None:
    """Print the version and stop, if asked to."""
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
    """Take the options of the program itself; the text above is what `--help` shows."""


@app.command(rich_help_panel=RUNS, cls=RunCommand)
def run(
    recipe: Annotated[
        str,
        typer.Argument(help="A recipe, or settings that name one.", autocompletion=recipe_names),
    ],
    assignments: Assignments = None,
    config: Config = None,
    out: Annotated[
        Path | None, typer.Option(help="The run folder, else runs/<recipe>.", callback=folder_name)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the steps and their predicted bill only.")
    ] = False,
    redo: Annotated[
        list[str] | None, typer.Option(help="A step to make again, and those that depend on it.")
    ] = None,
    ray: OnRay = False,
) -> None:
    """Run a recipe: all of its steps, from data to report.

    Finished steps are skipped, an interrupted one continues. Example:

    mathtune run quickstart n=16 ssft.learning_rate=3e-4 --out runs/small
    """
    from mathtune.cli.execute import run_recipe

    given = with_ray(ray, assignments or [])
    folder = (out or Path("runs") / recipe).absolute()
    run_recipe(recipe, config, given, folder, redo=frozenset(redo or ()), dry_run=dry_run)


@app.command(rich_help_panel=RUNS)
def status(run_folder: RunFolder) -> None:
    """Show a run's steps: finished, under way, waiting."""
    from mathtune.cli.status import status_table
    from mathtune.run.progress import output

    output.print(status_table(run_folder))


@app.command(rich_help_panel=RUNS)
def show(
    run_folder: RunFolder,
    problem: Annotated[
        str | None, typer.Argument(metavar="[PROBLEM]", help="Its id; else all are listed.")
    ] = None,
    row: Annotated[
        str | None, typer.Option(metavar="ROW", help="The row, as the report names it.")
    ] = None,
) -> None:
    """Show a problem with its clusters, verdicts, scores and picks; or list the problems."""
    from mathtune.cli.problems import problem_table, problem_view
    from mathtune.run.progress import output

    if problem is None:
        output.print(problem_table(run_folder, row=row))
    else:
        output.print(problem_view(run_folder, problem, row=row))


@app.command(rich_help_panel=RUNS)
def report(
    run_folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            help="Of several runs: the page, else comparison.html.",
            callback=page_name,
        ),
    ] = None,
    report_to: ReportTo = None,
) -> None:
    """Write the report of a run or of a stage's folder; or compare several runs.

    Several: each is compared with the first, problem by problem, with intervals and p. Example:

    mathtune report runs/quickstart runs/other --out comparison.html
    """
    from mathtune import report
    from mathtune.run import trackers
    from mathtune.run.progress import output, say

    names = trackers.parse(report_to)
    if len(run_folders) == 1:
        if out is not None:
            raise InputError("--out: only for several runs; one run's report is in its folder.")
        say(f"report: {report.build(run_folders[0])}")
        report.tell(run_folders[0], names)
        return
    if names:
        raise InputError("--report-to: only for one run; expected one run folder.")
    page, tables = report.build_comparison(run_folders, out or Path("comparison.html"))
    for table in tables:
        output.print(table)
    say(f"report: {page}")


@app.command(rich_help_panel=REFERENCE)
def env() -> None:
    """Print the facts for a bug report: versions, devices, memory, threads; no secrets."""
    from mathtune.run.provenance import bug_report

    for key, value in bug_report().items():
        typer.echo(f"{key}: {value}")


@app.command("settings", rich_help_panel=REFERENCE)
def all_settings() -> None:
    """Print every setting of every recipe and stage, in Markdown: docs/settings.md."""
    from mathtune.cli.settings_reference import markdown

    typer.echo(markdown(), nl=False)


@app.command(rich_help_panel=REFERENCE)
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
    """Start the command line; a user's fault ends with one sentence and exit code 2, a process that
    died with one and exit code 1.
    """
    try:
        app()
    except InputError as error:
        _fault(str(error))
    except ProcessDiedError as error:
        _fault(str(error), code=1)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in extras.EXTRAS:
            raise
        _fault(extras.sentence([package]))
    except OSError as error:
        if error.errno in REFUSED and error.filename:
            _fault(f"{error.filename}: cannot be used ({(error.strerror or '').lower()}).")
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        _fault(
            f"{error.filename or 'the disk'}: no space left; finished work is kept, and "
            "the same command continues once there is space."
        )


def _fault(sentence: str, code: int = 2) -> NoReturn:
    from rich.text import Text

    from mathtune.run.progress import console, visible

    console.print(Text.assemble(("error:", "bold red"), f" {visible(sentence)}"))
    sys.exit(code)
