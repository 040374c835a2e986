"""Find the files of a command and open them: globs, standard input, compressed bytes, hub ids.

The first bytes, not the name, show how a file is packed.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import importlib
import io
import lzma
import re
import shutil
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from mathtune.errors import InputError

STDIN = "-"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".eval", ".gz", ".txt")
_MAGIC = (
    (b"\x1f\x8b", "gz"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bz2"),
    (b"\x28\xb5\x2f\xfd", "zst"),
)


@dataclass(frozen=True)
class Source:
    """One input: a file, and the name that messages show. `hub`: an id of the hub instead."""

    path: Path
    name: str
    hub: bool = False


def sources(names: Sequence[str | Path]) -> list[Source]:
    """Return the inputs that `names` stand for, in order; a glob stands for its sorted files.

    Raises:
        InputError: nothing has such a name.
    """
    found: list[Source] = []
    for name in map(str, names):
        if name == STDIN:
            found.append(Source(_stdin(), "standard input"))
        elif Path(name).is_file():
            found.append(Source(Path(name), name))
        elif Path(name).is_dir():
            endings = Counter(path.suffix for path in Path(name).iterdir() if path.is_file())
            ending = endings.most_common(1)[0][0] if endings else ".jsonl"
            raise InputError(f"{name}: is a folder; expected files, such as '{name}/*{ending}'.")
        elif any(mark in name for mark in "*?["):
            paths = [path for path in sorted(glob.glob(name), key=_natural) if Path(path).is_file()]
            if not paths:
                raise InputError(f"{name}: no file has such a name.")
            found += [Source(Path(path), path) for path in paths]
        elif _HUB_ID.fullmatch(name) and not name.endswith(SUFFIXES):
            found.append(Source(Path(name), name, hub=True))
        else:
            raise InputError(f"{name}: no such file.")
    return found


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key by which rs2 comes before rs10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _stdin() -> Path:
    """Return standard input as a file, since it is read twice: for its columns and its samples."""
    folder = tempfile.TemporaryDirectory(prefix="mathtune-")
    _kept.append(folder)  # removed when the program ends
    path = Path(folder.name, "stdin")
    with path.open("wb") as stream:
        shutil.copyfileobj(sys.stdin.buffer, stream)
    return path


_kept: list[tempfile.TemporaryDirectory[str]] = []


@contextmanager
def opened(source: Source) -> Iterator[IO[bytes]]:
    """Yield the file's unpacked bytes.

    Raises:
        InputError: it cannot be opened, or the package that unpacks it is not installed.
    """
    try:
        stream = source.path.open("rb")
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise InputError(f"{source.name}: {reason}.") from None
    with stream:
        packed = packing(stream.read(6))
        stream.seek(0)
        if packed is None:
            yield stream
            return
        with closing(_UNPACKED[packed](stream, source)) as unpacked:
            yield unpacked


def packing(head: bytes) -> str | None:
    """Return how a file with these first bytes is packed: gz, xz, bz2 or zst."""
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def pyarrow_for(source: Source, what: str) -> Any:
    """Return the module pyarrow, which a source of the kind `what` needs.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module("pyarrow")
    except ModuleNotFoundError:
        raise InputError(
            f"{source.name}: is {what}, which needs the package pyarrow; "
            "pip install 'mathtune[parquet]'."
        ) from None


def _zstd(stream: IO[bytes], source: Source) -> IO[bytes]:
    """Unpack zst: Python 3.14 can, else zstandard or pyarrow."""
    try:
        return cast(IO[bytes], importlib.import_module("compression.zstd").ZstdFile(stream))
    except ModuleNotFoundError:
        pass
    try:
        reader = (
            importlib.import_module("zstandard")
            .ZstdDecompressor()
            .stream_reader(stream, read_across_frames=True)
        )
        return cast(IO[bytes], io.BufferedReader(reader))
    except ModuleNotFoundError:
        pass
    pyarrow = pyarrow_for(source, "packed with zst")
    unpacked = pyarrow.CompressedInputStream(pyarrow.PythonFile(stream, mode="r"), "zstd")
    return cast(IO[bytes], io.BufferedReader(_Readable(unpacked), 1 << 20))


_UNPACKED: dict[str, Callable[[Any, Source], Any]] = {
    "gz": lambda stream, _: gzip.GzipFile(fileobj=stream),
    "xz": lambda stream, _: lzma.open(stream),  # noqa: SIM115
    "bz2": lambda stream, _: bz2.open(stream),  # noqa: SIM115
    "zst": _zstd,
}


class _Readable(io.RawIOBase):
    """A wrapper that lets Python buffer pyarrow's stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


BROKEN_STREAM = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
"""The errors of reading a packed file that is cut off or damaged."""
