"""The stages' commands: `mathtune STAGE [FILE] [key=value ...] --out FOLDER`. Part of the command
line.

`grade` and `measure` also read other programs' files as they are.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from pydantic import BaseModel
from rich.markup import escape

from mathtune.cli.options import (
    CONTINUES,
    AsJson,
    ClusterBy,
    Config,
    ExtractFile,
    Fields,
    FileAndAssignments,
    Grader,
    OnRay,
    Out,
    ProblemsFile,
    Redo,
    ReportTo,
    Split,
    Strict,
    TiesOption,
    Verbose,
    with_ray,
)
from mathtune.cli.sets import data, evaluate
from mathtune.engines.settings import Group
from mathtune.errors import InputError
from mathtune.metrics.ties import Ties
from mathtune.run import ranks, settings
from mathtune.run.fingerprint import inputs
from mathtune.run.progress import output, say
from mathtune.run.recipe_run import missing
from mathtune.run.stage import Stage, validated
from mathtune.run.step import execute
from mathtune.run.stopping import stoppable
from mathtune.stages.bits import Bits
from mathtune.stages.collect import Collect
from mathtune.stages.drawn import Drawn
from mathtune.stages.exemplars import Exemplars
from mathtune.stages.grade import Grade
from mathtune.stages.halve import Halve
from mathtune.stages.measure import Measure
from mathtune.stages.part import Part
from mathtune.stages.prepare import Prepare
from mathtune.stages.sample import Sample
from mathtune.stages.score import Score
from mathtune.stages.train import Train

app = typer.Typer()
app.command()(evaluate)
app.command()(data)


def _stage_command(kind: type[Stage[Any]], positional: str) -> None:
    """Add a stage as a command: `mathtune STAGE [FILE] [key=value ...] --out FOLDER`."""

    def command(
        arguments: FileAndAssignments = None,
        config: Config = None,
        out: Out = None,
        redo: Redo = False,
    ) -> None:
        run_stage(kind, positional, arguments or [], config, out, redo)

    def on_engines(
        arguments: FileAndAssignments = None,
        config: Config = None,
        out: Out = None,
        redo: Redo = False,
        ray: OnRay = False,
    ) -> None:
        run_stage(kind, positional, with_ray(ray, arguments or []), config, out, redo)

    chosen = on_engines if "ray" in kind.model_fields else command
    chosen.__doc__ = stage_help(kind, positional)
    app.command(name=kind.kind())(chosen)


def run_stage(
    kind: type[Stage[Any]],
    positional: str,
    arguments: list[str],
    config: str | None,
    out: Path | None,
    redo: bool,
) -> None:
    """Execute one stage on plain files; its folder is skipped and resumed as a recipe's step is."""
    if kind is not Train:
        ranks.refuse_several(kind.kind())
    if arguments and "=" not in arguments[0]:
        arguments = [f"{positional}={arguments[0]}", *arguments[1:]]
    with settings.placed(config, arguments, beside=None):
        stage = validated(kind, settings.read(config, arguments, beside=None))
    if out is None:
        raise InputError(f"mathtune {kind.kind()}: --out is missing; expected the folder to write.")
    for path in inputs(stage):
        if missing(path):
            raise InputError(f"{path}: no such file or folder.")
    with stoppable(CONTINUES):
        execute(stage, out.absolute(), name=out.name, redo=redo)
    say(f"wrote {out}")


def stage_help(kind: type[Stage[Any]], positional: str) -> str:
    """A stage's help: its docstring's first paragraph, then every setting with its default."""
    summary = (inspect.getdoc(kind) or "").partition("\n\n")[0]
    lines = [summary, "", f"The file given first is `{positional}`. Settings:", "", "\b"]
    return "\n".join([*lines, *_settings_help(kind, "")])


def _settings_help(kind: type[BaseModel], prefix: str) -> Iterator[str]:
    """A line for each setting, those of an engine's groups after the group."""
    for name, field in kind.model_fields.items():
        value = None if field.is_required() else field.get_default(call_default_factory=True)
        inner = isinstance(value, Group)
        default = "" if field.is_required() or inner else escape(f" [{value}]")
        yield f"{prefix}{name}{default}: {' '.join((field.description or '').split())}"
        if isinstance(value, Group):
            yield from _settings_help(type(value), f"{prefix}{name}.")


