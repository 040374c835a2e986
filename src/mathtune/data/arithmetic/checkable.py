"""Families that are easier to check than to solve. Between puzzle and draw.

Each solution ends in an honest substitution of its answer, so that a wrong one betrays itself:
the last line before the answer shows the number found and the number wanted.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from mathtune.data.arithmetic.puzzle import ANSWER, Check, Puzzle, Step
from mathtune.data.arithmetic.stories import NAMES, _pick

TRY = ("Try", "Say it is")


def thought(rng: random.Random, wordings: Sequence[str]) -> Puzzle | None:
    """A number is thought of, multiplied and moved; the result is known."""
    who = rng.choice(NAMES)
    x, a, b = rng.randint(2, 25), rng.randint(2, 9), rng.randint(2, 30)
    plus = rng.random() < 0.5
    if not plus and b >= x * a:
        return None
    c = x * a + b if plus else x * a - b
    texts = {
        "a": "{who} thinks of a number, multiplies it by {a} and {how} {b}. The result is {c}. "
        "What is the number?",
        "b": "When a number is multiplied by {a} and {b} is {done}, the result is {c}. "
        "What is the number?",
        "c": "{who} gets {c} from a number: first times {a}, then {sign} {b}. What was the number?",
    }
    undo = Step(key="m", left=c, op="-" if plus else "+", right=b, say=("Before that", "Undo it:"))
    number = Step(key="r", left="m", op="/", right=a, say=("The number is", "So it is"))
    check = (
        Step(key="u", left=ANSWER, op="*", right=a, say=("Check:",)),
        Step(key="v", left="u", op="+" if plus else "-", right=b, say=("Then",)),
    )
    text = _pick(rng, wordings, texts).format(
        who=who, a=a, b=b, c=c,
        how="adds" if plus else "subtracts",
        done="added" if plus else "subtracted",
        sign="plus" if plus else "minus",
    )  # fmt: skip
    return Puzzle(
        shape="thought+" if plus else "thought-",
        numbers=(x, a, b),
        text=text,
        answer=x,
        plans=((undo, number),),
        check=Check(steps=check, found="v", wanted=c),
    )


def equation(rng: random.Random, wordings: Sequence[str]) -> Puzzle | None:
    """A linear equation with x on both sides."""
    x, c = rng.randint(2, 20), rng.randint(2, 6)
    a = c + rng.randint(2, 7)
    b = rng.randint(1, 30)
    d = (a - c) * x + b
    texts = {
        "a": "Solve for x: {a}x + {b} = {c}x + {d}.",
        "b": "What is x when {c}x + {d} = {a}x + {b}?",
        "c": "Find x with {a}x + {b} = {d} + {c}x.",
    }
    plan = (
        Step(key="m", left=a, op="-", right=c, say=("x on one side", "Take x:")),
        Step(key="n", left=d, op="-", right=b, say=("Numbers on one side", "Take numbers:")),
        Step(key="r", left="n", op="/", right="m", say=("x is", "So x is")),
    )
    check = (
        Step(key="p", left=ANSWER, op="*", right=a, say=("Check:",)),
        Step(key="q", left="p", op="+", right=b, say=("Then",)),
        Step(key="s", left=ANSWER, op="*", right=c, say=("And",)),
        Step(key="t", left="s", op="+", right=d, say=("Then",)),
    )
    return Puzzle(
        shape="equation",
        numbers=(a, b, c, d),
        text=_pick(rng, wordings, texts).format(a=a, b=b, c=c, d=d),
        answer=x,
        plans=(plan,),
        check=Check(steps=check, found="q", wanted="t"),
    )


def product(rng: random.Random, wordings: Sequence[str]) -> Puzzle | None:
    """Two numbers with a given sum and product: the larger one, by trying."""
    y, x = sorted((rng.randint(2, 30), rng.randint(3, 30)))
    if x == y:
        return None
    texts = {
        "a": "Two numbers add up to {s} and their product is {p}. What is the larger number?",
        "b": "The product of two numbers is {p} and their sum is {s}. What is the larger number?",
        "c": "Two numbers have the sum {s}. Multiplied they give {p}. What is the larger one?",
    }
    check = (
        Step(key="y", left=x + y, op="-", right=ANSWER, say=("The other is",)),
        Step(key="z", left="y", op="*", right=ANSWER, say=("Product is", "Check:")),
    )
    return Puzzle(
        shape="product",
        numbers=(x, y),
        text=_pick(rng, wordings, texts).format(s=x + y, p=x * y),
        answer=x,
        check=Check(steps=check, found="z", wanted=x * y),
        guess=TRY,
    )


def square(rng: random.Random, wordings: Sequence[str]) -> Puzzle | None:
    """A number times a number that is larger by a given step: by trying."""
    x, k, c = rng.randint(2, 30), rng.randint(0, 9), rng.randint(0, 20)
    texts = {
        "a": "A number is multiplied by a number that is {k} larger. Then {c} is added. "
        "The result is {d}. What is the smaller number?",
        "b": "What number, when multiplied by a number {k} larger and then {c} is added, "
        "gives {d}?",
        "c": "A field is {k} miles longer than wide. Its area plus {c} is {d}. How wide is it?",
    }
    check = (
        Step(key="y", left=ANSWER, op="+", right=k, say=("The larger is", "The other is")),
        Step(key="z", left="y", op="*", right=ANSWER, say=("Product is", "Check:")),
        Step(key="w", left="z", op="+", right=c, say=("Then",)),
    )
    return Puzzle(
        shape="square",
        numbers=(x, k, c),
        text=_pick(rng, wordings, texts).format(k=k, c=c, d=x * (x + k) + c),
        answer=x,
        check=Check(steps=check, found="w", wanted=x * (x + k) + c),
        guess=TRY,
    )


def coins(rng: random.Random, wordings: Sequence[str]) -> Puzzle | None:
    """Two kinds of tickets, their count and their worth: how many of the dear ones, by trying."""
    who = rng.choice(NAMES)
    x, y, a = rng.randint(1, 15), rng.randint(1, 15), rng.randint(1, 6)
    b = a + rng.randint(1, 6)
    total = x * b + y * a
    texts = {
        "a": "{who} sells {n} tickets for ${t} in all. Some cost ${a} and some cost ${b}. "
        "How many tickets cost ${b}?",
        "b": "Tickets cost ${a} or ${b}. {who} buys {n} tickets for ${t}. "
        "How many tickets cost ${b}?",
        "c": "{n} tickets at ${a} or ${b} each bring ${t}. How many were ${b} tickets?",
    }
    check = (
        Step(key="p", left=ANSWER, op="*", right=b, say=("They cost",)),
        Step(key="y", left=x + y, op="-", right=ANSWER, say=("The other tickets",)),
        Step(key="q", left="y", op="*", right=a, say=("They cost",)),
        Step(key="s", left="p", op="+", right="q", say=("In all", "Check:")),
    )
    return Puzzle(
        shape="coins",
        numbers=(x, y, a, b),
        text=_pick(rng, wordings, texts).format(who=who, n=x + y, t=total, a=a, b=b),
        answer=x,
        check=Check(steps=check, found="s", wanted=total),
        guess=TRY,
    )


CHECKABLE = {
    "thought": thought,
    "equation": equation,
    "product": product,
    "square": square,
    "coins": coins,
}
