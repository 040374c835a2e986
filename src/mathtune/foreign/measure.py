"""Measure foreign files: means, oracles, votes and, with scores, re-ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import structs

from mathtune import report
from mathtune.errors import InputError, of_samples
from mathtune.foreign import notes
from mathtune.foreign.judged import Request
from mathtune.foreign.judgments import Judgments, judge_problems
from mathtune.foreign.measure_table import grader_of, without_choices
from mathtune.metrics.agreement import doubt
from mathtune.metrics.measure import CHOSEN, MeasureSettings, Outcome, measure_columns
from mathtune.metrics.ties import Ties
from mathtune.paths import calculator
from mathtune.rows import jsonl
from mathtune.rows.metrics import MeasureMetrics
from mathtune.rows.records import Problem
from mathtune.run.progress import say
from mathtune.run.trackers import Name
from mathtune.stages.measure import OUTCOMES, labels_of

PROBLEMS = "problems.jsonl"
"""The file of problems, next to a file's outcomes."""

LARGE = 20_000
"""The number of samples from which measuring takes long enough to be announced."""
COUNTS = ("samples", "no_answer", "undecided", "verdict_differs_from_cluster")
"""The counts of a foreign file, which does not say what cut a text off."""
MORE = (
    "samples_per_problem",
    "too_few_samples",
    "golds",
    "clusters",
    "curves",
    "early_stopping",
    "groups",
    "weights",
    "oracle",
    "evaluator",
    "matched_compute",
    "over_calculator",
)
"""The other parts of the measured document that are shown, if present."""
_SUFFIXES = (".gz", ".xz", ".zst", ".bz2", ".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow",
             ".eval")  # fmt: skip


@dataclass(frozen=True)
class Options:
    """How a file is measured. `k`, `n` and `ties` are those of `MeasureSettings`.

    `out`: a folder for each problem's outcomes.
    """

    n: int | None = None
    ties: Ties = "earliest"
    out: Path | None = None
    k: int = 8


