"""Samples that agree, but not with the gold: golds to check. Used by `measure`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mathtune.metrics.sample_columns import Gathered

AGREED = 0.9
"""The part of a problem's samples that must have one answer."""
FEWEST = 8
"""The fewest samples whose agreement says anything."""
SHOWN = 1_000
"""The most problems that are listed."""


@dataclass(frozen=True)
class Golds:
    """How far the gold answers fit what nearly all samples say.

    `agreed`: problems with at least 8 samples, 90 % of which have one answer. `against`: those
    where it is wrong. `problems`: the ids of these, at most 1,000. On GSM8K and MATH-500 against is
    1 to 3 % of agreed; with golds cut to their last number it was 30 %.
    """

    agreed: int
    against: int
    problems: list[str]

    @staticmethod
    def of(found: Gathered) -> Golds:
        """Look at each problem's largest cluster."""
        agreed, against = 0, []
        for place, problem in enumerate(found.ids):
            clusters = found.of[found.starts[place] : found.starts[place + 1]]
            votes = np.bincount(clusters[clusters >= 0], minlength=1)
            if len(clusters) < FEWEST or votes.max() < AGREED * len(clusters):
                continue
            agreed += 1
            if not found.correct[found.cluster_starts[place] + int(votes.argmax())]:
                against.append(problem)
        return Golds(agreed, len(against), against[:SHOWN])


def doubt(golds: dict[str, Any] | None) -> str | None:
    """Return a warning if the golds of more than a tenth of the agreed problems are in doubt.

    Example:
        >>> doubt({"agreed": 298, "against": 7, "problems": []}) is None
        True
    """
    if golds is None or golds["against"] < 5 or golds["against"] <= 0.1 * golds["agreed"]:
        return None
    return (
        f"In {golds['against']:,} of {golds['agreed']:,} problems whose samples nearly all have "
        "one answer, this is not the gold: the model makes the same mistake each time, as weak "
        "ones do, or golds are wrong or only a part of the answer (`golds` in the JSON lists these "
        "problems)."
    )
