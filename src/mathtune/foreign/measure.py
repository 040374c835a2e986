"""Measure a foreign file: means, oracles, votes and, where it has scores, re-ranking."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from msgspec import structs

from mathtune import report
from mathtune.answers import Grader
from mathtune.errors import InputError
from mathtune.foreign.judged import Judged, Request, judged, rows_of
from mathtune.foreign.read import SCORES
from mathtune.metrics.baselines import BASELINES
from mathtune.metrics.families import concentrated
from mathtune.metrics.measure import CHOSEN, MeasureSettings, Outcome, measure
from mathtune.metrics.ties import Ties
from mathtune.paths import calculator
from mathtune.report.tables import Table
from mathtune.rows import jsonl
from mathtune.rows.metrics import MeasureMetrics
from mathtune.rows.records import UNKNOWN, Problem, Sample
from mathtune.rows.samples import Joined
from mathtune.run.trackers import Name
from mathtune.stages.measure import OUTCOMES, labels_of, unequal

PROBLEMS = "problems.jsonl"
"""The problems, beside the outcomes that were written of a file."""

COUNTS = ("samples", "no_answer", "undecided", "verdict_differs_from_cluster")
"""The counts that a foreign file has: of what cut a text off it says nothing."""
MORE = (
    "samples_per_problem",
    "too_few_samples",
    "clusters",
    "curves",
    "early_stopping",
    "groups",
    "evaluator",
    "matched_compute",
    "over_calculator",
)
"""What else of the measured document is shown, where it is there."""


@dataclass(frozen=True)
class Options:
    """How a file is measured. `n` and `ties` are those of `MeasureSettings`.

    `cluster_by`: the field that names what problems were drawn together. `out`: a folder for each
    problem's outcomes.
    """

    n: int | None = None
    ties: Ties = "earliest"
    cluster_by: str | None = None
    out: Path | None = None


def measure_file(
    request: Request,
    *,
    score: str | None = None,
    page: Path | None = None,
    k: int = 8,
    report_to: tuple[Name, ...] = (),
    options: Options = Options(),
) -> dict[str, Any]:
    """Measure the file's samples; with `page`, write the HTML page there, and tell the trackers.

    A problem's samples may be on one line or on many, in any order. Where problems have different
    numbers of samples, metrics are expected values over subsets of the smallest number, or of `n`.
    `k` is the K of Maj8, RR.Maj8, W.RR.Maj8 and the N of Maj1.Top8, which are named after it.
    `score` names the field of scores, higher is better; None: `scores` or `score` where one of them
    holds a number for each sample; `calculator`: no field is read, a sample that states a false
    equation scores 0.1 and any other 1. Holds all samples in memory.

    Returns `problems`, `n`, `grader`, `grader_version`, `extract`, `broken_lines`, `scorer`,
    `counts`, `metrics` (name -> value, low, high) and `over_maj1` (name -> difference, low, high,
    p), all parts of 1; `ties`, `curves`, `early_stopping`, `groups`; with scores `evaluator` (AUC,
    calibration, what length, form or the calculator alone would reach), `matched_compute` and
    `over_calculator`: every judged strategy minus votes weighted by the calculator, which is the
    metric `calculator`. There is no validation set here, so nothing whose K would be chosen is
    given.

    Raises:
        InputError: as `judged`, several graders, samples of one problem with different golds, or
            as `measure`.
    """
    if len(request.graders) > 1:
        raise InputError("mathtune measure: several graders; expected one with --grader.")
    document, outcomes, problems, groups = measured(request, score=score, k=k, options=options)
    (grader,) = request.graders
    found: dict[str, Any] = {
        "problems": document.problems,
        "n": document.n,
        "grader": grader,
        "grader_version": request.versions[grader],
        "extract": request.rule,
        "broken_lines": request.broken,
        "scorer": calculator.NAME if score == calculator.NAME else None,
        "counts": {name: (document.counts or {})[name] for name in COUNTS},
        "metrics": _without_choices(document.metrics),
        "over_maj1": _without_choices(document.over_maj1),
        "ties": document.ties,
    }
    found |= {name: value for name in MORE if (value := getattr(document, name)) is not None}
    for kind in found["groups"].values():
        for one in kind.values():
            one |= {name: _without_choices(one[name]) for name in ("metrics", "over_maj1")}
    if options.out is not None:
        outcomes_to(options.out, outcomes, problems)
    results = report.of_samples(
        request.file.name.removesuffix(".gz").removesuffix(".jsonl"),
        document=structs.replace(document, grader=_graded_by(found)),
        outcomes={row.problem_id: row for row in outcomes},
        problems={row.problem_id: problems[row.problem_id] for row in outcomes},
        groups=groups.items,
    )
    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
        report.page_for_samples(results, page)
    if report_to:
        report.tell_of_samples(results, report_to)
    return found


def measured(
    request: Request, *, score: str | None = None, k: int = 8, options: Options = Options()
) -> tuple[MeasureMetrics, list[Outcome], dict[str, Problem], dict[str, Sequence[Joined]]]:
    """The whole document of a file's samples, their outcomes, the problems, and their samples.

    Raises:
        InputError: as `measure_file`.
    """
    field = SCORES if score is None else () if score == calculator.NAME else score
    problems, groups, lines = _gathered(judged(request, score=field), request)
    if score == calculator.NAME:
        groups = {problem_id: _calculated(rows) for problem_id, rows in groups.items()}
    by = options.cluster_by
    settings = MeasureSettings(
        k=k,
        n=options.n,
        ties=options.ties,
        cluster=None if by is None else _clusters(request.file, by, lines),
        labels=labels_of(problems),
    )
    try:
        document, outcomes = measure(groups.items(), settings=settings)
    except InputError as error:
        raise InputError(f"{request.file}: {error}") from None
    return document, outcomes, problems, groups


def _clusters(file: Path, name: str, lines: Mapping[str, int]) -> dict[str, str]:
    """The field's value on each problem's first line. `lines`: problem -> that line's number."""
    problem_at = {line: problem for problem, line in lines.items()}
    found = {}
    for number, line in jsonl.lines(file):
        if number in problem_at:
            row = json.loads(line)
            if row.get(name) is None:
                raise InputError(f"{file}, line {number}: no field {name!r} to cluster by.")
            found[problem_at[number]] = str(row[name])
    return found


