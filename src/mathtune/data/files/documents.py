"""Find the rows in a JSON document or in an archive of documents. Under `formats`."""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from decimal import Decimal
from typing import IO, Any

from mathtune.data.files import names
from mathtune.data.files.paths import is_chat, is_parts
from mathtune.data.files.sources import Source, pyarrow_for
from mathtune.errors import InputError

_NAMES = ("samples", "details", "rows", "data", "results", "examples", "predictions", "records")
"""The keys under which documents keep their rows; else the longest list of objects counts."""
_OF_A_ROW = (
    "problem",
    "question",
    "prompt",
    "gold_answer",
    "answer",
    "doc_id",
    "custom_id",
    "target",
)
"""The keys that only a row has."""
_SPLIT = {"columns", "index", "data", "index_names", "column_names"}
"""The keys of a pandas table by orientation `split` or `tight`."""
DEEPEST = 3
MANY = 20
"""The number of objects with the same keys that are rows, whatever these are."""
LARGEST = 2**29
"""The largest document that is read at once, unpacked, in bytes: 512 MiB."""
_ZSTANDARD = 93


def rows_of(document: Any, source: Source) -> Iterator[dict[str, Any]]:
    """Yield the rows of a decoded document: an array, an object with rows in it, or columns.

    Raises:
        InputError: it holds no objects.
    """
    found = _rows(document)
    if found is None:
        raise InputError(
            f"{source.name}: a JSON document without rows; expected a list of objects, each with a "
            "sample and its gold."
        )
    yield from found


DAMAGED = (
    zipfile.BadZipFile,
    OSError,
    RuntimeError,
    EOFError,
    zlib.error,
    struct.error,
    ValueError,
)
"""The errors of reading a member of a damaged archive; RuntimeError: it has a password."""


def bounded(stream: IO[bytes], source: Source) -> bytes:
    """Return the stream's content.

    Raises:
        InputError: it is larger than is read at once.
    """
    content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise too_large(source)
    return content


def too_large(source: Source) -> InputError:
    """Return the error for a document that is too large to read."""
    return InputError(
        f"{source.name}: holds a document of more than {LARGEST >> 20} MiB, unpacked; expected "
        "JSON Lines, one row per line, or several files."
    )


def _rows(document: Any) -> list[dict[str, Any]] | None:
    if isinstance(document, list):
        objects = [one for one in document if isinstance(one, dict)]
        return objects if objects and len(objects) == len(document) else None
    if not isinstance(document, dict) or not document:
        return None
    if (texts := _texts_by_id(document)) is not None:
        return texts
    found = _inside(document, DEEPEST)
    # An object with a question or a gold of its own is a row, whatever lists of objects it has.
    if found is not None and (_is_header(document) or _are_problems(found, document)):
        return found
    return [document]


def _inside(document: dict[str, Any], depth: int) -> list[dict[str, Any]] | None:
    """Return an object's rows: by number, by columns, under a known key, else its longest list."""
    table = _numbered(document) or _columns(document) or _keyed(document)
    if table:
        return table
    for name in _NAMES:
        found = _contained(document.get(name), depth)
        if found:
            return found
    every = [_contained(value, depth) for value in document.values()]
    return max((rows for rows in every if rows), key=len, default=None)


def _contained(value: Any, depth: int) -> list[dict[str, Any]] | None:
    if _is_rows(value):
        return list(value)
    return _inside(value, depth - 1) if isinstance(value, dict) and value and depth else None


def _is_header(document: dict[str, Any]) -> bool:
    """Return whether an object's own texts are short labels of its rows, such as a date."""
    texts = [value for value in document.values() if isinstance(value, str)]
    of_a_row = [document[name] for name in _OF_A_ROW if name in document]
    return all((len(text) < 80 or " " not in text) and "\n" not in text for text in texts) and all(
        isinstance(value, list | dict) and not is_chat(value) for value in of_a_row
    )


def _are_problems(found: list[dict[str, Any]], document: dict[str, Any]) -> bool:
    """Return whether each of the rows has a question and a gold of its own, the document none."""
    shared = set.intersection(*map(set, found))
    asked, golds = names.called(shared, names.QUESTIONS), filter(names.is_strong_gold, shared)
    return bool(asked and any(golds)) and not any(name in document for name in _OF_A_ROW)


def _is_rows(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) for one in value)
        and not is_chat(value)
        and not is_parts(value)
    )


