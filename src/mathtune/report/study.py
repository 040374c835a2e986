"""The results of the `study` step as tables like those of Yuan et al. 2023, and for figures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from mathtune.errors import many
from mathtune.metrics.claims import Claim, whole_sft
from mathtune.metrics.intervals import Interval
from mathtune.report import cost
from mathtune.report.cells import NONE, Table, bounds
from mathtune.report.results import ROW, Results
from mathtune.stages.study import MeasuredPoint, StudyMetrics

X = TypeVar("X")

TITLES = {
    "base": "base, no examples",
    "few-shot": "base, few-shot",
    "sft": "SFT",
    "rft": "RFT",
    "no-dedup": "RFT without dedup",
    "union": "RFT on the union",
}


DRAFTS = "-drafts"
"""The ending of the steps that sample training problems."""


def found(results: Results) -> StudyMetrics | None:
    """Return the metrics of the run's study; None if it has no finished one."""
    steps = (step for step in results.steps if step.stage == "study" and step.finished)
    step = next(steps, None)
    return None if step is None else step.read(StudyMetrics)


def sentence(results: Results) -> str | None:
    """Return how many of the paper's claims hold, in words; None without a study."""
    document = found(results)
    if document is None:
        return None
    answers = Counter(row.answer for row in document.claims)
    return (
        f"Of {many(answers.total(), 'claim', 'claims')}, {many(answers['yes'], 'holds', 'hold')} "
        f"here, {many(answers['no'], 'does', 'do')} not, and {answers['cannot tell']} cannot be "
        f"told from {many(len(document.bases), 'base model', 'base models')}."
    )


def tables(results: Results, *, brief: bool = False) -> list[Table]:
    """Return every table that the study allows; none without one. `brief`: without the costs."""
    document = found(results)
    if document is None:
        return []
    points = document.points
    made = [claims(document), models(points), fractions(points), paths(points), fits(document)]
    made += [] if brief else [costs(points, results)]
    return [table for table in made if table.rows]


def claims(document: StudyMetrics) -> Table:
    """Return the paper's claims, each with its answer here and the number behind it."""
    body = [
        (
            row.claim,
            row.answer + _from(row),
            NONE if row.interval is None else _interval(row.interval),
            row.number,
        )
        for row in document.claims
    ]
    return Table(
        "Claims of Yuan et al. 2023",
        ("claim", "here", "number", "what the number is"),
        body,
        "95 % intervals over the bases (or the seeds of one), each measured on "
        f"{document.problems} problems; cannot tell: 0 lies inside.",
    )


def _from(row: Claim) -> str:
    """Return ` from 5 bases`, after a claim that these cannot decide; else nothing."""
    return f" from {row.units}" if row.answer == "cannot tell" and row.units else ""


def models(points: Sequence[MeasuredPoint]) -> Table:
    """Return their Table 1: ways to train by base models; greedy, and votes over any samples."""
    bases = _bases(points)
    full = whole(points)
    rows: dict[str, dict[str, str]] = defaultdict(dict)
    for point in points:
        if point.kind == "sft-long" or (point.kind == "sft" and point not in full):
            continue
        rows[way(point)][point.base] = _accuracy(point)
    body = [(name, *(cells.get(base, NONE) for base in bases)) for name, cells in rows.items()]
    seeds = max(point.seeds for point in points)
    return Table(
        "Base models and ways to train",
        ("trained by", *bases),
        body,
        "Percent, greedy with its 95 % interval over problems, then (seeds) the one that includes "
        "other seeds; after the slash maj1@n. " + f"Means over {seeds} seeds." * (seeds > 1),
    )


def fractions(points: Sequence[MeasuredPoint]) -> Table:
    """Return their Table 5: parts of the supervised data by base models."""
    bases = _bases(points)
    rows: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for point in points:
        if point.kind in ("sft", "sft-long") and point.fraction is not None:
            length = "epochs" if point.kind == "sft" else "updates"
            key = (f"{point.fraction:.4g}", length)
            rows[key][point.base] = _accuracy(point)
    body = [
        (part, length, *(cells.get(base, NONE) for base in bases))
        for (part, length), cells in rows.items()
    ]
    return Table(
        "Supervised data",
        ("part", "equal", *bases),
        body if len(rows) > 1 else [],
        "Trained for as many epochs, or for as many updates, as on all of it.",
    )


