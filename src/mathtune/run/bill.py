"""The bill of a step: CPU seconds of this process and its children, and counts such as tokens.

The system does not count the CPU seconds of the fork server's children for this process; they
report them, and `add` counts them. The figures go to `step.json`, never to `metrics.json`.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping

_counts: Counter[str] = Counter()


def add(**counts: float) -> None:
    """Add to the step's bill: `cpu_s` for a child's CPU seconds, `sampled_tokens` and so on.

    Example:
        >>> start = Meter()
        >>> add(cpu_s=1.5, sampled_tokens=300)
        >>> start.read()["sampled_tokens"]
        300
    """
    _counts.update(counts)


def total(*, with_process: bool) -> dict[str, float]:
    """Return all counts so far; `with_process`: `cpu_s` includes this process's seconds."""
    return {**_counts, "cpu_s": _counts["cpu_s"] + (_cpu_seconds() if with_process else 0.0)}


def difference(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """Return the differences of two totals.

    Example:
        >>> difference({"cpu_s": 2.5, "sampled_tokens": 300}, {"cpu_s": 1.0})
        {'cpu_s': 1.5, 'sampled_tokens': 300}
    """
    found = {name: value - before.get(name, 0) for name, value in after.items()}
    return {name: value for name, value in found.items() if value}


class Meter:
    """A meter that counts from its creation on."""

    def __init__(self) -> None:
        self._wall, self._before = time.monotonic(), total(with_process=True)

    def read(self) -> dict[str, float]:
        """Return wall and CPU seconds and the counts since the meter was made."""
        counts = difference(total(with_process=True), self._before)
        cpu = counts.pop("cpu_s", 0.0)
        wall = time.monotonic() - self._wall
        return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), **counts}


def _cpu_seconds() -> float:
    """Return the CPU seconds, user and system, of this process and its ended children."""
    ended = os.times()
    return time.process_time() + ended.children_user + ended.children_system
