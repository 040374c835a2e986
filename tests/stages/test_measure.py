"""The stage measure on files: names, choices, comparisons, refusals, and the same bytes twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Graded, Problem, Sample, Scored, Verdict
from mathtune.stages.measure import Measure, grader_of, read_outcomes

# Per problem: the answer of each of four samples ("8" is right, None: no answer), and its score.
Answers = dict[str, tuple[list[str | None], list[float]]]
ANSWERS: Answers = {
    "a": (["8", "7", "8", None], [0.9, 0.2, 0.8, 0.99]),
    "b": (["7", "7", "8", "6"], [0.1, 0.2, 0.9, 0.3]),
    "c": (["7", "6", "7", "5"], [0.5, 0.6, 0.4, 0.1]),
}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    return write(tmp_path, ANSWERS)


def write(folder: Path, answers: Answers) -> dict[str, Any]:
    problems, samples, grades, scores, greedy, greedy_grades = [], [], [], [], [], []
    for name, (texts, values) in answers.items():
        problems.append(Problem(id=name, problem=f"Problem {name}?", answer="8"))
        numbers: dict[str, int] = {}
        for index, (text, score) in enumerate(zip(texts, values, strict=True)):
            samples.append(sample(name, index, text))
            cluster = None if text is None else numbers.setdefault(text, len(numbers))
            grades.append(graded(name, index, text, cluster))
            scores.append(Scored(problem_id=name, index=index, score=score))
        greedy.append(sample(name, 0, texts[0]))
        greedy_grades.append(graded(name, 0, texts[0], 0))
    for kind, rows in (
        ("problems", problems),
        ("samples", samples),
        ("grades", grades),
        ("scores", scores),
        ("greedy", greedy),
        ("greedy_grades", greedy_grades),
    ):
        jsonl.write(folder / f"{kind}.jsonl", rows)
    return {
        "problems": folder / "problems.jsonl",
        "samples": tuple(folder / f"{kind}.jsonl" for kind in ("samples", "grades", "scores")),
        "greedy": tuple(folder / f"{kind}.jsonl" for kind in ("greedy", "greedy_grades")),
    }


def sample(name: str, index: int, text: str | None) -> Sample:
    return Sample(problem_id=name, index=index, text=f"So {text}.", finish_reason="stop", tokens=3)


def graded(name: str, index: int, text: str | None, cluster: int | None) -> Graded:
    verdict = "no_answer" if text is None else "correct" if text == "8" else "wrong"
    return Graded(
        problem_id=name,
        index=index,
        answer=text,
        rule=None,
        verdict=Verdict(verdict),
        cluster=cluster,
    )


def finished(folder: Path, **config: Any) -> dict[str, Any]:
    folder.mkdir()
    document = msgspec.to_builtins(Measure(**config).run(folder))
    jsonl.write_json(folder / "metrics.json", document)
    return document


def test_values_by_hand(files: dict[str, Any], tmp_path: Path) -> None:
    document = finished(tmp_path / "m", **files, k=2, grader="math")
    assert (document["problems"], document["n"], document["grader"]) == (3, 4, "math")
    values = {name: part["value"] for name, part in document["metrics"].items()}
    assert values == pytest.approx(
        {
            "Pass@1": 1 / 3,  # the greedy solution is right in a
            "mean": (2 / 4 + 1 / 4 + 0) / 3,
            "Pass@4": 2 / 3,
            "Maj1@4": 1 / 3,
            "Maj2@4": 2 / 3,
            "RR.All": 2 / 3,
            "RR.Maj2": 2 / 3,
            "W.RR": 2 / 3,
            "W.RR.Maj2": 2 / 3,
            "Maj1.Top2": 2 / 3,
            "cost.Maj2": (3 / 4 + 3 / 4 + 3 / 4) / 3,
            "RR.MajK": 2 / 3,
            "W.RR.MajK": 2 / 3,
            "Maj1.TopN": 2 / 3,
            "calculator": 1 / 3,  # no text has an equation: as Maj1
            "shortness": 1 / 3,
            "form": 1 / 3,  # all samples of a problem have one form: as Maj1
            "W.RR.calculator": 2 / 3,  # as W.RR
        },
        abs=1e-6,
    )
    assert document["counts"]["no_answer"] == 1
    assert document["chosen"]["k"] == {"RR.MajK": 2, "W.RR.MajK": 2, "Maj1.TopN": 1}
    assert document["over_maj1"]["RR.All"]["difference"] == pytest.approx(1 / 3, abs=1e-6)
    evaluator = document["evaluator"]
    # a: 0.9 and 0.8 over 0.2; b: 0.9 over three; c has no right sample.
    assert evaluator["within_auc"]["value"] == 1.0
    assert evaluator["within_problems"] == 2
    assert evaluator["without_answer"] == 1
    error = evaluator["ece"]
    assert 0 <= error["low"] <= error["value"] <= error["high"] <= 1


def test_problems_may_have_other_numbers_of_samples(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    files = write(tmp_path / "files", {**ANSWERS, "c": (["8", "7"], [0.5, 0.1])})
    found = finished(tmp_path / "all", **files)
    assert (found["n"], found["problems"], found["too_few_samples"]) == (2, 3, 0)
    assert found["samples_per_problem"] == {"fewest": 2, "most": 4}
    values = {name: part["value"] for name, part in found["metrics"].items()}
    # a: 2 of 4 right, b: 1 of 4, c: 1 of 2; pairs without a right sample: 1 of 6, 3 of 6, none.
    assert values["mean"] == pytest.approx((0.5 + 0.25 + 0.5) / 3, abs=1e-6)
    assert values["Pass@2"] == pytest.approx((5 / 6 + 3 / 6 + 1) / 3, abs=1e-6)
    four = finished(tmp_path / "four", **files, n=4)
    assert (four["n"], four["problems"], four["too_few_samples"]) == (4, 2, 1)
    assert list(read_outcomes(tmp_path / "four")) == ["a", "b"]
    with pytest.raises(InputError, match="no problem has 5 samples; the most are 4"):
        finished(tmp_path / "five", **files, n=5)


def test_ties_are_broken_as_asked(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    files = write(tmp_path / "files", {"a": (["7", "8"], [0.5, 0.5])})
    first = finished(tmp_path / "first", **files)
    assert first["metrics"]["Maj1@2"]["value"] == 0.0
    assert first["ties"]["expected"]["Maj1@2"] == 0.5
    assert "Maj1@2" in first["ties"]["matters"]
    fair = finished(tmp_path / "fair", **files, ties="expected")
    assert fair["metrics"]["Maj1@2"]["value"] == 0.5
    assert fair["ties"]["matters"] == []


def test_clusters_of_problems_widen_the_intervals(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    answers: Answers = {
        f"{level}-{i}": (["8" if level == "easy" else "7"], [0.5])
        for level in ("easy", "hard")
        for i in range(20)
    }
    files = write(tmp_path / "files", answers)
    problems = [
        Problem(id=name, problem="?", answer="8", level=name.partition("-")[0]) for name in answers
    ]
    jsonl.write(files["problems"], problems)
    alone = finished(tmp_path / "alone", **files)["metrics"]["mean"]
    document = finished(tmp_path / "together", **files, cluster_by="level")
    together = document["metrics"]["mean"]
    assert document["clusters"] == 2
    assert together["high"] - together["low"] > 2 * (alone["high"] - alone["low"])
    assert document["groups"]["level"]["easy"]["metrics"]["mean"]["value"] == 1.0
    with pytest.raises(InputError, match="has no subject"):
        finished(tmp_path / "none", **files, cluster_by="subject")


def test_pass_at_1_is_that_of_the_greedy_solution(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    files = write(tmp_path / "one", {"a": (["8"], [0.5]), "b": (["7"], [0.5])})
    (tmp_path / "other").mkdir()
    greedy = write(tmp_path / "other", {"a": (["7"], [0.5]), "b": (["7"], [0.5])})["greedy"]
    values = finished(tmp_path / "m", **{**files, "greedy": greedy})["metrics"]
    assert values["Pass@1"]["value"] == 0.0
    assert values["mean"]["value"] == values["Maj1@1"]["value"] == 0.5


def test_outcomes_hold_each_problem_and_each_pick(files: dict[str, Any], tmp_path: Path) -> None:
    finished(tmp_path / "m", **files, k=2)
    rows = read_outcomes(tmp_path / "m")
    assert list(rows) == ["a", "b", "c"]
    assert rows["b"].values["Maj1@4"] == 0.0
    assert rows["b"].values["RR.All"] == 1.0
    assert rows["b"].picks["Maj1@4"] == 0
    assert rows["b"].picks["RR.All"] == 2
    assert rows["a"].picks["RR.All"] == 0  # sample 3 scores higher and has no answer
    assert rows["c"].picks["RR.Maj2"] == 1


def test_k_is_chosen_on_another_measure_or_the_table_says_optimistic(
    files: dict[str, Any], tmp_path: Path
) -> None:
    here = finished(tmp_path / "validation", **files)
    assert here["chosen"]["optimistic"]
    assert "optimistic" in here["chosen"]["on"]
    there = finished(tmp_path / "test", **files, choose_on=tmp_path / "validation")
    assert not there["chosen"]["optimistic"]
    assert there["chosen"]["k"] == here["chosen"]["k"]


def test_against_pairs_problem_by_problem(files: dict[str, Any], tmp_path: Path) -> None:
    finished(tmp_path / "one", **files)
    (tmp_path / "worse").mkdir()
    worse = write(
        tmp_path / "worse", {**ANSWERS, "a": (["7", "7", "8", "6"], [0.1, 0.2, 0.9, 0.3])}
    )
    document = finished(tmp_path / "two", **worse, against={"one": tmp_path / "one"})
    found = document["against"]["one"]
    assert found["Maj1@4"]["difference"] == pytest.approx(-1 / 3, abs=1e-6)
    same = found["Pass@4"]
    assert (same["difference"], same["p"]) == (0.0, 1.0)
    assert same["low"] == -same["high"] < 0.0  # three equal problems do not prove equality
    assert set(found) == {*document["metrics"], "within_auc"}
    # Only b has both kinds in both runs, and the same scores.
    assert found["within_auc"]["problems"] == 2
    assert found["within_auc"]["difference"] == 0.0


def test_without_scores_nothing_is_said_of_reranking(files: dict[str, Any], tmp_path: Path) -> None:
    document = finished(tmp_path / "m", problems=files["problems"], samples=files["samples"][:2])
    assert set(document["metrics"]) == {"mean", "Pass@4", "Maj1@4", "Maj8@4"}
    assert set(document["curves"]["over_k"]) == {"n", "k", "MajK"}
    assert "evaluator" not in document
    with pytest.raises(InputError, match="without scores"):
        finished(tmp_path / "next", **files, choose_on=tmp_path / "m")


def test_the_same_bytes_twice(files: dict[str, Any], tmp_path: Path) -> None:
    finished(tmp_path / "one", **files)
    finished(tmp_path / "two", **files)
    for name in ("metrics.json", "outcomes.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_bad_input_is_one_sentence(files: dict[str, Any], tmp_path: Path) -> None:
    finished(tmp_path / "three", **files)
    for number, (change, message) in enumerate(
        (
            ({"samples": files["samples"][:1]}, "not graded"),
            ({"greedy": files["samples"]}, "has 4 greedy solutions; expected 1"),
            ({"greedy": files["greedy"][:1]}, "greedy solutions are not graded"),
        )
    ):
        with pytest.raises(InputError, match=message):
            finished(tmp_path / f"bad{number}", **{**files, **change})
    odd: tuple[tuple[Answers, str], ...] = (
        ({"a": ANSWERS["a"]}, "2 problems have no samples, the first is 'b'"),
        ({**ANSWERS, "d": ANSWERS["a"]}, "problem 'd' is not in the problem file"),
    )
    for number, (answers, message) in enumerate(odd):
        (tmp_path / f"files{number}").mkdir()
        other = write(tmp_path / f"files{number}", answers)
        with pytest.raises(InputError, match=message):
            finished(tmp_path / f"odd{number}", **{**other, "problems": files["problems"]})
    (tmp_path / "fewer").mkdir()
    fewer = write(tmp_path / "fewer", {"a": ANSWERS["a"]})
    with pytest.raises(InputError, match="against three: problem 'b' is in only one"):
        finished(tmp_path / "against", **fewer, against={"three": tmp_path / "three"})


def test_grader_version_and_rule_stand_beside_the_numbers(tmp_path: Path) -> None:
    columns = (tmp_path / "samples.jsonl", tmp_path / "grades.jsonl")
    assert grader_of(columns) == "a grader that is not named"
    document = {"grader": "prm800k", "grader_version": "7", "extract": "last-number"}
    jsonl.write_json(tmp_path / "metrics.json", document)
    assert grader_of(columns) == "prm800k 7 (answers: last-number)"
    foreign = {"extract": "explicit", "graders": {"math": {"version": "3"}}}
    jsonl.write_json(tmp_path / "metrics.json", foreign)
    assert grader_of(columns) == "math 3 (answers: explicit)"
    (tmp_path / "metrics.json").write_text('{"grader": ')
    with pytest.raises(InputError, match=r"metrics.json: not a JSON object: "):
        grader_of(columns)
