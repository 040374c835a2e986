"""Rows of a data set of the Hugging Face hub, or of any folder that `datasets` can load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mathtune.data.rows import Row
from mathtune.errors import InputError
from mathtune.run.progress import say

if TYPE_CHECKING:
    from datasets import DatasetDict


def load(name: str, *, subset: str | None = None) -> dict[str, list[Row]]:
    """The rows of every split of a hub data set; `subset` is what the hub calls a config.

    Raises:
        InputError: `datasets` is not installed, the hub is out of reach, or has no such data set.
    """
    loaded = _load(name, subset)
    title = f"{name}:{subset}" if subset else name
    say(f"  from the hub or a folder: {title}")
    return {
        split: [Row(f"{title} {split}, row {n}", row) for n, row in enumerate(rows, start=1)]
        for split, rows in loaded.items()
    }


def _load(name: str, subset: str | None) -> DatasetDict | dict[str, Any]:
    try:
        import datasets
    except ModuleNotFoundError:
        raise InputError(
            f"{name}: reading it needs the package datasets; pip install 'mathtune[hub]'."
        ) from None
    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(name, subset)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"{name}: cannot be loaded as a data set of the hub or a folder ({reason})."
        ) from None
