"""Options that several commands share. Below main and stages; imports nothing heavy.

`mathtune --version` and the completion of a word in a shell import this module.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
ExtractFile = Annotated[
    str | None,
    typer.Option(
        "--extract",
        metavar="RULE",
        help="What counts as an answer. explicit: what the text marks; auto (the default for a "
        "file alone): else the last number or formula of its last sentence; last-number.",
    ),
]
Fields = Annotated[
    str | None,
    typer.Option(
        metavar="PARTS",
        help="Name fields instead of finding them: solution=NAME,gold=NAME,problem=NAME, any of "
        "them; NAME may be a path, choices.0.message.content or choices.*.message.content.",
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
Verbose = Annotated[bool, typer.Option("--verbose", help="Print each warning on a line.")]
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


CONTINUES = "stopped; the same command continues from here"
"""The sentence of a stopped command that keeps what it has finished."""


def with_ray(ray: bool, arguments: list[str]) -> list[str]:
    """Add the setting that `--ray` abbreviates to the arguments."""
    return [*arguments, "ray={}"] if ray else arguments
