"""Whole sets by name, unchanged: for overlap and for inspection. Over `load`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mathtune.data import declared, gsm8k, local, math
from mathtune.data.counts import Counts
from mathtune.data.load import Parts, SourceRequest, load
from mathtune.data.overlap import overlap
from mathtune.data.problems import RowOptions
from mathtune.rows.metrics import OverlapMetrics
from mathtune.rows.records import Problem


def read_set(name: str, folder: Path | None = None) -> Parts:
    """Return the splits of a named set, a file, a folder or a hub id; also what has no gold.

    Raises:
        InputError: it cannot be read.
    """
    folder = local.root() if folder is None else folder
    if name == "gsm8k":
        return gsm8k.load(folder)
    if name in ("math", "prm800k"):
        return math.load(folder, split="original" if name == "math" else "prm800k")
    found = declared.find(name)
    if found is None:
        return load(SourceRequest(name, reading=RowOptions(questions=True)), Counts())
    copy = declared.local_copy(found, folder)
    source = found.set.source if copy is None else str(copy)
    subset = found.set.subset if copy is None else None
    reading = found.set.reading(questions=True)
    return load(SourceRequest(source, subset=subset, reading=reading, declared=found.set), Counts())


def problems_of(parts: Parts, split: str) -> list[Problem]:
    """Return a set's problems of a split; all of its problems if it does not have this split."""
    return parts[split] if split in parts else [p for part in parts.values() for p in part]


def overlaps(
    train: list[Problem], names: Iterable[str], folder: Path | None = None
) -> dict[str, OverlapMetrics]:
    """Return the overlap of training problems with each of some sets."""
    return {
        name: overlap(train, problems_of(read_set(name, folder), "test"), what=name)
        for name in names
    }