def two_uses(kind: type[Stage[Any]], file_alone: str) -> str:
    """The help of a command that also reads other programs' files: that use, then the stage's."""
    return f"{file_alone}\n\nWith problems=FILE: {stage_help(kind, 'samples')}"


GRADE_FILE = (
    "Grade samples: other programs' files as they are, or ours.\n\n"
    "Files alone hold their golds: one row per sample, or one per problem with a list; JSON Lines, "
    "JSON, CSV, parquet, Arrow, inspect logs, also packed, globs, or - for standard input. What "
    "was read as what is printed; where two fields may be the solution or the gold you are asked "
    "to choose with --fields. Example:\n\nmathtune grade outputs.jsonl --grader math,prm800k"
)
COLLECT_FILE = (
    "Collect rows to learn from, of samples that others made, or of ours.\n\n"
    "A file alone holds its golds and questions, as `mathtune grade` reads it; its samples are "
    "graded first, and written beside OUT. Example:\n\n"
    "mathtune collect generations.parquet keep=pairs --format dpo --out pairs"
)
MEASURE_FILE = (
    "Measure samples, votes and re-ranking: other programs' files, or ours.\n\n"
    "Files alone hold their golds, and scores where there are any, as `mathtune grade` reads them. "
    "Example:\n\nmathtune measure output-rs*.jsonl --grader prm800k --report report.html"
)

for _kind, _positional in (
    (Prepare, "source"),
    (Halve, "problems"),
    (Exemplars, "solutions"),
    (Train, "examples"),
    (Sample, "problems"),
    (Score, "samples"),
    (Part, "examples"),
    (Drawn, "samples"),
    (Bits, "text"),
):
    _stage_command(_kind, _positional)


@app.command(help=two_uses(Collect, COLLECT_FILE))
def collect(
    arguments: FileAndAssignments = None,
    rows: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="Also for trl, kto, dpo, verl, ..."),
    ] = None,
    fields: Fields = None,
    config: Config = None,
    out: Out = None,
    redo: Redo = False,
) -> None:
    given = [*(arguments or []), *_assignments(format=rows)]
    if given and config is None and not any(one.startswith("problems=") for one in given):
        from mathtune.foreign.convert import as_settings

        given = as_settings(given, fields, out)
    elif fields is not None:
        raise InputError("--fields: only for a file alone, with its golds in it.")
    run_stage(Collect, "samples", given, config, out, redo)


@app.command(help=two_uses(Grade, GRADE_FILE))
def grade(
    arguments: FileAndAssignments = None,
    grader: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,NAME]", help="math (the default), prm800k, math-verify; or several."
        ),
    ] = None,
    extract: ExtractFile = None,
    fields: Fields = None,
    problems: ProblemsFile = None,
    split: Split = None,
    strict: Strict = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say in one line per sample why it is right or wrong.")
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
    config: Config = None,
    out: Out = None,
    redo: Redo = False,
    ray: OnRay = False,
) -> None:
    files = only_files(arguments, config)
    if files is None:
        alone = {"--fields": fields, "--problems": problems, "--split": split, "--strict": strict}
        _refuse("grade", {**alone, "--json": as_json, "--explain": explain})
        given = [*(arguments or []), *_assignments(grader=grader, extract=extract)]
        given = with_ray(ray, given)
        run_stage(Grade, "samples", given, config, out, redo)
        return
    from mathtune.foreign import Request, grade_file
    from mathtune.foreign.grade import brief, reason, tables
    from mathtune.report.tables import grid

    request = Request.parse(
        files,
        grader=grader,
        rule=extract,
        fields=fields,
        problems=problems,
        split=split,
        strict=strict,
    )
    each = (lambda one: typer.echo(reason(one, request), err=as_json)) if explain else None
    document = grade_file(request, out=out, redo=redo, each=each)
    _tell(document["read"], document["size"], document["warnings"], as_json, verbose)
    if as_json:
        typer.echo(json.dumps(brief(document), indent=2))
    else:
        for table in tables(document):
            output.print(grid(table))
    if out is not None:
        say(f"wrote {out}")


