"""Rows to compare, read from measured steps, runs, and sample files of any program.

    [NAME=]PATH[,PATH...][:METRIC]     paths joined by commas are the seeds of one row

A run stands for the row that its report is about; several runs for the same row in each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mathtune.errors import InputError
from mathtune.foreign import Request, notes
from mathtune.foreign.measure import PROBLEMS, Options, measured
from mathtune.metrics.measure import Outcome
from mathtune.report.results import ROW, Groups, Results, read_run
from mathtune.report.seeds import over_seeds
from mathtune.rows.records import Problem
from mathtune.rows.samples import read_groups, read_problems
from mathtune.run.documents import read_plan
from mathtune.run.names import PLAN
from mathtune.run.progress import say
from mathtune.stages.measure import OUTCOMES, clusters_by, read_outcomes

FIELDS = ("level", "subject")
"""The fields that `--cluster-by` may name for any row; for sample files it may name every field."""

DEEPEST = 3
"""The number of folders above a measured step in which its run folder is sought."""


@dataclass(frozen=True)
class FileOptions:
    """The options for reading sample files, as on the command line; None: the default.

    `cluster_by`: one of `FIELDS`, or a field of the sample files.
    """

    grader: str | None = None
    extract: str | None = None
    fields: str | None = None
    cluster_by: str | None = None

    def request(self, file: Path) -> Request:
        """Return the request for a file."""
        return Request.parse(
            file,
            grader=self.grader,
            rule=self.extract,
            fields=self.fields,
            cluster_by=None if self.cluster_by in FIELDS else self.cluster_by,
        )


@dataclass(frozen=True)
class Source:
    """One training's outcomes by problem; its problems and samples if they are known.

    For a sample file: `n`, its samples per problem; `read`, its path with its fields' roles;
    `clusters`, the cluster of each problem, if a field was named or it was measured so.
    """

    outcomes: Mapping[str, Outcome]
    problems: Mapping[str, Problem]
    groups: Callable[[], Groups]
    n: int | None = None
    read: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RowRequest:
    """A requested row in parts; `seeds` are read from `paths`."""

    text: str
    name: str
    paths: tuple[Path, ...]
    metric: str | None

    @staticmethod
    def of(text: str) -> RowRequest:
        """Split `[NAME=]PATH[,PATH...][:METRIC]`; the first reading whose paths exist counts.

        So a path may hold `=`, `,` and `:` itself.
        """
        named = [(text, text)]
        before, equals, after = text.partition("=")
        if equals and "/" not in before:
            named.append((before, after))
        readings = []
        for name, rest in named:
            before, colon, after = rest.rpartition(":")
            measured = (
                [(rest, None), (before, after)] if colon and "/" not in after else [(rest, None)]
            )
            for paths, metric in measured:
                for parts in ([paths], paths.split(",")):
                    readings.append(RowRequest(text, name, tuple(map(Path, parts)), metric))
        found = (one for one in readings if all(path.exists() for path in one.paths))
        return next(found, readings[-1])


def read(rows: Sequence[RowRequest], reading: FileOptions) -> list[list[Source]]:
    """Return each row's seeds; files of different numbers of samples use the smallest.

    Raises:
        InputError: a path is none of the three, a file cannot be read, or the runs have no row in
            common.
    """
    paths = [path for row in rows for path in row.paths]
    runs = {path: over_seeds(read_run(path)) for path in paths if (path / PLAN).is_file()}
    name = _shared_row(runs)
    found = {path: _source(path, reading, None) for path in paths if path not in runs}
    sizes = {one.n for one in found.values()} - {None}
    if len(sizes) > 1:
        least = min(size for size in sizes if size is not None)
        again = [path for path, one in found.items() if one.n not in (None, least)]
        found |= {path: _source(path, reading, least) for path in again}
    return [
        [
            source
            for path in row.paths
            for source in (_of_run(runs[path], name) if path in runs else [found[path]])
        ]
        for row in rows
    ]


def clusters_of(
    known: Mapping[str, Problem],
    sources: Sequence[Source],
    problems: Sequence[str],
    name: str | None,
) -> dict[str, str]:
    """Return the cluster of each problem, from the problems themselves or from the sample files.

    If no name is given, the rows' own clusters count: those that they were measured in.

    Raises:
        InputError: no row has it for a problem.
    """
    if name in FIELDS:
        if not known:
            raise InputError(f"--cluster-by {name}: the rows do not contain their problems.")
        return clusters_by(known, name)
    found = {key: of for source in sources for key, of in source.clusters.items()}
    for problem in problems:
        if problem not in found:
            raise InputError(
                f"--cluster-by {name}: no row has this field of problem {problem!r}; expected "
                f"{' or '.join(FIELDS)}, or a field of a sample file."
            )
    return {problem: found[problem] for problem in problems}


def _shared_row(runs: Mapping[Path, Results]) -> str:
    """Return the row of the first run's report that all runs have, else the first that all have."""
    names = [[row.name for row in results.rows] for results in runs.values()]
    if not names:
        return ""
    (path, first), *_ = runs.items()
    reference = [first.reference.name] if first.reference is not None else []
    for name in [*reference, *names[0]]:
        if all(name in others for others in names):
            return name
    raise InputError(f"{path}: no measured row is in all runs; it has {', '.join(names[0])}.")


