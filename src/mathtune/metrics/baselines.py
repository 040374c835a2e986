"""Baselines that need no judge: votes weighted by the calculator, by shortness or by form.

Under `measure.py`. A judge must beat them. All are W.RR with weights that cost nothing, on the same
samples:

    calculator   0.1 for a sample that states a false equation, else 1 (`paths.calculator`)
    shortness    the length of the problem's shortest sample, divided by the sample's own
    form         the part right of the samples of its form, among the other half of the problems

`W.RR.calculator` uses both: a sample weighs what its judge says times what the calculator says. It
shows whether the judge knows what a calculator cannot see.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from mathtune.metrics import strategies, ties
from mathtune.metrics.arrays import Floats
from mathtune.metrics.calibration import habit_scores
from mathtune.metrics.curves import Plan, subsets_of
from mathtune.metrics.sample_columns import Gathered
from mathtune.metrics.strategies import Clusters, Strategy

CALCULATOR, SHORTNESS, FORM = "calculator", "shortness", "form"
BASELINES = (CALCULATOR, SHORTNESS, FORM)
"""The names of the metrics."""
BOTH: Strategy = "W.RR.calculator"
"""Votes weighted by the judge times the calculator."""
LABELS = {**{name: f"W.RR by {name} alone" for name in BASELINES}, BOTH: "W.RR times calculator"}
"""The names that tables show."""


def names_of(found: Gathered) -> tuple[str, ...]:
    """Return the metrics that samples have here: none without scores, `BOTH` only with a judge."""
    if found.calculator is None:
        return ()
    if found.scores is None:
        return BASELINES
    scored = ~np.isnan(found.scores)  # a sample without a text has none
    alone = np.array_equal(found.scores[scored], found.calculator[scored])
    return BASELINES if alone else (*BASELINES, BOTH)


def weighted(found: Gathered, name: str) -> Iterator[Clusters]:
    """Yield each problem's clusters, scored by a baseline or weighted by `BOTH`."""
    assert found.calculator is not None
    every = found.calculator
    if name == FORM:
        every = habit_scores(found.forms.tolist(), found.right, found.problem)
    for clusters, start in zip(found.clusters, found.starts.tolist(), strict=False):
        part = slice(start, start + len(clusters.of))
        scores = every[part]
        if name == BOTH:
            assert clusters.weights is not None
            yield replace(clusters, weights=clusters.weights * scores)
            continue
        if name == SHORTNESS:
            lengths = np.maximum(found.lengths[part].astype(np.float64), 1.0)
            scores = lengths.min() / lengths
        yield replace(clusters, scores=scores, weights=None)


def picks(found: Gathered, plan: Plan) -> dict[str, list[int | None]]:
    """Return the position of each baseline's pick, problem by problem; None: no answer."""
    return {
        name: [strategies.pick(strategies.first(c, plan.n), "W.RR") for c in weighted(found, name)]
        for name in names_of(found)
    }


def values(found: Gathered, plan: Plan) -> dict[str, Floats]:
    """Return whether each pick is right, float (P,) by baseline (in expectation)."""
    return {
        name: np.array([_value(clusters, plan) for clusters in weighted(found, name)])
        for name in names_of(found)
    }


def _value(clusters: Clusters, plan: Plan) -> float:
    subsets = subsets_of(len(clusters.of), plan.n, count=plan.subsets, seed=plan.seed)
    standing = strategies.standings(clusters, subsets)
    if plan.ties == "expected":
        return float(ties.largest(standing, standing.weight).mean())
    return float(clusters.right[strategies.heaviest(standing)].mean())
