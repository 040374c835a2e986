"""Leave out the copies of a sample that a harness logs for each of its filters. Under `read`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from mathtune.data.files.paths import MISSING, reach
from mathtune.foreign.layouts import Layout


class Filters:
    """lm-evaluation-harness logs a sample again for each of its filters: one copy counts.

    Newer logs name the filter, older ones do not: there, a second row of the same problem with the
    same text is a copy.
    """

    def __init__(self, layout: Layout | None, solution: str, counted: Counter[str]) -> None:
        self._path = layout.once_per if layout else None
        self._solution = solution
        self._first: object = MISSING
        self._seen: set[int] = set()
        self._counted = counted

    def repeats(self, fields: dict[str, Any]) -> bool:
        """Return whether the row is another filter's copy of a sample already read."""
        if self._path is None:
            return False
        if "filter" in fields:
            if self._first is MISSING:
                self._first = fields["filter"]
            again = fields["filter"] != self._first
        else:
            sample = hash(str((reach(fields, self._path), reach(fields, self._solution))))
            again = sample in self._seen
            self._seen.add(sample)
        self._counted["filtered"] += again
        return again
