"""The relation is an equivalence whatever the texts are; clusters do not depend on order.

Clusters join what the grader calls equal, and everything that a chain of such pairs connects.
"""

import gzip
import itertools
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathtune.answers import (
    cluster,
    compare,
    compare_many,
    equivalent,
    explain,
    extract,
    grade,
)

TROUBLE = [
    ["10", r"10\%", "0.1"],
    ["(1,2)", "1<x<2", "1,2", "2,1"],
    ["5", "x=5", "2x+3=5", "y=5"],
    ["20", r"20^\circ", "20 cm", "20 m"],
    ["even", "neve", "Even", r"\text{even}"],
]
CLASSES = [
    ["0.5", "1/2", r"\frac12", r"\dfrac{2}{4}", "50\\%", r"2^{-1}", r"\sin 30^\circ", "$.50$"],
    ["x+1", "1+x", r"\frac{2x+2}{2}", "x + 1.0"],
    # Layout after a bracket: the comma is still one of thousands.
    ["2,400", r"(2)\cdot 1,200", r"\left(2\right)\;\cdot 1,200", r"(2)\text{ }\cdot 1,200"],
    ["y=2x", "2x-y=0", "y/2=x"],
    ["x>1", "1<x", "2x-2>0", r"x\in(1,\infty)"],
    ["1,2", "2, 1", r"\{1,2\}", "1 and 2"],
    [r"(-\infty,0)\cup(1,2)", r"(1,2)\cup(-\infty,0)"],
    [r"\sqrt8", r"2\sqrt2", r"\frac{4}{\sqrt{2}}", "8^{1/2}"],
    [r"\text{Two lines}", "two  lines", "Two lines."],
]


def partition(answers: Sequence[str | None]) -> frozenset[frozenset[str | None]]:
    return frozenset(frozenset(answers[i] for i in group) for group in cluster(answers))


@pytest.mark.parametrize("answers", TROUBLE)
def test_one_partition_in_every_order(answers: list[str]) -> None:
    """math-verify gives three to four partitions of each."""
    assert len({partition(order) for order in itertools.permutations(answers)}) == 1


@pytest.mark.parametrize("answers", CLASSES)
def test_spellings_of_one_answer_are_one_cluster(answers: list[str]) -> None:
    assert cluster(answers) == [list(range(len(answers)))]


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda: compare("0.5", 0.5), "0.5"),  # type: ignore[arg-type]
        (lambda: compare(5, "5"), "5"),  # type: ignore[arg-type]
        (lambda: explain(5, "5"), "5"),  # type: ignore[arg-type]
        (lambda: compare_many([(None, "1"), ("7", 7)]), "7"),  # type: ignore[list-item]
        (lambda: cluster(["7", 7]), "7"),  # type: ignore[list-item]
        (lambda: grade("#### 7", 7), "7"),  # type: ignore[arg-type]
        (lambda: extract(7), "7"),  # type: ignore[arg-type]
    ],
)
def test_a_number_for_a_text_is_named(call: Callable[[], object], number: str) -> None:
    with pytest.raises(TypeError, match=rf"is no text but {number}\b"):
        call()


def test_classes_do_not_touch() -> None:
    representatives = [answers[0] for answers in CLASSES]
    assert len(cluster(representatives)) == len(CLASSES)


def test_no_answer_joins_no_cluster() -> None:
    assert cluster([None, "1", None, "1.0"]) == [[1, 3]]
    assert cluster([None]) == []
    assert cluster([]) == []


def test_clusters_are_ordered_by_their_first_member() -> None:
    assert cluster(["b", "a", "b", "2/2", "a", "1"]) == [[0, 2], [1, 4], [3, 5]]


_ANSWERS = st.lists(
    st.sampled_from([text for texts in (*TROUBLE, *CLASSES) for text in texts]), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(_ANSWERS, st.randoms())
def test_clusters_are_what_equal_pairs_connect(answers: list[str], draw: random.Random) -> None:
    """A second implementation: join pairs that `compare` calls correct, until nothing moves."""
    shuffled = answers.copy()
    draw.shuffle(shuffled)
    assert partition(answers) == partition(shuffled)
    label = list(range(len(answers)))
    pairs = list(itertools.combinations(range(len(answers)), 2))
    equal = {
        (i, j)
        for i, j in pairs
        if equivalent(answers[i], answers[j])
        or "correct" in (compare(answers[i], answers[j]), compare(answers[j], answers[i]))
    }
    for _ in answers:
        for i, j in equal:
            label[i] = label[j] = min(label[i], label[j])
    of = {i: number for number, group in enumerate(cluster(answers)) for i in group}
    for i, j in pairs:
        assert (label[i] == label[j]) == (of[i] == of[j])


def test_votes_and_verdicts_are_one_relation() -> None:
    answers = ["36"] * 6 + [r"36^\circ"] * 6 + [r"144^\circ"] * 7
    random.Random(3).shuffle(answers)
    groups = cluster(answers)
    assert sorted(map(len, groups)) == [7, 12]
    assert all(compare(answers[i], r"36^\circ") == "correct" for i in max(groups, key=len))


@pytest.mark.parametrize(
    ("answers", "groups"),
    [
        (["5 m", "500 cm", "5 cm"], [[0, 1], [2]]),
        (["5 m", "5 cm"], [[0], [1]]),
        (["5 m", "5 cm", "5"], [[0, 1, 2]]),  # 5 agrees with both
        (["25", r"25\%"], [[0, 1]]),
        (["25", "0.25"], [[0], [1]]),
        (["443_6", "443", "443_5"], [[0, 1, 2]]),
        (["x=5", "5", "6"], [[0, 1], [2]]),
        (["x=5", "y=5"], [[0], [1]]),
        (["(1,2)", "x=1, y=2", "(2,1)"], [[0, 1], [2]]),
        (["There are 5 apples", "5"], [[0, 1]]),
        ([r"\textbf{(C)}\ 42", "42", "43"], [[0, 1], [2]]),
    ],
)
def test_what_is_forgiven_is_one_vote(answers: list[str], groups: list[list[int]]) -> None:
    for order in itertools.permutations(range(len(answers))):
        found = cluster([answers[i] for i in order])
        assert sorted(sorted(order[i] for i in group) for group in found) == groups


def test_each_grader_has_its_own_clusters() -> None:
    answers = [r"\sqrt[3]{2}", r"\sqrt{2}", "2.0000000001", "2"]
    assert cluster(answers) == [[0], [1], [2], [3]]
    assert cluster(answers, grader="prm800k") == [[0, 1], [2, 3]]


@pytest.mark.timeout(60)
def test_many_answers_cost_bounded_work() -> None:
    answers = [f"{i % 7} {'abcdefgh'[i % 8]}{'pqrstuvw'[i // 8 % 8]}ings" for i in range(600)]
    groups = cluster(answers)
    assert sum(map(len, groups)) == 600


def test_ten_thousand_shuffles_of_real_answers(shared_data: Path) -> None:
    lists = []
    with gzip.open(shared_data / "samples" / "gsm8k_qwen_n32_prm.jsonl.gz", "rt") as stream:
        for line in stream:
            found = [extract(text, rule="last-number") for text in json.loads(line)["samples"]]
            lists.append([answer.text if answer else None for answer in found])
    draw = random.Random(0)
    for number in range(10_000):
        answers = lists[number % len(lists)]
        order = draw.sample(range(len(answers)), len(answers))
        shuffled = cluster([answers[i] for i in order])
        members = {frozenset(order[i] for i in group) for group in shuffled}
        assert members == {frozenset(group) for group in cluster(answers)}
