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

Floats = NDArray[np.float64]

CALCULATOR, SHORTNESS = "calculator", "shortness"
BASELINES = (CALCULATOR, SHORTNESS)
"""The names of the metrics."""


def picks(found: Gathered) -> dict[str, list[int | None]]:
    """The position that each baseline picks, problem by problem; None: there is no answer."""
    assert found.calculator is not None
    picked: dict[str, list[int | None]] = {name: [] for name in BASELINES}
    for clusters, start in zip(found.clusters, found.starts.tolist(), strict=False):
        part = slice(start, start + len(clusters.of))
        lengths = np.maximum(found.lengths[part].astype(np.float64), 1.0)
        for name, scores in (
            (CALCULATOR, found.calculator[part]),
            (SHORTNESS, lengths.min() / lengths),
        ):
            own = replace(clusters, scores=scores, weights=None)
            picked[name].append(strategies.pick(own, "W.RR"))
    return picked


def values(found: Gathered, picked: Mapping[str, list[int | None]]) -> dict[str, Floats]:
    """Whether each pick is right, float (P,) by baseline."""
    right, starts = found.right, found.starts.tolist()
    return {
        name: np.array(
            [
                position is not None and bool(right[start + position])
                for start, position in zip(starts, of, strict=False)
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
