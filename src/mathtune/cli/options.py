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
Fields = Annotated[
    str | None,
    typer.Option(metavar="PARTS", help="The fields' names: solution=NAME,gold=NAME,problem=NAME."),
]
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
