"""Find local copies of the named data sets, and refuse files that are only Git-LFS pointers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from mathtune.errors import InputError
from mathtune.run.progress import say

VARIABLE = "MATHTUNE_DATA"
_POINTER = b"version https://git-lfs.github.com/spec/"


def root() -> Path | None:
    """Return the folder of local copies that MATHTUNE_DATA names; None: it is not set.

    Raises:
        InputError: the variable names no folder.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    if not Path(named).is_dir():
        raise InputError(f"{VARIABLE}: {named!r} is no folder; expected one that holds data.")
    return Path(named)


def find(folder: Path | None, *patterns: str) -> list[Path]:
    """Return the sorted files of `folder`, or of folders in it, that match one of the patterns.

    Each is printed: a local copy may differ from the hub's. `.gz` is understood: the pattern
    `a.jsonl` finds `a.jsonl.gz` too.

    Raises:
        InputError: a file that was found is a Git-LFS pointer.
    """
    found = matching(folder, *patterns)
    refuse_pointers(found)
    for path in found:
        say(f"  local copy: {path}")
    return found


def matching(folder: Path | None, *patterns: str) -> list[Path]:
    """Return the files as `find` does, without printing them."""
    if folder is None:
        return []
    names = [name for pattern in patterns for name in (pattern, f"{pattern}.gz")]
    return sorted(
        {path for name in names for path in (*folder.glob(name), *folder.glob(f"*/{name}"))}
    )


def refuse_pointers(paths: Iterable[Path]) -> None:
    """Raise InputError if one of the files is a Git-LFS pointer."""
    for path in sorted(paths):
        refuse_pointer(path)


def refuse_pointer(path: Path) -> None:
    """Raise InputError if the file is a Git-LFS pointer, three lines instead of the real file."""
    if not path.is_file():
        return
    with path.open("rb") as stream:
        if stream.read(len(_POINTER)) == _POINTER:
            raise InputError(
                f"{path}: is a Git-LFS pointer, not the data; run `git lfs pull` in its repository."
            )
