"""The first line of a table: names of columns, each once, and no values."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from mathtune.data.files.formats import rows
from mathtune.data.files.sources import sources
from mathtune.errors import InputError


def read(path: Path) -> list[dict[str, Any] | None]:
    return [row.fields for row in rows(sources([path])[0])]


@pytest.mark.parametrize("first", ["We add 3 and 4 " * 12, "8.0"])
def test_a_table_without_names_of_columns_is_refused(first: str, tmp_path: Path) -> None:
    path = tmp_path / "nameless.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([["Ann has 3.", first], ["Bo has 4.", "So 9.0"]])
    with pytest.raises(InputError, match=r"nameless.csv, line 1: expected the names of the col"):
        read(path)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.csv"
    path.write_text("question,answer, answer\n1 + 1?,2,3\n")
    with pytest.raises(InputError, match=r"line 1: two columns are called 'answer'; give each"):
        read(path)


def test_spaces_around_names_and_before_cells_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "spaces.csv"
    path.write_text('question, answer\n"Ann, 3 + 4?", 7\n"1 + 1?", "2, or II"\n')
    assert read(path) == [
        {"question": "Ann, 3 + 4?", "answer": "7"},
        {"question": "1 + 1?", "answer": "2, or II"},
    ]