def outcomes_to(
    folder: Path, outcomes: Sequence[Outcome], problems: Mapping[str, Problem]
) -> list[Path]:
    """Write each problem's outcome: JSON Lines, and Parquet where pyarrow is installed.

    The JSON Lines are what a measure step writes, so that `mathtune compare` reads the folder. The
    Parquet file has a column per metric, and the problem's level and subject.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / OUTCOMES]
    jsonl.write(written[0], outcomes)
    jsonl.write(folder / PROBLEMS, [problems[row.problem_id] for row in outcomes])
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
        from pyarrow import parquet  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        return written
    rows = [
        {
            "problem_id": row.problem_id,
            "level": problems[row.problem_id].level,
            "subject": problems[row.problem_id].subject,
            **row.values,
            "within_auc": row.within_auc,
        }
        for row in outcomes
    ]
    written.append(folder / OUTCOMES.replace(".jsonl", ".parquet"))
    parquet.write_table(pa.Table.from_pylist(rows), written[1])
    return written


def table(document: dict[str, Any]) -> Table:
    """What the terminal shows of `measure_file`'s document."""
    counts = document["counts"]
    n = document["n"]
    compared = [("over_maj1", f"minus Maj1@{n}"), ("over_calculator", "minus calculator")]
    compared = [(key, title) for key, title in compared if key in document]
    rows = [
        (
            _label(name, n),
            f"{100 * found['value']:.1f}",
            f"[{100 * found['low']:.1f}, {100 * found['high']:.1f}]",
            *(_points(document[key], name) for key, _ in compared),
        )
        for name, found in document["metrics"].items()
    ]
    broken = document["broken_lines"]
    return Table(
        f"{document['problems']:,} problems, {n} samples each"
        + (f", {broken:,} broken lines left out" if broken else ""),
        ("", "percent", "95 % interval", *(title for _, title in compared)),
        rows,
        f"Graded by {_graded_by(document)}: {counts['no_answer']:,} of {counts['samples']:,} "
        f"samples without an answer, {counts['undecided']:,} undecided; "
        f"{counts['verdict_differs_from_cluster']:,} have another verdict than their cluster. "
        f"{_ties(document)}{_beats_the_calculator(document)}Intervals are over "
        f"{_drawn(document)}; differences are paired.{_notes(document)}",
    )


def _points(found: dict[str, dict[str, float]], name: str) -> str:
    """A paired difference as a cell, in points with its interval."""
    if name not in found:
        return "–"
    row = found[name]
    low, high = 100 * row["low"], 100 * row["high"]
    return f"{100 * row['difference']:+.1f} [{low:+.1f}, {high:+.1f}]"


