"""The embedded problems: determinism, disjoint splits, schooling apart from tasks, equations."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import islice, product
from typing import get_args

import pytest

from mathtune.data.arithmetic import (
    SHARES,
    TASKS,
    Split,
    generate,
    split_of,
)
from mathtune.data.arithmetic.chain_phrases import SETTINGS
from mathtune.data.arithmetic.chains import CHAINS
from mathtune.data.arithmetic.puzzle import PlanStep, Puzzle, shape_of, write
from mathtune.data.arithmetic.stories import NAMES, THINGS
from pretraining.schooling import FAMILIES, SCHOOLING, draw

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


def drawn(families: Iterable[str], count: int = 100) -> list[Puzzle]:
    """So many puzzles of each family."""
    return [puzzle for family in families for puzzle in drawn_of(family)[:count]]


@cache
def drawn_of(family: str) -> list[Puzzle]:
    """A hundred puzzles of the family, of any split."""
    rng = random.Random(11)
    found = (FAMILIES[family](rng) for _ in iter(int, 1))
    return list(islice((puzzle for puzzle in found if puzzle is not None), 100))


def grams(puzzles: Iterable[Puzzle], n: int) -> Counter[tuple[str, ...]]:
    """Runs of n words or signs; numbers, names and things of both kinds of families are masked."""
    found: Counter[tuple[str, ...]] = Counter()
    for puzzle in puzzles:
        text = re.sub(r"\d+", "#", puzzle.text)
        words = [
            "NAME" if word in NAMES else "THING" if word.lower() in THINGS else word.lower()
            for word in re.findall(r"[A-Za-z]+|[^\sA-Za-z]", text)
        ]
        found.update(zip(*(words[at:] for at in range(n)), strict=False))
    return found


def test_same_seed_same_problems() -> None:
    assert generate("train", 60, seed=3) == generate("train", 60, seed=3)
    assert generate("train", 60, seed=3) != generate("train", 60, seed=4)


def test_a_smaller_draw_is_the_beginning_of_a_larger_one() -> None:
    assert generate("test", 60, seed=0)[:20] == generate("test", 20, seed=0)


def test_only_the_families_asked_for() -> None:
    chosen = {name: TASKS[name] for name in ("tank", "shop")}
    assert {row.subject for row in generate("test", 30, 0, chosen)} == {"tank", "shop"}


@pytest.mark.parametrize("split", SPLITS)
def test_ids_and_texts_are_unique_and_families_even(split: Split) -> None:
    problems = generate(split, 120, seed=0)
    assert len({row.id for row in problems}) == len({row.problem for row in problems}) == 120
    assert {row.subject for row in problems} == set(TASKS)
    for family in TASKS:
        assert sum(row.subject == family for row in problems) == 120 // len(TASKS)


@pytest.mark.parametrize("split", SPLITS)
def test_every_equation_holds_and_leads_to_the_answer(split: Split) -> None:
    for row in generate(split, 300, seed=1):
        assert row.solution is not None
        *body, last = row.solution.split("\n")
        assert last == f"#### {row.answer}"
        for line in body:
            ((left, value, shown),) = EQUATION.findall(line)
            assert recomputed(left) == Fraction(value), row.solution
            assert value == shown
        assert body[-1].endswith(f">>{row.answer}")


def test_no_solution_says_whether_it_is_right() -> None:
    for puzzle in drawn(FAMILIES, 40):
        text = write(puzzle, random.Random(0)).lower()
        assert not re.search(r"check|correct|right|wrong|verif", text)


def test_schooling_and_tasks_share_no_plan_shape_of_two_steps() -> None:
    shapes: dict[str, set[str]] = {}
    for kind, families in (("schooling", SCHOOLING), ("tasks", TASKS)):
        plans = [plan for puzzle in drawn(families) for plan in puzzle.plans]
        shapes[kind] = {shape_of(plan) for plan in plans if len(plan) > 1}
    assert len(shapes["schooling"]) > 10
    assert len(shapes["tasks"]) > 100
    assert not shapes["schooling"] & shapes["tasks"]


def test_schooling_and_tasks_share_almost_no_wording() -> None:
    for n, most in ((4, 0.02), (5, 0.001), (6, 0.0)):
        school, task = (grams(drawn(kind), n) for kind in (SCHOOLING, TASKS))
        shared = sum(count for gram, count in task.items() if gram in school)
        assert shared <= most * sum(task.values()), n


def test_schooling_and_tasks_share_no_words_before_an_equation() -> None:
    said = [
        {say for puzzle in drawn(kind) for plan in puzzle.plans for s in plan for say in s.say}
        for kind in (SCHOOLING, TASKS)
    ]
    assert not said[0] & said[1]


def test_four_thousand_problems_are_not_forty_templates() -> None:
    rows = generate("train", 4000, seed=0)
    templates = Counter(re.sub(r"\d+", "#", row.problem) for row in rows)
    assert len(templates) > 2500
    assert templates.most_common(1)[0][1] < 40


@pytest.mark.parametrize("setting", SETTINGS)
def test_events_have_a_long_tail(setting: str) -> None:
    """The first phrase is met far more often than the last one, which is met all the same."""
    events = [event.text for event in SETTINGS[setting].events]
    assert len(set(events)) == len(events) == 10
    counts: Counter[str] = Counter()
    rng = random.Random(4)
    for _ in range(1500):
        puzzle = FAMILIES[setting](rng)
        counts.update(puzzle.kind.split("|")[1:] if puzzle else ())
    assert counts["0"] > 8 * counts["9"] > 0


def test_the_texts_numbers_are_those_of_the_plans() -> None:
    """Every number of a chain's text is in its plan, but for a distractor."""
    for puzzle in drawn(CHAINS, 40):
        written = [int(number) for number in re.findall(r"\d+", puzzle.text)]
        needed = {x for s in puzzle.plans[0] for x in (s.left, s.right) if isinstance(x, int)}
        assert set(written) <= needed | set(puzzle.distractors), puzzle.text


