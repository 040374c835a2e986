"""Compare measured rows pair by pair: differences, tests, equivalence, groups. Above `measure.py`.

A row is a set of outcomes, one per training seed. Rows are compared problem by problem; one
difference is `a - b`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from mathtune.metrics.arrays import Floats, Ints
from mathtune.metrics.intervals import RESAMPLES, half_widths, holm, intervals, numbered
from mathtune.metrics.seeds import mean_over_seeds, row_difference

Values = Mapping[str, Mapping[str, float]]
"""problem -> metric -> value"""

THIRDS = ("hard", "middle", "easy")
"""Thirds of the problems by both rows' mean, so that their difference does not choose them.
"""


@dataclass(frozen=True)
class Row:
    """A row as the user named it: outcomes of each seed, and one metric or None for all.

    `labels`: for each kind of group (subject, level) the group of each problem.
    """

    name: str
    source: str
    seeds: tuple[Values, ...]
    metric: str | None = None
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def metrics(self) -> list[str]:
        """Return the metrics that every problem of every seed has, except the cost of reading."""
        first = next(iter(self.seeds[0].values()))
        return [
            name
            for name in first
            if not name.startswith("cost")
            and all(name in values for seed in self.seeds for values in seed.values())
        ]

    def column(self, metric: str, problems: Sequence[str]) -> Floats:
        """Return a metric of every seed, float (seeds, P)."""
        return np.array([[seed[name][metric] for name in problems] for seed in self.seeds])


@dataclass(frozen=True)
class CompareSettings:
    """How to compare. `within`: the difference that counts as equal, in [0, 1]. `cluster`: the
    group of each problem.
    """

    within: float = 0.02
    resamples: int = RESAMPLES
    seed: int = 0
    cluster: Mapping[str, str] | None = None

    def groups(self, problems: Sequence[str]) -> Ints | None:
        """Return each problem's cluster number; None if problems were drawn one by one."""
        return numbered(self.cluster, problems)


def shown(row: Row, problems: Sequence[str], settings: CompareSettings) -> dict[str, Any]:
    """Return a row's metrics with their intervals, which include the seeds if it has several."""
    groups = settings.groups(problems)
    metrics = {}
    for metric in row.metrics if row.metric is None else [row.metric]:
        column = row.column(metric, problems)
        (found,) = intervals(column.mean(axis=0)[:, None], groups=groups)
        metrics[metric] = asdict(found)
        if len(column) > 1:
            metrics[metric]["over_seeds"] = asdict(mean_over_seeds(column, groups=groups))
    return {
        "name": row.name,
        "source": row.source,
        "problems": len(problems),
        "seeds": len(row.seeds),
        "metrics": metrics,
    }


def pairs_of(a: Row, b: Row) -> list[tuple[str, str]]:
    """Return the metrics to compare, a's and b's; empty if they have none in common.

    Example:
        >>> a = Row("a", "a", ({"p": {"mean": 1.0, "W.RR": 1.0}},))
        >>> b = Row("b", "b", ({"p": {"mean": 0.0}},))
        >>> pairs_of(a, b)
        [('mean', 'mean')]
    """
    if a.metric is None and b.metric is None:
        return [(name, name) for name in a.metrics if name in b.metrics]
    pair = (a.metric or b.metric or "", b.metric or a.metric or "")
    return [pair] if pair[0] in a.metrics and pair[1] in b.metrics else []


def comparisons(
    rows: Sequence[Row], problems: Sequence[str], settings: CompareSettings
) -> list[dict[str, Any]]:
    """Return every pair of rows in every metric that both have, in the order of the rows.

    The `p` of several pairs in one metric are corrected together (Holm), and those of all pairs
    whose metrics were both named; `p_alone` is the p before correction.
    """
    found, families = [], defaultdict(list)
    for a, b in combinations(rows, 2):
        for metrics in pairs_of(a, b):
            found.append(compared(a, b, metrics, problems, settings))
            families["" if a.metric and b.metric else metrics[0]].append(found[-1])
    for family in families.values():
        for one, p in zip(family, holm([one["p_alone"] for one in family]), strict=True):
            one["p"] = p
    return found


