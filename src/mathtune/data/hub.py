"""Rows of a data set of the Hugging Face hub, one by one. Over `rows`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from mathtune.data.files import hub_reach
from mathtune.data.files.formats import parquet_batches
from mathtune.data.rows import Row
from mathtune.errors import InputError
from mathtune.run.progress import say

Rows = Mapping[str, Any]
"""The rows of each split."""


def load(
    name: str,
    *,
    subset: str | None = None,
    stream: bool = False,
    columns: frozenset[str] | None = None,
) -> dict[str, Iterator[Row]]:
    """Return the rows of every split of a hub data set, which are read lazily.

    `name` may end in `@REVISION`; `subset` is the hub's config. `stream`: read the rows directly
    from the hub, for a part of a large set; else the set is downloaded and kept. `columns`: the
    needed columns, for files that can leave out others; None: all.

    Raises:
        InputError: `datasets` is not installed, the hub cannot be reached, or it has no such data
        set.
    """
    loaded = _load(name, subset, stream, columns)
    title = f"{name}:{subset}" if subset else name
    say(f"  from the hub: {title}")
    return {split: _rows(f"{title} {split}", rows) for split, rows in loaded.items()}


def _rows(title: str, rows: Any) -> Iterator[Row]:
    for number, row in enumerate(rows, start=1):
        yield Row(f"{title}, row {number}", row)


def _load(name: str, subset: str | None, stream: bool, columns: frozenset[str] | None) -> Rows:
    try:
        import datasets
    except ModuleNotFoundError:
        raise InputError(
            f"{name}: reading it needs the package datasets; pip install 'mathtune[hub]'."
        ) from None
    datasets.disable_progress_bars()
    known, _, revision = name.partition("@")
    reached = hub_reach.ask_once(known, revision=revision or None)
    try:
        if not stream:
            return cast(Rows, datasets.load_dataset(known, subset, revision=revision or None))
        builder = datasets.load_dataset_builder(known, subset, revision=revision or None)
        files = builder.config.data_files
        if files and all(path.endswith(".parquet") for paths in files.values() for path in paths):
            return {split: _of_parquet(paths, columns) for split, paths in files.items()}
        return cast(Rows, builder.as_streaming_dataset())
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = " ".join(str(error).split()).rstrip(".") if reached else hub_reach.UNREACHED
        raise InputError(f"{name}: cannot be loaded as a data set of the hub ({reason}).") from None


def _of_parquet(paths: Sequence[str], columns: frozenset[str] | None) -> Iterator[dict[str, Any]]:
    """Yield rows of the hub's parquet files, a few at a time; its client reads whole row groups."""
    import fsspec

    for path in paths:
        with fsspec.open(path, "rb") as stream:
            for batch in parquet_batches(stream, columns):
                yield from batch.to_pylist()
