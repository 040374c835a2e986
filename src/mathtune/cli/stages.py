"""The stages' commands: `mathtune STAGE [FILE] [key=value ...] --out FOLDER`. Part of the command
line.

`grade` and `measure`, which also read other programs' files, are in `files`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.markup import escape
from rich.table import Table

from mathtune.cli import summaries
from mathtune.cli.options import (
    FILES,
    STAGES,
    Config,
    Fields,
    Given,
    OnRay,
    Out,
    Redo,
    RowFormat,
    SettingsCommand,
    continues,
    from_options,
    with_ray,
)
from mathtune.cli.sets import data, evaluate
from mathtune.engines.model_names import refuse_absent_models
from mathtune.engines.settings import Group
from mathtune.errors import InputError
from mathtune.run import ranks, settings
from mathtune.run.fingerprint import inputs
from mathtune.run.names import STEP
from mathtune.run.progress import output, say
from mathtune.run.recipe_run import missing
from mathtune.run.stage import Stage, validated
from mathtune.run.step import execute
from mathtune.run.stopping import stoppable
from mathtune.stages.bits import Bits
from mathtune.stages.collect import Collect
from mathtune.stages.drawn import Drawn
from mathtune.stages.exemplars import Exemplars
from mathtune.stages.halve import Halve
from mathtune.stages.part import Part
from mathtune.stages.prepare import Prepare
from mathtune.stages.sample import Sample
from mathtune.stages.score import Score
from mathtune.stages.train import Train

COLLECT_FILE = (
    "Collect rows to learn from, from samples of other programs or ours.\n\n"
    "A file alone holds its golds and questions, as `mathtune grade` reads it; its samples are "
    "graded first, and written next to OUT. Example:\n\n"
    "mathtune collect generations.parquet keep=pairs --format dpo --out pairs"
)

EXAMPLES: dict[type[Stage[Any]], str] = {
    Prepare: "mathtune prepare problems.jsonl fields=problem=question,answer=target "
    "validation=50 test=100 --out data",
    Halve: "mathtune halve data/train.jsonl solutions=data/solutions.jsonl --out halves",
    Train: "mathtune train data/solutions.jsonl model=HuggingFaceTB/SmolLM2-135M epochs=2 --out "
    "ssft",
    Sample: "mathtune sample data/test.jsonl model=ssft/model n=8 --out samples",
    Score: "mathtune score samples/samples.jsonl,grades/grades.jsonl problems=data/test.jsonl "
    "model=judge/model --out scores",
    Collect: "mathtune collect drafts/samples.jsonl,drafts-grades/grades.jsonl "
    "problems=data/train.jsonl keep=pairs --out pairs",
}
"""The example in the help of each stage that people call; recipes call the others."""

STAGE = {"config": Config, "out": Out, "redo": Redo}
"""The options of every stage."""

app = typer.Typer()
app.command(rich_help_panel=FILES)(evaluate)
app.command(rich_help_panel=FILES)(data)


def run_stage(kind: type[Stage[Any]], positional: str, arguments: list[str], given: Given) -> None:
    """Execute one stage on plain files; its folder is skipped or resumed like a recipe's step.

    `positional`: the setting of the file given first. `given`: the options of `STAGE`.
    """
    out: Path | None = given["out"]
    if kind is not Train:
        ranks.refuse_several(kind.kind())
    stage = _stage_of(kind, positional, arguments, given["config"])
    if out is None:
        raise InputError(f"mathtune {kind.kind()}: --out is missing; expected the folder to write.")
    for path in inputs(stage):
        if missing(path):
            raise InputError(f"{path}: no such file or folder.")
    refuse_absent_models(stage, lambda _: False, finished=(out / STEP).exists())
    with stoppable(partial(continues, out)):
        try:
            execute(stage, out.absolute(), name=out.name, redo=given["redo"])
        except InputError as error:
            raise _with_flag(error, out.name) from None
    if ranks.first():
        for table in summaries.of(stage, out):
            output.print(table)
    say(f"wrote {out}")


def _stage_of(
    kind: type[Stage[Any]], positional: str, arguments: list[str], config: str | None
) -> Stage[Any]:
    """Return the stage with its settings: those of the arguments override those of `config`.

    Raises:
        InputError: nothing is given, several words are no settings, or a setting is wrong.
    """
    command = f"mathtune {kind.kind()}"
    if not arguments and config is None:
        reads_any = kind.kind() in ("grade", "measure")  # other programs' files, without settings
        rest = "" if reads_any else " KEY=VALUE ... --out FOLDER"
        raise InputError(
            f"{command}: nothing given; expected {command} FILE{rest}. "
            f"{command} --help lists the settings."
        )
    bare = [one for one in arguments if "=" not in one]
    if len(bare) > 1:
        raise InputError(
            f"{command}: {' and '.join(map(repr, bare))} are no settings; expected KEY=VALUE, and "
            f"one file or several joined by commas: {','.join(bare)}."
        )
    if bare:
        arguments = [f"{positional}={bare[0]}", *(one for one in arguments if one is not bare[0])]
    with settings.placed(config, arguments, package=None):
        return validated(kind, settings.read(config, arguments, package=None))


def _with_flag(error: InputError, name: str) -> InputError:
    """Reword a step's error, which names `--redo STEP`, for a command whose `--redo` is a flag."""
    if f"--redo {name}" not in str(error):
        return error
    text = str(error).replace(" it and the steps that depend on it again", " it again")
    return InputError(text.replace(f"--redo {name}", "--redo"))


