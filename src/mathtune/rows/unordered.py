"""Rows that are written as they arrive, whatever their order, and put in order at the end. For the
engines that answer out of order: vLLM, servers and Ray.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from mathtune.rows import jsonl


class _Key(msgspec.Struct):
    """The fields that every row has: its problem, and its index."""

    problem_id: str
    index: int


def counts(path: Path) -> Counter[str]:
    """Count the rows of each problem in `path`; a torn last line is cut off first.

    A problem's rows arrive with growing indices, so that the count is also what comes next.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "scores.jsonl"
        >>> path.write_text('{"problem_id":"a","index":0,"score":1}\\n{"problem_id":"a","ind')
        61
        >>> counts(path)
        Counter({'a': 1})
    """
    jsonl.repair(path)
    if not path.exists() or not path.stat().st_size:
        return Counter()
    return Counter(row.problem_id for row in jsonl.read(path, _Key))


def put_in_order(path: Path, problems: Iterable[str]) -> None:
    """Rewrite the rows problem by problem, in the order of `problems`, and by index within each.

    The file changes at once, by rename; texts are not held in memory.
    """
    order = {problem_id: place for place, problem_id in enumerate(problems)}
    decoder = msgspec.json.Decoder(_Key)
    places: list[tuple[int, int, int]] = []
    with path.open("rb") as stream:
        at = 0
        for line in stream:
            key = decoder.decode(line)
            places.append((order[key.problem_id], key.index, at))
            at += len(line)
        ordered = sorted(places)
        if ordered == places:
            return
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as target:
            for _, _, at in ordered:
                stream.seek(at)
                target.write(stream.readline())
            jsonl.flush(target)
    partial.replace(path)
