"""Scores in a second file: joined by text, by number, by order or row by row, or refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from mathtune.errors import InputError
from mathtune.foreign import Request, measure_file
from mathtune.foreign.read import Samples, open_samples

SAMPLES: list[dict[str, Any]] = [
    {"id": "a", "question": "3 + 4?", "gold": "7", "responses": ["It is 7.", "It is 8.", "So 9."]},
    {"id": "b", "question": "2 + 2?", "gold": "4", "responses": ["It is 5.", "It is 4.", "So 9."]},
]
RIGHT = [0.9, 0.1, 0.2, 0.3, 0.8, 0.25]
"""The scores of the six samples: re-ranking by them finds both golds, the first samples one."""
BY_NUMBER: list[dict[str, Any]] = [
    {"id": one["id"], "sample_idx": k, "reward": RIGHT[3 * p + k]}
    for p, one in enumerate(SAMPLES)
    for k in range(3)
]
ONE_PER_ROW = [
    {"id": row["id"], "gold": row["gold"], "sample_idx": k, "response": text}
    for row in SAMPLES
    for k, text in enumerate(row["responses"])
]
BY_TEXT = [
    {"prompt": row["question"], "response": text, "reward": RIGHT[3 * p + k]}
    for p, row in enumerate(SAMPLES)
    for k, text in enumerate(row["responses"])
]


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def opened(folder: Path, scores: list[Any], rows: list[Any] = SAMPLES, field: str = "") -> Samples:
    file = write(folder / "scores.jsonl", scores)
    return open_samples([write(folder / "samples.jsonl", rows)], score=f"{file}{field}")


def scores_of(samples: Samples) -> list[float | None]:
    return [one.score for one in samples]


def without(rows: list[Any], *names: str) -> list[Any]:
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


@pytest.mark.parametrize(
    ("scores", "how"),
    [
        ([{"id": "b", "scores": RIGHT[3:]}, {"id": "a", "scores": RIGHT[:3]}],
         "scores of {}, where id = id, in the order of the rows"),
        ([{"id": "b", "scores": [[0, one] for one in RIGHT[3:]]}, {"id": "a", "scores": RIGHT[:3]}],
         "scores of {}, where id = id, in the order of the rows"),
        (BY_NUMBER[::-1], "reward of {}, where id = id, by sample_idx"),
        ([{**one, "sample_idx": one["sample_idx"] + 1} for one in BY_NUMBER[::-1]],
         "reward of {}, where id = id, by sample_idx"),
        (without(BY_NUMBER, "sample_idx"), "reward of {}, where id = id, in the order of the rows"),
        (BY_TEXT[::-1], "reward of {}, where prompt = question, by text"),
        ([{"question": one["question"], "responses": one["responses"], "rm": RIGHT[3 * p :][:3]}
          for p, one in enumerate(SAMPLES)], "rm of {}, where question = question, by text"),
        ([{"reward": one} for one in RIGHT], "reward of {}, row by row"),
        ([{"reward": RIGHT[:3]}, {"reward": RIGHT[3:]}], "reward of {}, row by row"),
    ],
)  # fmt: skip
def test_joined(scores: list[Any], how: str, tmp_path: Path) -> None:
    samples = opened(tmp_path, scores)
    assert scores_of(samples) == RIGHT
    assert samples.read["score"] == how.format(tmp_path / "scores.jsonl")
    assert scores_of(samples) == RIGHT  # read again


def test_the_numbers_of_the_samples_themselves_count(tmp_path: Path) -> None:
    rows = [ONE_PER_ROW[place] for place in (5, 1, 0, 3, 2, 4)]
    expected = [RIGHT[place] for place in (5, 1, 0, 3, 2, 4)]
    assert scores_of(opened(tmp_path, BY_NUMBER, rows)) == expected


def test_samples_without_a_score_and_scores_without_a_sample(tmp_path: Path) -> None:
    other = {"id": "c", "sample_idx": 0, "reward": 0.5}
    samples = opened(tmp_path, [*BY_NUMBER[:1], *BY_NUMBER[2:], other])
    found = scores_of(samples)
    assert found[0] == 0.9
    assert found[2:] == RIGHT[2:]
    assert found[1] is not None
    assert math.isnan(found[1])
    # By order the second row of id a would be that of its third sample.
    part = without([*BY_NUMBER[:1], *BY_NUMBER[2:]], "sample_idx")
    found = scores_of(opened(tmp_path, part))
    assert found[3:] == RIGHT[3:]
    assert all(math.isnan(one or 0) for one in found[:3])


def test_measured(tmp_path: Path) -> None:
    files = write(tmp_path / "f.jsonl", SAMPLES), write(tmp_path / "s.jsonl", BY_NUMBER)
    plain = measure_file(Request.parse(files[0]))
    assert plain["metrics"]["Maj1@3"]["value"] == 0.5
    assert "RR.All" not in plain["metrics"]
    found = measure_file(Request.parse(files[0], score=str(files[1])))
    assert found["metrics"]["RR.All"]["value"] == 1.0
    assert found["warnings"] == plain["warnings"]
    short = write(tmp_path / "t.jsonl", [*BY_NUMBER[1:], {"id": "z", "sample_idx": 0, "reward": 1}])
    told = measure_file(Request.parse(files[0], score=f"{short}:reward"))["warnings"]
    assert any(one.startswith("1 of 6 samples has no score") for one in told)
    assert any(one.startswith("1 score fits no sample (reward of") for one in told)


def test_a_text_of_two_problems_is_told_apart_by_its_problem_or_not_at_all(tmp_path: Path) -> None:
    # "So 9." is a sample of both, with different scores.
    assert scores_of(opened(tmp_path, BY_TEXT))[2::3] == [0.2, 0.25]
    found = scores_of(opened(tmp_path, without(BY_TEXT, "prompt")))
    assert [found[k] for k in (0, 1, 3, 4)] == [0.9, 0.1, 0.3, 0.8]
    assert all(math.isnan(found[k] or 0) for k in (2, 5))


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        ([{"id": one["id"], "scores": RIGHT[:2]} for one in SAMPLES],
         r"scores \('scores'\) cannot be joined: 0 of 6 samples find one; expected rows with"),
        ([{"reward": one} for one in RIGHT[1:]], "cannot be joined: 0 of 6 samples"),
        ([{"id": k, "reward": one} for k, one in enumerate(RIGHT)], "cannot be joined: 0 of 6"),
        ([{**one, "score_a": 1, "score_b": 2} for one in without(BY_NUMBER, "reward")],
         r"several fields may hold the scores, of score_a, score_b; name one: --score .*:FIELD"),
        ([{"id": "a", "text": "x"}], "no field may hold the scores, of id, text"),
        ([{"id": one["id"], "question": other["question"], "reward": score}
          for one, other, s in zip(SAMPLES, SAMPLES[::-1], (RIGHT[:3], RIGHT[3:]), strict=True)
          for score in s],
         "find other scores where id = id, in the order of the rows than where question ="),
    ],
)  # fmt: skip
def test_refused(scores: list[Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        opened(tmp_path, scores)


def test_a_field_and_a_file_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--score names the field 'prm', which no row has"):
        opened(tmp_path, BY_NUMBER, field=":prm")
    with pytest.raises(InputError, match=r"--score none\.jsonl: no such file\."):
        open_samples([write(tmp_path / "s.jsonl", SAMPLES)], score="none.jsonl")


def test_scores_in_one_object_by_id(tmp_path: Path) -> None:
    rows = [{"id": f"q{n}", "gold": "7", "samples": ["It is 7.", "It is 8."]} for n in range(20)]
    file = tmp_path / "scores.json"
    file.write_text(json.dumps({f"q{n}": [n / 32, 0.5] for n in reversed(range(20))}))
    found = scores_of(open_samples([write(tmp_path / "s.jsonl", rows)], score=str(file)))
    assert found[:4] == [0.0, 0.5, 1 / 32, 0.5]
    assert found[-2:] == [19 / 32, 0.5]


def test_our_own_scores(tmp_path: Path) -> None:
    rows = [
        {"problem_id": one["id"], "index": one["sample_idx"], "score": one["reward"]}
        for one in BY_NUMBER[::-1]
    ]
    assert (
        scores_of(opened(tmp_path, rows, [{**r, "problem_id": r["id"]} for r in SAMPLES])) == RIGHT
    )
