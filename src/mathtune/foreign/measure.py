"""Measure foreign files: means, oracles, votes and, where they have scores, re-ranking."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from mathtune import report
from mathtune.errors import InputError
from mathtune.foreign import notes
from mathtune.foreign.judged import Request
from mathtune.foreign.judgments import Judgments, judge_problems
from mathtune.metrics.baselines import BASELINES
from mathtune.metrics.measure import CHOSEN, MeasureSettings, measure_columns
from mathtune.paths import calculator
from mathtune.report.tables import Table
from mathtune.run.trackers import Name

COUNTS = ("samples", "no_answer", "undecided", "verdict_differs_from_cluster")
"""The counts that a foreign file has: of what cut a text off it says nothing."""
_SUFFIXES = (".gz", ".xz", ".zst", ".bz2", ".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow",
             ".eval")  # fmt: skip


def measure_file(
    request: Request,
    *,
    page: Path | None = None,
    k: int = 8,
    report_to: tuple[Name, ...] = (),
) -> dict[str, Any]:
    """Measure the files' samples; with `page`, write the HTML page there, and log to the trackers.

    A problem's samples may be on one row or on many, in any order and in several files. `k` is the
    K of Maj8, RR.Maj8, W.RR.Maj8 and the N of Maj1.Top8, which are named after it. Texts are not
    kept in memory.

    Returns `read` (role -> field), `warnings`, `problems`, `n`, `grader`, `grader_version`,
    `extract`, `rules` (how many answers each rule found), `broken_lines`, `counts`, `metrics` (name
    -> value, low, high) and `over_maj1` (name -> difference, low, high, p), all parts of 1; `ties`;
    `mean_by_rule` where the mean depends on what counts as an answer; with scores `weights`,
    `oracle` (the rows whose scores are the verdicts themselves), `evaluator` (AUC, calibration,
    what length, form or the calculator alone would reach), `matched_compute` and `over_calculator`:
    every judged strategy minus votes weighted by the calculator, which is the metric `calculator`.
    There is no validation set here, so nothing whose K would be chosen is given.

    Raises:
        InputError: as `judge_problems`, several graders, or as `measure`.
    """
    if len(request.graders) > 1:
        raise InputError("mathtune measure: several graders; expected one with --grader.")
    shown = page is not None or bool(report_to)
    judgments = judge_problems(request, texts=shown, questions=shown)
    settings = MeasureSettings(k=k, weights=request.weights, details=shown)
    try:
        document, outcomes = measure_columns(judgments.gathered, settings=settings)
    except InputError as error:
        raise InputError(f"{request.name}: {error}") from None
    found = _document(request, judgments, document)
    if not shown:
        return found
    by_rule = found.get("mean_by_rule")
    results = report.of_samples(
        _title(request),
        document={
            **document,
            "grader": _graded_by(found),
            **({"mean_by_rule": by_rule} if by_rule else {}),
            "notes": found["warnings"],
        },
        outcomes={row.problem_id: row for row in outcomes},
        problems=judgments.problems,
        groups=judgments.groups,
    )
    assert judgments.texts is not None
    with closing(judgments.texts):
        _show(results, page, report_to)
    return found


def _show(results: report.Results, page: Path | None, report_to: tuple[Name, ...]) -> None:
    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
        report.page_for_samples(results, page)
    if report_to:
        report.tell_of_samples(results, report_to)


def _title(request: Request) -> str:
    name = request.name
    while name.endswith(_SUFFIXES):
        name = name.rpartition(".")[0]
    return name


def _document(request: Request, judgments: Judgments, document: dict[str, Any]) -> dict[str, Any]:
    (grader,) = request.graders
    counted = request.counted
    total = counted["samples"]
    warnings = [*_on_scores(document, request), *judgments.warnings]
    found = {
        "read": judgments.read,
        "warnings": warnings,
        "problems": document["problems"],
        "n": document["n"],
        "grader": grader,
        "grader_version": request.versions[grader],
        "extract": request.rule,
        "rules": {
            name.removeprefix("rule "): count
            for name, count in sorted(counted.items())
            if name.startswith("rule ")
        },
        "broken_lines": request.broken,
        "scorer": calculator.NAME if request.score == calculator.NAME else None,
        "counts": {name: document["counts"][name] for name in COUNTS},
        "metrics": _without_choices(document["metrics"]),
        "over_maj1": _without_choices(document["over_maj1"]),
        "ties": document["ties"],
    }
    marked, every = counted["correct and marked"] / total, counted["correct"] / total
    if every - marked > notes.RULES_DIFFER:
        found["mean_by_rule"] = {"explicit": round(marked, 6), request.rule: round(every, 6)}
    for name in ("weights", "oracle", "evaluator", "matched_compute", "over_calculator"):
        if name in document:
            value = document[name]
            if name == "oracle":
                value = [one for one in value if one not in CHOSEN]
            found[name] = _without_choices(value) if name == "over_calculator" else value
    return found


def _on_scores(document: dict[str, Any], request: Request) -> list[str]:
    """Warnings on scores: those that know the answer, those that are missing, and their weights."""
    found = []
    if document.get("oracle"):
        found.append(
            "The scores equal the verdicts in (nearly) all samples: they know the answer, and "
            "re-ranking by them is an oracle, no result."
        )
    missing = document.get("evaluator", {}).get("without_score", 0)
    if missing:
        found.append(
            f"{missing:,} of {document['counts']['samples']:,} samples have no score: they rank "
            "last and weigh nothing."
        )
    rule = document.get("weights")
    if rule not in (None, "as-is") and request.weights == "auto":
        found.append(
            f"Some scores are negative: W.RR sums weights made of them by the rule {rule} "
            "(--weights chooses another)."
        )
    return found


def table(document: dict[str, Any]) -> Table:
    """What the terminal shows of `measure_file`'s document."""
    counts = document["counts"]
    n = document["n"]
    oracle = document.get("oracle", [])
    compared = [("over_maj1", f"minus Maj1@{n}"), ("over_calculator", "minus calculator")]
    compared = [(key, title) for key, title in compared if key in document]
    rows = [
        (
            _label(name, n, oracle),
            f"{100 * found['value']:.1f}",
            f"[{100 * found['low']:.1f}, {100 * found['high']:.1f}]",
            *(_points(document[key], name) for key, _ in compared),
        )
        for name, found in document["metrics"].items()
    ]
    by_rule = document.get("mean_by_rule")
    if by_rule:
        marked = f"{100 * by_rule['explicit']:.1f}"
        rows.insert(1, ("mean, marked answers only", marked, "–", *("–" for _ in compared)))
    broken = document["broken_lines"]
    return Table(
        f"{document['problems']:,} problems, {n} samples each"
        + (f", {broken:,} broken lines left out" if broken else ""),
        ("", "percent", "95 % interval", *(title for _, title in compared)),
        rows,
        f"Graded by {_graded_by(document)}: {counts['no_answer']:,} of {counts['samples']:,} "
        f"samples without an answer, {counts['undecided']:,} undecided. {_ties(document)}"
        f"{_beats_the_calculator(document)}Intervals: bootstrap over problems; differences are "
        "paired.",
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


def _ties(document: dict[str, Any]) -> str:
    """How often the earliest sample decided, and how well the scores judge."""
    ties = document["ties"]
    text = f"Most votes tied in {ties['votes']:.1%} of problems"
    if "evaluator" not in document:
        return f"{text}. "
    within = document["evaluator"]["within_auc"]
    known = "" if within is None else f"; AUC of the scores within problems {within['value']:.3f}"
    weights = f"; weights: {document['weights']}" if document["weights"] != "as-is" else ""
    return f"{text}, best scores in {ties['scores']:.1%}{known}{weights}. "


def _label(name: str, n: int, oracle: list[str]) -> str:
    if name in BASELINES:
        return f"W.RR by {name} alone"
    votes = name.startswith(("Pass@", "Maj")) and not name.startswith("Maj1")
    if (votes and name.endswith(f"@{n}")) or name in oracle:
        return f"{name} (oracle)"
    return f"samples read, {name.removeprefix('cost.')}" if name.startswith("cost.") else name


def _graded_by(document: dict[str, Any]) -> str:
    return f"{document['grader']} {document['grader_version']} (answers: {document['extract']})"


def _without_choices(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in CHOSEN}
