"""Options that several commands share, and the groups of the help. Imports nothing heavy.

`mathtune --version` and the completion of a word in a shell import this module.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperCommand

from mathtune.errors import InputError
from mathtune.run.names import CHECKPOINT, CHECKPOINTS, STARTED

RUNS, STAGES, FILES, REFERENCE = (
    "Recipes and their runs",
    "Stages: one step at a time, on plain files",
    "Questions, and samples of any program",
    "Reference",
)
"""The groups of commands in the help."""

FileAndAssignments = Annotated[
    list[str] | None, typer.Argument(metavar="[FILE] [KEY=VALUE]...", help="See below.")
]
Assignments = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Settings; dots reach one step."),
]
Config = Annotated[
    str | None,
    typer.Option("--config", metavar="NAME|FILE", help="Settings: shipped, or a YAML file."),
]
FILES_END = (".jsonl", ".json", ".csv", ".parquet", ".html", ".md", ".yaml")
"""Endings that name a file."""


def folder_name(path: Path | None) -> Path | None:
    """Return `--out` if it may name a folder.

    Raises:
        InputError: it has a file's ending; a folder of that name would be mistaken for a file.
    """
    if path is not None and path.suffix in FILES_END:
        raise InputError(f"--out {path}: a folder is written; expected a name such as {path.stem}.")
    return path


def page_name(path: Path | None) -> Path | None:
    """Return the path if it may name a page.

    Raises:
        InputError: it has another ending; a file of samples could be overwritten.
    """
    if path is not None and path.suffix != ".html":
        page = path.with_suffix(".html").name if path.name else "page.html"
        raise InputError(f"{path}: a page is written; expected a name such as {page}.")
    return path


Out = Annotated[Path | None, typer.Option(help="The folder to write into.", callback=folder_name)]
Redo = Annotated[bool, typer.Option("--redo", help="Make it again.")]
OnRay = Annotated[bool, typer.Option("--ray", help="Run on a Ray cluster (docs/scaling.md).")]
Grader = Annotated[
    str | None, typer.Option(metavar="NAME", help="math (the default), prm800k or math-verify.")
]
Graders = Annotated[
    str | None,
    typer.Option(
        "--grader",
        metavar="NAME[,NAME]",
        help="math (the default), prm800k, math-verify; or several.",
    ),
]
ExtractFile = Annotated[
    str | None,
    typer.Option(
        "--extract",
        metavar="RULE",
        help="What counts as an answer. explicit: only a marked one; auto (the default for a "
        "file alone): else the last equation's result, if the last sentence holds it, or the last "
        "number or formula of this sentence; last-number.",
    ),
]
Fields = Annotated[
    str | None,
    typer.Option(
        metavar="PARTS",
        help="Name fields instead of finding them: solution=NAME,gold=NAME,id=NAME,question=NAME, "
        "any of them; NAME may be a path, choices.0.message.content or choices.*.message.content.",
    ),
]
ProblemsFile = Annotated[
    Path | None,
    typer.Option(
        "--problems", metavar="FILE", help="A file of problems that has the golds, by id."
    ),
]
Split = Annotated[
    str | None, typer.Option(metavar="NAME", help="The split, where FILE is a data set of the hub.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Print each warning on a separate line.")]
Explain = Annotated[
    bool, typer.Option("--explain", help="Say in one line per sample why it is right or wrong.")
]
Score = Annotated[
    str | None,
    typer.Option(
        metavar="FIELD|FILE[:FIELD]",
        help="The scores' field, or a file of scores for these samples, or calculator; else scores "
        "or score if there.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="RULE",
        help="How scores become weights of sums: as-is, softmax, sigmoid, rank; else by range.",
    ),
]
K = Annotated[int | None, typer.Option("--k", min=1, help="K of RR.MajK, N of Maj1.TopN; else 8.")]
N = Annotated[
    int | None,
    typer.Option("--n", min=1, help="Samples per problem to measure; else those all have."),
]
Page = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE.html", help="Write the page.", callback=page_name),
]
RowFormat = Annotated[
    str | None, typer.Option("--format", metavar="NAME", help="Also for trl, kto, dpo, verl, ...")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first broken line.")]
TiesOption = Annotated[
    str | None,
    typer.Option("--ties", metavar="HOW", help="earliest (the default), or expected over ties."),
]
ClusterBy = Annotated[
    str | None,
    typer.Option(
        "--cluster-by", metavar="FIELD", help="Problems with the same value were drawn together."
    ),
]
ReportTo = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[,NAME]", help="Log metrics and tables to tensorboard, wandb or trackio."
    ),
]


Given = dict[str, Any]
"""The options of a command by name; None or False: not given."""


def from_options(
    options: Mapping[str, Any], work: Callable[[list[str], Given], None]
) -> Callable[..., None]:
    """Return a command with a file and settings as arguments, and these options.

    `work` gets the arguments and the options.
    """

    def command(**given: Any) -> None:
        work(given.pop("arguments") or [], given)

    parameters = {"arguments": FileAndAssignments, **options}
    command.__annotations__ = parameters
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=False if get_args(annotation)[0] is bool else None,
                annotation=annotation,
            )
            for name, annotation in parameters.items()
        ]
    )
    return command


class SettingsCommand(TyperCommand):
    """A command with KEY=VALUE settings, which says so of a setting with dashes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments.

        Raises:
            InputError: an option is unknown and resembles no other.
        """
        known = {*ctx.help_option_names, "--", *(one for each in self.params for one in each.opts)}
        for option in (word.partition("=")[0] for word in args if word.startswith("--")):
            if option not in known and not get_close_matches(option, known, cutoff=0.7):
                name = option.removeprefix("--").replace("-", "_")
                raise InputError(
                    f"{option}: no such option; a setting has no dashes: {name}=VALUE."
                )
        return super().parse_args(ctx, args)


def continues(folder: Path | None = None) -> str:
    """Say what a stopped command continues from: of a training in `folder`, its last checkpoint."""
    with suppress(OSError):
        for place in folder.rglob(CHECKPOINTS) if folder is not None else ():
            if not (place.parent / STARTED).exists():
                continue
            names = [path.name.removeprefix(CHECKPOINT) for path in place.iterdir()]
            updates = [int(name) for name in names if name.isdecimal()]
            if not updates:
                return (
                    "stopped before the first checkpoint (save_every=UPDATES sets when); "
                    "the same command begins this training again"
                )
            return (
                f"stopped; the same command continues the training after update {max(updates)}, "
                "its last checkpoint"
            )
    return "stopped; the same command continues from here"


def with_ray(ray: bool, arguments: list[str]) -> list[str]:
    """Add the setting that `--ray` abbreviates to the arguments."""
    return [*arguments, "ray={}"] if ray else arguments
