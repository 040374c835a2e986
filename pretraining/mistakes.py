"""Plant one mistake in a solution, and know where it is. Used for the judging part of pre-training.

Kinds: a wrong value, a wrong operation, a number copied wrongly, a wrong quantity, a last step left
out. What follows the mistake is computed honestly from it. A calculator finds a wrong value alone;
the other kinds are most of what a judge must learn.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from mathtune.data.arithmetic.puzzle import (
    Line,
    Operand,
    PlanStep,
    Puzzle,
    compute,
    shuffled,
)

KINDS = {"value": 1, "operation": 2, "copy": 1, "quantity": 3, "unfinished": 1}
"""Kind -> how often it is tried; one that does not fit is drawn again."""
OTHER = {"+": "-*", "-": "+", "*": "+-", "/": "*-"}


@dataclass(frozen=True, kw_only=True)
class Mistaken:
    """A wrong solution, and the offset of its first wrong character."""

    text: str
    error: int


def plant(puzzle: Puzzle, rng: random.Random) -> Mistaken:
    """Return a solution of the puzzle with one mistake and a wrong final answer."""
    while True:
        mistaken = _slip(puzzle, rng)
        if mistaken is not None:
            return mistaken


def _slip(puzzle: Puzzle, rng: random.Random) -> Mistaken | None:
    """Return one step of a plan gone wrong, the later ones following from it."""
    order = shuffled(rng.choice(puzzle.plans), rng)
    kind = rng.choices(tuple(KINDS), tuple(KINDS.values()))[0]
    if kind == "unfinished":
        order = order[:-1]
        if not order:
            return None
    at = rng.randrange(len(order)) if kind != "unfinished" else len(order)
    known: dict[Operand, int] = {}
    lines: list[str] = []
    error = value = 0
    for index, step in enumerate(order):
        left, right = (known.get(x, x) for x in (step.left, step.right))
        assert isinstance(left, int)
        assert isinstance(right, int)
        planted = _written(step, left, right, kind if index == at else None, puzzle, known, rng)
        if planted is None:
            return None
        line, offset = planted
        if index == at:
            error = sum(len(text) + 1 for text in lines) + offset
        known[step.key] = value = line.value
        lines.append(str(line))
    if kind == "unfinished":
        error = sum(len(text) + 1 for text in lines)
    if value == puzzle.answer or value < 1:
        return None
    return Mistaken(text="\n".join([*lines, f"#### {value}"]), error=error)


def _written(
    step: PlanStep,
    left: int,
    right: int,
    kind: str | None,
    puzzle: Puzzle,
    known: dict[Operand, int],
    rng: random.Random,
) -> tuple[Line, int] | None:
    """The step as a line, with a mistake of the kind, and the offset of the mistake in it."""
    op: str = step.op
    swap = op in "+*" and rng.random() < 0.3
    side = rng.choice("lr")
    if kind == "operation":
        op = rng.choice(OTHER[op])
    elif kind in ("copy", "quantity"):
        old = left if side == "l" else right
        written = step.left if side == "l" else step.right
        new = _slip_of(old, rng) if kind == "copy" else _other(puzzle, known, rng)
        if new == old or new < 1 or (kind == "copy" and not isinstance(written, int)):
            return None
        left, right = (new, right) if side == "l" else (left, new)
    value = compute(left, op, right)
    if value is None or value < 0:
        return None
    if kind == "value":
        value = _slip_of(value, rng)
        if value < 0:
            return None
    if swap and op in "+*":
        left, right, side = right, left, "r" if side == "l" else "l"
    line = Line(say=rng.choice(step.say), left=left, op=op, right=right, value=value)
    start = len(line.say) + 3
    if kind == "operation":
        start += len(str(left))
    elif kind in ("copy", "quantity") and side == "r":
        start += len(str(left)) + 1
    elif kind == "value":
        start += len(str(left)) + 1 + len(str(right)) + 1
    return line, start


def _slip_of(number: int, rng: random.Random) -> int:
    """A number that is easily taken for this one: near it, ten away, or one digit changed."""
    if rng.random() < 0.7:
        return number + rng.choice((-1, 1, -2, 2, -10, 10, -9, 9, -3, 3, 20, -20))
    digits = list(str(number))
    digits[rng.randrange(len(digits))] = rng.choice("123456789")
    return int("".join(digits))


def _other(puzzle: Puzzle, known: dict[Operand, int], rng: random.Random) -> int:
    """Return another quantity at hand: of the problem, of a distractor, or of an earlier step."""
    plan = puzzle.plans[0]
    given = [x for step in plan for x in (step.left, step.right) if isinstance(x, int)]
    return rng.choice([*given, *puzzle.distractors, *known.values()])
