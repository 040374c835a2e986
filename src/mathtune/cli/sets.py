"""The commands `mathtune evaluate` and `mathtune data`; the files of these names do the work."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mathtune.cli.options import AsJson, Assignments, Config, continues, folder_name
from mathtune.errors import InputError, named
from mathtune.run.progress import output, say, visible
from mathtune.run.stopping import stoppable


def evaluate(
    model: Annotated[str, typer.Argument(help="A hub id, a folder, a .gguf file, or embedded.")],
    settings: Assignments = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="SET[,SET]", help="Sets that `mathtune data` lists, files, hub ids."),
    ] = None,
    n: Annotated[int, typer.Option("-n", "--n", min=1, help="Samples per problem.")] = 8,
    evaluator: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Judges the samples, for re-ranking; or calculator."),
    ] = None,
    config: Config = None,
    out: Annotated[
        Path | None, typer.Option(help="Else runs/evaluate-MODEL.", callback=folder_name)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the steps only.")] = False,
    redo: Annotated[list[str] | None, typer.Option(help="A step to make again.")] = None,
    for_hub: Annotated[
        bool, typer.Option("--for-hub", help="Also eval-results.yaml and model-index.yaml.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate a model on sets of problems: greedy, mean@n, Pass@k, Maj@k, with intervals.

    A finished step is skipped, an interrupted one continues. Settings reach the stage that has
    them: limit=50, max_tokens=2048, temperature=1, grader=math. Example:

    mathtune evaluate HuggingFaceTB/SmolLM2-135M-Instruct --data gsm8k limit=50 -n 4
    """
    from mathtune import report
    from mathtune.cli import evaluate
    from mathtune.cli.execute import carry_out, plan_of
    from mathtune.report import evaluated
    from mathtune.report.cells import grid

    asked = evaluate.EvaluateOptions(model, data, n, evaluator, tuple(settings or ()), config)
    folder, again = evaluate.folder_of(asked, out), frozenset(redo or ())
    with stoppable(partial(continues, folder)):
        found = evaluate.resolved(asked)
        steps = plan_of(found, folder, again)
        if not carry_out(found, steps, redo=again, dry_run=dry_run):
            return
    document = evaluated.write(folder)
    say(f"report: {report.build(folder)}")
    if for_hub:
        written = evaluated.write_for_hub(document, folder)
        say(f"for the hub: {', '.join(map(str, written)) or 'nothing, the hub has no such set'}")
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        output.print(grid(evaluated.table(document)))


def data(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A set, or a YAML file that declares one."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Local copies; else those that MATHTUNE_DATA names.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="SET[,SET]", help="Report what these sets share with NAME."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the data sets that have a name; or show a set's declaration and a row, as read.

    With --against, report the overlap of any two sets: equal problems, near ones, and shared runs
    of 13 words. Examples:

    mathtune data math500

    mathtune data mine.jsonl --against math500,gsm8k
    """
    from mathtune.cli import data

    if name is None:
        if against is not None:
            raise InputError("--against: found without a set; expected mathtune data NAME.")
        output.print(data.listed())
        return
    if against is not None:
        found = data.overlap_document(name, named("--against", against), folder)
    else:
        found = data.document(name, folder)
    if as_json:
        typer.echo(json.dumps(found, indent=2, default=str))
    else:
        typer.echo(visible(data.as_text(found)), nl=False)
