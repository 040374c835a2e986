"""Story problems of the schooling: pay, sharing, comparing, a bakery. Under schooling.

No task has them. A family is a function `rng -> Puzzle | None`; None means that the numbers do not
fit (draw again).
"""

from __future__ import annotations

import random

from mathtune.data.arithmetic.puzzle import PlanStep, Puzzle
from mathtune.data.arithmetic.stories import NAMES, THINGS

DISTRACTORS = (
    "{who} is {n} years old. ",
    "The shop is {n} miles away. ",
    "{who} has {n} cousins. ",
)


def _distract(rng: random.Random, who: str) -> tuple[str, tuple[int, ...]]:
    if rng.random() > 0.2:
        return "", ()
    number = rng.randint(2, 30)
    return rng.choice(DISTRACTORS).format(who=who, n=number), (number,)


def pay(rng: random.Random) -> Puzzle | None:
    """Pay by the hour over several days, then something is spent."""
    who = rng.choice(NAMES)
    r, h, d = rng.randint(3, 15), rng.randint(2, 8), rng.randint(2, 6)
    total = r * h * d
    s, spends = rng.randint(5, total - 1), rng.random() < 0.6
    noise, extra = _distract(rng, who)
    texts = (
        "{who} earns ${r} an hour and works {h} hours a day for {d} days. {noise}",
        "{noise}For {d} days {who} works {h} hours a day. {who} is paid ${r} an hour. ",
        "A job pays ${r} an hour. {noise}{who} does it {h} hours a day, {d} days in all. ",
    )
    ends = (
        f"{who} spends ${s}. How much money is left?"
        if spends
        else f"How much does {who} earn in all?"
    )
    day = PlanStep(key="m", left=r, op="*", right=h, say=("A day pays", "Each day"))
    all_days = PlanStep(key="t", left="m", op="*", right=d, say=("In all", "Total is"))
    hours = PlanStep(key="m", left=h, op="*", right=d, say=("Hours in all", "Hours are"))
    paid = PlanStep(key="t", left="m", op="*", right=r, say=("In all", "Total is"))
    rest = PlanStep(key="r", left="t", op="-", right=s, say=("This leaves", "Left is"))
    tail = (rest,) * spends
    return Puzzle(
        kind="pay-spend" if spends else "pay",
        numbers=(r, h, d, s * spends),
        text=rng.choice(texts).format(who=who, r=r, h=h, d=d, noise=noise) + ends,
        answer=total - s if spends else total,
        plans=((day, all_days, *tail), (hours, paid, *tail)),
        distractors=extra,
    )


def sharing(rng: random.Random) -> Puzzle | None:
    """Return bags of things and loose ones, shared equally among friends."""
    (who, other), x = rng.sample(NAMES, 2), rng.choice(THINGS)
    a, b, k = rng.randint(2, 10), rng.randint(2, 12), rng.randint(2, 9)
    c = rng.randint(2, 40)
    if (a * b + c) % k:
        return None
    noise, extra = _distract(rng, who)
    texts = (
        (
            "{who} has {a} bags of {b} {x} and {o} has {c} {x}. {noise}"
            "They share all of them equally among {k} friends. "
        ),
        "{k} friends share {c} {x} from {o} and {a} bags of {b} {x} from {who} equally. {noise}",
        (
            "{noise}{o} puts {c} {x} and {who} puts {a} bags of {b} {x} in a box. "
            "{k} friends divide the box equally. "
        ),
    )
    bags = PlanStep(key="m", left=a, op="*", right=b, say=("In the bags", "Bags have"))
    both = PlanStep(key="s", left="m", op="+", right=c, say=("In all", "Together"))
    each = PlanStep(key="r", left="s", op="/", right=k, say=("Each gets", "Each friend gets"))
    text = rng.choice(texts).format(who=who, o=other, a=a, b=b, c=c, k=k, x=x, noise=noise)
    return Puzzle(
        kind="sharing",
        numbers=(a, b, c, k),
        text=text + f"How many {x} does each friend get?",
        answer=(a * b + c) // k,
        plans=((bags, both, each),),
        distractors=extra,
    )


