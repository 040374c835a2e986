"""Golds of another file: by id and by question, with passages, options and repeated keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mathtune.errors import InputError
from mathtune.foreign.read import Samples, open_samples

PENS = [
    {"id": n, "Body": f"Ann has {n} pens.", "Question": "How many?", "Answer": str(n)}
    for n in range(2, 6)
]


def opened(golds: list[dict[str, Any]], rows: list[dict[str, Any]], folder: Path) -> Samples:
    for name, each in (("golds", golds), ("samples", rows)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, each)))
    return open_samples(
        [folder / "samples.jsonl"], problems=folder / "golds.jsonl", report=lambda _: None
    )


def test_a_question_is_joined_with_its_passage(tmp_path: Path) -> None:
    rows = [
        {"passage": one["Body"], "question": one["Question"], "response": f"It is {one['Answer']}."}
        for one in PENS
    ]
    found = list(opened(PENS, rows, tmp_path))
    assert [sample.gold for sample in found] == ["2", "3", "4", "5"]
    assert found[0].question == "Ann has 2 pens. How many?"


def test_a_key_with_two_golds_gives_none(tmp_path: Path) -> None:
    rows = [{"question": "How many?", "response": "It is 2."}]
    with pytest.raises(InputError, match="has the gold of no sample"):
        opened(PENS, rows, tmp_path)
    golds = [{"id": "a", "answer": "1"}, {"id": "b", "answer": "2"}, {"id": "a", "answer": "3"}]
    samples = opened(golds, [{"id": one, "response": "2"} for one in "ab"], tmp_path)
    told: list[str] = []
    samples.report = told.append
    assert [sample.problem_id for sample in samples] == ["b"]
    assert told[0].endswith("no gold: the file of problems has several for 'a'.")


def test_numbers_of_rows_do_not_take_the_place_of_questions(tmp_path: Path) -> None:
    golds = [{"id": n, "question": f"{n} + 1?", "answer": str(n + 1)} for n in range(8)]
    rows = [
        {"id": n, "question": f"{7 - n // 2} + 1?", "response": f"It is {8 - n // 2}."}
        for n in range(8)
    ]
    assert [one.gold for one in opened(golds, rows, tmp_path)] == list("88776655")


def test_the_letter_of_an_option_is_also_right_as_its_text(tmp_path: Path) -> None:
    golds = [{"id": "a", "options": ["A)6", "B)None of these"], "correct": "B"}]
    (sample,) = opened(golds, [{"id": "a", "response": "None of these"}], tmp_path)
    assert sample.accepted == ("B", "None of these")


def test_whole_numbers_that_a_table_wrote_as_fractions_are_the_same_ids(tmp_path: Path) -> None:
    golds = [{"id": float(n), "answer": str(n)} for n in (7, 8)]
    found = opened(golds, [{"id": n, "response": "7"} for n in (7, 8)], tmp_path)
    assert [one.gold for one in found] == ["7", "8"]
