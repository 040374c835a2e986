"""Which solutions are kept: the farthest of each path, whatever the order; the published rule."""

from __future__ import annotations

import ast
import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from mathtune.paths.select import Rule, farthest, path_of, select, selection, selections

TEXTS = st.sampled_from(
    [
        "3 and 4: <<3+4=7>>7",
        "Three plus four is <<3+4=7>>7",
        "<<4+3=7>>7",
        "a longer one, where four and three are <<4+3=7>>7",
        "<<3+4=7>> <<7*2=14>>",
        "<<7*2=14>> <<3+4=7>>",
        "<<3+4=8>>8",
        "It is seven.",
        "it is  SEVEN",
        "Seven it is.",
    ]
)


@given(st.lists(TEXTS, max_size=12), st.randoms())
def test_what_is_kept_does_not_depend_on_the_order(texts: list[str], rng: random.Random) -> None:
    shuffled = texts.copy()
    rng.shuffle(shuffled)
    assert sorted(texts[i] for i in select(texts)) == sorted(shuffled[i] for i in select(shuffled))


@given(st.lists(TEXTS, max_size=12))
def test_one_solution_for_each_path_that_holds(texts: list[str]) -> None:
    kept = select(texts)
    assert kept == sorted(kept)
    paths = [path_of(texts[i]) for i in kept]
    assert len(paths) == len(set(paths))
    assert set(paths) == {path_of(text) for text in texts} - {None}
    found = selection(texts)
    assert found.false == sum(path_of(text) is None for text in texts)


@given(st.lists(TEXTS, max_size=12))
def test_each_kept_solution_is_the_farthest_of_its_path(texts: list[str]) -> None:
    kept = [texts[i] for i in select(texts)]
    for solution in kept:
        others = [other for other in kept if other != solution]
        rivals = [text for text in texts if path_of(text) == path_of(solution)]
        distances = [sum(Levenshtein.distance(text, other) for other in others) for text in rivals]
        assert max(distances, default=0) == distances[rivals.index(solution)]


@pytest.mark.parametrize("rule", ["default", "published"])
def test_workers_select_the_same_in_the_same_order(rule: Rule) -> None:
    rng = random.Random(0)
    texts = ["<<3+4=7>>", "so <<3+4=7>>", "<<4+3=7>>", "<<3+4=8>>", "3 + 4 = 7", "seven"]
    problems = [(number, rng.choices(texts, k=9)) for number in range(90)]
    alone = list(selections(problems, rule=rule))
    assert list(selections(iter(problems), rule=rule, workers=2)) == alone
    assert [number for number, _ in alone] == list(range(90))
    assert [found for _, found in alone] == [selection(t, rule=rule) for _, t in problems]


def test_farthest_by_hand() -> None:
    # From "xx": "ab" is 2, "abcdef" is 6 away.
    assert farthest([["ab", "abcdef"], ["xx"]]) == ["abcdef", "xx"]
    assert farthest([["b", "a"]]) == ["b"]
    assert farthest([]) == []


def test_operand_order_and_equation_order_are_different_paths() -> None:
    assert len(select(["<<3+4=7>>", "<<4+3=7>>", "<<3+4=7>><<7+1=8>>", "<<7+1=8>><<3+4=7>>"])) == 4


def test_solutions_without_equations_are_told_apart_by_their_words() -> None:
    assert select(["It is seven.", "Seven it is.", "It is 7."]) == [0, 1, 2]
    assert len(select(["It is seven.", "it is  seven", "IT IS SEVEN"])) == 1
    # The published rule merges them: they share the empty path.
    assert select(["It is seven.", "Seven it is."], rule="published") == [0]


def test_solutions_without_equations_are_counted() -> None:
    texts = ["It is seven.", "3 + 4 = 7", "3 + 4 = 8", "Seven."]
    found = selection(texts)
    assert (found.without_equations, found.false) == (2, 1)
    published = selection([*texts, "<<3+4=7>>", "<<3+4=8>>"], rule="published")
    assert (published.without_equations, published.false) == (4, 1)
    assert selection([]).without_equations == 0


# ---- the published rule


