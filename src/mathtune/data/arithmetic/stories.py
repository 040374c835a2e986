"""Story problems of the tasks: shopping, fractions, travel, saving. Between puzzle and draw.

A family is a function `rng -> Puzzle | None`: it draws numbers, words them, and lists its plans;
None means that the numbers do not fit (draw again).
"""

from __future__ import annotations

import random

from mathtune.data.arithmetic.puzzle import PlanStep, Puzzle

NAMES = ("Ann", "Ben", "Cara", "Dan", "Eve", "Finn", "Gia", "Hugo")
THINGS = ("apples", "books", "cards", "pens", "eggs", "shells", "stamps", "toys")
DISTRACTORS = (
    "By the way, {who} was born {n} years ago. ",
    "The town lies {n} miles off. ",
    "A neighbour keeps {n} dogs. ",
)


def distract(rng: random.Random, who: str) -> tuple[str, tuple[int, ...]]:
    """Return a sentence with a number that no plan needs, for one problem in five."""
    if rng.random() > 0.2:
        return "", ()
    number = rng.randint(2, 30)
    return rng.choice(DISTRACTORS).format(who=who, n=number), (number,)


def shop(rng: random.Random) -> Puzzle | None:
    """Return a story of two purchases that asks for the change, or without a note for the total."""
    who, (x, y) = rng.choice(NAMES), rng.sample(THINGS, 2)
    a, b, p, q = (rng.randint(2, 12) for _ in range(4))
    total, change = a * p + b * q, rng.random() < 0.6
    note = rng.choice([n for n in (50, 100, 150, 200, 300) if n > total])
    noise, extra = distract(rng, who)
    texts = (
        "{who} buys {a} {x} for ${p} each and {b} {y} for ${q} each. {noise}",
        "{noise}{x} go at ${p} each, {y} at ${q}. {who} buys {a} {x} plus {b} {y}. ",
        "At ${q} each {who} takes {b} {y}, then {a} {x} at ${p} each. {noise}",
    )
    ends = (
        f"{who} hands over a ${note} note. What change comes back?"
        if change
        else "What is the bill?"
    )
    first = PlanStep(key="m", left=a, op="*", right=p, say=(f"All {x}", f"Price of {x}"))
    second = PlanStep(key="n", left=b, op="*", right=q, say=(f"All {y}", f"Price of {y}"))
    both = PlanStep(key="s", left="m", op="+", right="n", say=("The bill is", "Both sum to"))
    left = PlanStep(key="r", left=note, op="-", right="s", say=("Change is", "What remains"))
    less = PlanStep(key="u", left=note, op="-", right="m", say=("What remains",))
    rest = PlanStep(key="r", left="u", op="-", right="n", say=("Change is", "What remains"))
    plans = ((first, second, both, left), (first, second, less, rest))
    text = rng.choice(texts).format(who=who, a=a, b=b, p=p, q=q, x=x, y=y, noise=noise)
    return Puzzle(
        kind="shop-change" if change else "shop",
        numbers=(*sorted([(a, p), (b, q)])[0], *sorted([(a, p), (b, q)])[1], note * change),
        text=text[0].upper() + text[1:] + ends,
        answer=note - total if change else total,
        plans=plans if change else ((first, second, both),),
        distractors=extra,
    )


def fraction(rng: random.Random) -> Puzzle | None:
    """Return a story in which a fraction m/k of the things is given away and more are bought."""
    (who, other), x = rng.sample(NAMES, 2), rng.choice(THINGS)
    k = rng.randint(2, 8)
    m = rng.randint(1, min(3, k - 1))
    if any(m % f == 0 and k % f == 0 for f in (2, 3)):
        return None
    a, b = k * rng.randint(2, 15), rng.randint(3, 40)
    noise, extra = distract(rng, other)
    texts = (
        "{who} keeps {a} {x}. {noise}{who} gives {m}/{k} of them to {o} and buys {b} more. ",
        "{o} gets {m}/{k} of the {a} {x} that {who} keeps. {noise}Then {who} buys {b} {x}. ",
        "Of {a} {x}, {who} loses {m}/{k}. {noise}Later {who} finds {b} {x} more. ",
    )
    part = PlanStep(key="u", left=a, op="/", right=k, say=("One part is", f"1/{k} is"))
    gone = PlanStep(key="g", left="u", op="*", right=m, say=("Given away", f"{m}/{k} is"))
    given = "g" if m > 1 else "u"
    left = PlanStep(key="l", left=a, op="-", right=given, say=("What remains", "The rest"))
    end = PlanStep(key="r", left="l", op="+", right=b, say=("In the end", "At last"))
    more = PlanStep(key="l", left=a, op="+", right=b, say=("With the new ones",))
    less = PlanStep(key="r", left="l", op="-", right=given, say=("In the end", "At last"))
    head = (part, gone) if m > 1 else (part,)
    text = rng.choice(texts).format(who=who, o=other, a=a, b=b, m=m, k=k, x=x, noise=noise)
    return Puzzle(
        kind="fraction",
        numbers=(a, k, m, b),
        text=text + f"What number of {x} does {who} end up with?",
        answer=a - a // k * m + b,
        plans=((*head, left, end), (*head, more, less)),
        distractors=extra,
    )


