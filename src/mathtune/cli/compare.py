"""Rows from anywhere, compared problem by problem: the command `mathtune compare`.

    mathtune compare runs/a/sequential-row runs/a/more-ssft-row    every metric of both
    mathtune compare runs/a/ssft-row:W.RR runs/a/ssft-row:Maj1@24  two metrics of one row
    mathtune compare before=runs/a after=runs/b                    two runs, named
    mathtune compare mine.jsonl theirs.jsonl.gz                    samples of any program
    mathtune compare rft=s0/rft-row,s1/rft-row sft=s0/sft-row,s1/sft-row
    mathtune compare a/judge-row:AUC b/judge-row:AUC               AUC within problems

Commas join seeds: the interval counts them as other trainings, not as other problems. AUC compares
the problems that have right and wrong samples in every seed of every row.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import typer

from mathtune.cli.options import FILES, AsJson, ClusterBy, ExtractFile, Fields, Grader, page_name
from mathtune.cli.row_sources import FileOptions, RowRequest, Source, clusters_of, read
from mathtune.errors import InputError
from mathtune.metrics.comparison import CompareSettings, Row, changed, comparisons, pairs_of, shown
from mathtune.metrics.measure import Outcome, rounded
from mathtune.report import compare_rows
from mathtune.report.cells import grid
from mathtune.rows import jsonl
from mathtune.rows.records import Problem
from mathtune.run.progress import output, say
from mathtune.stages.measure import labels_of

app = typer.Typer()

USUAL, ALL = FileOptions(), CompareSettings()
AUC = "AUC"
"""The metric of `Outcome.within_auc`, which only some problems have."""
SOLUTIONS = 4
"""The number of solutions per problem and row that the page shows."""


@dataclass(frozen=True)
class Compared:
    """The content of the terminal, the JSON (`document`) and the page.

    `sources`: the sources of each row's seeds. `known`: the problems, if the rows have them.
    """

    document: dict[str, Any]
    rows: list[Row]
    problems: list[str]
    known: Mapping[str, Problem]
    sources: list[list[Source]]


@app.command("compare", rich_help_panel=FILES)
def command(
    rows: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]PATH[:METRIC]...",
            help="Two or more: measured steps, run folders, or sample files of any program.",
        ),
    ],
    as_json: AsJson = False,
    page: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE.html",
            help="Write a page with the problems that changed.",
            callback=page_name,
        ),
    ] = None,
    within: Annotated[
        float, typer.Option(help="Points within which two rows count as equal.", min=0.0)
    ] = 2.0,
    shared: Annotated[
        bool, typer.Option("--shared", help="Compare on the problems that all rows have.")
    ] = False,
    cluster_by: ClusterBy = None,
    grader: Grader = None,
    extract: ExtractFile = None,
    fields: Fields = None,
) -> None:
    """Compare rows problem by problem: difference, interval, p, equality, wins by group.

    The difference is the first minus the second. Folders of several seeds are joined by commas;
    the interval then includes other seeds. Examples:

    mathtune compare runs/quickstart/ssft-row:W.RR runs/quickstart/ssft-row:Maj1@24

    mathtune compare mine=mine.jsonl theirs=theirs.jsonl --report compared.html

    mathtune compare a/judge-row:AUC b/judge-row:AUC
    """
    found = compared(
        rows,
        reading=FileOptions(grader, extract, fields, cluster_by),
        settings=CompareSettings(within=within / 100),
        shared=shared,
    )
    if page is not None:
        write_page(found, page)
        say(f"report: {page}")
    if as_json:
        typer.echo(json.dumps(found.document, indent=2))
        return
    output.print(compare_rows.sentence(found.document), markup=False, highlight=False)
    for table in compare_rows.tables(found.document):
        output.print(grid(table))


def compared(
    texts: Sequence[str],
    *,
    reading: FileOptions = USUAL,
    settings: CompareSettings = ALL,
    shared: bool = False,
) -> Compared:
    """Compare every pair of rows in the chosen metrics, else in all that both have.

    The document has `rows` (name, source, problems, seeds, metrics; `read` of sample files) and
    `comparisons` (see `metrics.comparison`). `shared`: compare on the problems that all rows have;
    `left_out` then counts the others, and `without_auc` those that a named AUC leaves out.
    `clusters`: how many there are, by `reading.cluster_by`, else those that the rows were measured
    in.

    Raises:
        InputError: fewer than two rows, a row that cannot be read, other problems, or no metric in
            common, or no problem has an AUC.
    """
    if len(texts) < 2:
        raise InputError("compare: one row; expected two or more.")
    named = [RowRequest.of(text) for text in texts]
    sources = read(named, reading)
    problems, left_out = _problems(named, sources, shared=shared)
    judged = any(one.metric == AUC for one in named)
    every_problem = len(problems)
    if judged:
        problems = _with_auc(named, sources, problems)
    known = _known(named, sources, problems)
    rows = [
        _row(one, seeds, problems, labels_of(known), judged=judged)
        for one, seeds in zip(named, sources, strict=True)
    ]
    for a, b in combinations(rows, 2):
        if not pairs_of(a, b):
            raise InputError(
                f"compare: {a.source} and {b.source} have no metric in common; name one of each "
                f"with PATH:METRIC. The first has {', '.join(a.metrics)}; the second "
                f"{', '.join(b.metrics)}."
            )
    every = [seed for seeds in sources for seed in seeds]
    if reading.cluster_by is not None or all(seed.clusters for seed in every):
        settings = replace(
            settings, cluster=clusters_of(known, every, problems, reading.cluster_by)
        )
    document: dict[str, Any] = {
        "rows": [
            shown(row, problems, settings) | _read(seeds)
            for row, seeds in zip(rows, sources, strict=True)
        ],
        "comparisons": comparisons(rows, problems, settings),
    }
    if settings.cluster is not None:
        document["clusters"] = len(set(settings.cluster.values()))
    if left_out:
        document["left_out"] = left_out
    if len(problems) < every_problem:
        document["without_auc"] = every_problem - len(problems)
    return Compared(rounded(document), rows, problems, known, sources)


def _row(
    one: RowRequest,
    seeds: Sequence[Source],
    problems: Sequence[str],
    labels: Mapping[str, Mapping[str, str]],
    *,
    judged: bool,
) -> Row:
    """Return the row, its metric checked; `judged`: with the AUC of every problem."""
    values = tuple(
        {name: _values(seed.outcomes[name], judged=judged) for name in problems} for seed in seeds
    )
    row = Row(one.name, one.text, values, one.metric, labels)
    if one.metric is not None and one.metric not in row.metrics:
        raise InputError(
            f"{one.text}: no metric {one.metric!r}; there are {', '.join(row.metrics)}."
        )
    return row


def _read(seeds: Sequence[Source]) -> dict[str, Any]:
    """Return how each sample file of a row was read: path -> role -> field."""
    read = {path: roles for seed in seeds for path, roles in seed.read.items()}
    return {"read": read} if read else {}


def _problems(
    named: Sequence[RowRequest], sources: Sequence[Sequence[Source]], *, shared: bool
) -> tuple[list[str], int]:
    """Return the compared problems, in the first row's order, and the number left out."""
    every = [seed.outcomes.keys() for seeds in sources for seed in seeds]
    kept = [name for name in every[0] if all(name in other for other in every)]
    union = {name for other in every for name in other}
    if not shared and len(kept) < len(union):
        for one, seeds in zip(named, sources, strict=True):
            if any(seed.outcomes.keys() != seeds[0].outcomes.keys() for seed in seeds):
                raise InputError(
                    f"{one.text}: seeds of different problems; expected the same ones."
                )
        odd = min(union - set(kept))
        raise InputError(
            f"compare: problem {odd!r} is in only one of {' and '.join(n.text for n in named)}: "
            f"{len(kept)} of {len(union)} problems are in all; expected measures of the same "
            "problems, or --shared to compare on those in all."
        )
    if not kept:
        raise InputError("compare: the rows have no problem in common.")
    return kept, len(union) - len(kept)