def _of_run(results: Results, name: str) -> list[Source]:
    (row,) = (row for row in results.rows if row.name == name)
    return [
        Source(part.outcomes, part.problems, part.groups, clusters=part.cluster or {})
        for part in row.each
    ]


def _source(path: Path, reading: FileOptions, n: int | None) -> Source:
    """Read a measured step's folder, the outcomes of `mathtune measure FILE --out`, or a file."""
    if (path / OUTCOMES).is_file():
        return _of_folder(path)
    named = path.parent / f"{path.name}{ROW}"  # a row by its name in the report
    if (named / OUTCOMES).is_file():
        return _of_folder(named)
    if not path.is_file():
        there = "no measured row" if path.exists() else "no such file, folder or row"
        raise InputError(
            f"{path}: {there}; expected RUN/ROW (the row as the report names it), the "
            f"folder of a finished measure, with {OUTCOMES} in it, a run folder, or a file of "
            f"samples{_rows_of(path.parent)}."
        )
    document, outcomes, judgments = measured(reading.request(path), options=Options(n=n))
    if n is None:
        say(f"{path}: {notes.roles(judgments.read)}; {notes.size(judgments.counts)}")
        notes.tell(judgments.warnings, verbose=False)
    found = {row.problem_id: row for row in outcomes}
    return Source(
        found,
        judgments.problems,
        judgments.groups,
        document.n,
        {str(path): judgments.read},
        judgments.clusters,
    )


def _rows_of(run: Path) -> str:
    """Return the rows of the run in which a wrong name was sought."""
    rows = sorted(found.parent.name.removesuffix(ROW) for found in run.glob(f"*/{OUTCOMES}"))
    return f"; {run} has {', '.join(rows)}" if rows and (run / PLAN).is_file() else ""


def _of_folder(folder: Path) -> Source:
    """Return outcomes, with the problems next to them or in the run around the folder."""
    outcomes = read_outcomes(folder)
    if (folder / PROBLEMS).is_file():
        return Source(outcomes, read_problems(folder / PROBLEMS), tuple)
    for above in list(folder.absolute().parents)[:DEEPEST]:
        if (above / PLAN).is_file():
            name = folder.absolute().relative_to(above).as_posix()
            for step in read_plan(above).steps:
                if step.name == name:
                    return _of_step(outcomes, above, step.config)
    return Source(outcomes, {}, tuple)


def _of_step(outcomes: Mapping[str, Outcome], run: Path, config: Mapping[str, Any]) -> Source:
    """Return a measure step of a run's plan, whose paths are relative to the run."""
    columns = tuple(run / path for path in config["samples"])
    problems = read_problems(run / config["problems"])
    by = config["cluster_by"]
    clusters = {} if by is None else clusters_by(problems, by)
    return Source(outcomes, problems, lambda: read_groups(columns), clusters=clusters)