def compared(
    a: Row, b: Row, metrics: tuple[str, str], problems: Sequence[str], settings: CompareSettings
) -> dict[str, Any]:
    """Compare one pair of rows in one metric (its name in a, its name in b).

    With several seeds of a row, interval and p include the seeds, and `over_problems` holds those
    over problems alone. `equivalent`: two one-sided tests of "as far apart as `within`".
    """
    ours, theirs = a.column(metrics[0], problems), b.column(metrics[1], problems)
    first, second = ours.mean(axis=0), theirs.mean(axis=0)
    row = row_difference(
        ours,
        theirs,
        groups=settings.groups(problems),
        resamples=settings.resamples,
        seed=settings.seed,
    )
    found = asdict(row.shown)
    if row.over is not None:
        alone = {name: getattr(row.alone, name) for name in ("low", "high", "p")}
        found |= {"over_problems": alone, "parts": asdict(row.over.parts)}
    equal = row.equal_within(settings.within)
    moved = first - second
    return {
        "a": a.name,
        "b": b.name,
        "metric": metrics[0] if metrics[0] == metrics[1] else " - ".join(metrics),
        "problems": len(problems),
        "seeds": [len(a.seeds), len(b.seeds)],
        "value_a": float(first.mean()),
        "value_b": float(second.mean()),
        **found,
        "p_alone": found["p"],
        "equivalence": {"within": settings.within, "p": equal, "equivalent": equal < 0.05},
        **_sides(moved),
        "groups": _groups(a, b, (first, second), problems, settings),
    }


def _sides(moved: Floats) -> dict[str, int]:
    """Return the numbers of problems on which a is better, both are equal, and b is better."""
    near = np.abs(moved) < 1e-9
    wins = int(((moved > 0) & ~near).sum())
    return {"wins": wins, "ties": int(near.sum()), "losses": len(moved) - wins - int(near.sum())}


def _groups(
    a: Row,
    b: Row,
    values: tuple[Floats, Floats],
    problems: Sequence[str],
    settings: CompareSettings,
) -> dict[str, dict[str, Any]]:
    """Return wins, ties, losses and the difference by subject, level and third of difficulty."""
    together = settings.groups(problems)
    labels = {
        kind: np.array([of[name] for name in problems])
        for kind, of in {**b.labels, **a.labels}.items()
    }
    if len(problems) >= len(THIRDS):
        mean = (values[0] + values[1]) / 2
        rank = np.argsort(np.argsort(mean, kind="stable"), kind="stable")
        labels["difficulty"] = np.array(THIRDS)[rank * len(THIRDS) // len(problems)]
    found: dict[str, dict[str, Any]] = {}
    for kind, of in labels.items():
        names = THIRDS if kind == "difficulty" else tuple(sorted(set(of.tolist())))
        found[kind] = {}
        for name in names:
            inside = of == name
            moved = (values[0] - values[1])[inside]
            part = None if together is None else together[inside]
            (half,), _ = half_widths(moved[:, None], groups=part)
            value = float(moved.mean())
            found[kind][name] = {
                "problems": int(inside.sum()),
                "difference": value,
                "low": max(-1.0, value - float(half)),
                "high": min(1.0, value + float(half)),
                **_sides(moved),
            }
    return found


def changed(a: Row, b: Row, metrics: tuple[str, str], problems: Sequence[str]) -> list[str]:
    """Return the problems that one row solves (at least half the time) and the other does not."""
    ours, theirs = (
        row.column(metric, problems).mean(axis=0) >= 0.5
        for row, metric in zip((a, b), metrics, strict=True)
    )
    return [name for name, one, other in zip(problems, ours, theirs, strict=True) if one != other]
