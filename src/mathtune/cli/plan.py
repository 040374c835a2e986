"""The problems, samples and seeds that show a gain: `mathtune plan`.

mathtune plan pilot.jsonl --effect 0.02
mathtune plan --accuracy 0.4 --effect 0.02
mathtune plan pilot.jsonl --effect 0.02 --cluster-by template
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from mathtune.cli.options import FILES, AsJson, ClusterBy
from mathtune.cli.row_sources import FileOptions, RowRequest, clusters_of, read
from mathtune.errors import InputError
from mathtune.metrics.intervals import drawn_units, numbered
from mathtune.metrics.measure import rounded
from mathtune.metrics.power import Assumed, Spread, plan
from mathtune.report.cells import NONE, Table, grid
from mathtune.rows.records import Verdict
from mathtune.run.progress import output

app = typer.Typer()

USUAL = Assumed()
CHARACTERS_PER_TOKEN = 4
"""Characters per token, for files that do not count tokens."""


@app.command("plan", rich_help_panel=FILES)
def command(
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
        float, typer.Option("--training-sd", help="How much a training shifts all problems.")
    ] = 0.01,
    tokens: Annotated[
        float | None, typer.Option(help="Tokens per sample; else the pilot's, or 300.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Tokens per second.")] = 2000.0,
    cluster_by: ClusterBy = None,
    as_json: AsJson = False,
) -> None:
    """Plan a comparison: the problems, samples and seeds that show a gain, and their cost.

    Examples:

    mathtune plan pilot.jsonl --effect 0.02

    mathtune plan --accuracy 0.4 --effect 0.02
    """
    found = planned(
        pilot,
        effect=effect,
        accuracy=accuracy,
        part=between,
        assumed=Assumed(correlation, training_sd, tokens, speed),
        cluster_by=cluster_by,
    )
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        output.print(grid(table(found)))


def planned(
    pilot: Path | None,
    *,
    effect: float,
    accuracy: float | None = None,
    part: float = 0.6,
    assumed: Assumed = USUAL,
    cluster_by: str | None = None,
) -> dict[str, Any]:
    """Return the plan from a pilot (a sample file or a measured step) or from numbers.

    `part`: the fraction of a sample's variance that is between problems; only with `accuracy`.
    `cluster_by`: the pilot's problems with one value of this field were drawn together.

    Raises:
        InputError: neither or both of pilot and accuracy, a number out of its range, a pilot of
            right or wrong samples only, or clusters without a pilot or with only one of them.
    """
    if (pilot is None) == (accuracy is None):
        raise InputError("plan: expected a pilot file or --accuracy, and not both.")
    _in_range(effect, accuracy, part, assumed)
    if pilot is None:
        assert accuracy is not None
        if cluster_by is not None:
            raise InputError(f"--cluster-by {cluster_by}: clusters are those of a pilot file.")
        spread = Spread.assumed(accuracy, part)
    else:
        spread, length = _pilot(pilot, cluster_by)
        assumed = replace(assumed, tokens=assumed.tokens or length)
    document = plan(spread, effect, assumed=assumed)
    return rounded({"pilot": None if pilot is None else str(pilot), **document})


def _in_range(effect: float, accuracy: float | None, part: float, assumed: Assumed) -> None:
    checks = [
        ("--effect", effect, 0.0 < effect < 1.0, "a part of 1: 0.02 for two points"),
        ("--accuracy", accuracy, accuracy is None or 0.0 < accuracy < 1.0, "above 0 and below 1"),
        ("--between", part, 0.0 <= part <= 1.0, "a part of 1"),
        ("--correlation", assumed.correlation, 0.0 <= assumed.correlation <= 1.0, "0 to 1"),
        ("--training-sd", assumed.training_sd, 0.0 <= assumed.training_sd < 1.0, "a part of 1"),
        ("--speed", assumed.speed, assumed.speed > 0.0, "above 0"),
    ]
    for name, value, fits, expected in checks:
        if not fits:
            raise InputError(f"{name} {value}: expected {expected}.")


def _pilot(path: Path, cluster_by: str | None) -> tuple[Spread, float]:
    """Return the spread of a pilot's problems, and its samples' mean length in tokens."""
    (seeds,) = read([RowRequest.of(str(path))], FileOptions(cluster_by=cluster_by))
    source = seeds[0]  # a run with several seeds
    ids, right, samples, lengths = [], [], [], []
    for problem_id, rows in source.groups():
        ids.append(problem_id)
        graded = [row.grade.verdict is Verdict.correct for row in rows if row.grade is not None]
        right.append(sum(graded))
        samples.append(len(graded))
        lengths += [
            row.sample.tokens or len(row.sample.text) / CHARACTERS_PER_TOKEN for row in rows
        ]
    if not samples:
        raise InputError(f"{path}: its samples are not there; expected a file of samples.")
    if sum(right) in (0, sum(samples)):
        raise InputError(
            f"{path}: all samples are {'right' if right[0] else 'wrong'}, which does not show how "
            "problems vary; expected --accuracy with the accuracy to come."
        )
    groups = None
    if cluster_by is not None:
        groups = numbered(clusters_of(source.problems, [source], ids, cluster_by), ids)
        if drawn_units(len(ids), groups) < 2:
            raise InputError(
                f"{path}: all problems are in one cluster by {cluster_by}; expected two or more."
            )
    return Spread.of_counts(right, samples, groups=groups), float(np.mean(lengths))


def table(document: dict[str, Any]) -> Table:
    """Return the plan's table: problems by samples (down) and seeds (across), with the cost."""
    plans = document["plans"]
    seeds = list(dict.fromkeys(one["seeds"] for one in plans))
    samples = list(dict.fromkeys(one["samples"] for one in plans))
    cells = {(one["samples"], one["seeds"]): one for one in plans}
    body = [(f"{n}", *(_cell(cells[n, count]) for count in seeds)) for n in samples]
    assumed = document["assumed"]
    between = document["between"] ** 0.5
    clusters = ""
    if document["per_cluster"] is not None:
        clusters = (
            f"{document['per_cluster']:.3g} problems per cluster, as in the pilot: the variance "
            f"between problems counts {document['design_effect']:.3g} times. "
        )
    note = (
        "Problems needed, with tokens and hours of sampling for both systems; training is not "
        f"counted. Accuracy {100 * document['accuracy']:.1f} %, standard deviation between "
        f"problems {100 * between:.0f} points. {clusters}Assumed: the two systems' problems are "
        f"correlated by {assumed['correlation']:g}; a training shifts all problems by "
        f"{100 * assumed['training_sd']:g} points (standard deviation); {assumed['tokens']:.0f} "
        f"tokens per sample; {assumed['speed']:,.0f} tokens per second. One seed says nothing "
        "about other trainings. A dash: more seeds are needed."
    )
    header = ("samples", *(f"{count} seed{'s' * (count > 1)}" for count in seeds))
    title = f"To see a gain of {100 * document['effect']:g} points (p < 0.05, 80 % power)"
    return Table(title, header, body, note)


def _cell(one: dict[str, Any]) -> str:
    if one["problems"] is None:
        return NONE
    clusters = f" in {one['clusters']:,} clusters" if "clusters" in one else ""
    return f"{one['problems']:,}{clusters} ({_short(one['tokens'])} tokens, {one['hours']:.1f} h)"


def _short(value: float) -> str:
    """Return `1.2M` for 1,200,000.

    >>> _short(1_200_000), _short(950)
    ('1.2M', '950')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.1f}{letter}"
    return f"{value:.0f}"
