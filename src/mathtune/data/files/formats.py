"""Read the rows of a file: JSON Lines, JSON, CSV, parquet, Arrow, inspect logs. Over `sources`.

The first bytes show the format. Rows are plain dicts; numbers with a fraction are Decimals in JSON,
so that a gold keeps every digit.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import importlib
import io
import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import IO, Any, NamedTuple, cast

import msgspec

from mathtune.data.files import column_names, documents, hub_reach
from mathtune.data.files.sources import BROKEN_STREAM, Source, opened, packing, pyarrow_for
from mathtune.errors import InputError
from mathtune.rows import jsonl

HEAD = 1 << 16
ROWS_AT_ONCE = 32
EXPECTED = (
    "expected JSON Lines, JSON, CSV, TSV, parquet, Arrow or an inspect log, "
    "plain or packed (gz, xz, bz2, zst)"
)
NOT_UTF8 = "is not UTF-8; convert the file, for example with iconv -f WINDOWS-1252 -t UTF-8."
_STRAY = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as Python's surrogateescape keeps it."""
_OTHERS = (
    (b"version https://git-lfs", "a Git-LFS pointer, not the file itself; run git lfs pull"),
    (b"%PDF", "a PDF"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x80", "a Python pickle, which could run code and is never read"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89PNG", "an image"),
    (b"\x89HDF", "an HDF5 file"),
    (b"GGUF", "a model"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"\x7fELF", "a program"),
    (b"<", "HTML or XML"),
)
"""The first bytes of files of other kinds."""


class Row(NamedTuple):
    """A row of a file: its line (or number) from 1, and its fields, or why it is broken."""

    place: int
    fields: dict[str, Any] | None
    fault: str = ""


def rows(
    source: Source, *, split: str | None = None, columns: frozenset[str] | None = None
) -> Iterator[Row]:
    """Yield the rows of a source. `columns`: the top-level fields that are needed, None: all.

    Raises:
        InputError: the file is of another kind, damaged, or needs a package that is not installed.
    """
    if source.hub:
        yield from _of_hub(source, split)
        return
    if split is not None:
        raise InputError(f"--split {split}: only for a data set of the hub; {source.name} is none.")
    try:
        yield from _of_file(source, columns)
    except BROKEN_STREAM as error:
        raise InputError(f"{source.name}: not a complete packed file ({error}).") from None
    except OSError as error:
        if error.errno is not None:
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"{source.name}: not a complete file ({reason}).") from None


def _of_file(source: Source, columns: frozenset[str] | None) -> Iterator[Row]:
    with opened(source) as stream:
        buffered = io.BufferedReader(cast(io.RawIOBase, stream), HEAD)
        head = _peek(buffered)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            buffered = io.BufferedReader(_InUtf8(buffered), HEAD)
            head = _peek(buffered)
        kind = _kind(head, source)
        if kind in ("parquet", "arrow"):
            yield from _of_arrow(source, kind, columns)
        elif kind == "zip":
            yield from _numbered(documents.of_zip(source, buffered))
        elif kind == "jsonl":
            yield from _of_lines(buffered, source)
        elif kind == "json":
            yield from _of_document(buffered, source)
        else:
            yield from _of_table(buffered, head, source)


