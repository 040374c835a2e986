"""One table gives the same rows in every format; a file of another kind gets one sentence."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mathtune.data.files.formats import rows
from mathtune.data.files.sources import sources
from mathtune.errors import InputError

ROWS = [
    {"id": "a", "question": "2 + 2, «quoted»", "response": "four,\nso 4"},
    {"id": "b", "question": "3 + 3?", "response": "6"},
]


def read(path: Path) -> list[dict[str, Any] | None]:
    (source,) = sources([path])
    return [row.fields for row in rows(source)]


def lines() -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def table(delimiter: str) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, ROWS[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    return stream.getvalue()


TEXTS = {
    "lines": lines(),
    "one after the other": "\n".join(json.dumps(row, indent=1) for row in ROWS),
    "array": json.dumps(ROWS),
    "pretty": json.dumps(ROWS, indent=2),
    "by column": json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}),
    "commas": table(","),
    "tabs": table("\t"),
    "semicolons": table(";"),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", TEXTS)
def test_every_text_format_and_encoding_gives_the_same_rows(
    name: str, encoding: str, tmp_path: Path
) -> None:
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    (tmp_path / "a.txt").write_bytes((mark + TEXTS[name]).encode(encoding))
    assert read(tmp_path / "a.txt") == ROWS


def test_a_long_utf16_file_is_read_whole(tmp_path: Path) -> None:
    many = [{"n": str(n), "text": "\u4e00\U0001f600" * (n % 50)} for n in range(5_000)]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in many)
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-16")
    assert read(tmp_path / "a.jsonl") == many


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("kind", PACKED)
def test_packed_files_are_known_by_their_first_bytes(kind: str, tmp_path: Path) -> None:
    whole = PACKED[kind](lines().encode())
    (tmp_path / "a").write_bytes(whole)
    assert read(tmp_path / "a") == ROWS
    (tmp_path / "cut").write_bytes(whole[:-9])
    with pytest.raises(InputError, match="not a complete packed file"):
        read(tmp_path / "cut")
    (tmp_path / "twice").write_bytes(PACKED[kind](whole))
    with pytest.raises(InputError, match="packed twice"):
        read(tmp_path / "twice")


def test_parquet_arrow_and_zst(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    found = pa.Table.from_pylist(ROWS)
    parquet.write_table(found, tmp_path / "a.parquet")
    for name, new in (("file", pa.ipc.new_file), ("stream", pa.ipc.new_stream)):
        with new(str(tmp_path / name), found.schema) as writer:
            writer.write_table(found)
    with pa.CompressedOutputStream(str(tmp_path / "zst"), "zstd") as packed:
        packed.write(lines().encode())
    for name in ("a.parquet", "file", "stream", "zst"):
        assert read(tmp_path / name) == ROWS, name


def test_an_inspect_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", "{}")
        for row in ROWS:
            archive.writestr(f"samples/{row['id']}_epoch_1.json", json.dumps(row))
    assert read(tmp_path / "a.eval") == ROWS
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    with pytest.raises(InputError, match="Excel workbook; save it as CSV"):
        read(tmp_path / "book.xlsx")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"%PDF-1.7 ...", "is a PDF"),
        (b"GGUF\x03\x00", "is a model"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git-LFS pointer"),
        (b"\x80\x04\x95", "pickle"),
        (b"\x00\x01\x02\x03" * 9, "binary, of no known kind"),
        (b"just a sentence\n", "text of no known kind"),
        (b'{"a": 1, "b": ', "not valid"),
    ],
)
def test_files_of_other_kinds_get_one_sentence(
    content: bytes, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        read(tmp_path / "a")


def test_a_number_keeps_every_digit(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('{"gold": 12345678901234567890.5}\n{"gold": NaN}\n')
    first, second = read(tmp_path / "a")
    assert first == {"gold": Decimal("12345678901234567890.5")}
    assert str((second or {})["gold"]) == "nan"


def test_broken_lines_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('{"a": 1}\n{"a": \n[1]\n\n{"a": 2}\n')
    found = list(rows(sources([tmp_path / "a"])[0]))
    assert [(row.place, row.fields) for row in found] == [
        (1, {"a": 1}), (2, None), (3, None), (5, {"a": 2}),
    ]  # fmt: skip
    assert found[2].fault == "found list, expected a JSON object."


def test_globs_are_in_natural_order_and_nothing_is_an_error(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        (tmp_path / f"rs{number}.jsonl").write_text("{}\n")
    found = sources([f"{tmp_path}/rs*.jsonl"])
    assert [source.path.name for source in found] == ["rs1.jsonl", "rs2.jsonl", "rs10.jsonl"]
    for name in ("nothing.jsonl", f"{tmp_path}/none*.jsonl", str(tmp_path)):
        with pytest.raises(InputError):
            sources([name])
    assert sources(["owner/name"])[0].hub


def test_a_table_that_is_not_utf8_is_never_read_with_replaced_letters(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("problem,answer\nprice in €?,5\nBill?,6\n".encode("cp1252"))
    broken, whole = rows(*sources([path]))
    assert (broken.place, broken.fields) == (2, None)
    assert broken.fault.startswith("is not UTF-8; convert the file")
    assert whole.fields == {"problem": "Bill?", "answer": "6"}
    path.write_bytes("problem,prix en €\nBill?,6\n".encode("cp1252"))
    with pytest.raises(InputError, match="line 1: is not UTF-8"):
        list(rows(*sources([path])))
    path.write_bytes("problem,prix en €\nBill?,½\n".encode())
    assert [row.fields for row in rows(*sources([path]))] == [
        {"problem": "Bill?", "prix en €": "½"}
    ]


@pytest.mark.parametrize("more", [{}, {"index_names": [None], "column_names": [None]}])
def test_a_table_by_its_columns_names_and_rows(more: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    cells = [list(row.values()) for row in ROWS]
    table = {"columns": list(ROWS[0]), "index": [4, 7], "data": cells, **more}
    path.write_text(json.dumps(table))
    assert read(path) == ROWS
    path.write_text(json.dumps({**table, "data": [cells[0], cells[1][:2]]}))
    assert read(path) != ROWS  # a short row: not such a table


def test_a_table_by_columns_whose_rows_were_filtered(tmp_path: Path) -> None:
    path = tmp_path / "columns.json"
    columns = {name: {"4": ROWS[0][name], "7": ROWS[1][name]} for name in ROWS[0]}
    path.write_text(json.dumps(columns))
    assert read(path) == ROWS


def test_a_folder_is_refused_with_the_files_it_holds(tmp_path: Path) -> None:
    for name in ("a.json", "b.json", "notes.md"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match=r"is a folder; expected files, such as '.*/\*\.json'\.$"):
        sources([tmp_path])


def test_rows_by_their_ids_deep_in_a_document(tmp_path: Path) -> None:
    cases = {
        f"task_{n}": {"prompt": f"{n}?", "expected": str(n), "response": f"It is {n}."}
        for n in range(3)
    }
    state = {"id": "gsm8k", "path": "data/" * 20, "tasks": list(cases), "task_states": {
        "total": 3, "cases": cases}}  # fmt: skip
    path = tmp_path / "state.json"
    path.write_text(json.dumps(state))
    found = [row.fields for row in rows(sources([path])[0])]
    assert found == [{"id": name, **case} for name, case in cases.items()]
    path.write_text(json.dumps({"run_a": {"accuracy": 0.5}, "run_b": {"accuracy": 0.6}}))
    assert len(list(rows(sources([path])[0]))) == 1
