"""Blocks of work whose rows are appended together: which are done, and the rest. For sample and
score.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mathtune.rows import jsonl


def resume(path: Path, rows: Sequence[int]) -> int:
    """Count the blocks that `path` holds in full, if block b has `rows[b]` rows; cut off the rest.

    A kill can leave part of a block: whole lines of it, and a torn one.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "samples.jsonl"
        >>> path.write_bytes(b"1\\n2\\n3\\n4")
        7
        >>> resume(path, [2, 2]), path.read_bytes()
        (1, b'1\\n2\\n')
    """
    if not path.exists():
        return 0
    jsonl.repair(path)
    with path.open("rb+") as stream:
        ends = [0]
        for line in stream:
            ends.append(ends[-1] + len(line))
        done, whole = 0, 0
        while done < len(rows) and whole + rows[done] < len(ends):
            whole += rows[done]
            done += 1
        stream.truncate(ends[whole])
        stream.flush()
        os.fsync(stream.fileno())
    return done
