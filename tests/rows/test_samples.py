"""Narrow files are joined row by row, and what does not belong together is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Graded, Sample, Scored, Verdict
from mathtune.rows.samples import read_groups, read_problems, read_samples


def sample(problem_id: str, index: int) -> Sample:
    return Sample(problem_id=problem_id, index=index, text="t", finish_reason="stop", tokens=1)


def graded(problem_id: str, index: int) -> Graded:
    return Graded(
        problem_id=problem_id, index=index, answer="2", rule="r", verdict=Verdict.wrong, cluster=0
    )


def scored(problem_id: str, index: int) -> Scored:
    return Scored(problem_id=problem_id, index=index, score=index / 4)


KEYS = [("a", 0), ("a", 1), ("b", 0)]


def files(folder: Path, *, scores: list[tuple[str, int]]) -> tuple[Path, ...]:
    paths = folder / "samples.jsonl", folder / "grades.jsonl", folder / "scores.jsonl"
    jsonl.write(paths[0], [sample(*key) for key in KEYS])
    jsonl.write(paths[1], [graded(*key) for key in KEYS])
    jsonl.write(paths[2], [scored(*key) for key in scores])
    return paths


def test_joins_side_by_side_in_any_order_of_narrow_files(tmp_path: Path) -> None:
    first, grades, scores = files(tmp_path, scores=KEYS)
    for columns in ((first, grades, scores), (first, scores, grades)):
        rows = list(read_samples(columns))
        assert [row.score for row in rows] == [0.0, 0.25, 0.0]
        assert all(row.grade and row.grade.answer == "2" for row in rows)
    assert [(key, len(rows)) for key, rows in read_groups((first,))] == [("a", 2), ("b", 1)]


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        (KEYS[:2], "ends before row 3"),
        ([*KEYS, ("c", 0)], "more rows than"),
        ([KEYS[1], KEYS[0], KEYS[2]], "row 1: sample 'a' 1; expected 'a' 0"),
    ],
)
def test_files_that_do_not_belong_together(
    tmp_path: Path, scores: list[tuple[str, int]], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        list(read_samples(files(tmp_path, scores=scores)))


def test_scattered_samples_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    jsonl.write(path, [sample("a", 0), sample("b", 0), sample("a", 1)])
    with pytest.raises(InputError, match="are not adjacent"):
        list(read_groups((path,)))


def test_a_problem_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"id":"a","problem":"q","answer":"2"}\n' * 2)
    with pytest.raises(InputError, match="row 2, field 'id': 'a' occurs twice"):
        read_problems(path)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ([("a", 0), ("a", 2)], "problem 'a' has no sample 1; expected the samples 0 to 2"),
        ([("a", 1)], "problem 'a' has no sample 0"),
        ([("a", 0), ("a", 1), ("a", 1)], "problem 'a' has sample 1 twice"),
    ],
)
def test_gaps_and_doubles_are_refused(
    keys: list[tuple[str, int]], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "samples.jsonl"
    jsonl.write(path, [sample(*key) for key in keys])
    with pytest.raises(InputError, match=sentence):
        list(read_groups((path,)))
    jsonl.write(path, [sample("a", 1), sample("a", 0)])  # another order loses nothing
    assert [len(rows) for _, rows in read_groups((path,))] == [2]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"problem_id":"a","index":-1,"score":0.5}', "field 'index': expected `int` >= 0"),
        ('{"problem_id":"a","index":0,"score":1e308}', "field 'score': expected `float` <= 1"),
        ('{"problem_id":"a","index":0,"score":NaN}', "not a Scored row"),
        ('{"problem_id":"a","index":0,"score":1e999}', "field 'score': number out of range"),
    ],
)
def test_numbers_are_validated_where_they_are_read(
    line: str, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match=sentence):
        list(jsonl.read(path, Scored))


def test_negative_tokens_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text('{"problem_id":"a","index":0,"text":"t","finish_reason":"stop","tokens":-5}\n')
    with pytest.raises(InputError, match="field 'tokens': expected `int` >= 0"):
        list(read_groups((path,)))
