"""Accuracy and gains by group of problems: families, subjects, levels. Under `measure.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mathtune.metrics.arrays import Floats, Ints
from mathtune.metrics.intervals import gains_of, intervals_of

NEARLY_ALL = 0.8
"""A gain is concentrated in some groups if they hold at least this fraction of it."""
FEW = 1 / 3
"""They must also hold at most this fraction of the problems."""
_NO_GAIN = 1e-9
RESAMPLES = 2_000
"""The most sign flips: fewer than for the headline, since groups are many and small."""


def by_group(
    values: Mapping[str, Floats],
    labels: Sequence[str],
    n: int,
    *,
    resamples: int,
    seed: int,
    groups: Ints | None = None,
) -> dict[str, dict[str, Any]]:
    """Return group -> `problems`, `metrics` and `over_maj1` with intervals, as in the document.

    `values`: name -> float (P,); `labels`: each problem's group; `groups`: clusters of problems.
    """
    shown = {name: column for name, column in values.items() if not name.startswith("cost")}
    of, flips = np.array(labels), min(resamples, RESAMPLES)
    found = {}
    for label in sorted(set(labels)):
        inside = of == label
        together = None if groups is None else groups[inside]
        part = {name: column[inside] for name, column in shown.items()}
        found[label] = {
            "problems": int(inside.sum()),
            "metrics": intervals_of(part, groups=together),
            "over_maj1": over_maj1(part, n, resamples=flips, seed=seed, groups=together),
        }
    return found


def over_maj1(
    values: Mapping[str, Floats],
    n: int,
    *,
    resamples: int,
    seed: int,
    groups: Ints | None = None,
) -> dict[str, dict[str, float]]:
    """Return every other metric minus Maj1@n, problem by problem; costs are left out."""
    base = f"Maj1@{n}"
    names = [name for name in values if name != base and not name.startswith("cost")]
    return gains_of(values, names, base, resamples=resamples, seed=seed, groups=groups)


def concentrated(gains: Mapping[str, tuple[int, float]]) -> list[str]:
    """Return the few groups that hold nearly all of a gain, largest first; empty if it is spread.

    `gains`: group -> its number of problems and its mean gain. Empty, too, with two groups or
    fewer, or without a gain.

    Example:
        >>> concentrated({"coins": (10, 0.5), "ages": (20, 0.01), "sums": (30, 0.0)})
        ['coins']
        >>> concentrated({"coins": (10, 0.1), "ages": (20, 0.1), "sums": (30, 0.1)})
        []
    """
    total = sum(count * gain for count, gain in gains.values())
    problems = sum(count for count, _ in gains.values())
    if len(gains) < 3 or abs(total) < _NO_GAIN:
        return []
    parts = sorted(gains, key=lambda name: -gains[name][0] * gains[name][1] / total)
    held, named = 0.0, list[str]()
    for name in parts:
        count, gain = gains[name]
        named.append(name)
        held += count * gain / total
        if held >= NEARLY_ALL:
            break
    inside = sum(gains[name][0] for name in named)
    return named if inside <= FEW * problems else []