class _InUtf8(io.RawIOBase):
    """A stream that reads a UTF-16 file as UTF-8."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._text = io.TextIOWrapper(stream, encoding="utf-16", errors="replace", newline="")

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        found = self._text.read(len(into) // 4).encode("utf-8", "replace")  # 4 bytes at most
        into[: len(found)] = found
        return len(found)


def _peek(stream: Any) -> bytes:
    """Return the first bytes without consuming them; unpacked streams may give fewer."""
    head: bytes = stream.peek(HEAD)
    return head[:HEAD]


def _kind(head: bytes, source: Source) -> str:
    """Return the format of a file that begins with `head`."""
    if not head.removeprefix(codecs.BOM_UTF8).strip():
        raise InputError(f"{source.name}: the file is empty; {EXPECTED}.")
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow"
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if packing(head) is not None:
        raise InputError(f"{source.name}: is packed twice; unpack it once.")
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if text.startswith((b"{", b"[")):
        return _json_kind(text, source)
    for magic, what in _OTHERS:
        if text.startswith(magic):
            raise InputError(f"{source.name}: is {what}; {EXPECTED}.")
    if head[257:262] == b"ustar":
        raise InputError(f"{source.name}: is a tar archive; unpack it first.")
    if b"\x00" in head[:1_024]:
        raise InputError(f"{source.name}: is binary, of no known kind; {EXPECTED}.")
    return "table"


def _json_kind(text: bytes, source: Source) -> str:
    """Return the kind of JSON: lines of objects, or one document over several lines."""
    lines = [line for line in text.split(b"\n", 8)[:8] if line.strip()]
    whole = [line for line in lines if _is_object(line)]
    if len(whole) > 1 or (whole and whole[0] is not lines[0]):
        return "jsonl"
    if whole:  # one whole object, alone or before a long or torn second line
        return "jsonl" if len(lines) > 1 or ".jsonl" in source.path.name else "json"
    if text.startswith(b"["):
        return "json"
    # A first line that the head cuts off is a long row; `{` alone opens a document.
    torn = len(lines) > 1 and lines[1].lstrip().startswith(b"{")
    return "jsonl" if torn and lines[0].strip() != b"{" else "json"


def _is_object(line: bytes) -> bool:
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _decimal(text: str) -> Decimal:
    """Return the number as it is written.

    Raises:
        ValueError: its exponent is beyond what a decimal holds.
    """
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("a number beyond all bounds") from None


_decoder = msgspec.json.Decoder(float_hook=_decimal)


def decode(content: bytes | str) -> Any:
    """Decode JSON, including NaN and lone surrogates, which Python writes.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return _decoder.decode(content)
    except (msgspec.DecodeError, RecursionError, ValueError):
        pass
    try:
        return json.loads(content, parse_float=_decimal)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _of_lines(stream: IO[bytes], source: Source) -> Iterator[Row]:
    for number, line in jsonl.bounded_lines(stream, source.name):
        try:
            found = decode(line)
        except UnicodeDecodeError:
            yield Row(number, None, NOT_UTF8)
            continue
        except json.JSONDecodeError as error:
            yield Row(number, None, f"not valid JSON ({error.msg}, at character {error.pos + 1}).")
            continue
        except ValueError as error:
            yield Row(number, None, f"not valid JSON ({error}).")
            continue
        if isinstance(found, dict):
            yield Row(number, found)
        else:
            yield Row(number, None, f"found {type(found).__name__}, expected a JSON object.")


def _of_document(stream: IO[bytes], source: Source) -> Iterator[Row]:
    content = documents.bounded(stream, source).removeprefix(codecs.BOM_UTF8)
    try:
        document = decode(content)
    except ValueError as error:
        yield from _of_broken_document(content, source, error)
        return
    del content
    yield from _numbered(documents.rows_of(document, source))


