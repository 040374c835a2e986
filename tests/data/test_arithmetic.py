"""The embedded problems: determinism, disjoint splits, and every equation recomputed."""

from __future__ import annotations

import random
import re
from fractions import Fraction
from itertools import product
from typing import get_args

import pytest

from mathtune.data.arithmetic import FAMILIES, SHARES, WORDINGS, Split, draw, generate, split_of
from mathtune.data.arithmetic.puzzle import check_lines, write

SPLITS: tuple[Split, ...] = get_args(Split)
EQUATION = re.compile(r"<<([^<>=]*)=([^<>]*)>>(-?\d+)")
OPERATIONS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


def recomputed(expression: str) -> Fraction:
    """The value of `a op b`, with exact fractions and without the code under test."""
    match = re.fullmatch(r"(\d+)([-+*/])(\d+)", expression)
    assert match is not None, expression
    return Fraction(OPERATIONS[match[2]](Fraction(match[1]), Fraction(match[3])))


def test_same_seed_same_problems() -> None:
    assert generate("train", 60, seed=3) == generate("train", 60, seed=3)
    assert generate("train", 60, seed=3) != generate("train", 60, seed=4)


def test_a_smaller_draw_is_the_beginning_of_a_larger_one() -> None:
    assert generate("test", 60, seed=0)[:20] == generate("test", 20, seed=0)


@pytest.mark.parametrize("split", SPLITS)
def test_ids_and_texts_are_unique_and_families_even(split: Split) -> None:
    problems = generate(split, 130, seed=0)
    assert len({row.id for row in problems}) == len({row.problem for row in problems}) == 130
    assert {row.subject for row in problems} == set(FAMILIES)
    for family in FAMILIES:
        assert sum(row.subject == family for row in problems) == 130 // len(FAMILIES)


@pytest.mark.parametrize("split", SPLITS)
def test_every_equation_holds_and_leads_to_the_answer(split: Split) -> None:
    for row in generate(split, 300, seed=1):
        assert row.solution is not None
        equations = EQUATION.findall(row.solution)
        assert equations
        for left, value, shown in equations:
            assert recomputed(left) == Fraction(value), row.solution
            assert value == shown
        *body, last = row.solution.split("\n")
        assert last == f"#### {row.answer}"
        checked = [at for at, line in enumerate(body) if line.startswith("Check: ")]
        if "<<" in body[-1]:  # a story: the last equation's value is the answer
            assert equations[-1][2] == row.answer
        else:  # a substitution: what was found is what was wanted
            found = re.fullmatch(r"Check: (\d+) and (\d+)", body[checked[-1]])
            assert found is not None
            assert found[1] == found[2]


def test_numbers_are_whole_and_steps_two_to_five() -> None:
    for row in generate("test", 400, seed=2):
        assert re.fullmatch(r"\d+", row.answer)
        assert int(row.answer) >= 1
        assert row.level is not None
        assert 2 <= int(row.level) <= 5


def test_every_puzzle_belongs_to_the_split_it_was_drawn_for() -> None:
    rng = random.Random(0)
    for split, family in product(SPLITS, FAMILIES):
        for _ in range(20):
            assert split_of(draw(split, family, rng)) == split


def test_shares_of_the_hash_range_are_met() -> None:
    rng = random.Random(0)
    places: list[Split] = []
    while len(places) < 4000:
        puzzle = FAMILIES["bakery"](rng, ("a",))
        if puzzle is not None:
            places.append(split_of(puzzle))
    assert sum(SHARES.values()) == 100
    for split, share in SHARES.items():  # 4,000 draws: three standard errors are below 2.5 points
        assert abs(100 * places.count(split) / 4000 - share) < 2.5


@pytest.mark.parametrize("family", FAMILIES)
def test_wording_does_not_move_a_problem_to_another_split(family: str) -> None:
    """The same draw of numbers in every wording has one shape, one answer and one split."""
    for seed in range(30):
        worded = [FAMILIES[family](random.Random(seed), (wording,)) for wording in "abc"]
        present = [puzzle for puzzle in worded if puzzle is not None]
        assert len({(p.shape, p.numbers, p.answer, split_of(p)) for p in present}) <= 1
        assert len({p.text for p in present}) == len(present)


def test_no_task_problem_is_in_another_split() -> None:
    """The recipes' sizes and seeds, by sample; the hash guarantees it for any."""
    seen: dict[str, str] = {}
    for split, count in {"train": 500, "validation": 200, "test": 400, "pretrain": 3000}.items():
        for seed in range(3):
            for row in generate(split, count, seed):  # type: ignore[arg-type]
                assert seen.setdefault(row.problem, split) == split


def test_pretraining_never_meets_the_tasks_own_wording() -> None:
    assert "c" not in WORDINGS["pretrain"]
    assert all("c" in WORDINGS[split] for split in SPLITS if split != "pretrain")


@pytest.mark.parametrize("family", ["shop", "pay", "fraction", "travel", "compare", "saving"])
def test_one_problem_has_several_paths(family: str) -> None:
    rng = random.Random(5)
    most = 0
    for _ in range(5):  # equal numbers make orders look alike: look at a few problems
        puzzle = draw("train", family, rng)
        paths = {tuple(m[0] for m in EQUATION.findall(write(puzzle, rng))) for _ in range(60)}
        most = max(most, len(paths))
    assert most >= 4


def test_a_wrong_answer_shows_in_its_check() -> None:
    rng = random.Random(7)
    for family in ("thought", "equation", "product", "square", "coins"):
        puzzle = draw("train", family, rng)
        right = check_lines(puzzle, puzzle.answer, rng)[-1]
        wrong = check_lines(puzzle, puzzle.answer + 1, rng)[-1]
        assert len(set(re.findall(r"\d+", right))) == 1
        assert len(set(re.findall(r"\d+", wrong))) == 2


def test_division_is_exact_in_every_plan() -> None:
    rng = random.Random(9)
    for family in FAMILIES:
        for _ in range(50):
            puzzle = draw("train", family, rng)
            for _ in range(4):
                assert write(puzzle, rng).endswith(f"\n#### {puzzle.answer}")
