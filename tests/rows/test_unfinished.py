"""An unfinished file is continued by what it holds: rows lost, doubled or torn are made again."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Scored
from mathtune.rows.unfinished import held, put_in_order, resume

KEYS = [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("c", 0)]
BLOCKS = [KEYS[:2], KEYS[2:]]


def lines(keys: list[tuple[str, int]]) -> list[bytes]:
    return [b'{"problem_id":"%s","index":%d,"score":0.5}\n' % (k.encode(), i) for k, i in keys]


def keys(path: Path) -> list[tuple[str, int]]:
    return [(row.problem_id, row.index) for row in jsonl.read(path, Scored)]


@pytest.mark.parametrize(
    ("content", "done", "kept"),
    [
        ([], 0, 0),
        (lines(KEYS[:1]), 0, 0),
        (lines(KEYS[:2]), 1, 2),
        ([*lines(KEYS[:3]), b'{"problem_id'], 1, 2),
        (lines(KEYS), 2, 5),
        ([*lines(KEYS), *lines(KEYS[:1])], 2, 5),  # more than was asked for
        ([*lines(KEYS[:2]), *lines(KEYS[3:])], 1, 2),  # a line was lost
        ([*lines(KEYS[:1]), *lines(KEYS[:1]), *lines(KEYS[2:])], 0, 0),  # one is there twice
        ([*lines(KEYS[:4]), lines(KEYS[4:])[0].rstrip()], 1, 2),  # the end of a line was lost
        ([*lines(KEYS[:2]), b"\0" * 40 + b"\n", *lines(KEYS[3:])], 1, 2),  # zeros of a lost page
        ([*lines(KEYS[:2]), b'{"problem_id":"b","index":0}\n', *lines(KEYS[3:])], 1, 2),
        ([*lines(KEYS[1:2]), *lines(KEYS[:1]), *lines(KEYS[2:])], 0, 0),  # another order
    ],
)
def test_only_complete_blocks_are_kept(
    content: list[bytes], done: int, kept: int, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(content))
    assert resume(path, BLOCKS, Scored) == done
    assert path.read_bytes() == b"".join(lines(KEYS[:kept]))


def test_nothing_is_done_where_there_is_no_file(tmp_path: Path) -> None:
    assert resume(tmp_path / "rows.jsonl", BLOCKS, Scored) == 0
    assert held(tmp_path / "rows.jsonl", KEYS, Scored) == set()
    assert not list(tmp_path.iterdir())


def test_rows_in_any_order_are_known_by_their_ids(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for order in itertools.permutations(KEYS[1:]):  # ("a", 0) was lost
        path.write_bytes(b"".join(lines(list(order))))
        assert held(path, KEYS, Scored) == set(KEYS[1:])
        assert keys(path) == list(order)
    torn = [*lines(KEYS[3:]), *lines(KEYS[3:4]), b"no row\n", *lines([("x", 0), ("a", 7)]), b'{"pr']
    path.write_bytes(b"".join(torn))
    assert held(path, KEYS, Scored) == set(KEYS[3:])
    assert keys(path) == KEYS[3:]
    path.write_bytes(b"".join(lines(KEYS[:2])).rstrip())  # a row behind it would be glued to it
    assert held(path, KEYS, Scored) == set(KEYS[:1])
    assert path.read_bytes() == lines(KEYS)[0]


def test_a_finished_file_has_each_row_once(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(reversed(lines(KEYS))))
    put_in_order(path, KEYS, Scored)
    assert keys(path) == KEYS
    before = path.stat().st_ino
    put_in_order(path, KEYS, Scored)  # it is in order: left as it is
    assert path.stat().st_ino == before
    for content, sentence in [
        (lines(KEYS[:2]), "row 0 of problem 'b' is missing"),
        (lines([*KEYS, KEYS[3]]), "row 1 of problem 'b' is there twice"),
        (lines([*KEYS, ("d", 0)]), "row 0 of problem 'd' is not one of those asked for"),
        ([*lines(KEYS), b"torn"], "a line that is no Scored row"),
    ]:
        path.write_bytes(b"".join(content))
        with pytest.raises(InputError, match=sentence):
            put_in_order(path, KEYS, Scored)
        assert path.read_bytes() == b"".join(content)