def _beats_the_calculator(document: dict[str, Any]) -> str:
    """W.RR against votes weighted by arithmetic alone: what a judge has learned beyond it."""
    if "over_calculator" not in document or document["scorer"] == calculator.NAME:
        return ""
    points = _points(document["over_calculator"], "W.RR")
    return f"W.RR minus votes weighted by the calculator, which needs no judge: {points}. "


def _drawn(document: dict[str, Any]) -> str:
    clusters = document.get("clusters")
    return "problems" if clusters is None else f"{clusters:,} clusters of problems"


def _notes(document: dict[str, Any]) -> str:
    """What else must be known: unequal samples, ties that matter, gains in few groups."""
    said = []
    counts, few = document["samples_per_problem"], document["too_few_samples"]
    if text := unequal(counts, document["n"], few):
        said.append(f"{text[0].upper()}{text[1:]}.")
    ties = document["ties"]
    if ties.get("matters"):
        parts = [f"{name} {100 * ties['expected'][name]:.1f}" for name in ties["matters"]]
        said.append(f"Expected over ties: {', '.join(parts)}.")
    if "W.RR" in document["over_maj1"]:
        for kind, groups in document["groups"].items():
            gains = {
                name: (one["problems"], one["over_maj1"]["W.RR"]["difference"])
                for name, one in groups.items()
            }
            if names := concentrated(gains):
                said.append(f"W.RR's gain is nearly all of it in {kind} {', '.join(names)}.")
    return "".join(f" {sentence}" for sentence in said)


def _ties(document: dict[str, Any]) -> str:
    """How often the earliest sample decided, and how well the scores judge."""
    ties = document["ties"]
    text = f"Most votes tied in {ties['votes']:.1%} of problems"
    if "evaluator" not in document:
        return f"{text}. "
    within = document["evaluator"]["within_auc"]
    judged = "" if within is None else f"; AUC of the scores within problems {within['value']:.3f}"
    return f"{text}, best scores in {ties['scores']:.1%}{judged}. "


def _label(name: str, n: int) -> str:
    if name.startswith(("Pass@", "Maj")) and name.endswith(f"@{n}") and not name.startswith("Maj1"):
        return f"{name} (oracle)"
    if name in BASELINES:
        return f"W.RR by {name} alone"
    return f"samples read, {name.removeprefix('cost.')}" if name.startswith("cost.") else name


def _graded_by(document: dict[str, Any]) -> str:
    return f"{document['grader']} {document['grader_version']} (answers: {document['extract']})"


def _without_choices(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in CHOSEN}


def _gathered(
    samples: Iterator[Judged], request: Request
) -> tuple[dict[str, Problem], dict[str, Sequence[Joined]], dict[str, int]]:
    """The problems, each one's samples, and its first line, in the order of their first lines."""
    found: dict[str, list[Judged]] = defaultdict(list)
    for one in samples:
        members = found[one.sample.problem_id]
        if members and members[0].sample.gold != one.sample.gold:
            first = members[0].sample
            raise InputError(
                f"{request.file}, line {one.sample.line}: problem {first.problem_id!r} has the "
                f"gold {one.sample.gold!r} and, on line {first.line}, {first.gold!r}; expected "
                "one gold a problem. Say which field names it: --fields ...,problem=NAME."
            )
        members.append(one)
    problems = {}
    groups: dict[str, Sequence[Joined]] = {}
    for problem_id, members in found.items():
        first = members[0].sample
        problems[problem_id] = Problem(
            id=problem_id,
            problem=first.question,
            answer=first.gold,
            level=first.level,
            subject=first.subject,
        )
        groups[problem_id] = _joined(members, request.graders[0])
    lines = {problem_id: members[0].sample.line for problem_id, members in found.items()}
    return problems, groups, lines


def _calculated(rows: Sequence[Joined]) -> list[Joined]:
    return [replace(row, score=calculator.weight(row.sample.text)) for row in rows]


def _joined(members: list[Judged], grader: Grader) -> list[Joined]:
    rows = []
    for one, grade in zip(members, rows_of(members, grader), strict=True):
        # Foreign files do not say alike how a text ended, nor how long it was in tokens.
        sample = Sample(
            problem_id=grade.problem_id,
            index=grade.index,
            text=one.sample.solution,
            finish_reason=UNKNOWN,
            tokens=0,
        )
        rows.append(Joined(sample, grade, one.sample.score))
    return rows
