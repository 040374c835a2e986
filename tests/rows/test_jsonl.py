"""Every fault of a file is told with file, line and field; a torn last line is cut off."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Example, Problem, Row, Scored

GOOD = b'{"id":"a","problem":"1+1?","answer":"2"}\n'


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b'{"id":"a","problem":"q"}', "line 2: field 'answer': missing; Problem rows"),
        (b'{"id":"a","problem":"q","answer":2}', "line 2: field 'answer': expected `str`, got"),
        (
            b'{"id":"a","problem":"q","answer":"2","x":1}',
            "line 2: field 'x': unknown; Problem rows have id",
        ),
        (b'{"id":"a",', "line 2: not a Problem row"),
        (b'{"id":"\xff","problem":"q","answer":"2"}', "line 2: not a Problem row"),
        (b"[1]", "line 2: not a Problem row"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: bytes, sentence: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(GOOD + line + b"\n")
    with pytest.raises(InputError, match=sentence):
        list(jsonl.read(path, Problem))


def test_a_file_of_other_rows_is_told_what_it_is_to_hold(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b'{"id":1,"question":"1+1?","answer":"2"}\n')
    with pytest.raises(InputError, match=r"line 1: field .* The file is to hold problems, as prep"):
        list(jsonl.read(path, Problem))


def test_missing_empty_and_truncated_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        list(jsonl.read(tmp_path / "none.jsonl", Problem))
    (tmp_path / "empty.jsonl").write_bytes(b"\n")
    with pytest.raises(InputError, match="no rows"):
        list(jsonl.read(tmp_path / "empty.jsonl", Problem))
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(GOOD * 1000)[:-12])
    with pytest.raises(InputError, match="not a complete gzip"):
        list(jsonl.read(tmp_path / "cut.jsonl.gz", Problem))
    torn = bytearray(gzip.compress(random.Random(0).randbytes(10_000)))
    torn[60:90] = bytes(30)  # inside the compressed data: zlib itself stumbles
    (tmp_path / "torn.jsonl.gz").write_bytes(torn)
    with pytest.raises(InputError, match="not a complete gzip"):
        list(jsonl.lines(tmp_path / "torn.jsonl.gz"))


def test_gzip_and_plain_read_alike(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(GOOD))
    plain = list(jsonl.read(tmp_path / "a.jsonl", Problem))
    assert plain == list(jsonl.read(tmp_path / "a.jsonl.gz", Problem))
    assert plain == [Problem(id="a", problem="1+1?", answer="2")]


def test_write_is_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    jsonl.write(path, [Scored(problem_id="a", index=0, score=0.5)])

    def broken():  # type: ignore[no-untyped-def]
        yield Scored(problem_id="b", index=0, score=0.5)
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        jsonl.write(path, broken())
    assert [row.problem_id for row in jsonl.read(path, Scored)] == ["a"]


@pytest.mark.parametrize("block", [1, 7, 2**20])
@pytest.mark.parametrize("torn", [0, 1, 10, 35])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_repair_cuts_only_a_torn_last_line(
    tmp_path: Path, rows: int, torn: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "BLOCK", block)
    path = tmp_path / "s.jsonl"
    jsonl.append(path, [Scored(problem_id="a", index=i, score=0.5) for i in range(3)])
    lines = path.read_bytes().splitlines(keepends=True)
    whole = b"".join(lines[:rows])
    path.write_bytes(whole + lines[0][:torn])
    jsonl.repair(path)
    assert path.read_bytes() == whole


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n") * 2)
    assert list(jsonl.read(path, Problem)) == [Problem(id="a", problem="1+1?", answer="2")] * 2


@pytest.mark.parametrize("name", ["p.jsonl", "p.jsonl.gz"])
def test_a_line_without_an_end_is_not_read_to_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "LONGEST", 2**20)
    content = GOOD + b" " * 2**20 + b"x" + b" " * 2**24
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(InputError, match="line 2: longer than 1 MiB; expected one row per line"):
        list(jsonl.lines(path))


def test_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path: Path) -> None:
    for name in ("report.md", "report.md.partial"):
        (tmp_path / "precious").write_text("precious")
        (tmp_path / name).symlink_to(tmp_path / "precious")
        jsonl.write_text(tmp_path / "report.md", "new")
        assert (tmp_path / "precious").read_text() == "precious"
        assert (tmp_path / "report.md").read_text() == "new"
        assert not (tmp_path / "report.md").is_symlink()


def test_rows_of_another_kind_are_named_with_what_writes_the_right_ones(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(GOOD)
    with pytest.raises(InputError) as found:
        list(jsonl.read(path, Example))
    assert str(found.value) == (
        f"{path}, line 1: holds problems, as prepare writes in train.jsonl, validation.jsonl and "
        "test.jsonl; expected solutions to learn from, as prepare writes in solutions.jsonl."
    )
    for kind in Row.__subclasses__():
        if kind.__module__ == Row.__module__:
            assert kind.written
