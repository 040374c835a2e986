"""Problems of a file, a folder or a hub data set, by our three splits. Over `problems`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mathtune.data import declared, folders, hub, local
from mathtune.data.counts import Counts
from mathtune.data.declared import Declared
from mathtune.data.problems import Enough, RowOptions, to_problems
from mathtune.data.rows import Row, read_rows
from mathtune.errors import InputError
from mathtune.rows.records import Problem
from mathtune.run.progress import say

Parts = dict[str, list[Problem]]
"""Problems by our names of the splits that a source has."""


@dataclass(frozen=True)
class SourceRequest:
    """The source and the part of it to read.

    `split`: its only split that is read. `draws`: all three splits are drawn from a single one of
    any name. `enough`: returns when reading a split of ours may stop, given whether others are
    drawn from it; None: never. `declared`: the set that the source is a copy of. `stream`: see
    `hub.load`.
    """

    source: str
    subset: str | None = None
    split: str | None = None
    draws: bool = False
    reading: RowOptions = field(default_factory=RowOptions)
    declared: Declared | None = None
    enough: Callable[[str, bool], Enough | None] = lambda _split, _drawn: None
    stream: bool = False


def load(request: SourceRequest, counts: Counts) -> Parts:
    """Read a source: its own splits, or the named one.

    Raises:
        InputError: it cannot be read, has no such split, or no row can be used.
    """
    rows = rows_of(request)
    names = _names(request, rows)
    parts: Parts = {}
    for ours, name in names.items():
        enough = request.enough(ours, ours == "train" and len(names) == 1)
        parts[ours] = to_problems(rows[name], request.reading, counts, enough=enough)
        if enough is not None and enough.stopped:
            say(f"  {request.source}: large; the first {len(parts[ours])} problems of {name} are "
                "read, and the limit is drawn from them")  # fmt: skip
    return parts


def rows_of(request: SourceRequest) -> Mapping[str, Iterator[Row]]:
    """Return the rows of each split of the source, by its own names."""
    path = Path(request.source)
    if path.is_dir():
        files = folders.splits_of(path, subset=request.subset)
        if not files:
            raise InputError(
                f"{path}: no file of rows in the folder; expected {', '.join(folders.KINDS)}."
            )
        local.refuse_pointers(one for group in files.values() for one in group)
        columns = request.reading.columns
        return {name: read_rows(*group, columns=columns) for name, group in files.items()}
    if path.is_file() or folders.is_data(path):
        (name,) = folders.splits_of_file(path)
        return {name: read_rows(path, columns=request.reading.columns)}
    return hub.load(
        request.source,
        subset=request.subset,
        stream=request.stream,
        columns=request.reading.columns,
    )


def _names(request: SourceRequest, found: Mapping[str, object]) -> dict[str, str]:
    """Return our split -> the source's.

    A named split, or a single one, feeds all three unless its name says test or validation.
    """
    if request.split is not None:
        if request.split not in found:
            raise no_split(request.source, request.split, found)
        return {(None if request.draws else folders.ours(request.split)) or "train": request.split}
    if request.draws and len(found) == 1:
        return {"train": next(iter(found))}
    if request.declared is not None:
        names = declared.ours(request.declared, found)
        if not names:
            raise no_split(request.source, next(iter(request.declared.splits)), found)
        return names
    names = {split: name for name in found if (split := folders.ours(name)) is not None}
    if not names and len(found) == 1:
        return {"train": next(iter(found))}
    if not names:
        raise no_split(request.source, "train", found)
    return {split: names[split] for split in folders.SPLIT_NAMES if split in names}


def no_split(source: str, name: str, known: Mapping[str, object] | tuple[str, ...]) -> InputError:
    """Return the error for a split that a source does not have."""
    return InputError(f"{source}: no split {name!r}; there are {', '.join(known)}.")
