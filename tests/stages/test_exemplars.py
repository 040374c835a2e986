"""exemplars: what is drawn, and how it reads before a problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from mathtune.engines import prompts
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Example
from mathtune.stages.exemplars import Exemplars


def exemplars(folder: Path, rows: list[tuple[str, str]], **config: object) -> list[Example]:
    folder.mkdir()
    named = [Example(problem_id=i, problem=f"{i}?", solution=text) for i, text in rows]
    jsonl.write(folder / "s.jsonl", named)
    stage = Exemplars(solutions=folder / "s.jsonl", **config)  # type: ignore[arg-type]
    stage.run(folder)
    return list(jsonl.read(stage.outputs(folder), Example))


MANY = [(f"p{i % 5}", f"way {i}\n#### {i}") for i in range(20)]


def test_one_solution_a_problem_as_it_is(tmp_path: Path) -> None:
    rows = exemplars(tmp_path / "x", MANY, shots=5)
    assert sorted(row.problem_id for row in rows) == [f"p{i}" for i in range(5)]
    assert {row.solution for row in rows} <= {text for _, text in MANY}
    assert rows == exemplars(tmp_path / "y", MANY, shots=5)
    assert rows != exemplars(tmp_path / "z", MANY, shots=5, seed=1)


def test_minervas_form_ends_in_its_sentence(tmp_path: Path) -> None:
    rows = [("a", r"So \boxed{\frac12}."), ("b", "no answer here"), ("c", "x" * 2_000 + "#### 1")]
    (row,) = exemplars(tmp_path / "x", rows, shots=1, form="minerva")
    assert row.solution == (
        "So \\boxed{\\frac12}.\nFinal Answer: The final answer is $\\frac12$. I hope it is correct."
    )
    assert prompts.exemplar(row.problem, row.solution, form="minerva") == (
        f"Problem:\na?\n\nSolution:\n{row.solution}\n\n"
    )
    with pytest.raises(InputError, match="1 problem has a solution that can be an exemplar"):
        exemplars(tmp_path / "y", rows, shots=2, form="minerva")
