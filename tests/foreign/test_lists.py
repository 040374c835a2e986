"""Lists in one row: samples in one cell, one sample's steps, several problems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mathtune.errors import InputError
from mathtune.foreign import Request, grade_file
from mathtune.foreign.grade import brief


def graded(path: Path, content: Any) -> dict[str, Any]:
    rows = content if isinstance(content, list) else [content]
    if path.suffix == ".csv":
        path.write_text(content)
    elif path.suffix == ".json":
        path.write_text(json.dumps(content))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = brief(grade_file(Request.parse(path)))
    return {**found, **found["graders"]["math"]}


def test_a_cell_that_holds_a_list_is_a_list_of_samples(tmp_path: Path) -> None:
    """In JSON's and in Python's form; read as one text, the last box of each row would count."""
    rows = [
        {"question": f"{k} + {k}?", "answer": str(2 * k),
         "responses": json.dumps([f"So \\boxed{{{2 * k}}}", "So \\boxed{99}"])}
        for k in range(4)
    ]  # fmt: skip
    found = graded(tmp_path / "a.jsonl", rows)
    assert found["read"]["solution"] == "responses[]"
    assert (found["problems"], found["samples"], found["correct"]) == (4, 8, 4)
    table = "question,responses,answer\n" + "".join(
        f"{k} + {k}?,\"['\\\\boxed{{{2 * k}}}', '\\\\boxed{{99}}']\",{2 * k}\n" for k in range(4)
    )
    found = graded(tmp_path / "a.csv", table)
    assert (found["problems"], found["samples"], found["correct"]) == (4, 8, 4)


def steps(k: int) -> list[str]:
    return ["Take the number twice."] * (1 + k % 2) + [f"So \\boxed{{{2 * k}}}"]


def test_a_list_whose_last_member_alone_marks_an_answer_is_one_sample(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"problem": f"{k} + {k}?", "answer": str(2 * k), "response": steps(k)} for k in range(4)
    ]
    found = graded(tmp_path / "a.jsonl", rows)
    assert found["read"]["solution"] == "response[] (steps, joined)"
    assert (found["samples"], found["correct"]) == (4, 4)
    rows = [{**row, "completions": [steps(k), steps(k + 1)]} for k, row in enumerate(rows)]
    for row in rows:
        del row["response"]
    found = graded(tmp_path / "b.jsonl", rows)
    assert (found["samples"], found["correct"]) == (8, 4)


@pytest.mark.parametrize("marked", [(0, 1), (1,), (0,), ()])
def test_lists_of_samples_stay_samples(tmp_path: Path, marked: tuple[int, ...]) -> None:
    """Of one length, or of different ones with the mark anywhere."""
    rows = [
        {"problem": f"{k} + {k}?", "answer": str(2 * k), "outputs": [
            f"So \\boxed{{{2 * k}}}" if place in marked else "I do not know."
            for place in range(2 + (len(marked) != 1) * (k % 2))]}
        for k in range(6)
    ]  # fmt: skip
    found = graded(tmp_path / "a.jsonl", rows)
    assert found["samples"] == sum(len(row["outputs"]) for row in rows)
    assert found["correct"] == 6 * len(marked)


def test_a_list_of_problems_is_never_one_problem_with_many_golds(tmp_path: Path) -> None:
    """Read so, every sample that fits the gold of any other problem would be right."""
    listed = [
        {"input": f"{k} + {k}?", "target": str(2 * k), "prediction": f"So \\boxed{{{2 * k + 2}}}"}
        for k in range(4)
    ]
    notice = "This file holds the outputs of a benchmark and must not be used for any training."
    found = graded(tmp_path / "a.json", {"notice": notice + " Please.", "outputs": listed})
    assert (found["problems"], found["samples"], found["correct"]) == (4, 4, 0)
    with pytest.raises(InputError, match=r"row 1 holds several problems: .*'outputs.\*.target'"):
        graded(tmp_path / "a.jsonl", [{"run": 1, "outputs": listed}, {"run": 2, "outputs": listed}])


def test_a_list_whose_samples_share_a_gold_is_one_problem(tmp_path: Path) -> None:
    rows = [
        {"problem": f"{k} + {k}?", "runs": [
            {"output": f"So \\boxed{{{n}}}", "gold": str(2 * k)} for n in (2 * k, 7)]}
        for k in range(3)
    ]  # fmt: skip
    found = graded(tmp_path / "a.jsonl", rows)
    assert (found["problems"], found["samples"], found["correct"]) == (3, 6, 3)
