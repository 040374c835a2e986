"""What a step costs: CPU seconds of this process and of its workers, and counts such as tokens.

A worker's time is not visible from here once a fork server stands between, so workers report it and
`add` counts it. The figures go to `step.json`, never to `metrics.json`.
"""

from __future__ import annotations

import resource
import time
from collections import Counter

_counts: Counter[str] = Counter()


def add(**counts: float) -> None:
    """Add to the step's bill: `cpu_s` for a worker's CPU seconds, `sampled_tokens` and so on.

    Example:
        >>> start = Meter()
        >>> add(cpu_s=1.5, sampled_tokens=300)
        >>> start.read()["sampled_tokens"]
        300
    """
    _counts.update(counts)


class Meter:
    """Measures from its creation on."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), _cpu_seconds()
        self._counts = Counter(_counts)

    def read(self) -> dict[str, float]:
        """Wall and CPU seconds and the counts since the meter was made."""
        counts = {k: v - self._counts[k] for k, v in _counts.items() if v != self._counts[k]}
        cpu = _cpu_seconds() - self._cpu + counts.pop("cpu_s", 0.0)
        wall = time.monotonic() - self._wall
        return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), **counts}


def _cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
