"""Outlines never keep apart what the grader calls equal, and keep most other pairs apart."""

import csv
import itertools
from pathlib import Path

from mathtune.answers import compare, equivalent
from mathtune.answers.graders.outlines import may_agree, outline

TABLE = Path(__file__).parents[1] / "golden" / "answers.csv"


def golden() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["grader"] == "math"]


def test_no_correct_pair_is_kept_apart() -> None:
    rows = [row for row in golden() if row["verdict"] == "correct"]
    assert len(rows) > 900
    for row in rows:
        answer, gold = row["answer"], row["gold"]
        assert may_agree(outline(answer), outline(gold)) or equivalent(answer, gold), row


def test_no_pair_of_different_rows_is_kept_apart() -> None:
    texts = sorted({row["gold"] for row in golden()})[::12]
    apart = 0
    for a, b in itertools.combinations(texts, 2):
        if not may_agree(outline(a), outline(b)):
            apart += 1
            assert compare(a, b) != "correct" or equivalent(a, b), (a, b)
    assert apart > 1_000
