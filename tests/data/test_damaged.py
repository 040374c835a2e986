"""Damaged and enormous files that fuzzing found: a result, or one sentence."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from mathtune.data.files import documents, formats
from mathtune.data.files.sources import Source
from mathtune.errors import InputError
from mathtune.foreign import Request, grade_file
from mathtune.rows import jsonl

ROW = {"problem_id": "a", "answer": "2", "samples": ["#### 2", "#### 3"]}


def read(path: Path) -> dict[str, object]:
    return dict(grade_file(Request.parse([str(path)])))


def test_a_gold_of_four_hundred_digits(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({**ROW, "answer": 10**400}) + "\n")
    assert read(path)["size"]


def test_a_number_beyond_all_bounds() -> None:
    with pytest.raises(ValueError, match="a number beyond all bounds"):
        formats.decode('{"level": 1e' + "9" * 5000 + "}")


def test_a_broken_document_with_a_number_beyond_all_bounds(tmp_path: Path) -> None:
    """It opens like one document and is read as lines, since one of them is a row."""
    path = tmp_path / "a.json"
    path.write_text('{\n"level": 1e' + "9" * 5000 + "}\n" + json.dumps(ROW) + "\n")
    rows = list(formats.rows(Source(path, str(path))))
    assert [row.fields for row in rows] == [None, None, ROW]


def test_an_archive_of_another_version(tmp_path: Path) -> None:
    path = tmp_path / "a.eval"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("samples/1.json", json.dumps(ROW))
    content = bytearray(path.read_bytes())
    content[content.rfind(b"PK\x01\x02") + 6] = 99  # the version that is needed to read it
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.eval: not a complete zip archive"):
        read(path)


def test_a_document_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LARGEST", 1000)
    path = tmp_path / "a.json"
    path.write_text(json.dumps([ROW] * 100, indent=1))
    with pytest.raises(InputError, match=r"a\.json: holds a document of more than"):
        read(path)
    with zipfile.ZipFile(tmp_path / "a.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("samples/1.json", " " * 2000)
    with pytest.raises(InputError, match=r"a\.eval: holds a document of more than"):
        read(tmp_path / "a.eval")


def test_a_line_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "LONGEST", 200)
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + json.dumps({**ROW, "question": "x" * 300}) + "\n")
    with pytest.raises(InputError, match=r"a\.jsonl, line 2: longer than"):
        read(path)


def test_an_archive_whose_members_are_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "a.eval"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("samples/1.json", json.dumps(ROW))
    content = bytearray(path.read_bytes())
    directory = content.rfind(b"PK\x01\x02")
    content[directory + 42 : directory + 46] = b"\xf0\xff\xff\xff"  # the member's place
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.eval: "):
        read(path)


@pytest.mark.parametrize("numbers", [False, True])
def test_parquet_that_names_one_long_text_in_every_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numbers: bool
) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(documents, "LARGEST", 20_000)
    texts = pyarrow.array(["x" * 1000] * 30).dictionary_encode()
    columns = {"problem": texts, "answer": ["2"] * 30, "solution": ["#### 2"] * 30}
    if numbers:
        columns |= {"problem": ["x"] * 30, "level": pyarrow.array([5] * 30).dictionary_encode()}
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    if numbers:
        assert read(path)["size"]
        return
    with pytest.raises(InputError, match=r"a\.parquet: holds a document of more than"):
        read(path)


def test_texts_in_arrow_that_are_no_utf8(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    ipc = pytest.importorskip("pyarrow.ipc")
    table = pyarrow.table({"problem": ["one"], "answer": ["2"], "solution": ["#### 2 marked"]})
    path = tmp_path / "a.arrow"
    with ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"#### 2 marked", b"#### 2 mark\xff\xff"))
    with pytest.raises(InputError, match=r"a\.arrow: not a complete arrow file"):
        read(path)
    place = bytes(4) + (13).to_bytes(4, "little")  # the solution's text begins and ends there
    assert place in whole
    path.write_bytes(whole.replace(place, bytes(4) + (2**30).to_bytes(4, "little")))
    with pytest.raises(InputError, match=r"a\.arrow: "):
        read(path)  # without a check, Arrow reads a gibibyte behind the text, and dies


def test_two_golds_beside_solutions_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    row = {"gold_answer": "7", "expected_answer": "8", "generation": None}
    path.write_text("".join(json.dumps({"id": str(n), **row}) + "\n" for n in range(3)))
    with pytest.raises(InputError, match="both 'expected_answer' and 'gold_answer'"):
        read(path)
