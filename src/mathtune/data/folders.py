"""The files of a folder by their split, in the layouts of people and of the hub. Over `files`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from mathtune.errors import InputError

KINDS = ("jsonl", "parquet", "arrow", "csv", "tsv", "json")
"""Endings of files of rows; only the first kind that a folder has is read."""
PACKED = ("", ".gz", ".xz", ".bz2", ".zst")
SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval"),
}
"""The names that other data sets give to our three splits."""

_SHARD = re.compile(r"(?P<name>.*?)[-_.]?\d+(-of-\d+)?")
_NOT_ROWS = ("dataset_info", "dataset_dict", "state", "config", "README", "package")
_DEEPEST = 3


def data_files(folder: Path) -> list[Path]:
    """Return the files of rows in a folder and the folders in it, of one kind, sorted."""
    every = [
        path
        for path in folder.rglob("*")
        if len(path.relative_to(folder).parts) <= _DEEPEST and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.name.split(".")[0] not in _NOT_ROWS
    ]  # fmt: skip
    for kind in KINDS:
        found = [path for path in every if is_data(path, (kind,))]
        if found:
            return sorted(found)
    return []


def is_data(path: Path | str, kinds: Iterable[str] = KINDS) -> bool:
    """Return whether a name has the ending of a file of rows, packed or not."""
    name = Path(path).name
    return any(name.endswith(f".{kind}{packed}") for kind in kinds for packed in PACKED)


def splits_of(folder: Path, *, subset: str | None = None) -> dict[str, list[Path]]:
    """Return each split's files: `train.jsonl`, `train-00000-of-00002.parquet`, `train/0.parquet`.

    `subset`: one of several folders that each hold a whole data set, like the hub's configs.

    Raises:
        InputError: no such subset, or there are several and none is named.
    """
    found: dict[str, dict[str, list[Path]]] = {}
    for path in data_files(folder):
        *outer, name = path.relative_to(folder).parts
        split = _split_name(name)
        if not split and outer:
            split = outer.pop()
        if not split:
            split = "train"
        inner = "/".join(part for part in outer if part != "data")
        found.setdefault(inner, {}).setdefault(split, []).append(path)
    if not found:
        return {}
    if subset is not None:
        if subset not in found:
            known = ", ".join(name for name in found if name) or "none"
            raise InputError(f"{folder}: no subset {subset!r}; there are {known}.")
        return found[subset]
    if len(found) > 1 and "" not in found:
        raise InputError(
            f"{folder}: has the subsets {', '.join(sorted(found))}; choose one with subset=NAME."
        )
    return found.get("", next(iter(found.values())))


def splits_of_file(path: Path) -> dict[str, list[Path]]:
    """Return one file as a split: the one in its name, else one that feeds all three.

    >>> list(splits_of_file(Path("a/test.jsonl"))), list(splits_of_file(Path("mine.jsonl")))
    (['test'], ['mine'])
    """
    return {_split_name(path.name) or path.name.split(".")[0]: [path]}


def ours(name: str) -> str | None:
    """Return our name of a split that others call `name`; None: it is none of the three.

    >>> ours("dev"), ours("test"), ours("extra")
    ('validation', 'test', None)
    """
    return next((split for split, theirs in SPLIT_NAMES.items() if name in theirs), None)


def _split_name(name: str) -> str:
    """Return the split in a file's name; empty: the name is only a shard's number.

    >>> [_split_name(name) for name in ("train-00000-of-00002.parquet", "0000.parquet", "a.json")]
    ['train', '', 'a']
    """
    stem = name.split(".")[0]
    match = _SHARD.fullmatch(stem)
    known = match is not None and (not match["name"] or ours(match["name"]) or match[2])
    shard = match["name"] if match is not None and known else stem
    return "" if shard in ("data", "part", "shard") else shard
