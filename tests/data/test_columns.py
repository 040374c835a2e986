"""The columns of a source by its first row: spellings, passages, options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mathtune.data.columns import columns_by
from mathtune.data.problems import RowOptions, to_problems
from mathtune.data.rows import read_rows
from mathtune.errors import InputError
from mathtune.stages.prepare import Prepare

PASSAGE = "Ann has 3 pens and Bo has 4."
ASKED = "How many do they have?"


@pytest.mark.parametrize(
    ("row", "problem", "answer"),
    [
        ({"Question": ASKED, "Answer": 7}, "Question", "Answer"),
        ({"PROBLEM": ASKED, "Final Answer": 7}, "PROBLEM", "Final Answer"),
        ({"Body": PASSAGE, "Question": ASKED, "Answer": 7.0}, "Body+Question", "Answer"),
        ({"passage": PASSAGE, "question": ASKED, "answer": 7}, "passage+question", "answer"),
        ({"passage": "", "question": ASKED, "answer": 7}, "question", "answer"),
        ({"context": PASSAGE, "problem": ASKED, "answer": 7}, "problem", "answer"),
        ({"body": PASSAGE, "question": f"{PASSAGE} {ASKED}", "answer": 7}, "question", "answer"),
        ({"question": ASKED, "options": ["A)7", "B)8"], "correct": "A"},
         "question+options", "correct"),
        ({"question": ASKED, "options": ["A)7", "B)8"], "answer": "7"}, "question", "answer"),
        ({"question": f"{ASKED} A)7 B)8", "options": ["A)7", "B)8"], "correct": "A"},
         "question", "correct"),
        ({"question": ASKED, "correct": True, "gold": 7}, "question", "gold"),
    ],
)  # fmt: skip
def test_columns_by_a_row(row: dict[str, Any], problem: str, answer: str) -> None:
    columns = columns_by(row, {})
    assert (columns["problem"], columns["answer"]) == (problem, answer)


def test_named_fields_are_taken_as_named() -> None:
    row = {"passage": PASSAGE, "question": ASKED, "answer": 7}
    assert columns_by(row, {"problem": "question"})["problem"] == "question"


def test_a_choice_is_a_problem_with_its_options_and_two_golds(tmp_path: Path) -> None:
    path = tmp_path / "aqua.jsonl"
    row = {"question": "3 + 4?", "options": ["A)6", "B)8", "C)None of these"], "correct": "C"}
    path.write_text(json.dumps(row))
    (problem,) = to_problems(read_rows(path), RowOptions(strict=True))
    assert problem.problem == "3 + 4?\nA) 6\nB) 8\nC) None of these"
    assert (problem.answer, problem.accepted) == ("C", ("None of these",))


def test_a_named_field_that_no_row_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    rows = [{"question": f"{n} + 1?", "target": n + 1, "steps": "..."} for n in range(30)]
    path.write_text("\n".join(map(json.dumps, rows)))
    fields = {"problem": "question", "answer": "target", "solution": "stepps"}
    with pytest.raises(InputError, match=r"solution: no row has a value in 'stepps'; .* steps\."):
        Prepare(source=str(path), fields=fields, validation=5, test=5).read()
