"""The relation is an equivalence whatever the texts are; clusters do not depend on order."""

import gzip
import itertools
import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathtune.answers import cluster, equivalent, extract

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


@settings(max_examples=100, deadline=None)
@given(_ANSWERS, st.randoms())
def test_clusters_agree_with_the_relation(answers: list[str], draw: random.Random) -> None:
    shuffled = answers.copy()
    draw.shuffle(shuffled)
    assert partition(answers) == partition(shuffled)
    of = {i: number for number, group in enumerate(cluster(answers)) for i in group}
    for i, j in itertools.product(range(len(answers)), repeat=2):
        assert equivalent(answers[i], answers[j]) == (of[i] == of[j])


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