def compare(rng: random.Random) -> Puzzle | None:
    """Return three owners, each compared with the one before; how many together."""
    (p, q, s), x = rng.sample(NAMES, 3), rng.choice(THINGS)
    a, times = rng.randint(3, 30), rng.random() < 0.5
    b = rng.randint(2, 5) if times else rng.randint(2, 20)
    second = a * b if times else a + b
    c = rng.randint(1, second - 1)
    how = f"{b} times as many {x} as" if times else f"{b} more {x} than"
    noise, extra = _distract(rng, p)
    texts = (
        "{p} has {a} {x}. {q} has {how} {p}. {noise}{s} has {c} fewer {x} than {q}. ",
        "{q} has {how} {p}. {s} has {c} fewer {x} than {q}. {noise}{p} has {a} {x}. ",
        "{s} has {c} fewer {x} than {q}. {q} has {how} {p}, who has {a}. {noise}",
    )
    op = PlanStep(key="m", left=a, op="*" if times else "+", right=b, say=(f"{q} has",))
    third = PlanStep(key="n", left="m", op="-", right=c, say=(f"{s} has",))
    two = PlanStep(key="t", left=a, op="+", right="m", say=(f"{p} and {q} have",))
    three = PlanStep(key="r", left="t", op="+", right="n", say=("In all", "Together"))
    late = PlanStep(key="t", left="m", op="+", right="n", say=(f"{q} and {s} have",))
    last = PlanStep(key="r", left="t", op="+", right=a, say=("In all", "Together"))
    text = rng.choice(texts).format(p=p, q=q, s=s, a=a, c=c, x=x, how=how, noise=noise)
    return Puzzle(
        kind="compare-times" if times else "compare-more",
        numbers=(a, b, c),
        text=text + f"How many {x} do they have in all?",
        answer=a + second + second - c,
        plans=((op, third, two, three), (op, third, late, last)),
        distractors=extra,
    )


def bakery(rng: random.Random) -> Puzzle | None:
    """Made by the hour, some spoiled, packed in boxes, each box sold: up to five steps."""
    who = rng.choice(NAMES)
    a, h, c, p = rng.randint(4, 15), rng.randint(2, 8), rng.randint(2, 8), rng.randint(2, 9)
    made = a * h
    lost = made - c * rng.randint(2, 12)
    if not 1 <= lost < made // 2:
        return None
    boxes = (made - lost) // c
    cost, spends = rng.randint(2, 15), rng.random() < 0.4
    if spends and cost >= boxes * p:
        return None
    noise, extra = _distract(rng, who)
    texts = (
        (
            "{who} bakes {a} cakes an hour for {h} hours. {l} cakes burn. {noise}"
            "The rest go in boxes of {c}. Each box is sold for ${p}. "
        ),
        (
            "{noise}A box of {c} cakes is sold for ${p}. {who} bakes {h} hours, {a} cakes an "
            "hour, but {l} of them burn. "
        ),
        (
            "In {h} hours {who} bakes {a} cakes an hour and drops {l}. {noise}"
            "What is left is packed {c} to a box and sold at ${p} a box. "
        ),
    )
    ends = (
        f"The boxes cost {who} ${cost}. How much money is left?"
        if spends
        else f"How much money does {who} get?"
    )
    steps = (
        PlanStep(key="m", left=a, op="*", right=h, say=("Cakes made", "In all")),
        PlanStep(key="n", left="m", op="-", right=lost, say=("This leaves", "Left is")),
        PlanStep(key="b", left="n", op="/", right=c, say=("Boxes are", "Boxes")),
        PlanStep(key="r", left="b", op="*", right=p, say=("They sell for", "Money is")),
        PlanStep(key="z", left="r", op="-", right=cost, say=("This leaves", "Left is")),
    )
    text = rng.choice(texts).format(who=who, a=a, h=h, l=lost, c=c, p=p, noise=noise)
    return Puzzle(
        kind="bakery-cost" if spends else "bakery",
        numbers=(a, h, lost, c, p, cost * spends),
        text=text + ends,
        answer=boxes * p - cost if spends else boxes * p,
        plans=(steps if spends else steps[:4],),
        distractors=extra,
    )


LESSON_STORIES = {"pay": pay, "sharing": sharing, "compare": compare, "bakery": bakery}
