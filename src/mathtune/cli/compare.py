"""Two measured rows, problem by problem: what `mathtune compare` prints.

    mathtune compare runs/a/sequential-row runs/a/more-ssft-row             every metric of both
    mathtune compare runs/a/ssft-row:W.RR runs/a/ssft-row:Maj1@32           two of one row
    mathtune compare seed-0/ssft-row,seed-1/ssft-row seed-0/rft-row,seed-1/rft-row

Seeds, joined by commas, are averaged within each problem first: they are no new problems.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mathtune.errors import InputError
from mathtune.metrics.intervals import RESAMPLES, average_seeds, paired
from mathtune.metrics.measure import rounded
from mathtune.stages.measure import OUTCOMES, read_outcomes

Values = dict[str, dict[str, float]]
"""problem -> metric -> value"""


@dataclass(frozen=True)
class Named:
    """A row as asked for: its values, averaged over `seeds` folders, and one metric or None."""

    text: str
    values: Values
    metric: str | None
    seeds: int


def compared(
    ours: str, theirs: str, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Ours minus theirs in the metrics asked for, else in all that both have.

    Returns `ours`, `theirs` (as asked), `seeds` of each, `problems` and `metrics`: name -> `ours`,
    `theirs`, `difference`, `low`, `high`, `p`, parts of 1. Intervals are bootstraps over problems,
    p is that of a sign-flip test.

    Raises:
        InputError: a folder is no finished measure, has no such metric, or the problems differ.
    """
    left, right = read(ours), read(theirs)
    odd = left.values.keys() ^ right.values.keys()
    if odd:
        raise InputError(
            f"compare: problem {min(odd)!r} is in only one of {ours} and {theirs}; expected "
            "measures of the same problems."
        )
    names = _metrics(left, right)
    columns = [
        np.array([[row.values[problem][name] for name in wanted] for problem in left.values])
        for row, wanted in ((left, [a for a, _ in names]), (right, [b for _, b in names]))
    ]
    found = paired(*columns, resamples=resamples, seed=seed)
    means = zip(names, columns[0].mean(axis=0), columns[1].mean(axis=0), found, strict=True)
    return rounded(
        {
            "ours": ours,
            "theirs": theirs,
            "seeds": [left.seeds, right.seeds],
            "problems": len(left.values),
            "metrics": {
                (a if a == b else f"{a} - {b}"): {
                    "ours": float(x),
                    "theirs": float(y),
                    **asdict(difference),
                }
                for (a, b), x, y, difference in means
            },
        }
    )


def read(text: str) -> Named:
    """The row that `FOLDER[,FOLDER...][:METRIC]` names.

    Raises:
        InputError: as `compared`.
    """
    folders, metric = text, None
    before, colon, after = text.rpartition(":")
    if colon and "/" not in after and not Path(text).exists():
        folders, metric = before, after
    runs: list[Values] = []
    for name in folders.split(","):
        folder = Path(name)
        if not (folder / OUTCOMES).is_file():
            raise InputError(
                f"{name}: no measured row; expected the folder of a finished measure, with "
                f"{OUTCOMES} in it."
            )
        runs.append({key: row.values for key, row in read_outcomes(folder).items()})
        if runs[-1].keys() != runs[0].keys():
            raise InputError(f"{folders}: seeds of different problems; expected the same ones.")
    values = average_seeds(runs)
    known = next(iter(values.values()))
    if metric is not None and metric not in known:
        raise InputError(f"{text}: no metric {metric!r}; there are {', '.join(known)}.")
    return Named(text, values, metric, len(runs))


def _metrics(left: Named, right: Named) -> list[tuple[str, str]]:
    """Pairs of names, ours and theirs."""
    mine, other = (next(iter(row.values.values())) for row in (left, right))
    if left.metric is None and right.metric is None:
        shared = [(name, name) for name in mine if name in other]
    else:
        pair = (left.metric or right.metric, right.metric or left.metric)
        shared = [(a, b) for a, b in (pair,) if a in mine and b in other]
    if not shared:
        raise InputError(
            f"compare: {left.text} and {right.text} have no metric in common; name one of each "
            "with FOLDER:METRIC."
        )
    return shared
