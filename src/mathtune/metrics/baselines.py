"""What a judge must beat without being a judge: votes weighted by the calculator or by shortness.

Under `measure.py`. Both are W.RR with weights that cost nothing, on the same samples:

    calculator   0.1 for a sample that states a false equation, else 1 (`paths.calculator`)
    shortness    the length of the problem's shortest sample, divided by the sample's own
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from mathtune.metrics import strategies
from mathtune.metrics.intervals import paired
from mathtune.metrics.sample_columns import Gathered
from mathtune.metrics.strategies import Clusters

Floats = NDArray[np.float64]

CALCULATOR, SHORTNESS = "calculator", "shortness"
BASELINES = (CALCULATOR, SHORTNESS)
"""The names of the metrics."""


def weighted(found: Gathered) -> dict[str, list[Clusters]]:
    """Every problem's clusters, scored by each baseline."""
    lengths = [np.maximum(np.array(part, dtype=np.float64), 1.0) for part in found.lengths]
    scores = {
        CALCULATOR: [np.array(part) for part in found.weights],
        SHORTNESS: [part.min() / part for part in lengths],
    }
    return {
        name: [replace(c, scores=own) for c, own in zip(found.clusters, of, strict=True)]
        for name, of in scores.items()
    }


def picks(by_baseline: Mapping[str, list[Clusters]]) -> dict[str, list[int | None]]:
    """The position that each baseline picks, problem by problem; None: there is no answer."""
    return {
        name: [strategies.pick(clusters, "W.RR") for clusters in of]
        for name, of in by_baseline.items()
    }


def values(found: Gathered, picked: Mapping[str, list[int | None]]) -> dict[str, Floats]:
    """Whether each pick is right, float (P,) by baseline."""
    return {
        name: np.array(
            [
                position is not None and bool(clusters.right[position])
                for clusters, position in zip(found.clusters, of, strict=True)
            ],
            dtype=np.float64,
        )
        for name, of in picked.items()
    }


def over_calculator(
    metrics: Mapping[str, Floats], names: list[str], *, resamples: int, seed: int
) -> dict[str, dict[str, float]]:
    """Each of the judged metrics `names` minus calculator-weighted votes, problem by problem."""
    ours = np.stack([metrics[name] for name in names], axis=1)
    found = paired(ours, metrics[CALCULATOR][:, None], resamples=resamples, seed=seed)
    return {name: asdict(row) for name, row in zip(names, found, strict=True)}
