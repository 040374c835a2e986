"""Files of rows that a step appends to: their rows, the missing ones, and their order.

Rows are known by their keys (problem_id, index), never by their number: a file may have lost a line
or gained one since it was written. For sample and score.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Row

Key = tuple[str, int]
"""A row's problem and index."""


def resume(path: Path, wanted: Sequence[Sequence[Key]], kind: type[Row]) -> int:
    """Count the blocks at the beginning of `path` that are complete; cut off the rest.

    Block b has the rows `wanted[b]`, in this order. A kill can leave part of a block and a torn
    line; if a row was lost or changed, its block and those after it are done again.

    Example:
        >>> import tempfile
        >>> from mathtune.rows.records import Scored
        >>> path = Path(tempfile.mkdtemp()) / "scores.jsonl"
        >>> rows = [Scored(problem_id="a", index=index, score=0.5) for index in range(3)]
        >>> jsonl.append(path, rows)
        >>> resume(path, [[("a", 0), ("a", 1)], [("a", 2), ("a", 3)]], Scored)
        1
        >>> [row.index for row in jsonl.read(path, Scored)]
        [0, 1]
    """
    if not path.exists():
        return 0
    found = _lines(path, kind)
    done, end = 0, 0
    for block in wanted:
        at = end
        for key in block:
            here, at = next(found, (None, end))
            if here != key:
                break
        else:
            done, end = done + 1, at
            continue
        break
    jsonl.cut(path, end)
    return done


def held(path: Path, wanted: Iterable[Key], kind: type[Row]) -> set[Key]:
    """Return the keys of the rows in `path`; lines that are torn, double or not wanted are removed.

    Example:
        >>> import tempfile
        >>> from mathtune.rows.records import Scored
        >>> path = Path(tempfile.mkdtemp()) / "scores.jsonl"
        >>> line = '{"problem_id":"a","index":1,"score":1}\\n'
        >>> _ = path.write_text(line * 2 + '{"problem_id":"a"')
        >>> held(path, [("a", 0), ("a", 1)], Scored)
        {('a', 1)}
        >>> path.read_text().count("\\n")
        1
    """
    if not path.exists():
        return set()
    expected, kept = set(wanted), dict[Key, tuple[int, int]]()
    size, at = path.stat().st_size, 0
    for key, end in _lines(path, kind):
        if key is not None and key in expected:
            kept.setdefault(key, (at, end))
        at = end
    places = sorted(kept.values())
    if sum(end - start for start, end in places) != size:
        _rewrite(path, [start for start, _ in places])
    return set(kept)


def put_in_order(path: Path, wanted: Iterable[Key], kind: type[Row]) -> None:
    """Put the rows of a complete file in the order of `wanted`; the file changes by rename.

    Texts are not held in memory.

    Raises:
        InputError: a row is missing, double, or not wanted.
    """
    starts, at = dict[Key, int](), 0
    for found, end in _lines(path, kind):
        if found is None:
            raise InputError(f"{path}: holds a line that is no {kind.__name__} row. {AGAIN}")
        if found in starts:
            raise _unfit(path, found, "there twice")
        starts[found] = at
        at = end
    ordered = []
    for key in wanted:
        if key not in starts:
            raise _unfit(path, key, "missing")
        ordered.append(starts.pop(key))
    if starts:
        raise _unfit(path, next(iter(starts)), "not one of those asked for")
    if ordered != sorted(ordered):
        _rewrite(path, ordered)


AGAIN = "Give the same command again: it makes the missing rows."


def _unfit(path: Path, key: Key, fault: str) -> InputError:
    problem_id, index = key
    return InputError(f"{path}: row {index} of problem {problem_id!r} is {fault}. {AGAIN}")


class _Line(msgspec.Struct):
    """The fields that every row has: its problem, and its index."""

    problem_id: str
    index: int


def _lines(path: Path, kind: type[Row]) -> Iterator[tuple[Key | None, int]]:
    """Yield each line's key and the offset of its end; the key of a broken row is None."""
    row, key = msgspec.json.Decoder(kind), msgspec.json.Decoder(_Line)
    end = 0
    with path.open("rb") as stream:
        for line in stream:
            end += len(line)
            try:
                row.decode(line)
                found = key.decode(line)
            except jsonl.UNREADABLE:
                yield None, end
                continue
            yield (found.problem_id, found.index) if line.endswith(b"\n") else None, end


def _rewrite(path: Path, starts: Iterable[int]) -> None:
    """Keep the lines that begin at these offsets, in this order."""
    with path.open("rb") as stream, jsonl.whole(path) as target:
        for start in starts:
            stream.seek(start)
            target.write(stream.readline())