def paths(points: Sequence[MeasuredPoint]) -> Table:
    """Return their Table 2: correct samples, distinct paths per problem, and accuracy."""
    body = [
        (
            point.base,
            way(point),
            f"{point.correct:.2f}",
            f"{point.paths:.2f}",
            f"{point.examples:,}",
            f"{point.updates:,}",
            _accuracy(point),
        )
        for point in points
        if point.paths is not None
    ]
    header = (
        "base",
        "set",
        "correct per problem",
        "paths per problem",
        "rows",
        "updates",
        "accuracy",
    )
    return Table("Samples, distinct paths and their gains", header, body)


def fits(document: StudyMetrics) -> Table:
    """Return the fitted lines."""
    body = [
        (
            row.name,
            _interval(row.slope),
            _interval(row.r2),
            f"{row.line.intercept:.3f}",
        )
        for row in document.fits
    ]
    return Table(
        "Fits",
        ("accuracy", "slope", "R2", "intercept"),
        body,
        "Least squares; natural logarithms; intervals from resampled problems, for these bases.",
    )


def costs(points: Sequence[MeasuredPoint], results: Results) -> Table:
    """Return their Table 4: FLOPs and device-hours of every point, as predicted and as measured."""
    steps = [step for step in results.steps if step.finished]
    bills = dict(
        zip((step.name for step in steps), cost.bills_of(steps, results.forecast), strict=True)
    )
    body = []
    for point in points:
        rows = [name.removesuffix(ROW) for name in point.steps]
        tests = [f"{row}{kind}" for row in rows for kind in ("-greedy", "-samples")]
        part = "" if point.fraction in (None, 1) else f", {point.fraction:.4g} of the data"
        for purpose, own in (("train", rows), ("test", tests)):
            body += _spent(bills, point.base, way(point) + part, purpose, own)
    drawn = [step.name for step in steps if step.stage == "sample" and step.name.endswith(DRAFTS)]
    for name in dict.fromkeys(name.rpartition("/")[2] for name in drawn):
        same = [step for step in drawn if step.rpartition("/")[2] == name]
        body += _spent(bills, name.removesuffix(DRAFTS), "samples to make paths of", "sample", same)
    return Table(
        "Cost of every point",
        ("base", "point", "for", "FLOPs", "predicted", "device-hours", "predicted"),
        body,
        "Sums over the seeds; a dash if there is none, or the model's size is unknown. "
        + cost.NOTE,
    )


def _spent(
    bills: Mapping[str, Counter[str]], base: str, point: str, purpose: str, steps: Sequence[str]
) -> list[tuple[str, ...]]:
    """Return a row with the sums of these steps; no row if none of them was made."""
    spent: Counter[str] = Counter()
    for step in steps:
        spent.update(bills.get(step, {}))
    keys = (cost.FLOPS, cost.EXPECTED_FLOPS, cost.DEVICE_H, cost.EXPECTED_H)
    return [(base, point, purpose, *(cost.amount(spent, key) for key in keys))] if spent else []


def _bases(points: Sequence[MeasuredPoint]) -> list[str]:
    """Return the base models, the one with the highest loss first."""
    losses = {point.base: point.loss for point in points}
    return sorted(losses, key=lambda base: -(losses[base] or 0.0))


def whole(points: Sequence[MeasuredPoint]) -> list[MeasuredPoint]:
    """Return each base's SFT on the most problems."""
    return [points[number] for number in whole_sft(points)]


def way(point: MeasuredPoint) -> str:
    """Return how a point's model was made: `RFT, k = 8`."""
    k = f", k = {point.k}" if point.k is not None else ""
    if point.kind == "control":
        return f"SFT, as many updates as {TITLES[point.of or 'sft']}{k}"
    return TITLES[point.kind] + k


def known(values: Iterable[X | None]) -> list[X]:
    """Return the values that are known.

    Example:
        >>> known([1, None, 2])
        [1, 2]
    """
    return [value for value in values if value is not None]


def _accuracy(point: MeasuredPoint) -> str:
    one = point.accuracy
    votes = f" / {100 * point.votes.value:.1f}" if point.votes.value is not None else ""
    wider = point.over_seeds
    seeds = f" (seeds {bounds(wider.low, wider.high)})" if wider is not None else ""
    return f"{100 * one.value:.1f} {bounds(one.low, one.high)}{seeds}{votes}"


def _interval(found: Interval) -> str:
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