def _values(outcome: Outcome, *, judged: bool) -> Mapping[str, float]:
    """Return the problem's metrics, with its AUC if that is asked for."""
    area = outcome.within_auc
    return {**outcome.values, AUC: area} if judged and area is not None else outcome.values


def _with_auc(
    named: Sequence[RowRequest], sources: Sequence[Sequence[Source]], problems: Sequence[str]
) -> list[str]:
    """Return the problems that have an AUC in every seed of every row."""
    for one, seeds in zip(named, sources, strict=True):
        if all(seed.outcomes[name].within_auc is None for seed in seeds for name in problems):
            raise InputError(
                f"{one.text}: no problem has an AUC; expected a row of scored samples, right and "
                "wrong ones of a problem."
            )
    every = [seed.outcomes for seeds in sources for seed in seeds]
    found = [n for n in problems if all(of[n].within_auc is not None for of in every)]
    if not found:
        raise InputError(
            "compare: no problem has right and wrong samples in all rows; AUC needs both."
        )
    return found


def _known(
    named: Sequence[RowRequest], sources: Sequence[Sequence[Source]], problems: Sequence[str]
) -> dict[str, Problem]:
    """Return the problems that some row knows; empty if not all are known.

    Raises:
        InputError: two rows have another question or answer for the same problem.
    """
    found: dict[str, Problem] = {}
    for one, seeds in zip(named, sources, strict=True):
        known = ((n, seed.problems[n]) for seed in seeds for n in problems if n in seed.problems)
        for name, problem in known:
            other = found.setdefault(name, problem)
            same = other.problem == problem.problem or not (other.problem and problem.problem)
            if not same or other.answer != problem.answer:
                raise InputError(
                    f"{one.text}: problem {name!r} has another question or answer than in the "
                    "rows before; expected rows of the same problems."
                )
    return {name: found[name] for name in problems} if len(found) == len(problems) else {}


def write_page(found: Compared, page: Path) -> None:
    """Write the page with the problems that changed sides, and its tables in Markdown next to it.

    Changed: solved, at least half, by one of the first two rows and not by the other, in the first
    metric.
    """
    a, b = found.rows[:2]
    metrics = pairs_of(a, b)[0]
    names = changed(a, b, metrics, found.problems)
    listed = names[: compare_rows.LISTED]
    texts = [_texts(seeds[0], set(listed)) for seeds in found.sources[:2]]
    problems = []
    for name in listed:
        sides = [
            (row.name, float(row.column(metric, [name]).mean()), of.get(name, ()))
            for row, metric, of in zip((a, b), metrics, texts, strict=True)
        ]
        problems.append(compare_rows.changed_problem(name, found.known.get(name), sides))
    page.parent.mkdir(parents=True, exist_ok=True)
    html = compare_rows.page(found.document, problems, len(names))
    jsonl.write_text(page, html)
    text = compare_rows.as_markdown(found.document)
    jsonl.write_text(page.with_suffix(".md"), text)


def _texts(source: Source, wanted: Collection[str]) -> dict[str, list[str]]:
    """Return the solutions of the wanted problems, the first `SOLUTIONS` of each."""
    return {
        name: [row.sample.text for row in rows[:SOLUTIONS]]
        for name, rows in source.groups()
        if name in wanted
    }
