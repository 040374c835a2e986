"""halve: every problem in one half, with its own solutions."""

from __future__ import annotations

from pathlib import Path

import pytest

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Example, Problem
from mathtune.stages.halve import Halve


def halve(folder: Path, problems: int, solved: list[int], seed: int = 0) -> Halve:
    folder.mkdir()
    rows = [Problem(id=f"p{i}", problem=f"{i}?", answer="1") for i in range(problems)]
    jsonl.write(folder / "p.jsonl", rows)
    solutions = [Example(problem_id=f"p{i}", problem=f"{i}?", solution=f"s{i}") for i in solved]
    jsonl.write(folder / "s.jsonl", solutions)
    return Halve(problems=folder / "p.jsonl", solutions=folder / "s.jsonl", seed=seed)


def read(stage: Halve, folder: Path) -> list[tuple[list[str], list[str]]]:
    stage.run(folder)
    return [
        (
            [row.id for row in jsonl.read(half.problems, Problem)],
            [row.problem_id for row in jsonl.read(half.solutions, Example)],
        )
        for half in stage.outputs(folder)
    ]


def test_no_problem_is_in_both_and_solutions_go_with_theirs(tmp_path: Path) -> None:
    solved = [i for i in range(11) for _ in range(i % 3)]
    (ours, our_solutions), (theirs, their_solutions) = read(
        halve(tmp_path / "x", 11, solved), tmp_path / "x"
    )
    assert sorted(ours + theirs) == sorted(f"p{i}" for i in range(11))
    assert (len(ours), len(theirs)) == (5, 6)
    assert sorted(our_solutions + their_solutions) == sorted(f"p{i}" for i in solved)
    assert set(our_solutions) <= set(ours)
    assert set(their_solutions) <= set(theirs)


def test_the_seed_decides(tmp_path: Path) -> None:
    parts = [
        read(halve(tmp_path / str(i), 11, list(range(11)), seed), tmp_path / str(i))
        for i, seed in enumerate((0, 0, 1))
    ]
    assert parts[0] == parts[1] != parts[2]


@pytest.mark.parametrize(
    ("problems", "solved", "sentence"),
    [
        (1, [0], "has 1 problem; expected at least 2"),
        (4, [9], "row 1, field 'problem_id': 'p9' is not in"),
        (4, [0], "half . has no solutions"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, problems: int, solved: list[int], sentence: str
) -> None:
    stage = halve(tmp_path / "x", problems, solved)
    with pytest.raises(InputError, match=sentence):
        stage.run(tmp_path / "x")
