"""Every wrong verdict ever found, and every promise of the graders, as rows of a table."""

import csv
import io
from pathlib import Path

import pytest

from mathtune.answers import cluster, compare, equivalent
from mathtune.answers.graders.table import Grader

TABLE = (Path(__file__).parents[1] / "golden" / "answers.csv").read_text(encoding="utf-8")
ROWS = list(csv.DictReader(io.StringIO(TABLE)))


def test_table_is_not_empty() -> None:
    assert len(ROWS) > 200
    assert {row["verdict"] for row in ROWS} >= {"correct", "wrong"}
    assert all(row["source"] for row in ROWS)


@pytest.mark.parametrize(
    "row", ROWS, ids=[f"{r['grader']}-{r['answer'][:30]!r}-{r['gold'][:30]!r}" for r in ROWS]
)
def test_verdict(row: dict[str, str]) -> None:
    graders: dict[str, Grader] = {"math": "math", "prm800k": "prm800k"}
    verdict = compare(row["answer"], row["gold"], grader=graders[row["grader"]])
    assert verdict == row["verdict"]


def test_equivalent_answers_are_never_judged_wrong() -> None:
    for row in ROWS:
        answer, gold = row["answer"], row["gold"]
        if row["grader"] == "math" and equivalent(answer, gold):
            assert row["verdict"] == "correct"
        assert equivalent(answer, answer)
        assert equivalent(answer, gold) == equivalent(gold, answer)


def test_two_answers_share_a_cluster_if_the_grader_calls_them_equal() -> None:
    """In either direction; the rows' verdicts and the votes are one relation on pairs."""
    for row in ROWS[::2]:
        answer, gold = row["answer"], row["gold"]
        if row["grader"] != "math" or not answer.strip():
            continue
        equal = "correct" in (compare(answer, gold), compare(gold, answer))
        assert (len(cluster([answer, gold])) == 1) == equal, (answer, gold)


def test_clusters_keep_equivalence_classes_together() -> None:
    answers = [row["answer"] for row in ROWS] + [row["gold"] for row in ROWS]
    answers = answers[::9]
    groups = cluster(answers)
    assert sorted(i for group in groups for i in group) == list(range(len(answers)))
    of = {index: number for number, group in enumerate(groups) for index in group}
    for i in range(0, len(answers), 7):
        for j in range(0, len(answers), 5):
            if equivalent(answers[i], answers[j]):
                assert of[i] == of[j]