def command_class(kind: type[Stage[Any]]) -> type[SettingsCommand]:
    """Return the class of a stage's command: its help ends with a table of the stage's settings."""

    class StageCommand(SettingsCommand):
        """A command whose help lists a stage's settings."""

        def format_help(self, ctx: Any, formatter: Any) -> None:
            """Print the usual help, then the settings."""
            super().format_help(ctx, formatter)
            output.print(_settings_table(kind))

    return StageCommand


def stage_help(kind: type[Stage[Any]], positional: str) -> str:
    """Return a stage's help: its docstring's first paragraph, the setting of the file, an example.

    The examples follow each other; docs/train_a_judge.md runs such a chain.
    """
    summary = " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())
    summary = summary.partition(" Handle: ")[0]  # what a recipe's step returns
    text = f"{summary}\n\nThe file given first is `{positional}`."
    example = EXAMPLES.get(kind)
    return text if example is None else f"{text} Example:\n\n{example}"


def _settings_table(kind: type[BaseModel]) -> Table:
    """Return a line for each setting: name, default, meaning."""
    table = Table("setting", "default", "meaning", box=None, title="Settings: KEY=VALUE")
    table.title_justify = "left"
    for name, default, meaning in _settings(kind, ""):
        table.add_row(name, escape(default), escape(meaning))
    return table


def _settings(kind: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    """Return each setting's name, default and meaning; a group precedes its own settings."""
    for name, field in kind.model_fields.items():
        value = None if field.is_required() else field.get_default(call_default_factory=True)
        inner = isinstance(value, Group)
        default = "required" if field.is_required() else "" if inner else str(value)
        yield f"{prefix}{name}", default, " ".join((field.description or "").split())
        for group in [type(value)] if isinstance(value, Group) else _optional(field):
            yield from _settings(group, f"{prefix}{name}.")


def _optional(field: FieldInfo) -> list[type[BaseModel]]:
    """Return the group of settings that a field has only if one of them is given, such as lora."""
    kinds = get_args(field.annotation) if field.default is None else ()
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]


def _add(kind: type[Stage[Any]], positional: str) -> None:
    """Add a stage as a command; collect also reads files that hold their golds."""
    text, options = stage_help(kind, positional), dict(STAGE)
    if kind is Collect:
        text = f"{COLLECT_FILE}\n\nWith problems=FILE: {text}"
        options = {"rows": RowFormat, "fields": Fields, **STAGE}
    elif "ray" in kind.model_fields:
        options |= {"ray": OnRay}

    def command(arguments: list[str], given: Given) -> None:
        if kind is Collect:
            arguments = _converted(arguments, given)
        run_stage(kind, positional, with_ray(given.get("ray", False), arguments), given)

    app.command(name=kind.kind(), help=text, rich_help_panel=STAGES, cls=command_class(kind))(
        from_options(options, command)
    )


def _converted(arguments: list[str], given: Given) -> list[str]:
    """Return collect's settings; a file alone is converted to the files that they name."""
    rows, fields = given["rows"], given["fields"]
    arguments = [*arguments, *([] if rows is None else [f"format={rows}"])]
    named = any(one.startswith("problems=") for one in arguments)
    if arguments and given["config"] is None and not named:
        from mathtune.foreign.convert import as_settings

        assigned = [one for one in arguments if "=" in one and not Path(one).exists()]
        if len(assigned) < len(arguments):  # before a file is converted: a fault writes nothing
            files = {"problems": "", "samples": ""}
            validated(Collect, {**files, **settings.read(None, assigned, package=None)})
        return as_settings(arguments, fields, given["out"])
    if fields is not None:
        raise InputError("--fields: only for a file alone, with its golds in it.")
    return arguments


for _kind, _positional in (
    (Prepare, "source"),
    (Halve, "problems"),
    (Exemplars, "solutions"),
    (Train, "examples"),
    (Sample, "problems"),
    (Score, "samples"),
    (Collect, "samples"),
    (Part, "examples"),
    (Drawn, "samples"),
    (Bits, "text"),
):
    _add(_kind, _positional)
