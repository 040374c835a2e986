"""Fields that say something of samples: the file's own verdicts, and the run a sample is of.

Neither changes what is read. If many verdicts are others than ours, or if one file holds several
runs, `notes` warns.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from mathtune.data.files import names
from mathtune.data.files.head import Head
from mathtune.data.files.paths import MISSING
from mathtune.data.files.texts import verdict

_VERDICTS = (
    "correct", "is_correct", "correctness", "answer_correct", "is_answer_correct", "final_correct",
    "is_right", "exact_match", "acc", "result", "passed", "score",
)  # fmt: skip
"""Fields that may hold verdicts on samples, the likeliest first."""
_LONGEST, _MOST = 60, 50
"""The longest name of a run, in characters, and the most runs."""
MOST_FIELDS = 8
EVEN = 0.9
"""The part of problems that must have the same number of samples of a run."""


def verdict_field(head: Head, solution: str) -> str | None:
    """Return the field of the file's own verdicts on the samples, if it has one.

    Of several, one beside the solution: `runs.*.correct` for `runs.*.text`.
    """
    outer = solution.rpartition(".")[0]
    found = [path for path in head.paths if names.leaf(path) in _VERDICTS and _judges(head, path)]
    found.sort(key=lambda p: (p.rpartition(".")[0] != outer, _VERDICTS.index(names.leaf(p))))
    return found[0] if found else None


def _judges(head: Head, path: str) -> bool:
    flat = [
        one
        for value in head.column(path)
        if value not in (MISSING, None)
        for one in (value if isinstance(value, list) else [value])
    ]
    return bool(flat) and all(verdict(one) is not None for one in flat)


def run_fields(head: Head, taken: Collection[str | None]) -> tuple[str, ...]:
    """Return the fields whose short texts may name the run of a sample: `model`, `condition`."""
    found = []
    for path in head.paths:
        values = {value for value in head.column(path) if isinstance(value, str)}
        if (
            path not in taken
            and "*" not in path
            and names.leaf(path) not in (*_VERDICTS, *names.IDS, *names.QUESTIONS)
            and 0 < len(values) <= _MOST
            and all(isinstance(value, str) for value in head.column(path))
            and all(len(value) <= _LONGEST and not _is_number(value) for value in values)
        ):
            found.append(path)
    return tuple(found[:MOST_FIELDS])


def _is_number(value: str) -> bool:
    """Return whether a text is a number, or ends in one: `run_3` numbers samples."""
    return (
        re.fullmatch(r"(?:(?:run|sample|seed|attempt|trial|rollout)\W?_?)?[\d.]+|", value)
        is not None
    )


def crossed(problems: NDArray[np.int64], runs: Sequence[NDArray[np.int64]]) -> int | None:
    """Return the first field each of whose values has equally many samples of every problem.

    `runs`: the values of each field, by row, as numbers.
    """
    for place, column in enumerate(runs):
        kinds = len(np.unique(column))
        if kinds < 2 or kinds > _MOST:
            continue
        pairs, counts = np.unique(np.stack([column, problems]), axis=1, return_counts=True)
        whole = len(np.unique(problems)) * kinds
        usual = sum(_most_frequent(counts[pairs[0] == kind]) for kind in np.unique(column))
        if usual >= EVEN * whole:
            return place
    return None


def _most_frequent(counts: NDArray[np.int64]) -> int:
    """Return how often the most frequent number is there."""
    return int(np.bincount(counts).max())
