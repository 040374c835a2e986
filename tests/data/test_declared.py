"""Declared sets: each reads rows of its real shape (columns and forms of golds; texts are ours)."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mathtune.data import declared, local
from mathtune.data.counts import Counts
from mathtune.data.problems import to_problems
from mathtune.data.rows import Row
from mathtune.data.sets import read_set
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Problem
from mathtune.stages.prepare import NAMED, Prepare

DAPO = (
    "Solve this step by step. The last line is Answer: $Answer.\n\nWhat is $30 + 4$?\n\nIt has two "
    'digits.\n\nRemember to end with "Answer:".'
)
STEPS = "There are 3 rows of 4.\n3 * 4 = <<3*4=12>>12\n#### 12"
THOUGHT = "<think>\n30 and 4\n</think>\n\nSo it is $\\boxed{34}$."
CHAT = [{"role": "user", "content": "What is 30 + 4?"}, {"role": "assistant", "content": THOUGHT}]
NUMINA = {"problem_type": "Algebra", "question_type": "math-word-problem", "source": "amc"}
ARENA = {"problem_idx": 3, "problem": "What is 30 + 4?", "problem_type": ["Algebra", "Number"]}

ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "gsm8k": (
        {"question": "How many?", "answer": STEPS},
        {"problem": "How many?", "answer": "12", "solution": STEPS},
    ),
    "math": (
        {"problem": "p", "solution": "It is $\\boxed{\\frac12}$.", "level": "Level 5", "type": "A"},
        {"answer": "\\frac12", "level": "Level 5", "subject": "A"},
    ),
    "prm800k": (
        {"problem": "p", "solution": "It is $\\boxed{3}$.", "answer": "3"},
        {"answer": "3"},
    ),
    "math500": (
        {"problem": "p", "solution": "so $\\boxed{x^2}$", "answer": "x^2", "subject": "Algebra",
         "level": 2, "unique_id": "test/algebra/7.json"},
        {"id": "test/algebra/7.json", "answer": "x^2", "level": "2", "subject": "Algebra"},
    ),
    "aime24": (
        {"id": 60, "problem": "p", "solution": "so $\\boxed{033}$", "answer": "033", "url": "u",
         "year": "2024"},
        {"id": "60", "answer": "033", "solution": "so $\\boxed{033}$"},
    ),
    "aime25": ({**ARENA, "answer": 34}, {"id": "3", "answer": "34", "subject": "Algebra, Number"}),
    "aime26": (
        {"problem_idx": 3, "answer": 34, "problem": "What is 30 + 4?"},
        {"id": "3", "answer": "34", "subject": None},
    ),
    "hmmt": ({**ARENA, "answer": "\\frac{3}{4}"}, {"id": "3", "answer": "\\frac{3}{4}"}),
    "amc23": ({"id": 0, "question": "p", "answer": 27.0, "url": "u"}, {"answer": "27.0"}),
    "olympiadbench": (
        {"id": 1606, "question": "p", "solution": ["One way.", "Another."], "context": None,
         "final_answer": ["$\\frac{1}{2}$"], "is_multiple_answer": False, "unit": None,
         "answer_type": "Numerical", "subfield": "Combinatorics", "difficulty": "Competition"},
        {"answer": "$\\frac{1}{2}$", "solution": "One way.", "subject": "Combinatorics"},
    ),
    "minerva-math": ({"question": "p", "answer": "4.5e33"}, {"problem": "p", "answer": "4.5e33"}),
    "gsm-symbolic": (
        {"id": 4, "instance": 7, "question": "p", "answer": STEPS, "original_id": 1,
         "original_question": "o", "original_answer": "o\n#### 9", "canary": "c"},
        {"id": "4-7", "answer": "12", "solution": STEPS},
    ),
    "svamp": (
        {"ID": "chal-1", "Body": "A has 8.", "Question": "How many?", "Equation": "( 8.0 - 2.0 )",
         "Answer": "6.0", "Type": "Subtraction", "question_concat": "A has 8. How many?"},
        {"id": "chal-1", "problem": "A has 8. How many?", "answer": "6.0", "solution": None},
    ),
    "asdiv": (
        {"body": "A has 8.", "question": "How many?", "solution_type": "Sum", "answer": "9 (nuts)",
         "formula": "8+1=9"},
        {"problem": "A has 8. How many?", "answer": "9", "subject": "Sum", "solution": None},
    ),
    "metamathqa": (
        {"type": "GSM_Rephrased", "query": "p", "original_question": "o",
         "response": "3 * 4 = 12\n#### 12\nThe answer is: 12"},
        {"problem": "p", "answer": "12", "subject": "GSM_Rephrased"},
    ),
    "numinamath-1.5": (
        {**NUMINA, "problem": "p", "solution": "so $34$", "answer": "34", "synthetic": False},
        {"answer": "34", "solution": "so $34$", "subject": "Algebra"},
    ),
    "openr1-math": (
        {**NUMINA, "problem": "What is 30 + 4?", "solution": "s", "answer": "34", "uuid": "u-1",
         "generations": [THOUGHT, "wrong"], "correctness_math_verify": [True, False],
         "messages": CHAT},
        {"id": "u-1", "answer": "34", "solution": THOUGHT},
    ),
    "openmathreasoning": (
        {"problem": "p", "expected_answer": "34", "generated_solution": THOUGHT,
         "problem_type": "has_answer_extracted", "inference_mode": "cot"},
        {"answer": "34", "solution": THOUGHT},
    ),
    "dapo-math-17k": (
        {"data_source": "math_dapo", "prompt": [{"role": "user", "content": DAPO}],
         "ability": "MATH", "reward_model": {"ground_truth": "34", "style": "rule"},
         "extra_info": {"index": "9a9b"}},
        {"id": "9a9b", "problem": "What is $30 + 4$?\n\nIt has two digits.", "answer": "34",
         "solution": None},
    ),
    "big-math": (
        {"problem": "p", "answer": "34", "source": "orca_math", "domain": ["Algebra -> Sums"],
         "llama8b_solve_rate": 0.25},
        {"answer": "34", "subject": "Algebra -> Sums", "level": "0.25"},
    ),
    "orca-math": (
        {"question": "p", "answer": "There are 3 rows of 4, so 12 in all. There are 12 nuts."},
        {"answer": "12", "solution": "There are 3 rows of 4, so 12 in all. There are 12 nuts."},
    ),
}  # fmt: skip
DROPPED = {
    "asdiv": [{"body": "A", "question": "q?", "answer": "9 (red); 3 (blue)", "formula": "x"}],
    "numinamath-1.5": [
        {**NUMINA, "problem": "p", "answer": "notfound"},
        {**NUMINA, "problem": "p", "answer": "proof"},
        {**NUMINA, "problem": "p", "question_type": "proof", "answer": "proof"},
    ],
    "openmathreasoning": [
        {"problem": "p", "expected_answer": "x", "problem_type": "no_answer_extracted"}
    ],
}


def test_every_declared_set_is_tested() -> None:
    assert ROWS.keys() == declared.shipped().keys()
    assert len(ROWS) == 21


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_the_sets_shape_are_read(name: str) -> None:
    row, expected = ROWS[name]
    found = declared.shipped()[name]
    counts = Counts()
    rows = [Row(f"row {n}", one) for n, one in enumerate([row, *DROPPED.get(name, [])])]
    (problem,) = to_problems(rows, found.reading(), counts)
    for field, value in expected.items():
        assert getattr(problem, field) == value
    assert sum(counts.dropped.values()) == len(DROPPED.get(name, []))


@pytest.mark.parametrize("name", sorted(ROWS.keys() - set(NAMED)))
def test_a_copy_under_the_hubs_path_is_read(tmp_path: Path, name: str) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    row, expected = ROWS[name]
    found = declared.shipped()[name]
    folder = tmp_path / found.id / (found.subset or "data")
    folder.mkdir(parents=True)
    for theirs in found.splits.values():
        file = folder / f"{theirs}-00000-of-00001.parquet"
        pq.write_table(pa.Table.from_pylist([row]), file)
    parts = read_set(name, tmp_path)
    assert parts.keys() == found.splits.keys()
    for (problem,) in parts.values():
        assert {field: getattr(problem, field) for field in expected} == expected


@pytest.mark.parametrize("name", ROWS)
def test_a_declaration_is_whole(name: str) -> None:
    found = declared.shipped()[name]
    assert found.licence
    assert name == "prm800k" or re.fullmatch("[0-9a-f]{40}", found.revision or "")
    assert found.about
    assert found.rows.keys() == found.splits.keys()
    assert set(found.rows.values()).isdisjoint({0})


def prepared(out: Path, **settings: Any) -> dict[str, list[Problem]]:
    out.mkdir()
    stage = Prepare(**settings)
    stage.run(out)
    files = {split: out / f"{split}.jsonl" for split in ("train", "validation", "test")}
    return {
        split: list(jsonl.read(file, Problem)) if file.stat().st_size else []
        for split, file in files.items()
    }


@pytest.mark.parametrize(
    "place", ["aime25.jsonl", "aime25/train.jsonl", "aime_2025.json", "MathArena/aime_2025/a.jsonl"]
)
def test_a_local_copy_is_read_under_any_usual_name(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "copies" / place
    file.parent.mkdir(parents=True)
    rows = [{**ARENA, "problem": f"{n}?", "problem_idx": n, "answer": n} for n in range(30)]
    text = json.dumps(rows) if place.endswith(".json") else "\n".join(map(json.dumps, rows))
    file.write_text(text)
    found = prepared(tmp_path / "out", source="aime25", folder=tmp_path / "copies")
    assert {split: len(problems) for split, problems in found.items()} == {
        "train": 0, "validation": 0, "test": 30
    }  # fmt: skip
    monkeypatch.setenv(local.VARIABLE, str(tmp_path / "copies"))
    again = prepared(tmp_path / "again", source="aime25", where="answer>=20")
    assert [problem.answer for problem in again["test"]] == [str(n) for n in range(20, 30)]
    card = json.loads((tmp_path / "again" / "card.json").read_text())
    assert (card["read_from"], card["revision"]) == ("local copy", None)
    assert card["licence"] == "cc-by-nc-sa-4.0"
    stage = Prepare(source="aime25")
    assert stage.replaced({"seed": 1}, where="").folder == stage.folder


def test_a_set_of_ones_own_is_declared_in_a_yaml_file(tmp_path: Path) -> None:
    rows = [{"q": f"What is {n} + 1?", "r": f"so\n#### {n + 1}"} for n in range(120)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    file = tmp_path / "sets.yaml"
    file.write_text(
        "mine:\n  id: mine.jsonl\n  splits: {train: train}\n  fields: {problem: q, solution: r}\n"
    )
    found = prepared(tmp_path / "out", source=str(file))
    assert sum(map(len, found.values())) == 120
    assert {problem.answer for problem in found["test"]} <= {str(n) for n in range(1, 121)}
    with file.open("a") as stream:
        stream.write("other:\n  id: other.jsonl\n  splits: {test: test}\n")
    with pytest.raises(InputError, match=r"expected one of its sets, .*sets\.yaml:mine"):
        Prepare(source=str(file))
    assert declared.find(f"{file}:other") is not None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: {id: x/y, splits: {test: test}, colums: {}}", "unknown field `colums`"),
        ("a: {splits: {test: test}}", "missing required field `id`"),
        ("a: {id: x/y, splits: {exam: test}}", "Invalid enum value 'exam'"),
        ("a: {id: x/y, splits: {test: test}, fields: {gold: x}}", "fields.gold: no such field"),
        ("a: {id: x/y, splits: {test: test}, where: [b]}", "where: found 'b'"),
        ("", "declares no data set"),
    ],
)
def test_a_faulty_declaration_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InputError) as error:
        declared.parsed(text, where="mine.yaml")
    assert "mine.yaml" in str(error.value)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
