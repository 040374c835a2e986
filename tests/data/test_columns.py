"""The columns of a source by its first row: spellings, passages, options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mathtune.data.columns import columns_by
from mathtune.data.counts import Counts
from mathtune.data.problems import RowOptions, to_problems
from mathtune.data.rows import Row, read_rows
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


FOUR = ["15", "16", "17", "18"]


def chosen(golds: list[Any]) -> list[tuple[str, str, tuple[str, ...]]]:
    rows = [
        Row(f"a.jsonl, line {k}", {"question": f"{k} + 7?", "choices": FOUR, "answer": gold})
        for k, gold in enumerate(golds)
    ]
    return [(one.problem, one.answer, one.accepted) for one in to_problems(rows, counts=Counts())]


@pytest.mark.parametrize("golds", [[2, 0, 3], ["2", "0", "3"], [3, 1, 4]])
def test_golds_that_number_options_are_read_as_their_letters(golds: list[Any]) -> None:
    """Read as they stand, every right `C` would be wrong; the model is asked with the options."""
    assert chosen(golds) == [
        (f"{k} + 7?\nA) 15\nB) 16\nC) 17\nD) 18", letter, (FOUR["ABCD".index(letter)],))
        for k, letter in enumerate("CAD")
    ]


def test_golds_that_are_the_options_texts_are_no_numbers() -> None:
    assert chosen(["17", "15"]) == [("0 + 7?", "17", ("C",)), ("1 + 7?", "15", ("A",))]


def test_numbers_of_options_that_tell_no_first_one_are_refused() -> None:
    with pytest.raises(InputError, match="do not tell whether the first option is 0 or 1"):
        chosen([1, 2, 3])


def test_the_first_of_several_reference_solutions_is_kept() -> None:
    """A problem with a gold of its own is not dropped; named by the user, they are refused."""
    several = {"question": "1 + 1?", "final_answer": ["2"], "solution": ["1 + 1 = 2", "Count: 2"]}
    rows = [Row("a.jsonl, line 1", several)]
    counts = Counts()
    (problem,) = to_problems(rows, counts=counts)
    assert (problem.answer, problem.solution) == ("2", "1 + 1 = 2")
    assert (counts.several_solutions, counts.dropped) == (1, {})
    with pytest.raises(InputError, match="holds 2 solutions"):
        to_problems(rows, RowOptions(fields={"solution": "solution"}))