@app.command(help=two_uses(Measure, MEASURE_FILE))
def measure(
    arguments: FileAndAssignments = None,
    grader: Grader = None,
    extract: ExtractFile = None,
    score: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD", help="The scores' field, or calculator; else scores or score if there."
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="How scores become weights of sums: as-is, softmax, sigmoid, rank; else by range.",
        ),
    ] = None,
    k: Annotated[
        int | None, typer.Option("--k", min=1, help="K of RR.MajK, N of Maj1.TopN; else 8.")
    ] = None,
    as_json: AsJson = False,
    page: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.html", help="Write the page too.")
    ] = None,
    report_to: ReportTo = None,
    fields: Fields = None,
    problems: ProblemsFile = None,
    split: Split = None,
    strict: Strict = False,
    verbose: Verbose = False,
    config: Config = None,
    n: Annotated[
        int | None,
        typer.Option("--n", min=1, help="Samples per problem to measure; else those all have."),
    ] = None,
    ties: TiesOption = None,
    cluster_by: ClusterBy = None,
    out: Out = None,
    redo: Redo = False,
) -> None:
    files = only_files(arguments, config)
    if files is None:
        alone = {
            "--score": score,
            "--weights": weights,
            "--k": k,
            "--json": as_json,
            "--report": page,
            "--report-to": report_to,
            "--fields": fields,
            "--problems": problems,
            "--split": split,
        }
        _refuse("measure", {**alone, "--extract": extract, "--strict": strict})
        given = [*(arguments or []), *_assignments(grader=grader, ties=ties, cluster_by=cluster_by)]
        given += [] if n is None else [f"n={n}"]
        run_stage(Measure, "samples", given, config, out, redo)
        return
    if redo:
        raise InputError("--redo goes with problems=FILE; expected --json, --report or --out.")
    from mathtune.foreign import Request, measure_file
    from mathtune.foreign.measure import Options
    from mathtune.foreign.measure_table import table
    from mathtune.report.tables import grid
    from mathtune.run import trackers

    request = Request.parse(
        files,
        grader=grader,
        rule=extract,
        fields=fields,
        problems=problems,
        split=split,
        strict=strict,
        score=score,
        weights=weights,
        cluster_by=cluster_by,
    )
    options = Options(n=n, ties=ties_of(ties), out=out, k=8 if k is None else k)
    document = measure_file(
        request, page=page, options=options, report_to=trackers.parse(report_to)
    )
    size = f"{document['problems']:,} problems x {document['n']} samples"
    _tell(document["read"], size, document["warnings"], as_json, verbose)
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        output.print(grid(table(document)))
    if page is not None:
        say(f"report: {page}")
    if out is not None:
        say(f"wrote {out}")


def ties_of(text: str | None) -> Ties:
    """Read `--ties`."""
    for known in get_args(Ties):
        if text in (None, known):
            return known
    raise InputError(f"--ties {text}: no such way; expected {' or '.join(get_args(Ties))}.")


def _tell(
    read: dict[str, str], size: str, warnings: list[str], as_json: bool, verbose: bool
) -> None:
    """Print what was read as what, and the warnings, on standard error."""
    from mathtune.foreign import notes

    say(f"{notes.roles(read)}; {size}")
    if not as_json or verbose:
        notes.tell(warnings, verbose=verbose)


def only_files(arguments: list[str] | None, config: str | None) -> list[str] | None:
    """The files, where nothing but files is given: they hold their golds, and no stage is meant."""
    if config is not None or not arguments:
        return None
    if any("=" in argument and not Path(argument).exists() for argument in arguments):
        return None
    return arguments


def _assignments(**given: str | None) -> list[str]:
    return [f"{name}={value}" for name, value in given.items() if value is not None]


def _refuse(command: str, given: dict[str, Any]) -> None:
    """Raise if an option was given that only files with their golds inside have a use for."""
    names = [name for name, value in given.items() if value not in (None, False)]
    if names:
        raise InputError(
            f"mathtune {command} {names[0]}: only for a file alone, with its golds in it; "
            "expected no problems=, no other setting and no --config."
        )
