"""Story problems: shopping, pay, fractions, sharing, travel, comparing. Between puzzle and draw.

A family is a function `(rng, wordings) -> Puzzle | None`: it draws numbers, words them in one of
the named wordings, and lists its plans; None means the numbers did not fit (draw again).
Wording "c" of every family is met in the tasks only, never in the pre-training text.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from mathtune.data.arithmetic.puzzle import Puzzle, Step

NAMES = ("Ann", "Ben", "Cara", "Dan", "Eve", "Finn", "Gia", "Hugo")
THINGS = ("apples", "books", "cards", "pens", "eggs", "shells", "stamps", "toys")
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


def _pick(rng: random.Random, wordings: Sequence[str], texts: dict[str, str]) -> str:
    return texts[rng.choice([name for name in texts if name in wordings])]


def shop(rng: random.Random, wordings: Sequence[str]) -> Puzzle | None:
    """Two purchases, paid with a note: the change, or without a note the total."""
    who, (x, y) = rng.choice(NAMES), rng.sample(THINGS, 2)
    a, b, p, q = (rng.randint(2, 12) for _ in range(4))
    total, change = a * p + b * q, rng.random() < 0.6
    note = rng.choice([n for n in (50, 100, 150, 200, 300) if n > total])
    noise, extra = _distract(rng, who)
    texts = {
        "a": "{who} buys {a} {x} for ${p} each and {b} {y} for ${q} each. {noise}",
        "b": "{noise}{x} cost ${p} each and {y} cost ${q} each. {who} buys {a} {x} and {b} {y}. ",
        "c": "At ${q} each {who} takes {b} {y}, then {a} {x} at ${p} each. {noise}",
    }
    ends = (
        f"{who} pays with ${note}. How much change does {who} get?"
        if change
        else f"How much does {who} pay in all?"
    )
    first = Step(key="m", left=a, op="*", right=p, say=(f"{x} cost", f"Price of {x}"))
    second = Step(key="n", left=b, op="*", right=q, say=(f"{y} cost", f"Price of {y}"))
    both = Step(key="s", left="m", op="+", right="n", say=("Total is", "In all"))
    left = Step(key="r", left=note, op="-", right="s", say=("Change is", "This leaves"))
    less = Step(key="u", left=note, op="-", right="m", say=("This leaves",))
    rest = Step(key="r", left="u", op="-", right="n", say=("Change is", "This leaves"))
    plans = ((first, second, both, left), (first, second, less, rest))
    text = _pick(rng, wordings, texts).format(who=who, a=a, b=b, p=p, q=q, x=x, y=y, noise=noise)
    return Puzzle(
        shape="shop-change" if change else "shop",
        numbers=(*sorted([(a, p), (b, q)])[0], *sorted([(a, p), (b, q)])[1], note * change),
        text=text[0].upper() + text[1:] + ends,
        answer=note - total if change else total,
        plans=plans if change else ((first, second, both),),
        distractors=extra,
    )


def pay(rng: random.Random, wordings: Sequence[str]) -> Puzzle | None:
    """Pay by the hour over several days, then something is spent."""
    who = rng.choice(NAMES)
    r, h, d = rng.randint(3, 15), rng.randint(2, 8), rng.randint(2, 6)
    total = r * h * d
    s, spends = rng.randint(5, total - 1), rng.random() < 0.6
    noise, extra = _distract(rng, who)
    texts = {
        "a": "{who} earns ${r} an hour and works {h} hours a day for {d} days. {noise}",
        "b": "{noise}For {d} days {who} works {h} hours a day. {who} is paid ${r} an hour. ",
        "c": "A job pays ${r} an hour. {noise}{who} does it {h} hours a day, {d} days in all. ",
    }
    ends = (
        f"{who} spends ${s}. How much money is left?"
        if spends
        else f"How much does {who} earn in all?"
    )
    day = Step(key="m", left=r, op="*", right=h, say=("A day pays", "Each day"))
    all_days = Step(key="t", left="m", op="*", right=d, say=("In all", "Total is"))
    hours = Step(key="m", left=h, op="*", right=d, say=("Hours in all", "Hours are"))
    paid = Step(key="t", left="m", op="*", right=r, say=("In all", "Total is"))
    rest = Step(key="r", left="t", op="-", right=s, say=("This leaves", "Left is"))
    tail = (rest,) * spends
    return Puzzle(
        shape="pay-spend" if spends else "pay",
        numbers=(r, h, d, s * spends),
        text=_pick(rng, wordings, texts).format(who=who, r=r, h=h, d=d, noise=noise) + ends,
        answer=total - s if spends else total,
        plans=((day, all_days, *tail), (hours, paid, *tail)),
        distractors=extra,
    )


def fraction(rng: random.Random, wordings: Sequence[str]) -> Puzzle | None:
    """A fraction m/k of the things is given away, then more are bought."""
    (who, other), x = rng.sample(NAMES, 2), rng.choice(THINGS)
    k = rng.randint(2, 8)
    m = rng.randint(1, min(3, k - 1))
    if any(m % f == 0 and k % f == 0 for f in (2, 3)):
        return None
    a, b = k * rng.randint(2, 15), rng.randint(3, 40)
    noise, extra = _distract(rng, other)
    texts = {
        "a": "{who} has {a} {x}. {noise}{who} gives {m}/{k} of them to {o} and buys {b} more. ",
        "b": "{o} gets {m}/{k} of the {a} {x} that {who} has. {noise}Then {who} buys {b} {x}. ",
        "c": "Of {a} {x}, {who} loses {m}/{k}. {noise}Later {who} finds {b} {x} more. ",
    }
    part = Step(key="u", left=a, op="/", right=k, say=("One part is", f"1/{k} is"))
    gone = Step(key="g", left="u", op="*", right=m, say=("Given away", f"{m}/{k} is"))
    given = "g" if m > 1 else "u"
    left = Step(key="l", left=a, op="-", right=given, say=("This leaves", "Left is"))
    end = Step(key="r", left="l", op="+", right=b, say=("In the end", "Now"))
    more = Step(key="l", left=a, op="+", right=b, say=("With the new ones", "In all"))
    less = Step(key="r", left="l", op="-", right=given, say=("In the end", "Now"))
    head = (part, gone) if m > 1 else (part,)
    text = _pick(rng, wordings, texts).format(
        who=who, o=other, a=a, b=b, m=m, k=k, x=x, noise=noise
    )
    return Puzzle(
        shape="fraction",
        numbers=(a, k, m, b),
        text=text + f"How many {x} does {who} have now?",
        answer=a - a // k * m + b,
        plans=((*head, left, end), (*head, more, less)),
        distractors=extra,
    )


def sharing(rng: random.Random, wordings: Sequence[str]) -> Puzzle | None:
    """Bags of things and loose ones, shared equally among friends."""
    (who, other), x = rng.sample(NAMES, 2), rng.choice(THINGS)
    a, b, k = rng.randint(2, 10), rng.randint(2, 12), rng.randint(2, 9)
    c = rng.randint(2, 40)
    if (a * b + c) % k:
        return None
    noise, extra = _distract(rng, who)
    texts = {
        "a": "{who} has {a} bags of {b} {x} and {o} has {c} {x}. {noise}"
        "They share all of them equally among {k} friends. ",
        "b": "{k} friends share {c} {x} from {o} and {a} bags of {b} {x} from {who} equally. "
        "{noise}",
        "c": "{noise}{o} puts {c} {x} and {who} puts {a} bags of {b} {x} in a box. "
        "{k} friends divide the box equally. ",
    }
    bags = Step(key="m", left=a, op="*", right=b, say=("In the bags", "Bags have"))
    both = Step(key="s", left="m", op="+", right=c, say=("In all", "Together"))
    each = Step(key="r", left="s", op="/", right=k, say=("Each gets", "Each friend gets"))
    text = _pick(rng, wordings, texts).format(
        who=who, o=other, a=a, b=b, c=c, k=k, x=x, noise=noise
    )
    return Puzzle(
        shape="sharing",
        numbers=(a, b, c, k),
        text=text + f"How many {x} does each friend get?",
        answer=(a * b + c) // k,
        plans=((bags, both, each),),
        distractors=extra,
    )


def travel(rng: random.Random, wordings: Sequence[str]) -> Puzzle | None:
    """Two legs at two speeds; what remains of the way."""
    who = rng.choice(NAMES)
    v, w = rng.randint(4, 20), rng.randint(4, 20)
    t, u = rng.randint(2, 6), rng.randint(2, 6)
    gone = v * t + w * u
    whole = gone + rng.randint(3, 60)
    noise, extra = _distract(rng, who)
    texts = {
        "a": "A trip is {d} miles. {who} goes {v} miles an hour for {t} hours and then "
        "{w} miles an hour for {u} hours. {noise}",
        "b": "{noise}{who} goes {t} hours at {v} miles an hour and {u} hours at {w} miles an "
        "hour. The trip is {d} miles. ",
        "c": "For {u} hours {who} rides {w} miles an hour, and for {t} hours {v} miles an hour. "
        "{noise}The whole way is {d} miles. ",
    }
    first = Step(key="m", left=v, op="*", right=t, say=("First part", f"In {t} hours"))
    second = Step(key="n", left=w, op="*", right=u, say=("Second part", f"In {u} hours"))
    both = Step(key="s", left="m", op="+", right="n", say=("In all", "Together"))
    rest = Step(key="r", left=whole, op="-", right="s", say=("This leaves", "Left is"))
    less = Step(key="x", left=whole, op="-", right="m", say=("This leaves",))
    last = Step(key="r", left="x", op="-", right="n", say=("This leaves", "Left is"))
    text = _pick(rng, wordings, texts).format(who=who, v=v, w=w, t=t, u=u, d=whole, noise=noise)
    return Puzzle(
        shape="travel",
        numbers=(*sorted([(v, t), (w, u)])[0], *sorted([(v, t), (w, u)])[1], whole),
        text=text + "How many miles are left?",
        answer=whole - gone,
        plans=((first, second, both, rest), (first, second, less, last)),
        distractors=extra,
    )


def compare(rng: random.Random, wordings: Sequence[str]) -> Puzzle | None:
    """Three owners, each compared with the one before; how many together."""
    (p, q, s), x = rng.sample(NAMES, 3), rng.choice(THINGS)
    a, times = rng.randint(3, 30), rng.random() < 0.5
    b = rng.randint(2, 5) if times else rng.randint(2, 20)
    second = a * b if times else a + b
    c = rng.randint(1, second - 1)
    how = f"{b} times as many {x} as" if times else f"{b} more {x} than"
    noise, extra = _distract(rng, p)
    texts = {
        "a": "{p} has {a} {x}. {q} has {how} {p}. {noise}{s} has {c} fewer {x} than {q}. ",
        "b": "{q} has {how} {p}. {s} has {c} fewer {x} than {q}. {noise}{p} has {a} {x}. ",
        "c": "{s} has {c} fewer {x} than {q}. {q} has {how} {p}, who has {a}. {noise}",
    }
    op = Step(key="m", left=a, op="*" if times else "+", right=b, say=(f"{q} has",))
    third = Step(key="n", left="m", op="-", right=c, say=(f"{s} has",))
    two = Step(key="t", left=a, op="+", right="m", say=(f"{p} and {q} have",))
    three = Step(key="r", left="t", op="+", right="n", say=("In all", "Together"))
    late = Step(key="t", left="m", op="+", right="n", say=(f"{q} and {s} have",))
    last = Step(key="r", left="t", op="+", right=a, say=("In all", "Together"))
    text = _pick(rng, wordings, texts).format(p=p, q=q, s=s, a=a, c=c, x=x, how=how, noise=noise)
    return Puzzle(
        shape="compare-times" if times else "compare-more",
        numbers=(a, b, c),
        text=text + f"How many {x} do they have in all?",
        answer=a + second + second - c,
        plans=((op, third, two, three), (op, third, late, last)),
        distractors=extra,
    )


def bakery(rng: random.Random, wordings: Sequence[str]) -> Puzzle | None:
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
    texts = {
        "a": "{who} bakes {a} cakes an hour for {h} hours. {l} cakes burn. {noise}"
        "The rest go in boxes of {c}. Each box is sold for ${p}. ",
        "b": "{noise}A box of {c} cakes is sold for ${p}. {who} bakes {h} hours, {a} cakes an "
        "hour, but {l} of them burn. ",
        "c": "In {h} hours {who} bakes {a} cakes an hour and drops {l}. {noise}"
        "What is left is packed {c} to a box and sold at ${p} a box. ",
    }
    ends = (
        f"The boxes cost {who} ${cost}. How much money is left?"
        if spends
        else f"How much money does {who} get?"
    )
    steps = (
        Step(key="m", left=a, op="*", right=h, say=("Cakes made", "In all")),
        Step(key="n", left="m", op="-", right=lost, say=("This leaves", "Left is")),
        Step(key="b", left="n", op="/", right=c, say=("Boxes are", "Boxes")),
        Step(key="r", left="b", op="*", right=p, say=("They sell for", "Money is")),
        Step(key="z", left="r", op="-", right=cost, say=("This leaves", "Left is")),
    )
    text = _pick(rng, wordings, texts).format(who=who, a=a, h=h, l=lost, c=c, p=p, noise=noise)
    return Puzzle(
        shape="bakery-cost" if spends else "bakery",
        numbers=(a, h, lost, c, p, cost * spends),
        text=text + ends,
        answer=boxes * p - cost if spends else boxes * p,
        plans=(steps if spends else steps[:4],),
        distractors=extra,
    )


def saving(rng: random.Random, wordings: Sequence[str]) -> Puzzle | None:
    """Two people save every week, then buy something together."""
    who, other = rng.sample(NAMES, 2)
    a, b, w = rng.randint(2, 15), rng.randint(2, 15), rng.randint(2, 9)
    total = (a + b) * w
    gift = rng.randint(3, total - 1)
    noise, extra = _distract(rng, who)
    texts = {
        "a": "{who} saves ${a} a week and {o} saves ${b} a week. {noise}"
        "After {w} weeks they buy a gift for ${g} together. ",
        "b": "{noise}In each of {w} weeks {who} saves ${a} and {o} saves ${b}. "
        "Then they pay ${g} for a gift. ",
        "c": "A gift costs ${g}. For {w} weeks {o} puts away ${b} a week and {who} ${a} a week. "
        "{noise}They buy the gift. ",
    }
    mine = Step(key="m", left=a, op="*", right=w, say=(f"{who} saves",))
    yours = Step(key="n", left=b, op="*", right=w, say=(f"{other} saves",))
    both = Step(key="s", left="m", op="+", right="n", say=("Together", "In all"))
    week = Step(key="m", left=a, op="+", right=b, say=("Each week", "A week"))
    weeks = Step(key="s", left="m", op="*", right=w, say=("Together", "In all"))
    rest = Step(key="r", left="s", op="-", right=gift, say=("This leaves", "Left is"))
    text = _pick(rng, wordings, texts).format(who=who, o=other, a=a, b=b, w=w, g=gift, noise=noise)
    return Puzzle(
        shape="saving",
        numbers=(*sorted((a, b)), w, gift),
        text=text + "How much money is left?",
        answer=total - gift,
        plans=((mine, yours, both, rest), (week, weeks, rest)),
        distractors=extra,
    )


STORIES = {
    "shop": shop,
    "pay": pay,
    "fraction": fraction,
    "sharing": sharing,
    "travel": travel,
    "compare": compare,
    "bakery": bakery,
    "saving": saving,
}
