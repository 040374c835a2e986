"""What measuring keeps of the samples, and the evaluator's own figures. Under `measure.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from mathtune.errors import InputError
from mathtune.metrics import calibration, strategies
from mathtune.metrics.intervals import Interval, Ints, intervals, resampled_problems
from mathtune.metrics.strategies import Clusters
from mathtune.paths import calculator
from mathtune.rows.records import Verdict
from mathtune.rows.samples import Joined

T = TypeVar("T")

NORMAL = 1.96
"""Standard errors to either side of a 95 % interval."""
COUNTS = ("samples", "no_answer", "undecided", "verdict_differs_from_cluster", "cut_off")
"""What is counted over all samples; `cut_off`: reached the limit on tokens."""


@dataclass
class Gathered:
    """The problems in the order given: clusters and narrow columns, no texts."""

    ids: list[str] = field(default_factory=list)
    clusters: list[Clusters] = field(default_factory=list)
    indices: list[list[int]] = field(default_factory=list)
    lengths: list[list[int]] = field(default_factory=list)
    tokens: list[list[int]] = field(default_factory=list)
    formats: list[list[tuple[Any, ...]]] = field(default_factory=list)
    weights: list[list[float]] = field(default_factory=list)
    """The calculator's; only where the samples are scored: it is what a judge must beat."""
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))

    @property
    def each(self) -> list[int]:
        """Samples of each problem."""
        return [len(clusters.of) for clusters in self.clusters]

    @property
    def n(self) -> int:
        """Samples that every problem has: metrics are expected values over subsets of so many."""
        return min(self.each)

    def only(self, kept: Sequence[int]) -> Gathered:
        """The problems at these positions; the counts stay those of all."""

        def part(column: list[T]) -> list[T]:
            return [column[i] for i in kept]

        return replace(
            self,
            ids=part(self.ids),
            clusters=part(self.clusters),
            indices=part(self.indices),
            lengths=part(self.lengths),
            tokens=part(self.tokens),
            formats=part(self.formats),
            weights=part(self.weights) if self.weights else [],
        )

    @property
    def unit(self) -> str:
        """What `sizes` counts: other programs' files do not say how many tokens a text had."""
        return "tokens" if any(map(any, self.tokens)) else "characters"

    @property
    def sizes(self) -> list[list[int]]:
        """What each sample cost to generate."""
        return self.tokens if self.unit == "tokens" else self.lengths

    @property
    def scored(self) -> bool:
        """Whether the samples have scores."""
        return self.clusters[0].scores is not None


def gather(groups: Iterable[tuple[str, Sequence[Joined]]]) -> Gathered:
    """Read (problem id, its samples) groups once.

    Raises:
        InputError: samples are not graded, only some are scored, a score is not finite, or there
            are none.
    """
    found = Gathered()
    for problem_id, rows in groups:
        grades = [row.grade for row in rows if row.grade is not None]
        scores = [row.score for row in rows if row.score is not None]
        if len(grades) < len(rows):
            raise InputError(
                f"problem {problem_id!r}: its samples are not graded; run grade first."
            )
        if len(scores) not in (0, len(rows)):
            raise InputError(
                f"problem {problem_id!r}: {len(scores)} of its {len(rows)} samples are scored; "
                "expected all or none."
            )
        clusters = strategies.clusters_of(grades, scores or None)
        _check(problem_id, clusters, found)
        found.ids.append(problem_id)
        found.clusters.append(clusters)
        found.indices.append([row.sample.index for row in rows])
        found.lengths.append([len(row.sample.text) for row in rows])
        found.tokens.append([row.sample.tokens for row in rows])
        found.formats.append([_form(row) for row in rows])
        if scores:
            found.weights.append(_weights(rows))
        _count(rows, clusters, found.counts)
    if not found.ids:
        raise InputError("there are no samples to measure.")
    return found


def _weights(rows: Sequence[Joined]) -> list[float]:
    """The calculator's weight of every sample; equal texts are read once."""
    of = {text: calculator.weight(text) for text in {row.sample.text for row in rows}}
    return [of[row.sample.text] for row in rows]


