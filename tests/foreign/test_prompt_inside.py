"""Samples that begin with their prompt are read from the end of their question on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mathtune.foreign import Request, measure_file
from mathtune.foreign.prompt_inside import without_prompt

PROMPT = "user\nPut the answer within \\boxed{}.\nQuestion: "
FEW_SHOT = "Question: What is 1 + 1?\nAnswer: \\boxed{2}\n\nQuestion: "


def rows(before: str, after: str = "\nmodel\n") -> list[dict[str, Any]]:
    return [
        {"question": f"What is {n} + 4 in words?", "gt": str(n + 4),
         "generated_text": f"{before}What is {n} + 4 in words?{after}So \\boxed{{{n + 4}}}"}
        for n in range(5)
    ]  # fmt: skip


def measured(path: Path, found: list[dict[str, Any]]) -> tuple[float, list[str]]:
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    whole = measure_file(Request.parse(path))
    return whole["metrics"]["mean"]["value"], whole["warnings"]


@pytest.mark.parametrize("before", [PROMPT, FEW_SHOT, ""])
def test_a_prompt_that_stays_the_same_is_cut(before: str, tmp_path: Path) -> None:
    mean, warnings = measured(tmp_path / "inside.jsonl", rows(before))
    assert mean == 1.0
    assert any(warning.startswith("The samples begin with their prompts") for warning in warnings)


def test_a_question_repeated_after_the_answer_cuts_nothing(tmp_path: Path) -> None:
    """Each sample answers first, in its own words, and then goes on with the question again."""
    found = rows("")
    for n, row in enumerate(found):
        row["generated_text"] = (
            f"It is \\boxed{{{n + 4}}}.\n\n{row['question']}\nIt is \\boxed{{0}}"
        )
    mean, warnings = measured(tmp_path / "after.jsonl", found)
    assert not any("prompts" in warning for warning in warnings)
    assert mean == 0.0  # the last boxed answer counts, as in any text


def test_without_prompt() -> None:
    assert without_prompt("A: So 7.", "What is 3 + 4?") == "A: So 7."
    assert without_prompt(None, "What is 3 + 4?") is None
    assert without_prompt("x? It is x.", "x?") == "x? It is x."  # too short to be sought


def test_a_passage_and_its_question_on_two_lines() -> None:
    question = "Ann has 3 pens. How many pens has Ann?"
    assert (
        without_prompt("Q: Ann has 3 pens.\nHow many pens has Ann?\nNone.", question) == "\nNone."
    )
