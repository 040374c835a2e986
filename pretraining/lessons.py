"""Sums and short exercises of the schooling, which teach the embedded base arithmetic.

drill    two to five sums without a story
lesson   one line of `LESSONS`: a sentence or two, one to three steps
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from mathtune.data.arithmetic.puzzle import Operation, PlanStep, Puzzle, compute
from mathtune.data.arithmetic.stories import NAMES, THINGS

ASKED = ("Compute {sums}.", "Work out {sums}.", "Calculate {sums}.", "Sums: {sums}.")


def drill(rng: random.Random) -> Puzzle | None:
    """Return two to five sums; the last one's value is the answer. Subtraction comes most often."""
    sums = [_sum(rng) for _ in range(rng.randint(2, 5))]
    steps = tuple(
        PlanStep(key=f"d{at}", left=left, op=op, right=right, say=("Sum:",))
        for at, (left, op, right) in enumerate(sums)
    )
    text = rng.choice(ASKED).format(sums=", ".join(f"{a} {op} {b}" for a, op, b in sums))
    answer = compute(*sums[-1])
    assert answer is not None
    numbers = tuple(number for left, _, right in sums for number in (left, right))
    kind = "drill" + "".join(op for _, op, _ in sums)
    return Puzzle(
        kind=kind, numbers=numbers, text=text, answer=answer, plans=(steps,), ordered=True
    )


