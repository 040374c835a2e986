"""A file of problems: solved side by side, in order, continued, and through a server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mathtune.cli import solve_file
from mathtune.cli.serving.settings import Solver
from mathtune.cli.solve_file import Solution
from mathtune.errors import InputError
from mathtune.foreign import Request, measure_file
from mathtune.rows import jsonl

SOLVER = Solver(n=8, max_tokens=48)


def ask(left: int, gone: int) -> str:
    return f"Ann has {left} pens and gives away {gone}. How many pens are left?"


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    rows = [{"id": n, "question": ask(24 + n, 7), "answer": str(17 + n)} for n in range(4)]
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(path: Path) -> list[Solution]:
    return list(jsonl.read(path, Solution))


def test_answers_are_in_order_and_can_be_measured(problems: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers.jsonl"
    assert solve_file.solve_file(problems, out, SOLVER, server=None) == 0
    rows = rows_of(out)
    assert [row.problem_id for row in rows] == ["0", "1", "2", "3"]
    assert [row.gold_answer for row in rows] == ["17", "18", "19", "20"]
    assert (rows[0].answer, rows[0].stopped) == ("17", "sure")
    assert all(str(24 + n) in (row.solution or "") for n, row in enumerate(rows))
    assert all(0 < row.votes <= row.samples_used <= 8 for row in rows)
    assert not (tmp_path / "answers.jsonl.begun").exists()
    measured = measure_file(Request((out,)))
    assert measured["problems"] == 4
    assert measured["read"] == {
        "solution": "solution", "gold": "gold_answer", "problem": "problem_id"
    }  # fmt: skip
    assert measured["metrics"]["mean"]["value"] == 1.0


def test_it_continues_and_refuses_other_settings(
    problems: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    solve_file.solve_file(problems, whole, SOLVER, server=None)
    partial = tmp_path / "out.jsonl.begun"
    made_with = solve_file._made_with(solve_file.questions(problems), SOLVER, None)
    jsonl.append(partial, [solve_file.Begun(made_with), *rows_of(whole)[:2]])
    partial.write_bytes(partial.read_bytes() + b'{"problem_id": "2", "pro')  # a torn line
    with pytest.raises(InputError, match="begun with other problems or settings"):
        solve_file.solve_file(problems, out, Solver(n=9), server=None)
    asked: list[Sequence[Solution]] = []
    solved = solve_file._solved

    def watched(rows: Sequence[Solution], *others: Any) -> None:
        asked.append(rows)
        solved(rows, *others)

    monkeypatch.setattr(solve_file, "_solved", watched)
    solve_file.solve_file(problems, out, SOLVER, server=None)
    assert [row.problem_id for row in asked[0]] == ["2", "3"]
    assert out.read_bytes() == whole.read_bytes()


def test_what_was_refused_or_stopped_before_its_first_answer_may_change(
    problems: Path, tmp_path: Path
) -> None:
    out, partial = tmp_path / "out.jsonl", tmp_path / "out.jsonl.begun"
    with pytest.raises(InputError, match="nowhere"):
        solve_file.solve_file(problems, out, Solver(generator="nowhere/x.gguf"), server=None)
    assert not partial.exists()
    jsonl.append(partial, [solve_file.Begun("other settings")])  # stopped while loading
    assert solve_file.solve_file(problems, out, SOLVER, server=None) == 0
    assert len(rows_of(out)) == 4


@pytest.mark.parametrize("head", [b"{", b'{"x": ' + b"[" * 100_000, b'{"made_with": "\xff"}'])
def test_a_damaged_file_of_an_earlier_call_is_refused(
    head: bytes, problems: Path, tmp_path: Path
) -> None:
    (tmp_path / "out.jsonl.begun").write_bytes(head + b"\n")
    with pytest.raises(InputError, match="is not what an earlier call left; remove it"):
        solve_file.solve_file(problems, tmp_path / "out.jsonl", SOLVER, server=None)


def test_one_problem_that_cannot_be_solved_is_told_and_the_others_are(tmp_path: Path) -> None:
    path, out = tmp_path / "p.jsonl", tmp_path / "a.jsonl"
    path.write_text(
        json.dumps({"problem": "one and two " * 2000}) + "\n" + json.dumps({"problem": ask(24, 7)})
    )
    assert solve_file.solve_file(path, out, SOLVER, server=None) == 1
    long, sure = rows_of(out)
    assert long.error is not None
    assert "longer than the generator can read" in long.error
    assert (sure.answer, sure.error) == ("17", None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '{"text": "q"}',
            "no question; the row has 'text'; expected .* problem, question, prompt, .* or ",
        ),
        ('{"id": 1, "problem": "a"}\n{"id": 1, "problem": "b"}', "the id '1' occurs twice"),
        ("", "the file is empty"),
        ('{"problem": "a"}\n{"problem": ', "line 2: not valid JSON"),
    ],
)
def test_a_file_without_questions_is_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(text)
    with pytest.raises(InputError, match=sentence):
        solve_file.solve_file(tmp_path / "p.jsonl", tmp_path / "a.jsonl", SOLVER, server=None)


def test_a_question_is_read_with_its_passage_in_any_spelling(tmp_path: Path) -> None:
    path = tmp_path / "svamp.csv"
    path.write_text("ID,Body,Question,Answer\nc-1,Ann has 3 pens.,How many?,3\n")
    (row,) = solve_file.questions(path)
    assert (row.problem_id, row.problem) == ("c-1", "Ann has 3 pens. How many?")
    assert row.gold_answer == "3"


def test_golds_that_number_options_become_letters(tmp_path: Path) -> None:
    rows = [{"question": f"{k} + 1?", "choices": ["1", "7", "3"], "answer": k} for k in (0, 2)]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = solve_file.questions(path)
    assert [one.gold_answer for one in found] == ["A", "C"]
    assert found[1].problem == "2 + 1?\nA) 1\nB) 7\nC) 3"
