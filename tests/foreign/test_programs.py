"""Samples that are programs: never run, and a warning says that they hold no result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mathtune.foreign import Request, grade_file
from mathtune.foreign.grade import brief
from mathtune.foreign.programs import program_start

CODE = "def solution():\n    ann = 3\n    bo = 4\n    return ann + bo"


@pytest.mark.parametrize(
    ("text", "start"),
    [
        (CODE, 0),
        (f"{CODE}\n\nprint(solution())", 0),
        (f"I compute.\n```python\n{CODE}\n```\n", 11),
        (f"I compute.\n```python\n{CODE}", 11),
        ("from sympy import Symbol\nx = Symbol('x')\nans = 3 * x", 0),
        (f"```python\n{CODE}\n```\n```output\n7\n```", None),
        (f"```python\n{CODE}\n```\nSo the answer is 7.", None),
        ("x = 3\ny = 4\nx + y = 7", None),
        ("We import the formula.\nSo print(7) is shown.\nThe answer is 7.", None),
        ("", None),
    ],
)
def test_what_ends_in_a_program(text: str, start: int | None) -> None:
    assert program_start(text) == start


def warned(samples: list[str], path: Path) -> list[str]:
    rows = [{"problem": f"{n}?", "answer": "7", "response": t} for n, t in enumerate(samples)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return list(brief(grade_file(Request.parse(path)))["warnings"])


def test_programs_are_named_even_if_half_of_the_samples_are_right(tmp_path: Path) -> None:
    found = warned([CODE, "The answer is 7."] * 3, tmp_path / "f.jsonl")
    assert found[0].startswith("3 of 6 samples end in a program: programs are never run")


def test_an_answer_before_the_program_counts(tmp_path: Path) -> None:
    told = f"The answer is 7.\n```python\n{CODE}\n```"
    assert not [one for one in warned([told] * 4, tmp_path / "f.jsonl") if "program" in one]