def _sum(rng: random.Random) -> tuple[int, Operation, int]:
    """Return one sum of whole numbers, below 1,000 in most and below 2,000 in all."""
    op: Operation = rng.choices(("+", "-", "*", "/"), (3, 5, 3, 3))[0]
    top = rng.choice((30, 100, 100, 300, 1000))
    if op == "+":
        return rng.randint(1, top), op, rng.randint(1, top)
    if op == "-":
        left = rng.randint(2, top)
        return left, op, rng.randint(1, left - 1)
    small = rng.randint(2, 12)
    large = rng.randint(1, rng.choice((12, 30, 100, 999 // small)))
    if op == "*":
        return (small, op, large) if rng.random() < 0.5 else (large, op, small)
    return small * large, op, small


@dataclass(frozen=True)
class Lesson:
    """A short exercise: its text and its steps, `key=left op right`, letters standing for numbers.

    `most` bounds each number; the drawn numbers must leave every value whole and positive.
    """

    text: str
    steps: str
    say: tuple[str, ...]
    most: int = 40


LESSONS = (
    Lesson(
        "{who} has {a} {x} and {b} {y}. How many things does {who} have?",
        "r=a+b", ("Things",), 200,
    ),
    Lesson(
        "A red box has {a} {x}, a blue box has {b} {x}. How many {x} are in both boxes?",
        "r=a+b", ("In both",), 300,
    ),
    Lesson(
        "Monday has {a} visitors and Tuesday has {b}. How many visitors are that?",
        "r=a+b", ("Visitors",), 300,
    ),
    Lesson(
        "{who} walks {a} steps and then {b} steps. How many steps are that?",
        "r=a+b", ("Steps",), 400,
    ),
    Lesson(
        "A rope is {a} feet long. {who} cuts off {b} feet. How long is it now?",
        "r=a-b", ("Long",), 300,
    ),
    Lesson(
        "{who} has {a} {x}. {who} eats {b} of them. How many are left?",
        "r=a-b", ("Left",), 200,
    ),
    Lesson(
        "A class has {a} pupils. {b} of them are boys. How many are girls?",
        "r=a-b", ("Girls",), 200,
    ),
    Lesson(
        "{who} has to read {a} lines and has read {b}. How many lines are left to read?",
        "r=a-b", ("Left",), 400,
    ),
    Lesson(
        "{a} birds sit in a tree. {b} fly away. How many birds sit there now?",
        "r=a-b", ("Birds",), 200,
    ),
    Lesson(
        "A house has {a} windows on each floor and {b} floors. How many windows does it have?",
        "r=a*b", ("Windows",), 20,
    ),
    Lesson(
        "Each of {a} cats has {b} kittens. How many kittens are there?",
        "r=a*b", ("Kittens",), 20,
    ),
    Lesson(
        "{who} reads {a} lines a minute. How many lines does {who} read in {b} minutes?",
        "r=a*b", ("Lines",), 25,
    ),
    Lesson(
        "A wall is {a} feet long and {b} feet high. How large is it?",
        "r=a*b", ("Size",), 30,
    ),
    Lesson(
        "{a} pupils sit at {b} tables, as many at each. How many sit at each table?",
        "r=a/b", ("Each",), 200,
    ),
    Lesson(
        "{who} cuts {a} feet of rope into {b} equal pieces. How long is each piece?",
        "r=a/b", ("Each",), 200,
    ),
    Lesson(
        "{a} {x} fill {b} boxes with the same number in each. How many {x} does a box have?",
        "r=a/b", ("A box",), 300,
    ),
    Lesson(
        "A garden has {a} rows of {b} plants. {c} plants wilt. How many plants are fine?",
        "m=a*b r=m-c", ("Plants", "Fine"), 25,
    ),
    Lesson(
        "{who} makes {a} trays of {b} rolls and {c} rolls more. How many rolls are that?",
        "m=a*b r=m+c", ("On trays", "Rolls"), 25,
    ),
    Lesson(
        "A shelf has {a} red books and {b} blue books. There are {c} such shelves. How many "
        "books are there?",
        "m=a+b r=m*c", ("A shelf", "Books"), 20,
    ),
    Lesson(
        "A floor is {a} feet long and {b} feet wide. A carton of tiles covers {c} square "
        "feet. How many cartons does it take?",
        "m=a*b r=m/c", ("Floor", "Cartons"), 30,
    ),
    Lesson(
        "{a} boys and {b} girls go by boat, {c} to a boat. How many boats do they need?",
        "m=a+b r=m/c", ("Children", "Boats"), 60,
    ),
    Lesson(
        "A film is {a} minutes long, {b} of them are over. The rest is seen in {c} equal "
        "parts. How long is a part?",
        "m=a-b r=m/c", ("Rest", "Part"), 200,
    ),
    Lesson(
        "A coat costs ${a}. It is ${b} cheaper now. {who} needs {c} coats. What do they cost?",
        "m=a-b r=m*c", ("A coat", "Coats"), 60,
    ),
    Lesson(
        "{who} is {a} years old. {o} is {b} times as old. Their aunt is {c} years older than "
        "{o}. How old is the aunt?",
        "m=a*b r=m+c", ("{o} is", "The aunt is"), 25,
    ),
    Lesson(
        "A string of {a} feet is cut into {b} equal pieces. Each piece has {c} knots on "
        "every foot. How many knots does a piece have?",
        "m=a/b r=m*c", ("A piece", "Knots"), 100,
    ),
    Lesson(
        "{who} sleeps {a} hours a night for {b} nights and {o} sleeps {c} hours a night for "
        "{b} nights. How many hours longer does {who} sleep?",
        "m=a*b n=c*b r=m-n", ("{who}", "{o}", "Longer"), 15,
    ),
    Lesson(
        "A square has sides of {a} feet. A frame of {b} feet is cut off its rim. How long is "
        "what is left of the rim, in {c} equal parts?",
        "m=a*4 n=m-b r=n/c", ("Rim", "Left", "Part"), 40,
    ),
    Lesson(
        "{a} men and {b} women sing. {c} times as many people listen as sing. How many "
        "listen?",
        "m=a+b r=m*c", ("Singers", "Listeners"), 20,
    ),
    Lesson(
        "Of {a} pupils {b} are ill. The others form {c} equal teams. Each team has {d} "
        "helpers too. How large is a team with its helpers?",
        "m=a-b n=m/c r=n+d", ("Others", "Team", "With helpers"), 90,
    ),
    Lesson(
        "A cook has {a} eggs and {b} more in a bowl. A cake takes {c} eggs. Each cake gives "
        "{d} pieces. How many pieces are that?",
        "m=a+b n=m/c r=n*d", ("Eggs", "Cakes", "Pieces"), 40,
    ),
)  # fmt: skip


def lesson(rng: random.Random) -> Puzzle | None:
    """Return one of the short exercises."""
    found = rng.choice(LESSONS)
    who, other = rng.sample(NAMES, 2)
    x, y = rng.sample(THINGS, 2)
    numbers = {letter: rng.randint(2, rng.choice((12, found.most))) for letter in "abcde"}
    words = {"who": who, "o": other, "x": x, "y": y}
    values: dict[str, int] = dict(numbers)
    steps = []
    for equation, say in zip(found.steps.split(), found.say, strict=True):
        key, (left, op, right) = equation[0], _parts(equation[2:])
        value = compute(values.get(left, 4), op, values.get(right, 4))
        if value is None or value < 1:
            return None
        values[key] = value
        operands = (numbers.get(side, 4 if side == "4" else side) for side in (left, right))
        a, b = operands
        steps.append(PlanStep(key=key, left=a, op=op, right=b, say=(say.format(**words),)))
    used = {letter: number for letter, number in numbers.items() if f"{{{letter}}}" in found.text}
    return Puzzle(
        kind=f"lesson-{LESSONS.index(found)}",
        numbers=tuple(used.values()),
        text=found.text.format(**used, **words),
        answer=values["r"],
        plans=(tuple(steps),),
    )


def _parts(expression: str) -> tuple[str, Operation, str]:
    """`a+b` as its parts."""
    op: Operation = next(sign for sign in ("+", "-", "*", "/") if sign in expression)
    left, _, right = expression.partition(op)
    return left, op, right