def test_shape_of_a_plan_by_hand() -> None:
    plan = [
        PlanStep(key="a", left=12, op="/", right=4, say=("",)),
        PlanStep(key="b", left=5, op="*", right="a", say=("",)),
        PlanStep(key="r", left=30, op="-", right="b", say=("",)),
    ]
    assert shape_of(plan) == "(n-((n/n)*n))"


def test_numbers_are_whole_and_steps_two_to_eight() -> None:
    for row in generate("test", 400, seed=2):
        assert re.fullmatch(r"\d+", row.answer)
        assert int(row.answer) >= 1
        assert row.level is not None
        assert 2 <= int(row.level) <= 8


def test_every_puzzle_belongs_to_the_split_it_was_drawn_for() -> None:
    rng = random.Random(0)
    for split, family in product(SPLITS, FAMILIES):
        for _ in range(20):
            assert split_of(draw(split, family, rng)) == split


def test_shares_of_the_hash_range_are_met() -> None:
    rng = random.Random(0)
    places: list[Split] = []
    while len(places) < 4000:
        puzzle = FAMILIES["tank"](rng)
        if puzzle is not None:
            places.append(split_of(puzzle))
    assert sum(SHARES.values()) == 100
    for split, share in SHARES.items():  # 4,000 draws: three standard errors are below 2.5 points
        assert abs(100 * places.count(split) / 4000 - share) < 2.5


def test_no_task_problem_is_in_another_split() -> None:
    """The recipes' sizes and seeds, by sample; the hash guarantees it for any."""
    seen: dict[str, str] = {}
    for split, count in {"train": 1000, "validation": 200, "test": 400}.items():
        for seed in range(2):
            for row in generate(split, count, seed):  # type: ignore[arg-type]
                assert seen.setdefault(row.problem, split) == split


@pytest.mark.parametrize("family", ["shop", "fraction", "travel", "saving", "tank", "bus"])
def test_one_problem_has_several_paths(family: str) -> None:
    rng = random.Random(5)
    most = 0
    for _ in range(5):  # equal numbers make orders look alike: look at a few problems
        puzzle = draw("train", family, rng)
        paths = {tuple(m[0] for m in EQUATION.findall(write(puzzle, rng))) for _ in range(60)}
        most = max(most, len(paths))
    assert most >= 4


def test_every_plan_leads_to_the_answer() -> None:
    rng = random.Random(9)
    for puzzle in drawn(FAMILIES, 40):
        for plan in puzzle.plans:
            one = replace(puzzle, plans=(plan,))
            assert write(one, rng).split("\n")[-2].endswith(f">>{puzzle.answer}"), puzzle.text
