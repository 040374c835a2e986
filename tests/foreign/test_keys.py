"""What tells problems apart, by hand: ids of problems, of samples, of files, and questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mathtune.foreign.read import open_samples

Q = ("Nuts in 3 bags?", "Tom pays?")
G = ("18", "12")


def row(p: int, i: int, **more: Any) -> dict[str, Any]:
    return {"problem": Q[p], "answer": G[p], "response": f"it is {i}", **more}


EACH = [(p, i) for p in (0, 1) for i in range(3)]
KINDS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "an id per problem": ([row(p, i, id=p) for p, i in EACH], "id"),
    "an id per sample": ([row(p, i, id=3 * p + i) for p, i in EACH], "problem"),
    "an id that counts a problem's samples": ([row(p, i, id=i) for p, i in EACH], "problem"),
    "both ids": ([row(p, i, id=3 * p + i, problem_id=f"p{p}") for p, i in EACH], "problem_id"),
    "no id": ([row(p, i) for p, i in EACH], "problem"),
    "samples first": ([row(p, i, id=f"{i}-{p}") for i in range(3) for p in (0, 1)], "problem"),
    "null ids": ([row(p, i, id=None) for p, i in EACH], "problem"),
    "uid of a rollout": (
        [{"prompt": Q[p], "output": f"it is {i}", "gts": G[p], "uid": f"u{p}"} for p, i in EACH],
        "uid",
    ),
    "a chat": (
        [{"messages": [{"role": "system", "content": "solve"}, {"role": "user", "content": Q[p]}],
          "completion": f"it is {i}", "gold": G[p]} for p, i in EACH],
        "messages",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_two_problems_with_three_samples(kind: str, tmp_path: Path) -> None:
    rows, shown = KINDS[kind]
    path = tmp_path / "f.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    samples = open_samples([path])
    assert samples.read["problem"] == shown
    found = [one.problem_id for one in samples]
    assert (samples.problems, len(set(found)), len(found)) == (2, 2, 6)
    assert sorted(found.count(name) for name in set(found)) == [3, 3]


def files(tmp_path: Path, *contents: list[dict[str, Any]]) -> list[Path]:
    paths = [tmp_path / f"part-{number}.jsonl" for number in range(len(contents))]
    for path, rows in zip(paths, contents, strict=True):
        path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return paths


def test_one_sample_per_file_and_problem(tmp_path: Path) -> None:
    paths = files(tmp_path, *([row(p, i, id=p) for p in (0, 1)] for i in range(4)))
    samples = open_samples([tmp_path / "part-*.jsonl"])
    assert (samples.problems, samples.rows, samples.read["problem"]) == (2, 8, "id")
    assert len(paths) == 4


def test_an_id_that_starts_again_in_each_file_names_other_problems(tmp_path: Path) -> None:
    def doc(number: int, subtask: str) -> dict[str, Any]:
        return {"doc_id": number, "resps": [["#### 5"]], "target": "5", "filtered_resps": ["5"],
                "doc": {"problem": f"{subtask} {number}"}}  # fmt: skip

    paths = files(tmp_path, *([doc(n, subtask) for n in (0, 1)] for subtask in ("algebra", "sets")))
    assert open_samples(paths).problems == 4
    # Without the questions the file tells them apart, if the golds differ.
    bare = [
        [{"doc_id": n, "resps": [["#### 5"]], "target": gold, "filtered_resps": ["5"]}
         for n in (0, 1)] for gold in ("5", "6")
    ]  # fmt: skip
    samples = open_samples(files(tmp_path, *bare))
    assert samples.problems == 4
    assert samples.read["problem"] == "file and doc_id"


def test_a_question_that_stands_twice_in_a_data_set_stays_two_problems(tmp_path: Path) -> None:
    questions = ["a?", "a?", "b?", "c?", "d?"]
    rows = [
        {"id": n, "problem": question, "answer": "5", "responses": ["it is 5", "it is 6"]}
        for n, question in enumerate(questions)
    ]
    (path,) = files(tmp_path, rows)
    samples = open_samples([path])
    assert (samples.problems, samples.read["problem"]) == (5, "id")


def test_nothing_tells_them_apart(tmp_path: Path) -> None:
    (path,) = files(tmp_path, [{"response": "it is 5", "gold": "5"}] * 3)
    samples = open_samples([path])
    assert (samples.problems, samples.read["problem"]) == (3, "each row")
