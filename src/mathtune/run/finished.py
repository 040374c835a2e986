"""A finished step: its record with its files' checksums, and the differences since. Below step."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.run import bill, provenance
from mathtune.run.documents import Record
from mathtune.run.fingerprint import content_hash, differences, files, flat
from mathtune.run.names import STEP
from mathtune.run.stage import Stage, input_fields


def write(
    folder: Path, mark: Mapping[str, Any], meter: bill.Meter, described: Mapping[str, Any]
) -> None:
    """Write the record: fingerprint, bill, provenance, and the checksum of each file.

    `described`: the settings with their inputs as paths, for the report of the folder alone.
    """
    for left in folder.rglob(f"*{jsonl.PARTIAL}"):  # by a kill just before a rename
        remove(left)
    record = {**mark, "bill": meter.read(), "made_with": provenance.record()}
    hashes = {path.relative_to(folder).as_posix(): content_hash(path) for path in files(folder)}
    record |= {"settings": described, "files": hashes}
    jsonl.write_json(folder / STEP, record)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it."""
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def read(folder: Path) -> dict[str, Any]:
    """Return the record of the finished step in `folder`.

    Raises:
        InputError: the record is damaged; the sentence says how to make the step again.
    """
    try:
        record = jsonl.read_json(folder / STEP, Record)
        found = jsonl.read_json(folder / STEP)
        fits = all(isinstance(found.get(key, {}), dict) for key in ("config", "files"))
        fits = fits and {"wall_s", "cpu_s"} <= record.bill.keys()
    except InputError as error:
        raise InputError(f"{error} {remedy(folder.name)}") from None
    if not fits:
        raise InputError(f"{folder / STEP}: not the record of a step. {remedy(folder.name)}")
    return found


def remedy(name: str) -> str:
    """Say what makes a step whole whose record is damaged."""
    return f"The record is damaged: --redo {name} makes the step and those that depend on it again."


def refuse_edits(folder: Path, *, name: str) -> None:
    """Raise InputError if a file that the finished step wrote is missing or was changed.

    Steps of earlier versions have no checksums: the steps that read their files notice the change.
    """
    record = read(folder)
    for file, checksum in record.get("files", {}).items():
        path = folder / file
        if path.is_file() and content_hash(path) == checksum:
            continue
        when = record["made_with"].get("finished", "an unknown date")
        what = "was changed" if path.exists() else "is missing: it was removed"
        raise InputError(
            f"{path}: {what} after the step finished on {when}. Put back what the step wrote, or "
            f"use --redo {name} to make it and the steps that depend on it again."
        )


def refuse_changes(folder: Path, stage: Stage, mark: Mapping[str, Any], *, name: str) -> None:
    """Raise InputError if the finished step in `folder` differs from `mark` in a key of `mark`."""
    changed = differences(read(folder), mark)
    if not changed:
        return
    read_by = input_fields(type(stage))
    read_files = [line for line in changed if line.split(" ")[0].partition(".")[0] in read_by]
    others = [line for line in changed if line not in read_files]
    what = "with other settings" if others else "and read other files"
    raise InputError(
        f"{folder}: finished {what}: {'; '.join(others or read_files)}. "
        f"Use --redo {name} to make it and the steps that depend on it again, or another --out."
    )


def regathered(folder: Path, stage: Stage, mark: Mapping[str, Any]) -> list[str]:
    """Name the inputs that a step that only gathers would now read differently; else return [].

    Such a step is cheap and its settings fix all that it draws: made again from the same files, it
    gives the same result.
    """
    if stage.gathers is None:
        return []
    found = read(folder)
    may = {*input_fields(type(stage)), *stage.gathers}
    changed = [line.split(" ")[0].partition(".")[0] for line in differences(found, mark)]
    before, now = flat(found), flat(mark)
    gone = [key.partition(".")[0] for key in before if key not in now]
    changed += [key for key in gone if key in may & mark["config"].keys()]
    return sorted(set(changed)) if set(changed) <= may else []
