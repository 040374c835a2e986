"""The commands `grade` and `measure`: other programs' files, unchanged, or ours."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import typer

from mathtune.cli import options as o
from mathtune.cli.options import Given
from mathtune.cli.stages import STAGE, command_class, run_stage, stage_help
from mathtune.errors import InputError, many
from mathtune.metrics.ties import Ties
from mathtune.run.progress import output, say
from mathtune.run.stage import Stage
from mathtune.stages.grade import Grade
from mathtune.stages.measure import Measure

app = typer.Typer()

REQUEST: dict[str, Any] = {"extract": o.ExtractFile, "fields": o.Fields, "problems": o.ProblemsFile}
REQUEST |= {"split": o.Split, "strict": o.Strict}
COMMON = {"as_json": o.AsJson, "verbose": o.Verbose}
GRADE = {"grader": o.Graders, **REQUEST, "explain": o.Explain, **COMMON, **STAGE, "ray": o.OnRay}
MEASURE = {
    "grader": o.Grader,
    **REQUEST,
    "score": o.Score,
    "weights": o.Weights,
    "k": o.K,
    "n": o.N,
    "ties": o.TiesOption,
    "cluster_by": o.ClusterBy,
    "page": o.Page,
    "report_to": o.ReportTo,
    **COMMON,
    **STAGE,
}
"""The options of `measure`, in the order of its help."""
FOR_FILES = ("extract", "fields", "split", "score", "weights")
"""Options that may be assigned too: `fields=gold=target` is `--fields gold=target`."""
OF_STAGE = {
    Grade: ("grader", "extract"),
    Measure: ("grader", "ties", "cluster_by", "n", "k"),
}
"""The options that are also settings of the stage: `--grader math` is `grader=math`."""
ALONE = ("fields", "problems", "split", "strict", "as_json", "explain", "score", "weights", "page")
"""Options that only apply to files with their golds inside."""

GRADE_FILE = (
    "Grade samples: other programs' files as they are, or ours.\n\n"
    "Files alone hold their golds: one row per sample, or one per problem with a list; JSON Lines, "
    "JSON, CSV, parquet, Arrow, inspect logs, also packed, globs, or - for standard input. The "
    "fields' roles are printed; if two fields may be the solution or the gold, you must choose "
    "with --fields. Example:\n\nmathtune grade outputs.jsonl --grader math,prm800k"
)
MEASURE_FILE = (
    "Measure samples, votes and re-ranking: other programs' files, or ours.\n\n"
    "Files alone hold their golds, and scores if there are any, as `mathtune grade` reads them. "
    "Example:\n\nmathtune measure output-rs*.jsonl --grader prm800k --report report.html"
)


def _add(
    kind: type[Stage[Any]],
    options: Mapping[str, Any],
    text: str,
    work: Callable[[list[str], Given], None],
) -> None:
    """Add a command: `work` handles files alone, the stage our problems and samples."""

    def command(arguments: list[str], given: Given) -> None:
        assigned = [name for name in (*OF_STAGE[kind], *FOR_FILES) if name in given]
        files = only_files(arguments, given, assigned)
        if files is None:
            _run_stage(kind, arguments, given)
        else:
            work(files, given)

    two_uses = f"{text}\n\nWith problems=FILE: {stage_help(kind, 'samples')}"
    app.command(name=kind.kind(), help=two_uses, rich_help_panel=o.FILES, cls=command_class(kind))(
        o.from_options(options, command)
    )


def only_files(
    arguments: list[str], given: Given, settings: Sequence[str] = ()
) -> list[str] | None:
    """Return the files if they hold their golds and no stage is meant; else None.

    `settings`: assignments of these are options; they are put into `given`.

    Raises:
        InputError: an option is given in both ways.
    """
    if given["config"] is not None or not arguments:
        return None
    assigned = [one for one in arguments if "=" in one and not Path(one).exists()]
    keys = [one.partition("=")[0] for one in assigned]
    if not all(key in settings for key in keys) or len(assigned) == len(arguments):
        return None
    for key, one in zip(keys, assigned, strict=True):
        if given[key] is not None:
            raise InputError(f"{key}: given as --{key.replace('_', '-')} and as {one}.")
        value = one.partition("=")[2]
        given[key] = int(value) if key in ("n", "k") and value.isdecimal() else value
    return [one for one in arguments if one not in assigned]


def _run_stage(kind: type[Stage[Any]], arguments: list[str], given: Given) -> None:
    """Run the stage on our own files; refuse options that do not apply to it."""
    alone = (*ALONE, "report_to", *(() if kind is Grade else ("extract",)))
    for name in alone:
        if given.get(name) not in (None, False):
            shown = {"as_json": "json", "page": "report"}.get(name, name.replace("_", "-"))
            raise InputError(
                f"mathtune {kind.kind()} --{shown}: only for a file alone, with its golds in it; "
                "expected no problems=, no other setting and no --config."
            )
    settings = [(name, given[name]) for name in OF_STAGE[kind] if given[name] is not None]
    arguments = [*arguments, *(f"{name}={value}" for name, value in settings)]
    arguments = o.with_ray(given.get("ray", False), arguments)
    run_stage(kind, "samples", arguments, given)


def _request(files: list[str], given: Given) -> Any:
    from mathtune.foreign import Request

    names = ("grader", "fields", "problems", "split", "strict", "score", "weights", "cluster_by")
    known = {name: given[name] for name in names if name in given}
    return Request.parse(files, rule=given["extract"], **known)


def grade(files: list[str], given: Given) -> None:
    """Grade files that hold their golds."""
    from mathtune.foreign import grade_file
    from mathtune.foreign.grade import brief, reason, tables

    request, as_json = _request(files, given), given["as_json"]
    each = (lambda one: typer.echo(reason(one, request), err=as_json)) if given["explain"] else None
    document = grade_file(request, out=given["out"], redo=given["redo"], each=each)
    _show(document, document["size"], given, json_of=brief, tables_of=tables)


def measure(files: list[str], given: Given) -> None:
    """Measure files that hold their golds."""
    if given["redo"]:
        raise InputError("--redo goes with problems=FILE; expected --json, --report or --out.")
    from mathtune.foreign import measure_file
    from mathtune.foreign.measure import Options
    from mathtune.foreign.measure_table import table
    from mathtune.run import trackers

    chosen = Options(n=given["n"], ties=ties_of(given["ties"]), out=given["out"], k=given["k"] or 8)
    document = measure_file(
        _request(files, given),
        page=given["page"],
        options=chosen,
        report_to=trackers.parse(given["report_to"]),
    )
    problems = many(document["problems"], "problem", "problems")
    size = f"{problems} x {many(document['n'], 'sample', 'samples')}"
    _show(document, size, given, json_of=lambda found: found, tables_of=lambda one: [table(one)])
    if given["page"] is not None:
        say(f"report: {given['page']}")


def _show(
    document: dict[str, Any],
    size: str,
    given: Given,
    *,
    json_of: Callable[[dict[str, Any]], Any],
    tables_of: Callable[[dict[str, Any]], Sequence[Any]],
) -> None:
    """Print the fields' roles and the warnings on standard error, the result on output."""
    from mathtune.foreign import notes
    from mathtune.report.cells import grid

    say(f"{notes.roles(document['read'])}; {size}")
    if not given["as_json"] or given["verbose"]:
        notes.tell(document["warnings"], verbose=given["verbose"])
    if given["as_json"]:
        typer.echo(json.dumps(json_of(document), indent=2))
    else:
        for table in tables_of(document):
            output.print(grid(table))
    if given["out"] is not None:
        say(f"wrote {given['out']}")


def ties_of(text: str | None) -> Ties:
    """Read `--ties`."""
    for known in get_args(Ties):
        if text in (None, known):
            return known
    raise InputError(f"--ties {text}: no such way; expected {' or '.join(get_args(Ties))}.")


_add(Grade, GRADE, GRADE_FILE, grade)
_add(Measure, MEASURE, MEASURE_FILE, measure)
