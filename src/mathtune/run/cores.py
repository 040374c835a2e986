"""The cores that this process may use. For everything that starts processes or threads."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Count the cores that this process may use.

    Schedulers such as Slurm and `taskset` allow a process fewer cores than the machine has. macOS
    and Windows know no such limit: there, all cores count.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
