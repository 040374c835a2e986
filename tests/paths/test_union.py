"""Unions of graded samples: names of the sets, order, the first k, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from mathtune.errors import InputError
from mathtune.paths.union import named, united
from mathtune.rows import jsonl
from mathtune.rows.records import Graded, Problem, Sample, Verdict

PROBLEMS = {name: Problem(id=name, problem=f"{name}?", answer="1") for name in "ab"}


def source(folder: Path, order: str, *, n: int = 2, graded: bool = True) -> tuple[Path, ...]:
    folder.mkdir()
    rows = [(problem, index) for problem in order for index in range(n)]
    samples, grades = folder / "s.jsonl", folder / "g.jsonl"
    jsonl.write(
        samples,
        [
            Sample(problem_id=p, index=i, text=f"{p}{i}", finish_reason="stop", tokens=1)
            for p, i in rows
        ],
    )
    jsonl.write(
        grades,
        [
            Graded(
                problem_id=p, index=i, answer="1", rule="boxed", verdict=Verdict.correct, cluster=0
            )
            for p, i in rows
        ],
    )
    return (samples, grades) if graded else (samples,)


def test_sets_are_named_after_their_folders_and_numbered() -> None:
    sets = [(Path("a/s.jsonl"),), (Path("b/s.jsonl"),), (Path("a/t.jsonl"),), (Path("s.jsonl"),)]
    assert [name for name, _ in named(sets)] == ["a", "b", "a-2", "s"]
    sets = [(Path(f"{folder}/s.jsonl"),) for folder in ("x/a", "y/a", "a-2")]
    assert [name for name, _ in named(sets)] == ["a", "a-2", "a-2-2"]


def test_the_problem_file_decides_the_order(tmp_path: Path) -> None:
    sets = named([source(tmp_path / "x", "ab"), source(tmp_path / "y", "ba")])
    found = {p: [(c.source, c.text) for c in them] for p, them in united(sets, PROBLEMS, k=None)}
    assert list(found) == ["a", "b"]
    assert found["a"] == [("x", "a0"), ("x", "a1"), ("y", "a0"), ("y", "a1")]


def test_parts_without_common_problems_are_put_together(tmp_path: Path) -> None:
    # The halves of liu2023's evaluator_data=held-out.
    sets = named([source(tmp_path / "x", "b"), source(tmp_path / "y", "a")])
    found = {p: [(c.source, c.text) for c in them] for p, them in united(sets, PROBLEMS, k=2)}
    assert found == {"a": [("y", "a0"), ("y", "a1")], "b": [("x", "b0"), ("x", "b1")]}


def test_parts_that_share_some_problems_are_refused_behind_the_first(tmp_path: Path) -> None:
    problems = {name: Problem(id=name, problem=f"{name}?", answer="1") for name in "abc"}
    sets = named([source(tmp_path / name, name[1:]) for name in ("xa", "yb", "zbc")])
    with pytest.raises(InputError, match=r"zbc.* of other problems than .*yb"):
        united(sets, problems, k=None)


def test_only_the_first_k_of_each_source(tmp_path: Path) -> None:
    sets = named([source(tmp_path / "x", "ab", n=3)])
    assert [c.text for _, them in united(sets, PROBLEMS, k=2) for c in them] == [
        "a0", "a1", "b0", "b1"
    ]  # fmt: skip
    assert len(list(united(sets, PROBLEMS, k=3))) == 2


@pytest.mark.parametrize(
    ("second", "k", "said"),
    [
        ({"order": "a"}, None, r"\(1 are in one of them only, 'b' for one\)"),
        ({"order": "abc"}, None, r"samples of 1 problem that is not in the problem file, 'c'"),
        ({"order": "ab", "graded": False}, None, "its samples are not graded"),
        ({"order": "ab", "n": 1}, 2, r"problem 'a' has 1 samples; expected at least k = 2"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_yielded(
    tmp_path: Path, second: dict[str, object], k: int | None, said: str
) -> None:
    sets = named([source(tmp_path / "x", "ab"), source(tmp_path / "y", **second)])  # type: ignore[arg-type]
    with pytest.raises(InputError, match=said):
        united(sets, PROBLEMS, k=k)
