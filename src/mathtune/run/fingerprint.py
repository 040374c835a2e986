"""Fingerprints of steps: stage, revision, config, and the content of the inputs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.run.names import FAILED, LOCK, METRICS, STARTED, STEP
from mathtune.run.stage import Free, Input, Large, Stage, input_fields, marked_inputs

SUMS = "SHA256SUMS"
"""The checksums of a model folder's files, as `sha256sum --check` reads them."""
UNREAD = {STARTED, STEP, FAILED, METRICS + jsonl.PARTIAL, LOCK, SUMS}
"""Files of a step's folder that are not results: they hold times and hosts, or derive from them."""
REPORT = {"report.html", "report.md", "figures"}
"""The files that `mathtune report` writes into a step's folder."""
LARGE = 2**28
"""A larger file of a `Large` input, in bytes, is fingerprinted by its size and some blocks.
"""
BLOCKS, BLOCK = 64, 2**18
"""The number and size in bytes of these blocks, spread evenly over the file."""


def fingerprint(stage: Stage) -> dict[str, Any]:
    """Return the settings, with every input replaced by the hash of its content, never its path."""
    mark = settings(stage)
    for name, read in input_fields(type(stage)).items():
        mark["config"][name] = _hashed(getattr(stage, name), read)
    return mark


def settings(stage: Stage) -> dict[str, Any]:
    """Return stage, revision and config without inputs: the part known before the inputs exist."""
    config = without_free(stage, stage.model_dump(mode="json"))
    for name in input_fields(type(stage)):
        del config[name]
    return {"stage": stage.kind(), "revision": stage.revision, "config": config}


def inputs(stage: Stage) -> Iterator[str | Path]:
    """Yield everything the stage reads: paths, and names of models or data that may be paths."""
    for _, name in marked_inputs(stage):
        yield name


def differences(finished: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Say in words where `wanted` differs from `finished`, for the keys that `wanted` has.

    A setting that did not exist for `finished`, and is empty now, is no difference: it changes
    nothing.

    Example:
        >>> differences({"config": {"n": 8, "seed": 0}}, {"config": {"n": 16}})
        ['n was 8, now 16']
    """
    found = []
    before, after = flat(finished), flat(wanted)
    for key, value in after.items():
        if key not in before and value not in (None, []):
            found.append(f"{key} is new ({_short(value)})")
        elif key in before and before[key] != value:
            if _contents(before[key]) and _contents(value):
                found.append(f"{key} had another content")
            else:
                found.append(f"{key} was {_short(before[key])}, now {_short(value)}")
    return found


def growth(found: Mapping[str, Any], wanted: Mapping[str, Any], field: str | None) -> int | None:
    """Return the former value of `field` if it only grew and nothing else differs; else None.

    Example:
        >>> growth({"config": {"n": 8, "seed": 0}}, {"config": {"n": 16, "seed": 0}}, "n")
        8
    """
    if field is None or field not in found.get("config", {}):
        return None
    before, now = found["config"][field], wanted["config"][field]
    same = {**found, "config": {**found["config"], field: now}}
    return before if before < now and not differences(same, wanted) else None


def write_sums(folder: Path) -> None:
    """Write the checksums of a folder's files next to them."""
    lines = [
        f"{content_hash(file)}  {file.relative_to(folder).as_posix()}\n" for file in files(folder)
    ]
    jsonl.write_text(folder / SUMS, "".join(lines))


def refuse_damage(folder: Path) -> None:
    """Raise InputError if a file of the folder does not match its checksum."""
    if not (folder / SUMS).is_file():
        return
    for line in (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines():
        checksum, _, name = line.partition("  ")
        file = folder / name
        if not file.is_file() or content_hash(file) != checksum:
            raise InputError(
                f"{file}: differs from its checksum in {SUMS}: it was damaged or changed after it "
                "was written. Copy the folder again from where it was made, or make it again; if "
                f"the change is meant, remove {SUMS}."
            )


def content_hash(path: Path, *, sampled: bool = False) -> str:
    """Return the SHA-256 of a file, or of a folder's names and files, without times and paths.

    `sampled`: of files above `LARGE` bytes, the hash of the size and of blocks spread over them.

    Raises:
        InputError: the folder has checksums, and a file does not match its own.
    """
    if path.is_dir():
        refuse_damage(path)
        digest = hashlib.sha256()
        for file in files(path):
            inner = content_hash(file, sampled=sampled)
            digest.update(f"{file.relative_to(path).as_posix()}\0{inner}\0".encode())
        return digest.hexdigest()
    status = path.stat()
    if sampled and status.st_size > LARGE:
        return _sampled_hash(path, status.st_size)
    return _file_hash(path, status.st_size, status.st_mtime_ns)


def files(folder: Path) -> list[Path]:
    """Return the files of a folder that are results, sorted."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [p for p in found if not (UNREAD | REPORT).intersection(p.relative_to(folder).parts)]


def _sampled_hash(path: Path, size: int) -> str:
    digest = hashlib.sha256(f"{size}".encode())
    with path.open("rb") as stream:
        for number in range(BLOCKS):
            stream.seek((size - BLOCK) * number // (BLOCKS - 1))
            digest.update(stream.read(BLOCK))
    return digest.hexdigest()


@cache
def _file_hash(path: Path, size: int, modified: int) -> str:  # noqa: ARG001 (part of the cache's key)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _hashed(value: Any, mark: Input) -> Any:
    if isinstance(value, Mapping):
        return {key: _hashed(item, mark) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_hashed(item, mark) for item in value]
    if value is None:
        return None
    path = Path(mark.located(value))
    sampled = isinstance(mark, Large)
    return content_hash(path, sampled=sampled) if path.exists() else str(value)


def without_free(model: BaseModel, values: dict[str, Any]) -> dict[str, Any]:
    """Return the model's values without `Free` fields, also those of models inside it."""
    kept = {}
    for name, field in type(model).model_fields.items():
        if any(isinstance(mark, Free) for mark in field.metadata):
            continue
        inner, value = getattr(model, name), values[name]
        kept[name] = without_free(inner, value) if isinstance(inner, BaseModel) else value
    return kept


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Return the leaves of a fingerprint by their dotted keys, those of the config without it."""
    if not isinstance(tree, Mapping):
        return {prefix: tree}
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        name = key if prefix in ("", "config") else f"{prefix}.{key}"
        leaves.update(flat(value, name))
    return leaves


def _contents(value: Any) -> bool:
    """Return whether a value comes from `_hashed`: a SHA-256, or a list of them."""
    values = value if isinstance(value, list) else [value]
    return bool(values) and all(re.fullmatch("[0-9a-f]{64}", str(one)) for one in values)


def _short(value: Any) -> str:
    text = str(value)
    return f"{text[:12]}…" if len(text) > 40 else text
