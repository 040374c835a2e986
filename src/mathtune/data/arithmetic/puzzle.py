"""A word problem, its known ways of reasoning, and how a solution is written. Below the families.

A `Puzzle` holds plans: each plan is a small graph of steps, so one problem has many valid
solutions (another plan, another order of independent steps, swapped operands).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Operation = Literal["+", "-", "*", "/"]
Operand = int | str  # a number of the problem, or the key of an earlier step

ANSWER = "answer"  # the key under which a check refers to the answer that a solution reached


@dataclass(frozen=True, kw_only=True)
class Step:
    """One equation: `key` names its value for later steps, `say` the words before it."""

    key: str
    left: Operand
    op: Operation
    right: Operand
    say: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Check:
    """A substitution of the answer: `steps` are computed, then `found` must equal `wanted`."""

    steps: tuple[Step, ...]
    found: str
    wanted: Operand


@dataclass(frozen=True, kw_only=True)
class Puzzle:
    """One generated problem.

    `shape` and `numbers` identify the problem whatever its wording; the split is drawn from them.
    A plan's last step has the answer; puzzles that are solved by a guess have no plans, only a
    check. `distractors` are numbers of the text that no plan needs.
    """

    shape: str
    numbers: tuple[int, ...]
    text: str
    answer: int
    plans: tuple[tuple[Step, ...], ...] = ()
    check: Check | None = None
    guess: tuple[str, ...] = ()
    distractors: tuple[int, ...] = ()

    @property
    def steps(self) -> int:
        """How many equations the shortest plan has; a guess counts its check's equations."""
        if self.plans:
            return min(len(plan) for plan in self.plans)
        assert self.check is not None
        return len(self.check.steps)


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
    """The value of one operation, or None where it is no whole number.

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


def shuffled(plan: Sequence[Step], rng: random.Random) -> list[Step]:
    """The plan in a random order in which every step comes after the steps it uses."""
    waiting, placed = list(plan), []
    while waiting:
        blocked = {step.key for step in waiting}
        ready = [step for step in waiting if not {step.left, step.right} & blocked]
        step = rng.choice(ready)
        waiting.remove(step)
        placed.append(step)
    return placed


def follow(
    steps: Sequence[Step], rng: random.Random, values: Mapping[str, int] | None = None
) -> list[Line]:
    """Write the steps with computed values, random words and, for + and *, random operand order.

    `values` gives what is known beforehand (the answer, for a check). Raises ArithmeticError
    where a division leaves a remainder: a family never offers such a plan.
    """
    known: dict[Operand, int] = {key: value for key, value in (values or {}).items()}  # noqa: C416
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


def check_lines(puzzle: Puzzle, answer: int, rng: random.Random) -> list[str]:
    """The honest substitution of `answer`: computed values, then found against wanted.

    For a wrong answer the last line shows two different numbers. Raises ArithmeticError where
    the answer makes a value that is no whole number.
    """
    if puzzle.check is None:
        return []
    lines = follow(puzzle.check.steps, rng, {ANSWER: answer})
    values = {step.key: line.value for step, line in zip(puzzle.check.steps, lines, strict=True)}
    wanted = puzzle.check.wanted
    found = values[puzzle.check.found]
    shown = wanted if isinstance(wanted, int) else values[wanted]
    return [*map(str, lines), f"Check: {found} and {shown}"]


def write(puzzle: Puzzle, rng: random.Random) -> str:
    """One correct solution, drawn at random among plans, orders, operand orders and words."""
    if puzzle.plans:
        steps = [str(line) for line in follow(shuffled(rng.choice(puzzle.plans), rng), rng)]
    else:
        steps = [f"{rng.choice(puzzle.guess)} {puzzle.answer}"]
    return "\n".join([*steps, *check_lines(puzzle, puzzle.answer, rng), f"#### {puzzle.answer}"])
