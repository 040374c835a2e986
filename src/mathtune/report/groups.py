"""A row's metrics and gains for each level or subject of its problems. Below tables and figures."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mathtune.metrics.intervals import Difference, Interval, intervals, paired
from mathtune.metrics.measure import Outcome
from mathtune.report.cells import NONE
from mathtune.report.results import Measured

GAINS = ("RR.All", "W.RR")
"""The strategies whose gain over votes is shown group by group; the others are in the JSON."""


@dataclass(frozen=True)
class Group:
    """One level or subject: its problems, each metric, and the gains of `GAINS` over votes."""

    label: str
    problems: int
    metrics: list[Interval]
    gains: list[Difference]


def grouped(row: Measured, kind: Literal["level", "subject"]) -> tuple[list[str], list[Group]]:
    """Return the metrics' names, and each level or subject."""
    members: dict[str, list[Outcome]] = defaultdict(list)
    for problem_id, outcome in row.outcomes.items():
        members[getattr(row.problems[problem_id], kind) or NONE].append(outcome)
    votes = f"Maj1@{row.n}"
    wanted = (row.first, "mean", votes, *GAINS, f"Pass@{row.n}")
    names = [name for name in dict.fromkeys(wanted) if name in row.metrics]
    gained = [names.index(name) for name in GAINS if name in names]
    found = []
    for label, outcomes in sorted(members.items()):
        columns = np.array([[one.values[name] for name in names] for one in outcomes])
        drawn = row.drawn_together(one.problem_id for one in outcomes)
        base = columns[:, [names.index(votes)]]
        gains = paired(columns[:, gained], base, groups=drawn) if gained else []
        found.append(Group(label, len(outcomes), intervals(columns, groups=drawn), gains))
    return names, found
