"""A word problem, its known ways of reasoning, and how a solution is written. Below the families.

A `Puzzle` holds plans: each plan is a small graph of steps, so one problem has many valid
solutions (another plan, another order of independent steps, swapped operands).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Operation = Literal["+", "-", "*", "/"]
USUAL = 0.5
"""How often a solution follows a problem's first plan; otherwise it follows any of its plans."""

Operand = int | str  # a number of the problem, or the key of an earlier step


@dataclass(frozen=True, kw_only=True)
class PlanStep:
    """One equation: `key` names its value for later steps, `say` the words before it."""

    key: str
    left: Operand
    op: Operation
    right: Operand
    say: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Puzzle:
    """One generated problem.

    `kind` and `numbers` identify the problem for any wording; its split depends on them.
    A plan's last step has the answer. `distractors` are numbers of the text that no plan needs;
    `ordered` plans are written in their order, others in any order that computes.
    """

    kind: str
    numbers: tuple[int, ...]
    text: str
    answer: int
    plans: tuple[tuple[PlanStep, ...], ...]
    distractors: tuple[int, ...] = ()
    ordered: bool = False

    @property
    def steps(self) -> int:
        """The number of equations of the shortest plan."""
        return min(len(plan) for plan in self.plans)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A written step: the words, both operands, the operation and the value as they appear."""

    say: str
    left: int
    op: str
    right: int
    value: int

    def __str__(self) -> str:
        return f"{self.say} <<{self.left}{self.op}{self.right}={self.value}>>{self.value}"


def compute(left: int, op: str, right: int) -> int | None:
    """Return the value of one operation, or None if it is not a whole number.

    >>> compute(48, "/", 2), compute(7, "/", 2)
    (24, None)
    """
    if op == "+":
        return left + right
    if op == "-":
        return left - right
    if op == "*":
        return left * right
    return left // right if right and left % right == 0 else None


def shape_of(plan: Sequence[PlanStep]) -> str:
    """Return the plan as a tree of operations: every number is `n`, operands of + and * are sorted.

    >>> first = PlanStep(key="m", left=3, op="*", right=4, say=("",))
    >>> shape_of([first, PlanStep(key="r", left=20, op="-", right="m", say=("",))])
    '(n-(n*n))'
    """
    trees: dict[Operand, str] = {}
    for step in plan:
        left, right = trees.get(step.left, "n"), trees.get(step.right, "n")
        if step.op in "+*":
            left, right = sorted((left, right))
        trees[step.key] = f"({left}{step.op}{right})"
    return trees[plan[-1].key]


def shuffled(plan: Sequence[PlanStep], rng: random.Random) -> list[PlanStep]:
    """Return the plan in a random order in which every step comes after the steps it uses."""
    waiting, placed = list(plan), []
    while waiting:
        blocked = {step.key for step in waiting}
        ready = [step for step in waiting if not {step.left, step.right} & blocked]
        step = rng.choice(ready)
        waiting.remove(step)
        placed.append(step)
    return placed


def follow(steps: Sequence[PlanStep], rng: random.Random) -> list[Line]:
    """Write the steps with computed values, random words and, for + and *, random operand order.

    Raises ArithmeticError if a division leaves a remainder: a family never offers such a plan.
    """
    known: dict[Operand, int] = {}
    lines = []
    for step in steps:
        left, right = known.get(step.left, step.left), known.get(step.right, step.right)
        if not isinstance(left, int) or not isinstance(right, int):
            raise ArithmeticError(f"step {step.key!r} uses a value that is not known yet")
        value = compute(left, step.op, right)
        if value is None:
            raise ArithmeticError(f"{left} / {right} is not a whole number")
        if step.op in "+*" and rng.random() < 0.3:
            left, right = right, left
        known[step.key] = value
        lines.append(
            Line(say=rng.choice(step.say), left=left, op=step.op, right=right, value=value)
        )
    return lines


def write(puzzle: Puzzle, rng: random.Random) -> str:
    """Return one correct solution, drawn at random among plans, orders, operand orders and words.

    The first plan is the usual one.
    """
    plan = puzzle.plans[0] if rng.random() < USUAL else rng.choice(puzzle.plans)
    lines = follow(plan if puzzle.ordered else shuffled(plan, rng), rng)
    return "\n".join([*map(str, lines), f"#### {puzzle.answer}"])