@pytest.mark.parametrize(
    ("annotation", "kept"),
    [
        ("3+4=7", True),
        ("3+4=7.0009", True),
        ("3+4=7.002", False),
        ("3+4", False),
        ("3+4=7=9", True),
        ("2+5=$7", False),
        ("1000+5=1,005", False),
        ("1/2=50%", False),
        ("$2+5=7", False),
        ("1,000+5=1005", False),
        ("7%4=3", True),
        ("2**3=8", True),
        ("7//2=3", True),
        ("x+1=2", False),
        ("2(3)=6", False),
        ("1/0=0", False),
        (" 16-3 = 13 ", True),
        ("05+1=6", False),
        ("9**9**9**9=1", False),
        ("2^3=8", False),  # exclusive or
        ("2^3=1", True),
        ("round(7/2)=4", True),
        ("5*=15", False),
        ("((2+3)*4)=20", True),
        ("1_000+5=1_005", True),
        ("3+4=7 dollars", False),
        ("3+4=nan", False),
        ("3+4=\u0667", True),  # float reads every script's digits, Python's grammar does not
        ("\u0667=7", False),
        ("__import__('os')=1", False),
    ],
)
def test_published_equation(annotation: str, kept: bool) -> None:
    assert select([f"<<{annotation}>>"], rule="published") == ([0] if kept else [])


def test_published_keeps_the_order_of_paths_and_exchanges_in_place() -> None:
    solutions = [
        "aa <<1+1=2>>",
        "bbbbbbbbbbbbbb <<2+2=4>>",
        "a quite different <<1 + 1=2>>",  # the same path without spaces, farther from the other
        "<<3+3=6>>",
    ]
    assert select(solutions, rule="published") == [2, 1, 3]
    # Not farther: stays.
    assert select([solutions[2], solutions[1], solutions[0]], rule="published") == [0, 1]


def test_published_equals_a_plain_account_of_it_on_real_samples(shared_data: Path) -> None:
    compared = differing = 0
    with (shared_data / "samples" / "gsm8k_openai_gpt3_n4.jsonl").open() as stream:
        for line in stream:
            row = json.loads(line)
            gold = row["gold_answer"].replace(",", "")
            right = [
                text
                for text in row["samples"]
                if (m := re.search(r"A: (-?[\d,]+)$", text)) and m[1].replace(",", "") == gold
            ]
            found = select(right, rule="published")
            assert [right[i] for i in found] == plain(right)
            compared += len(right)
            differing += sorted(found) != select(right)
    assert compared > 1500
    assert differing > 0


def plain(solutions: list[str]) -> list[str]:
    """The published selection, for annotations that hold nothing but arithmetic."""
    paths: list[str] = []
    kept: list[str] = []
    for solution in solutions:
        parts = re.findall(r"<<([^>]*)>>", solution)
        if not all(holds(part) for part in parts):
            continue
        path = "|".join(parts).replace(" ", "")
        if path not in paths:
            paths.append(path)
            kept.append(solution)
            continue
        at = paths.index(path)
        others = kept[:at] + kept[at + 1 :]
        new, old = (sum(Levenshtein.distance(s, o) for o in others) for s in (solution, kept[at]))
        if new > old:
            kept[at] = solution
    return kept


def holds(part: str) -> bool:
    if "=" not in part:
        return False
    left, right = part.split("=")[:2]
    if not re.fullmatch(r"[\d+\-*/(). ]+", left) or not re.fullmatch(r" *-?\d*\.?\d+\.? *", right):
        return False
    try:
        return abs(computed(ast.parse(left.strip(), mode="eval").body) - float(right)) < 1e-3
    except (SyntaxError, TypeError, ZeroDivisionError):
        return False


def computed(node: ast.expr) -> float:
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.UnaryOp):
        return -computed(node.operand)
    if not isinstance(node, ast.BinOp):
        raise TypeError("2(3): a number is not called")
    a, b = computed(node.left), computed(node.right)
    match node.op:
        case ast.Add():
            return a + b
        case ast.Sub():
            return a - b
        case ast.Mult():
            return a * b
    return a / b
