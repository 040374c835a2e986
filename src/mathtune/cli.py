"""The command line. A command is a stage or a recipe: it reads settings, and hands over."""

from __future__ import annotations

import errno
import inspect
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn, cast

import typer
from pydantic import BaseModel
from rich.markup import escape

from mathtune import settings
from mathtune.engines.settings import Group
from mathtune.errors import InputError
from mathtune.fingerprint import inputs
from mathtune.progress import console, output, say
from mathtune.recipes import RECIPES, resolve
from mathtune.run import execute, missing, run_recipe
from mathtune.stage import Stage, validated
from mathtune.stages.bits import Bits
from mathtune.stages.collect import Collect
from mathtune.stages.exemplars import Exemplars
from mathtune.stages.grade import Grade
from mathtune.stages.halve import Halve
from mathtune.stages.measure import Measure
from mathtune.stages.part import Part
from mathtune.stages.prepare import Prepare
from mathtune.stages.sample import Sample
from mathtune.stages.score import Score
from mathtune.stages.train import Train
from mathtune.version import __version__

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
OnRay = Annotated[bool, typer.Option("--ray", help="Run on a Ray cluster (docs/scaling.md).")]
Grader = Annotated[
    str | None, typer.Option(metavar="NAME", help="math (the default), prm800k or math-verify.")
]
Extract = Annotated[
    str | None,
    typer.Option(metavar="RULE", help="explicit (the default), or last-number where none is."),
]
Fields = Annotated[
    str | None,
    typer.Option(metavar="PARTS", help="Where things stand: solution=NAME,gold=NAME,problem=NAME."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first broken line.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The run folder.")]


def recipe_names(incomplete: str) -> list[str]:
    """The recipes and shipped settings that begin so: what the shell completes."""
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
        list[str] | None, typer.Option(help="A step to make again, with what hangs on it.")
    ] = None,
    ray: OnRay = False,
) -> None:
    """Run a recipe: quickstart, liu2023, yuan2023, scaling.

    Finished steps are skipped, an interrupted one goes on where it was. Example:

    mathtune run quickstart n=16 ssft.learning_rate=3e-4 --out runs/small
    """
    found = resolve(recipe, config=config, assignments=_with_ray(ray, assignments or []))
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
        from mathtune import forecast

        output.print(plan_table(done))
        output.print(forecast.table(done, speed=found.speed))
        return
    page = report.build(folder)
    for table in report.terminal(folder):
        output.print(table)
    say(f"report: {page}")


@app.command()
def solve(
    question: Annotated[str, typer.Argument(help="The problem, in words.")],
    generator: Annotated[
        str, typer.Option(metavar="MODEL", help="Writes solutions; a train step's folder will do.")
    ] = "embedded",
    evaluator: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Judges them; without one, votes decide.")
    ] = None,
    n: Annotated[int, typer.Option("-n", "--n", help="Solutions to sample.")] = 16,
    strategy: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Maj1, RR.All, W.RR, ...; else W.RR, or Maj1 unjudged."),
    ] = None,
    k: Annotated[int, typer.Option("--k", help="The K (or N) of strategies that have one.")] = 8,
    temperature: Annotated[float, typer.Option(help="0: always the likeliest token.")] = 0.6,
    top_p: Annotated[float, typer.Option(help="Nucleus sampling.")] = 0.95,
    max_tokens: Annotated[int, typer.Option(help="Longest solution.")] = 512,
    seed: Annotated[int, typer.Option(help="Seed of the samples.")] = 0,
    extract: Extract = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Solve one question: clusters of answers, the pick, and how sure it is.

    Samples solutions, groups equal answers, and picks by votes weighted with the evaluator's
    scores. Ends with exit code 1 where no sample has an answer. Example:

    mathtune solve "Tom has 3 bags of 12 nuts. How many nuts?" --evaluator embedded
    """
    from mathtune import solving

    solver = solving.Solver(
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
    )
    with _interruptible():
        found = solving.solve(question, solver)
    if as_json:
        typer.echo(json.dumps(found.document(), indent=2))
    else:
        output.print(solving.view(found))
    if found.answer is None:
        raise typer.Exit(1)


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
def compare(
    ours: Annotated[str, typer.Argument(metavar="ROW[:METRIC]", help="A measured step's folder.")],
    theirs: Annotated[str, typer.Argument(metavar="ROW[:METRIC]", help="Another, or the same.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare two measured rows problem by problem: difference, interval, p.

    Folders of several seeds, joined by commas, are averaged within each problem. Example:

    mathtune compare runs/quickstart/ssft-row:W.RR runs/quickstart/ssft-row:Maj1@32
    """
    from mathtune.comparing import compared
    from mathtune.report.tables import grid, one_comparison

    found = compared(ours, theirs)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        output.print(grid(one_comparison(found)))


@app.command()
def report(
    run_folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Of several runs: the page, else comparison.html."),
    ] = None,
) -> None:
    """Write report.md, report.html and metrics.json of a run; or compare several runs.

    Several: each is compared with the first, problem by problem, with intervals and p. Example:

    mathtune report runs/quickstart runs/other --out comparison.html
    """
    from mathtune import report

    if len(run_folders) == 1:
        if out is not None:
            raise InputError("--out: only for several runs; one run's report is in its folder.")
        say(f"report: {report.build(run_folders[0])}")
        return
    page, tables = report.build_comparison(run_folders, out or Path("comparison.html"))
    for table in tables:
        output.print(table)
    say(f"report: {page}")


@app.command()
def env() -> None:
    """Print what to paste into a bug report: versions, devices, memory, threads; no secrets."""
    from mathtune.provenance import bug_report

    for key, value in bug_report().items():
        typer.echo(f"{key}: {value}")


