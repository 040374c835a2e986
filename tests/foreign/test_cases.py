"""Files rewritten from public fault reports, each by its command, with the right result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mathtune.errors import InputError
from mathtune.foreign import Request, grade_file, measure_file
from mathtune.foreign.grade import brief

FILES = Path(__file__).parent / "cases"


def graded(name: str, **options: Any) -> dict[str, Any]:
    return brief(grade_file(Request.parse(FILES / name, **options)))


@pytest.mark.parametrize(
    ("name", "samples", "correct", "no_answer"),
    [
        ("math500_responses.jsonl", 4, 0, 0),
        ("math500_prediction.jsonl", 2, 0, 0),
        ("selfgrade.jsonl", 2, 0, 0),
        ("null_content.jsonl", 4, 2, 2),
        ("array_pretty.json", 2, 2, 0),
        ("samples.csv", 2, 2, 0),
        ("evalscope1_reviews.jsonl", 4, 3, 0),
        ("inspect_log.json", 4, 3, 0),
        ("trl_completions_00005.parquet", 4, 3, 0),
        ("think_box.jsonl", 3, 3, 0),
        ("answer_tags.jsonl", 3, 2, 0),
        ("content_parts.jsonl", 2, 2, 0),
        ("trl_prose_gold.jsonl", 1, 1, 0),
    ],
)
def test_graded(name: str, samples: int, correct: int, no_answer: int) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    found = graded(name)
    verdicts = found["graders"]["math"]
    assert (found["samples"], verdicts["correct"]) == (samples, correct)
    assert verdicts["no_answer"] == no_answer


def test_the_object_of_json() -> None:
    assert graded("openai_batch_output.jsonl", problems=FILES / "problems.jsonl") == {
        "read": {
            "solution": "response.body.choices[].message.content",
            "gold": f"answer of {FILES / 'problems.jsonl'}, where id = custom_id",
            "problem": f"the problem of {FILES / 'problems.jsonl'}",
        },
        "problems": 2,
        "samples": 4,
        "rule": "auto",
        "warnings": [],
        "graders": {"math": {"correct": 3, "wrong": 1, "no_answer": 0, "undecided": 0}},
    }


@pytest.mark.parametrize(
    ("names", "problems", "n", "mean"),
    [
        (["one_null_in_list.jsonl"], 2, 2, 0.75),
        (["output-rs0.jsonl", "output-rs1.jsonl"], 2, 2, 0.75),
        (["output-rs*.jsonl"], 2, 2, 0.75),
        (["lme_044_nofilter_dup.jsonl"], 2, 1, 1.0),
        (["verl_dump.jsonl"], 2, 2, 0.75),
    ],
)
def test_measured(names: list[str], problems: int, n: int, mean: float) -> None:
    found = measure_file(Request.parse([FILES / name for name in names]))
    assert (found["problems"], found["n"]) == (problems, n)
    assert found["metrics"]["mean"]["value"] == mean


def test_a_score_that_is_the_verdict_makes_an_oracle() -> None:
    found = measure_file(Request.parse(FILES / "verl_leak.jsonl"))
    assert found["metrics"]["RR.All"]["value"] == found["metrics"]["Pass@8"]["value"]
    assert found["oracle"] == [
        "RR.All",
        "RR.Maj8",
        "W.RR",
        "W.RR.Maj8",
        "Maj1.Top8",
        "W.RR.calculator",
    ]
    assert "oracle" in found["warnings"][0]


def test_batch_output_without_its_problems() -> None:
    with pytest.raises(InputError, match="--problems FILE"):
        graded("openai_batch_output.jsonl")
