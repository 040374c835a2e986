"""Rows in JSON Lines: read strictly (every error has file, line, field), never half-written."""

from __future__ import annotations

import codecs
import gzip
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar, overload

import msgspec

from mathtune.errors import InputError

T = TypeVar("T", bound=msgspec.Struct)

LONGEST = 2**26
"""The longest line that is read, in bytes; a packed file of a megabyte may hold gigabytes."""
PARTIAL = ".partial"
"""The end of the name that a file has until it is whole."""
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The errors of decoding a line or a document that is malformed or nested too deeply."""
BLOCK = 2**20
"""The number of bytes read at once in the search for a file's last newline."""


def read(path: Path, kind: type[T]) -> Iterator[T]:
    """Yield the rows of a `.jsonl` or `.jsonl.gz` file as structs of `kind`.

    Raises:
        InputError: the file is missing or empty, or a line is not a row of `kind`.

    Example:
        >>> from mathtune.rows.records import Scored
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "scores.jsonl"
        >>> write(path, [Scored(problem_id="a", index=0, score=0.5)])
        >>> list(read(path, Scored))
        [Scored(problem_id='a', index=0, score=0.5)]
    """
    decoder = msgspec.json.Decoder(kind)
    empty = True
    for number, line in lines(path):
        empty = False
        try:
            yield decoder.decode(line)
        except UNREADABLE as error:
            reason = _another_kind(line, kind) or _reason(error, kind)
            written = getattr(kind, "written", None)
            if number == 1 and reason.startswith("field") and written:
                reason += f" The file is to hold {written}."
            raise InputError(f"{path}, line {number}: {reason}") from None
    if empty:
        raise InputError(f"{path}: the file has no rows; expected at least one {kind.__name__}.")


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line) for every line that is not blank.

    Raises:
        InputError: the file cannot be opened or is no valid gzip stream.
    """
    try:
        with open_bytes(path) as stream:
            yield from bounded_lines(stream, path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a .jsonl or .jsonl.gz file.") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; expected a .jsonl or .jsonl.gz file.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not a complete gzip file ({error}).") from None


def bounded_lines(stream: IO[bytes], name: object) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line) for every line of a stream that is not blank.

    Raises:
        InputError: a line of the file called `name` is too long for a row.
    """
    number = 0
    while line := stream.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            raise InputError(
                f"{name}, line {number}: longer than {LONGEST >> 20} MiB; expected one row per "
                "line. Is it another kind of file, or a damaged one?"
            )
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)  # some Windows programs write it first
        if line.strip():
            yield number, line


def open_bytes(path: Path) -> IO[bytes]:
    """Open a plain or gzipped file for reading bytes."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def write(path: Path, rows: Iterable[msgspec.Struct]) -> None:
    """Write rows to `path` at once: the file appears whole, by rename, or not at all."""
    encoder = msgspec.json.Encoder()
    with whole(path) as stream:
        for row in rows:
            stream.write(encoder.encode(row))
            stream.write(b"\n")


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """Write the file `path` as a block: it appears whole, by rename, or stays as it was.

    A link at `path` is replaced; its target stays as it was.
    """
    partial = path.with_name(path.name + PARTIAL)
    partial.unlink(missing_ok=True)  # this one may be a link, too
    with partial.open("xb") as stream:
        yield stream
        flush(stream)
    partial.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8, whole or not at all."""
    with whole(path) as stream:
        stream.write(text.encode())


def append(path: Path, rows: Iterable[msgspec.Struct]) -> None:
    """Append rows in one write, flushed to disk. A kill may tear the last line: see `repair`."""
    encoder = msgspec.json.Encoder()
    with path.open("ab") as stream:
        stream.write(b"".join(encoder.encode(row) + b"\n" for row in rows))
        flush(stream)


def repair(path: Path) -> None:
    """Cut a torn last line (one without its newline) off a file that `append` wrote."""
    if not path.exists():
        return
    with path.open("rb") as stream:
        end = kept = stream.seek(0, os.SEEK_END)
        while kept:  # backwards, until a block holds a newline
            start = max(0, kept - BLOCK)
            stream.seek(start)
            kept = start + stream.read(kept - start).rfind(b"\n") + 1
            if kept > start:
                break
    if kept < end:
        cut(path, kept)


def cut(path: Path, size: int) -> None:
    """Cut the file after `size` bytes, on the disk."""
    with path.open("rb+") as stream:
        stream.truncate(size)
        flush(stream)


def writable(text: str) -> str:
    """Return the text with `?` for lone surrogates, which JSON allows and no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def flush(stream: IO[bytes]) -> None:
    """Flush a file to the disk."""
    stream.flush()
    os.fsync(stream.fileno())


def write_json(path: Path, value: object) -> None:
    """Write one JSON document, indented, keys in their given order, whole or not at all."""
    with whole(path) as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


@overload
def read_json(path: Path) -> dict[Any, Any]: ...
@overload
def read_json(path: Path, kind: type[T]) -> T: ...
def read_json(path: Path, kind: type[Any] = dict) -> Any:
    """Read one JSON document.

    Raises:
        InputError: the file is missing or is not a document of `kind`.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except UNREADABLE as error:
        raise InputError(f"{path}: {_reason(error, kind)}") from None


def _another_kind(line: bytes, kind: type) -> str | None:
    """Say that a row is of another kind of this project's rows, and what writes the right one."""
    base = kind.__base__
    others: list[type] = [] if base in (None, msgspec.Struct) else base.__subclasses__()
    for other in others:
        with suppress(*UNREADABLE):
            msgspec.json.decode(line, type=other)
            found, expected = (getattr(one, "written", one.__name__) for one in (other, kind))
            return f"holds {found}; expected {expected}."
    return None


def _reason(error: Exception, kind: type) -> str:
    """Turn msgspec's message into our sentence: the field, what was found, what was expected."""
    text = str(error)
    if " - at `$." in text:
        message, _, field = text.partition(" - at `$.")
        return f"field '{field.rstrip('`')}': {_continued(message)}."
    shape = re.match(r"Object (contains unknown|missing required) field `(.*)`$", text)
    if shape is not None:
        what = "unknown" if shape[1] == "contains unknown" else "missing"
        fields = ", ".join(getattr(kind, "__struct_fields__", ()))
        return f"field '{shape[2]}': {what}; {kind.__name__} rows have {fields}."
    what = "JSON object" if kind is dict else f"{kind.__name__} row"
    return f"not a {what}: {_continued(text)}."


def _continued(message: str) -> str:
    """Write a message on behind a colon.

    Example:
        >>> _continued("Expected `object`"), _continued("JSON is malformed")
        ('expected `object`', 'JSON is malformed')
    """
    return message if message[:2].isupper() else message[0].lower() + message[1:]
