"""Every layout has a file as its writer writes it: 2 problems x 2 samples, 3 of 4 right."""

from __future__ import annotations

from pathlib import Path

import pytest

from mathtune.foreign import Request, grade_file
from mathtune.foreign.grade import brief
from mathtune.foreign.layouts import LAYOUTS, Layout, markdown

FILES = Path(__file__).parent / "layouts"


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.writer)
def test_each_layout_is_recognised_and_graded(layout: Layout) -> None:
    if layout.example.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    problems = None if layout.gold else FILES / "problems.jsonl"
    request = Request.parse(FILES / layout.example, problems=problems)
    found = brief(grade_file(request))
    assert [file.roles.layout for file in request.samples.files] == [layout]
    assert (found["problems"], found["samples"]) == (2, 4)
    verdicts = found["graders"]["math"]
    assert (verdicts["correct"], verdicts["wrong"]) == (3, 1), found["read"]


def test_no_two_layouts_share_a_file_and_all_files_are_used() -> None:
    used = [layout.example for layout in LAYOUTS]
    assert len(set(used)) == len(used)
    there = {path.name for path in FILES.iterdir()} - {"problems.jsonl"}
    assert there == set(used)


def test_every_layout_says_where_its_files_come_from() -> None:
    for layout in LAYOUTS:
        assert layout.file, layout.writer
        assert layout.gold or "--problems" in layout.file, layout.writer


def test_the_page_shows_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "grade_other_samples.md"
    assert markdown() in page.read_text(encoding="utf-8")