@app.command("settings")
def all_settings() -> None:
    """Print every setting of every recipe and stage, in Markdown: docs/settings.md."""
    from mathtune.reference import markdown

    typer.echo(markdown(), nl=False)


@app.command()
def schema(
    recipe: Annotated[str, typer.Argument(help="A recipe.", autocompletion=recipe_names)],
) -> None:
    """Print the JSON Schema of a recipe's YAML settings, for editors.

    Example: mathtune schema liu2023 > liu2023.schema.json, and as the first line of the settings
    # yaml-language-server: $schema=liu2023.schema.json
    """
    from mathtune import reference

    typer.echo(json.dumps(reference.schema(recipe), indent=2))


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
        run_stage(kind, positional, _with_ray(ray, arguments or []), config, out, redo)

    chosen = on_engines if "ray" in kind.model_fields else command
    chosen.__doc__ = stage_help(kind, positional)
    app.command(name=kind.kind())(chosen)


def _with_ray(ray: bool, arguments: list[str]) -> list[str]:
    return [*arguments, "ray={}"] if ray else arguments


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
    "A file alone holds its golds: one line a sample, or one a problem with a list. NeMo-Skills, "
    "lm-evaluation-harness, Qwen2.5-Math and TRL are recognised; --fields names the fields of "
    "others. Read in bounded memory; broken lines are named and left out; --out keeps the grades. "
    "Example:\n\nmathtune grade outputs.jsonl --grader math,prm800k --extract last-number"
)
MEASURE_FILE = (
    "Measure samples, votes and re-ranking: other programs' files, or ours.\n\n"
    "A file alone holds its golds, and scores where there are any: one line a problem "
    "(problem_id, gold_answer, samples, scores) or one a sample, as `mathtune grade` reads it. "
    "Example:\n\nmathtune measure outputs.jsonl.gz --grader prm800k --report report.html"
)

for _kind, _positional in (
    (Prepare, "source"),
    (Halve, "problems"),
    (Exemplars, "solutions"),
    (Train, "examples"),
    (Sample, "problems"),
    (Score, "samples"),
    (Part, "examples"),
    (Bits, "text"),
):
    _stage_command(_kind, _positional)


@app.command(help=stage_help(Collect, "samples"))
def collect(
    arguments: FileAndAssignments = None,
    rows: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="trl: also prompt/completion rows."),
    ] = None,
    config: Config = None,
    out: Out = None,
    redo: Redo = False,
) -> None:
    given = [*(arguments or []), *_assignments(format=rows)]
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
    extract: Extract = None,
    fields: Fields = None,
    strict: Strict = False,
    config: Config = None,
    out: Out = None,
    redo: Redo = False,
    ray: OnRay = False,
) -> None:
    file = only_a_file(arguments, config)
    if file is None:
        _refuse("grade", {"--fields": fields, "--strict": strict})
        given = [*(arguments or []), *_assignments(grader=grader, extract=extract)]
        given = _with_ray(ray, given)
        run_stage(Grade, "samples", given, config, out, redo)
        return
    from mathtune.elsewhere import Request, grade_file
    from mathtune.elsewhere.grading import tables
    from mathtune.report.tables import grid

    request = Request.parse(file, grader=grader, rule=extract, fields=fields, strict=strict)
    for table in tables(grade_file(request, out=out, redo=redo)):
        output.print(grid(table))
    if out is not None:
        say(f"wrote {out}")


@app.command(help=two_uses(Measure, MEASURE_FILE))
def measure(
    arguments: FileAndAssignments = None,
    grader: Grader = None,
    extract: Extract = None,
    score: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="The scores' field, else scores or score if there."),
    ] = None,
    k: Annotated[
        int | None, typer.Option("--k", min=1, help="K of RR.MajK, N of Maj1.TopN; else 8.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    page: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.html", help="Write the page too.")
    ] = None,
    fields: Fields = None,
    strict: Strict = False,
    config: Config = None,
    out: Out = None,
    redo: Redo = False,
) -> None:
    file = only_a_file(arguments, config)
    if file is None:
        alone = {
            "--score": score,
            "--k": k,
            "--json": as_json,
            "--report": page,
            "--fields": fields,
        }
        _refuse("measure", {**alone, "--extract": extract, "--strict": strict})
        given = [*(arguments or []), *_assignments(grader=grader)]
        run_stage(Measure, "samples", given, config, out, redo)
        return
    if out is not None or redo:
        raise InputError("--out and --redo go with problems=FILE; expected --json or --report.")
    from mathtune.elsewhere import Request, measure_file
    from mathtune.elsewhere.measuring import table
    from mathtune.report.tables import grid

    request = Request.parse(file, grader=grader, rule=extract, fields=fields, strict=strict)
    document = measure_file(request, score=score, page=page, k=8 if k is None else k)
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        output.print(grid(table(document)))
    if page is not None:
        say(f"report: {page}")


def only_a_file(arguments: list[str] | None, config: str | None) -> Path | None:
    """The file, where nothing but a file is given: it holds its golds, and no stage is meant."""
    if config is not None or arguments is None or len(arguments) != 1:
        return None
    path = Path(arguments[0])
    return path if "=" not in arguments[0] or path.exists() else None


def _assignments(**given: str | None) -> list[str]:
    return [f"{name}={value}" for name, value in given.items() if value is not None]


def _refuse(command: str, given: dict[str, Any]) -> None:
    """Raise if an option was given that only a file with its golds inside has a use for."""
    names = [name for name, value in given.items() if value not in (None, False)]
    if names:
        raise InputError(
            f"mathtune {command} {names[0]}: only for a file alone, with its golds in it; "
            "expected no problems=, no other setting and no --config."
        )


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