def _check(problem_id: str, clusters: Clusters, found: Gathered) -> None:
    if clusters.scores is not None and not np.isfinite(clusters.scores).all():
        raise InputError(f"problem {problem_id!r}: a score is not a finite number.")
    if not found.ids:
        return
    if (clusters.scores is not None) != found.scored:
        raise InputError(
            f"of problems {problem_id!r} and {found.ids[0]!r} only one has scores; "
            "expected scores for all problems or for none."
        )


def _form(row: Joined) -> tuple[Any, ...]:
    """What can be seen of a sample's form without reading its mathematics."""
    text = row.sample.text
    rule = row.grade.rule if row.grade is not None else None
    marks = ("<<" in text, "\\" in text, "**" in text)
    return (rule, row.sample.finish_reason, *marks, text.count("\n").bit_length())


def _count(rows: Sequence[Joined], clusters: Clusters, counts: dict[str, int]) -> None:
    counts["samples"] += len(rows)
    for row, right in zip(rows, clusters.right[:-1], strict=True):
        counts["cut_off"] += row.sample.finish_reason == "length"
        if row.grade is not None:
            verdict = row.grade.verdict
            counts["no_answer"] += verdict is Verdict.no_answer
            counts["undecided"] += verdict is Verdict.undecided
            counts["verdict_differs_from_cluster"] += (verdict is Verdict.correct) != bool(right)


def evaluator(
    found: Gathered, *, resamples: int, seed: int, groups: Ints | None = None
) -> tuple[dict[str, Any], dict[str, float]]:
    """How well the scores judge answered samples, and how well length, form or arithmetic alone do.

    Samples without an answer are left out, and counted: no strategy ever reads them. Also returns
    the AUC within each problem that has one.
    """
    answered = np.concatenate([c.of >= 0 for c in found.clusters])
    problem = np.repeat(np.arange(len(found.ids)), found.each)[answered]
    right = np.concatenate([c.right[:-1] for c in found.clusters])[answered]
    scores = np.concatenate([c.scores for c in found.clusters if c.scores is not None])[answered]
    lengths = np.concatenate(found.lengths)[answered].astype(np.float64)
    forms = [form for part in found.formats for form in part]
    forms = [form for form, kept in zip(forms, answered, strict=True) if kept]
    within = calibration.within_auc(scores, right, problem)
    document: dict[str, Any] = {
        "samples": int(answered.sum()),
        "without_answer": int((~answered).sum()),
        "auc": _overall(scores, right, problem, groups),
        "within_auc": _mean_interval(within, groups),
        "within_problems": len(within),
    }
    for name, shortcut in (
        ("shorter_alone", -lengths),
        ("formatting_alone", calibration.habit_scores(forms, right, problem)),
        ("calculator_alone", np.concatenate(found.weights)[answered]),
    ):
        inside = calibration.within_auc(shortcut, right, problem)
        document[name] = {
            "auc": _overall(shortcut, right, problem, groups),
            "within_auc": _mean_interval(inside, groups),
        }
    if len(scores) and scores.min() >= 0.0 and scores.max() <= 1.0:
        drawn_together = problem if groups is None else groups[problem]
        drawn = resampled_problems(len(np.unique(drawn_together)), resamples, seed)
        error = asdict(calibration.calibration(scores, right, drawn_together, drawn))
        document["reliability"] = error.pop("bins")
        document["ece"] = error
    if document["auc"] is not None:
        document["roc"] = calibration.roc(scores, right)
    return document, {found.ids[number]: value for number, value in within.items()}


def _overall(
    scores: calibration.Floats,
    right: calibration.Bools,
    problem: calibration.Ints,
    groups: Ints | None,
) -> dict[str, float] | None:
    """The AUC over all samples, its interval by the error for clustered data."""
    value = calibration.auc(scores, right)
    if value is None:
        return None
    together = problem if groups is None else groups[problem]
    error = NORMAL * (calibration.auc_error(scores, right, together) or 0.0)
    return asdict(Interval(value, max(0.0, value - error), min(1.0, value + error)))


def _mean_interval(values: Mapping[int, float], groups: Ints | None) -> dict[str, float] | None:
    """The mean over those problems that have a value, with its interval."""
    if not values:
        return None
    column = np.array(list(values.values()))[:, None]
    kept = None if groups is None else groups[list(values)]
    return asdict(intervals(column, groups=kept)[0])