def _of_broken_document(content: bytes, source: Source, error: ValueError) -> Iterator[Row]:
    """Yield consecutive documents, as jq prints them; else lines, if one of them is a row."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        yield from _of_lines(io.BytesIO(content), source)  # which reports each broken line
        return
    found, at = [], 0
    decoder = json.JSONDecoder(parse_float=_decimal)
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            found.append(value)
            at += len(text[at:]) - len(text[at:].lstrip())
    except (ValueError, RecursionError):
        found = []
    if found and all(isinstance(value, dict) for value in found):
        yield from _numbered(iter(found))
        return
    if any(_is_object(line) for line in content.split(b"\n")):
        yield from _of_lines(io.BytesIO(content), source)
        return
    raise InputError(f"{source.name}: begins as JSON but is not valid ({error}); {EXPECTED}.")


def _numbered(found: Iterator[dict[str, Any]]) -> Iterator[Row]:
    for number, fields in enumerate(found, start=1):
        yield Row(number, fields)


def _of_table(stream: IO[bytes], head: bytes, source: Source) -> Iterator[Row]:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    first = head.decode("utf-8-sig", "replace").split("\n", 1)[0]
    delimiter = max("\t,;|", key=first.count)
    if not first.count(delimiter):
        raise InputError(f"{source.name}: is text of no known kind; {EXPECTED}.")
    csv.field_size_limit(jsonl.LONGEST)
    reader = csv.DictReader(text, delimiter=delimiter, skipinitialspace=True)
    try:
        if any(map(_STRAY.search, reader.fieldnames or ())):
            raise InputError(f"{source.name}, line 1: {NOT_UTF8}")
        reader.fieldnames = column_names.checked(reader.fieldnames or (), source.name)
        for cells in reader:
            if None in cells or None in cells.values():
                count = len(reader.fieldnames or ())
                yield Row(reader.line_num, None, f"has more or fewer than {count} cells.")
            elif any(map(_STRAY.search, cells.values())):
                yield Row(reader.line_num, None, NOT_UTF8)
            else:
                yield Row(reader.line_num, {name: _cell(cell) for name, cell in cells.items()})
    except csv.Error as error:
        raise InputError(f"{source.name}, line {reader.line_num}: {error}.") from None
    finally:
        text.detach()  # the caller closes the stream


def _cell(cell: str) -> Any:
    """Decode a cell that holds JSON, in which pandas writes lists and objects."""
    if cell.startswith(('["', "[{", '[["', '{"')):
        try:
            return decode(cell)
        except ValueError:
            return cell
    return cell


def _of_arrow(source: Source, kind: str, columns: frozenset[str] | None) -> Iterator[Row]:
    pyarrow = pyarrow_for(source, kind)
    number = 0
    try:
        for batch in _batches(source, kind, columns):
            if max(batch.nbytes, _spelled_out(batch)) > documents.LARGEST:
                raise documents.too_large(source)
            if kind == "arrow":
                batch.validate(full=True)  # wrong offsets would end the process
            for fields in batch.to_pylist():
                number += 1
                yield Row(number, fields)
    except (pyarrow.ArrowException, ValueError, OverflowError) as error:  # texts, dates
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{source.name}: not a complete {kind} file ({reason}).") from None


def _spelled_out(batch: Any) -> int:
    """Return the bytes of a batch's texts once each row has its own: a file may name one text of
    megabytes in thousands of rows.
    """
    compute = importlib.import_module("pyarrow.compute")
    sizes = 0
    for column in batch.columns:
        if hasattr(column, "dictionary") and hasattr(column.dictionary, "buffers"):
            with contextlib.suppress(NotImplementedError):  # numbers: as large as their index
                lengths = compute.binary_length(column.dictionary)
                sizes += compute.sum(lengths.take(column.indices)).as_py() or 0
    return sizes


def _batches(source: Source, kind: str, columns: frozenset[str] | None) -> Iterator[Any]:
    with source.path.open("rb") as stream:
        packed = packing(stream.read(6)) is not None
    content: Any = str(source.path)
    if packed:
        with opened(source) as stream:
            content = io.BytesIO(documents.bounded(stream, source))
    if kind == "parquet":
        yield from parquet_batches(content, columns)
        return
    pyarrow = importlib.import_module("pyarrow")
    ipc = importlib.import_module("pyarrow.ipc")
    buffer = pyarrow.BufferReader(content.getvalue()) if packed else pyarrow.OSFile(content)
    if buffer.read(6) == b"ARROW1":
        reader = ipc.open_file(buffer)
        whole = (reader.get_batch(i) for i in range(reader.num_record_batches))
    else:
        buffer.seek(0)
        whole = iter(ipc.open_stream(buffer))
    for batch in whole:
        for start in range(0, batch.num_rows, ROWS_AT_ONCE):
            yield batch.slice(start, ROWS_AT_ONCE)


def parquet_batches(content: Any, columns: frozenset[str] | None) -> Iterator[Any]:
    """Yield the record batches of a parquet file (a path or an open file), a few rows in each."""
    parquet = importlib.import_module("pyarrow.parquet")
    # pages, not whole row groups
    file = parquet.ParquetFile(content, buffer_size=1 << 20, pre_buffer=False)
    names = [name for name in file.schema_arrow.names if columns is None or name in columns]
    yield from file.iter_batches(batch_size=ROWS_AT_ONCE, columns=names, use_threads=False)


def _of_hub(source: Source, split: str | None) -> Iterator[Row]:
    try:
        datasets = importlib.import_module("datasets")
    except ModuleNotFoundError:
        raise InputError(
            f"{source.name}: no such file; a data set of the hub needs the package datasets; "
            "pip install 'mathtune[hub]'."
        ) from None
    reached = hub_reach.ask_once(source.name)
    try:
        if split is None:
            names = datasets.get_dataset_split_names(source.name)
            if len(names) > 1:
                raise InputError(
                    f"{source.name}: has the splits {', '.join(names)}; choose one with --split."
                )
            split = names[0]
        stream = datasets.load_dataset(source.name, split=split, streaming=True)
        yield from _numbered(iter(stream))
    except InputError:
        raise
    except Exception as error:  # any error of the hub's client for a name, a network, a login
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        reason = said if reached else hub_reach.UNREACHED
        raise InputError(
            f"{source.name}: no such file, and no data set of the hub that can be read ({reason})."
        ) from None
