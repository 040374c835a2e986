"""Chains of two to four events that change one amount. Between puzzle and draw.

    A tank stores 60 litres. Rain brings in 12 litres. Later a fifth drains off. What is ...?

The phrases of a setting come with the frequencies of a long tail (the r-th with weight r ** -1.5),
so that there is more to learn than the first hundred problems hold. The solution follows
the amount; in another plan, neighbouring gains and losses are joined first.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal

from mathtune.data.arithmetic.chain_phrases import SETTINGS, Event
from mathtune.data.arithmetic.puzzle import Operand, Operation, PlanStep, Puzzle, compute, shape_of
from mathtune.data.arithmetic.stories import NAMES, distract

TAIL = 1.5
LINKS = ("", "", "Then ", "Next ", "Afterwards ", "Later on ")
LARGEST = 999
SCHOOLED = frozenset(
    {
        "((n*n)*n)", "((n*n)+n)", "((n*n)-(n*n))", "((n*n)-n)", "((n*n)/n)", "((n+n)*n)",
        "((n+n)/n)", "((n-n)*n)", "((n-n)/n)", "((n/n)*n)", "(((n*n)*n)-n)", "(((n*n)+n)/n)",
        "(((n*n)-n)/n)", "(((n+n)/n)*n)", "(((n-n)/n)+n)", "((((n*n)-n)/n)*n)",
        "(((((n*n)-n)/n)*n)-n)", "(((n*n)+n)+((n*n)-n))", "((((n*n)-n)+(n*n))+n)",
        "(((n+n)+n)+((n+n)-n))", "((((n+n)-n)+(n+n))+n)",
    }
)  # fmt: skip
"""Shapes of the schooling with two steps or more (a test compares): no chain has them."""


@dataclass(frozen=True)
class Link:
    """One change of the amount: by a number, by a product, or by a part of the amount itself."""

    op: Operation
    kind: Literal["number", "product", "part"]
    n: int
    m: int = 0

    def size(self, amount: int) -> int | None:
        """Return the right operand, or None if the part leaves a remainder."""
        if self.kind == "part":
            return None if amount % self.n else amount // self.n
        return self.n * self.m if self.kind == "product" else self.n


SAY: dict[str, tuple[str, ...]] = {
    "+": ("Grows to", "Up to"),
    "-": ("Falls to", "Down to"),
    "*": ("Becomes", "Times:"),
    "/": ("Only", "Divided:"),
    "product": ("Amounts to", "That is"),
    "part": ("Its share", "Part:"),
    "joint": ("Joint change", "Combined"),
}


def chain(setting: str, rng: random.Random) -> Puzzle | None:
    """Return a chain in one setting; None if an amount is not a whole number from 1 to 999."""
    of = SETTINGS[setting]
    who, other = rng.sample(NAMES, 2)
    count = rng.choices((2, 3, 4), (5, 4, 1))[0]
    events = rng.choices(
        of.events, [(rank + 1) ** -TAIL for rank in range(len(of.events))], k=count
    )
    if len(set(events)) < count:
        return None
    start = amount = rng.randint(6, rng.choice((30, 60, 120)))
    numbers, texts, links = [start], [], list[Link]()
    for event in events:
        n, m = _numbers(event, amount, rng)
        for link in _links(event, n, m):
            size = link.size(amount)
            after = None if size is None else compute(amount, link.op, size)
            if after is None or not 1 <= after <= LARGEST:
                return None
            amount = after
            links.append(link)
        numbers += [n, m]
        texts.append(event.text.replace("{n}", str(n)).replace("{m}", str(m)))
    plans = tuple(_plans(start, links))
    if any(shape_of(plan) in SCHOOLED for plan in plans):
        return None
    noise, extra = distract(rng, who)
    opening = rng.choice(of.openings).replace("{s}", str(start))
    spoken = [opening, *(rng.choice(LINKS) + text for text in texts)]
    sentences = "".join(f"{text[0].upper()}{text[1:]}. " for text in spoken)
    text = f"{noise}{sentences}{rng.choice(of.questions)}"
    return Puzzle(
        kind="|".join([setting, *(str(of.events.index(event)) for event in events)]),
        numbers=tuple(numbers),
        text=text.format(who=who, o=other, x=rng.choice(of.things)),
        answer=amount,
        plans=plans,
        distractors=extra,
    )


def _numbers(event: Event, amount: int, rng: random.Random) -> tuple[int, int]:
    """Return the event's numbers: the one that its words name, else drawn to suit the amount."""
    if event.n is not None:
        return event.n, 0
    if event.effect in ("+*", "-*"):
        return rng.randint(2, 9), rng.randint(2, 12)
    n = rng.randint(2, rng.choice((20, 60)))
    if event.effect != "+" and n >= amount:
        n = rng.randint(1, max(1, amount - 1))
    return n, rng.randint(2, 30) if event.effect == "-+" else 0


def _links(event: Event, n: int, m: int) -> tuple[Link, ...]:
    """Return the event as changes of the amount."""
    if event.effect == "+*":
        return (Link("+", "product", n, m),)
    if event.effect == "-*":
        return (Link("-", "product", n, m),)
    if event.effect == "-/":
        return (Link("-", "part", n),)
    if event.effect == "-+":
        return Link("-", "number", n), Link("+", "number", m)
    return (Link(event.effect, "number", n),)


def _plans(start: int, links: list[Link]) -> Iterator[tuple[PlanStep, ...]]:
    """Yield the text's plan, and plans with two neighbouring gains or losses swapped or joined."""
    yield _steps(start, links)
    for at, (one, two) in enumerate(pairwise(links)):
        if {one.op, two.op} <= {"+", "-"} and "part" not in (one.kind, two.kind):
            swapped = [*links[:at], two, one, *links[at + 2 :]]
            if _stays_positive(start, swapped):
                yield _steps(start, swapped)
            if one.op == two.op or one.size(0) != two.size(0):
                yield _steps(start, links, joined=at)


def _stays_positive(amount: int, links: list[Link]) -> bool:
    for link in links:
        size = link.size(amount)
        after = None if size is None else compute(amount, link.op, size)
        if after is None or after < 1:
            return False
        amount = after
    return True


def _steps(start: int, links: list[Link], *, joined: int | None = None) -> tuple[PlanStep, ...]:
    """Return the plan that makes the changes in turn, those at `joined` and after it as one."""
    steps: list[PlanStep] = []
    amount: Operand = start

    def add(key: str, left: Operand, op: Operation, right: Operand, say: str) -> str:
        steps.append(PlanStep(key=key, left=left, op=op, right=right, say=SAY[say]))
        return key

    def operand(at: int) -> Operand:
        link = links[at]
        if link.kind == "number":
            return link.n
        if link.kind == "product":
            return add(f"p{at}", link.n, "*", link.m, "product")
        return add(f"p{at}", amount, "/", link.n, "part")

    for at, link in enumerate(links):
        if joined is not None and at == joined + 1:
            continue
        op, right = link.op, operand(at)
        if at == joined:
            other, second = links[at + 1], operand(at + 1)
            first_size, second_size = link.size(0) or 0, other.size(0) or 0
            if link.op == other.op:
                right = add(f"j{at}", right, "+", second, "joint")
            elif first_size > second_size:
                right = add(f"j{at}", right, "-", second, "joint")
            else:
                op, right = other.op, add(f"j{at}", second, "-", right, "joint")
        amount = add(f"x{at}", amount, op, right, op)
    return tuple(steps)


CHAINS: dict[str, Callable[[random.Random], Puzzle | None]] = {
    setting: partial(chain, setting) for setting in SETTINGS
}