def travel(rng: random.Random) -> Puzzle | None:
    """Return a story of two legs at two speeds that asks for the rest of the way."""
    who = rng.choice(NAMES)
    v, w = rng.randint(4, 20), rng.randint(4, 20)
    t, u = rng.randint(2, 6), rng.randint(2, 6)
    gone = v * t + w * u
    whole = gone + rng.randint(3, 60)
    noise, extra = distract(rng, who)
    texts = (
        (
            "A trip is {d} miles. {who} goes {v} miles per hour during {t} hours and then "
            "{w} miles per hour during {u} hours. {noise}"
        ),
        (
            "{noise}{who} goes {t} hours at {v} miles per hour and {u} hours at {w} miles per "
            "hour. The trip is {d} miles. "
        ),
        (
            "During {u} hours {who} rides {w} miles per hour, and during {t} hours {v} miles. "
            "{noise}The whole way is {d} miles. "
        ),
    )
    first = PlanStep(key="m", left=v, op="*", right=t, say=("First part", f"In {t} hours"))
    second = PlanStep(key="n", left=w, op="*", right=u, say=("Second part", f"In {u} hours"))
    both = PlanStep(key="s", left="m", op="+", right="n", say=("Both sum to", "Joined"))
    rest = PlanStep(key="r", left=whole, op="-", right="s", say=("What remains", "The rest"))
    less = PlanStep(key="x", left=whole, op="-", right="m", say=("What remains",))
    last = PlanStep(key="r", left="x", op="-", right="n", say=("What remains", "The rest"))
    text = rng.choice(texts).format(who=who, v=v, w=w, t=t, u=u, d=whole, noise=noise)
    return Puzzle(
        kind="travel",
        numbers=(*sorted([(v, t), (w, u)])[0], *sorted([(v, t), (w, u)])[1], whole),
        text=text + "How far is it from there?",
        answer=whole - gone,
        plans=((first, second, both, rest), (first, second, less, last)),
        distractors=extra,
    )


def saving(rng: random.Random) -> Puzzle | None:
    """Return a story of two people who save every week, then buy something together."""
    who, other = rng.sample(NAMES, 2)
    a, b, w = rng.randint(2, 15), rng.randint(2, 15), rng.randint(2, 9)
    total = (a + b) * w
    gift = rng.randint(3, total - 1)
    noise, extra = distract(rng, who)
    texts = (
        (
            "{who} saves ${a} a week and {o} saves ${b} a week. {noise}"
            "After {w} weeks they buy a gift for ${g} together. "
        ),
        (
            "{noise}In each of {w} weeks {who} saves ${a} and {o} saves ${b}. "
            "Then they pay ${g} for a gift. "
        ),
        (
            "A gift costs ${g}. For {w} weeks {o} puts away ${b} a week and {who} ${a} a week. "
            "{noise}They buy the gift. "
        ),
    )
    mine = PlanStep(key="m", left=a, op="*", right=w, say=(f"{who} saves",))
    yours = PlanStep(key="n", left=b, op="*", right=w, say=(f"{other} saves",))
    both = PlanStep(key="s", left="m", op="+", right="n", say=("Both sum to", "Joined"))
    week = PlanStep(key="m", left=a, op="+", right=b, say=("Each week", "A week"))
    weeks = PlanStep(key="s", left="m", op="*", right=w, say=("Both sum to", "Joined"))
    rest = PlanStep(key="r", left="s", op="-", right=gift, say=("What remains", "The rest"))
    text = rng.choice(texts).format(who=who, o=other, a=a, b=b, w=w, g=gift, noise=noise)
    return Puzzle(
        kind="saving",
        numbers=(*sorted((a, b)), w, gift),
        text=text + "What sum is still theirs?",
        answer=total - gift,
        plans=((mine, yours, both, rest), (week, weeks, rest)),
        distractors=extra,
    )


STORIES = {"shop": shop, "fraction": fraction, "travel": travel, "saving": saving}