def measure_file(
    request: Request,
    *,
    page: Path | None = None,
    report_to: tuple[Name, ...] = (),
    options: Options = Options(),
) -> dict[str, Any]:
    """Measure the files' samples; with `page`, write the HTML page there, and log to the trackers.

    A problem's samples may be on one row or on many, in any order and in several files. If problems
    have different numbers of samples, metrics are expected values over subsets of the smallest
    number, or of `n`. `k` is the K of Maj8, RR.Maj8, W.RR.Maj8 and the N of Maj1.Top8, which are
    named after it. Texts are not kept in memory.

    Returns `read` (role -> field), `warnings`, `problems`, `n`, `grader`, `grader_version`,
    `extract`, `rules` (how many answers each rule found), `broken_lines`, `scorer`, `counts`,
    `metrics` (name -> value, low, high) and `over_maj1` (name -> difference, low, high, p), all in
    [0, 1]; `ties`, `golds`, `curves`, `early_stopping` (left out of very large files), `groups`;
    `mean_by_rule` if the mean depends on what counts as an answer; with scores `weights`,
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
    document, outcomes, judgments = measured(
        request, options=options, texts=shown, details=shown or options.out is not None
    )
    found = _document(request, judgments, document)
    if options.out is not None:
        outcomes_to(options.out, outcomes, judgments.problems)
    if shown:
        _show(request, found, (document, outcomes, judgments), page, report_to)
    return found


def measured(
    request: Request,
    *,
    options: Options = Options(),
    texts: bool = True,
    details: bool = True,
) -> tuple[MeasureMetrics, list[Outcome], Judgments]:
    """Return the whole document of the files' samples, their outcomes, and the judged samples.

    `texts`: keep the samples' texts, on disk. `details`: return outcomes.

    Raises:
        InputError: as `measure_file`.
    """
    judgments = judge_problems(request, texts=texts, questions=texts or details)
    if (samples := request.counted["samples"]) > LARGE:
        say(f"  {samples:,} samples graded; measuring {len(judgments.golds):,} problems")
    settings = MeasureSettings(
        k=options.k,
        n=options.n,
        ties=options.ties,
        cluster=_clusters(request, judgments),
        labels=labels_of(judgments.problems) if judgments.labelled else {},
        weights=request.weights,
        details=details,
    )
    try:
        document, outcomes = measure_columns(judgments.gathered, settings=settings)
    except InputError as error:
        raise InputError(f"{request.name}: {error}") from None
    return document, outcomes, judgments


def _clusters(request: Request, judgments: Judgments) -> Mapping[str, str] | None:
    return judgments.clusters if request.cluster_by is not None else None


def _show(
    request: Request,
    found: dict[str, Any],
    result: tuple[MeasureMetrics, list[Outcome], Judgments],
    page: Path | None,
    report_to: tuple[Name, ...],
) -> None:
    """Write the page and log to the trackers."""
    document, outcomes, judgments = result
    results = report.of_samples(
        _title(request),
        document=structs.replace(
            document, grader=grader_of(found), mean_by_rule=found.get("mean_by_rule")
        ),
        outcomes={row.problem_id: row for row in outcomes},
        problems={row.problem_id: judgments.problems[row.problem_id] for row in outcomes},
        groups=judgments.groups,
        cluster=_clusters(request, judgments),
    )
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


def _document(request: Request, judgments: Judgments, document: MeasureMetrics) -> dict[str, Any]:
    (grader,) = request.graders
    counted = request.counted
    total = counted["samples"]
    found: dict[str, Any] = {
        "read": judgments.read,
        "warnings": [*_on_golds(document), *_on_scores(document, request), *judgments.warnings],
        "problems": document.problems,
        "n": document.n,
        "grader": grader,
        "grader_version": request.versions[grader],
        "extract": request.rule,
        "rules": notes.rules(counted),
        "broken_lines": request.broken,
        "scorer": calculator.NAME if request.score == calculator.NAME else None,
        "counts": {name: (document.counts or {})[name] for name in COUNTS},
        "metrics": without_choices(document.metrics),
        "over_maj1": without_choices(document.over_maj1),
        "ties": document.ties,
    }
    marked, every = counted["correct and marked"] / total, counted["correct"] / total
    if every - marked > notes.RULES_DIFFER:
        found["mean_by_rule"] = {"explicit": round(marked, 6), request.rule: round(every, 6)}
    found |= {name: value for name in MORE if (value := getattr(document, name)) is not None}
    for kind in found["groups"].values():
        for one in kind.values():
            one |= {name: without_choices(one[name]) for name in ("metrics", "over_maj1")}
    if "oracle" in found:
        found["oracle"] = [name for name in found["oracle"] if name not in CHOSEN]
    if "over_calculator" in found:
        found["over_calculator"] = without_choices(found["over_calculator"])
    return found


def _on_golds(document: MeasureMetrics) -> list[str]:
    doubted = doubt(document.golds)
    return [] if doubted is None else [doubted]


def _on_scores(document: MeasureMetrics, request: Request) -> list[str]:
    """Return warnings on scores: known answers, missing scores, and the rule of their weights."""
    found = []
    if document.oracle:
        found.append(
            "The scores equal the verdicts in (nearly) all samples: they know the answer, and "
            "re-ranking by them is an oracle, no result."
        )
    missing = (document.evaluator or {}).get("without_score", 0)
    if missing:
        found.append(
            f"{of_samples(missing, request.counted['samples'], 'has', 'have')} no score: such a "
            "sample ranks last and weighs nothing."
        )
    rule = document.weights
    if rule not in (None, "as-is") and request.weights == "auto":
        found.append(
            f"Some scores are negative: W.RR sums weights made of them by the rule {rule} "
            "(--weights chooses another)."
        )
    return found


def outcomes_to(folder: Path, outcomes: Sequence[Outcome], problems: Mapping[str, Problem]) -> None:
    """Write each problem's outcome: JSON Lines, and Parquet if pyarrow is installed.

    The JSON Lines are those of a measure step, so that `mathtune compare` reads the folder. The
    Parquet file has a column per metric, and the problem's level and subject.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jsonl.write(folder / OUTCOMES, outcomes)
    jsonl.write(folder / PROBLEMS, [problems[row.problem_id] for row in outcomes])
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
        from pyarrow import parquet  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        return
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
    columns = folder / OUTCOMES.replace(".jsonl", ".parquet")
    parquet.write_table(pa.Table.from_pylist(rows), columns)