def _numbered(document: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of `{"0": {...}, "1": {...}}`; the number becomes their `idx`."""
    members = {key: value for key, value in document.items() if re.fullmatch(r"\d+", key)}
    if len(members) < max(1, len(document) - 2):  # a `type` may be among them
        return None
    if not all(isinstance(value, dict) for value in members.values()):
        return None
    return [{"idx": key, **value} for key, value in members.items()]


def _keyed(document: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of `{"task_3": {...}, "task_7": {...}}`: they have a question or a gold, or
    there are many with the same fields.
    """
    members = list(document.values())
    if len(members) < 2 or not all(isinstance(value, dict) for value in members):
        return None
    shared = set.intersection(*map(set, members))
    alike = (
        len(members) >= MANY and len(shared) > 1 and all(len(one) == len(shared) for one in members)
    )
    if not alike and not any(name in shared for name in (*_OF_A_ROW, "expected", "ground_truth")):
        return None
    return [{"id": key, **value} for key, value in document.items()]


def _texts_by_id(document: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of `{"q0": "...", "q1": "..."}`: many ids, each with a text or several."""
    lists = [value if isinstance(value, list) else [value] for value in document.values()]
    kinds = {type(one) for value in lists for one in value}
    listed = all(isinstance(value, list) for value in document.values())
    known = kinds in ({str}, {int}) or (listed and kinds == {Decimal})  # lists of scores
    if len(document) < MANY or not all(lists) or not known:
        return None
    return [{"id": key, "response": value} for key, value in document.items()]


def _columns(document: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of a table by columns: `{"problem": [...]}`, `{"problem": {"0": ...}}` or
    `{"columns": ["problem"], "data": [[...]]}`.
    """
    names, cells = document.get("columns"), document.get("data")
    if isinstance(names, list) and isinstance(cells, list) and document.keys() <= _SPLIT:
        if not all(isinstance(row, list) and len(row) == len(names) for row in cells):
            return None
        return [dict(zip(map(str, names), row, strict=True)) for row in cells]
    values = list(document.values())
    if len(values) < 2:
        return None
    if all(isinstance(value, dict) and value for value in values):
        keys = list(values[0])
        if not all(map(str.isdecimal, keys)) or any(list(value) != keys for value in values):
            return None
        return [{name: column[key] for name, column in document.items()} for key in keys]
    if all(isinstance(value, list) for value in values):
        lengths = {len(value) for value in values}
        if len(lengths) == 1 and lengths != {0} and not any(map(is_chat, values)):
            return [dict(zip(document, cells, strict=True)) for cells in zip(*values, strict=True)]
    return None


def of_zip(source: Source, stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the samples of an inspect log: a zip archive with a document for each sample.

    Raises:
        InputError: it is another archive, or packed in a way that needs a package.
    """
    del stream  # an archive is read from its end
    try:
        archive = zipfile.ZipFile(source.path)
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise InputError(f"{source.name}: not a complete zip archive ({error}).") from None
    with archive:
        names = archive.namelist()
        samples = [name for name in names if re.fullmatch(r"samples/[^/]+\.json", name)]
        if not samples:
            what = "an Excel workbook; save it as CSV" if "xl/workbook.xml" in names else ""
            raise InputError(
                f"{source.name}: is {what or 'a zip archive without inspect samples; unpack it'}."
            )
        for name in samples:
            yield _document(_member(archive, archive.getinfo(name), source), name, source)


def _document(content: bytes, name: str, source: Source) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source.name}: {name} is not valid JSON ({error}).") from None
    if not isinstance(found, dict):
        raise InputError(f"{source.name}: {name} is no JSON object; expected a sample.")
    return found


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, source: Source) -> bytes:
    if info.file_size > LARGEST:
        raise too_large(source)
    try:
        return archive.read(info)
    except NotImplementedError:
        pass
    except DAMAGED as error:
        raise InputError(f"{source.name}: a damaged archive ({error}).") from None
    # zst inside a zip: Python reads it from 3.14 on.
    try:
        with source.path.open("rb") as stream:
            stream.seek(info.header_offset)
            name, extra = struct.unpack("<26x2H", stream.read(30))
            stream.seek(name + extra, 1)
            content = stream.read(min(info.compress_size, LARGEST))
    except DAMAGED as error:
        raise InputError(f"{source.name}: a damaged archive ({error}).") from None
    if info.compress_type != _ZSTANDARD:
        raise InputError(f"{source.name}: is packed by an unknown method {info.compress_type}.")
    pyarrow = pyarrow_for(source, "packed with zst")
    unpacked = pyarrow.CompressedInputStream(pyarrow.BufferReader(content), "zstd")
    return bounded(unpacked, source)
