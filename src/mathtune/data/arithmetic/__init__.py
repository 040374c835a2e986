"""The embedded problems: seeded multi-step word problems with solutions in GSM8K's form.

    {"id": "arithmetic-train-0-00003", "problem": "Ann saves $6 a week and ... How much is left?",
     "answer": "24", "solution": "Ann saves <<6*4=24>>24\\n...\\n#### 24", "level": "4",
     "subject": "saving"}

No two splits share a problem, whatever the seeds: a problem belongs to the split that a hash of its
shape and numbers names (`split_of`; names, things and wording do not enter), and `draw` throws
away what belongs elsewhere. The base model's pre-training text is drawn from the `pretrain`
split only.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from typing import Literal

from mathtune.data.arithmetic.checkable import CHECKABLE
from mathtune.data.arithmetic.puzzle import Puzzle, write
from mathtune.data.arithmetic.stories import STORIES
from mathtune.rows.records import Problem

Split = Literal["train", "validation", "test", "pretrain"]
Family = Callable[[random.Random, Sequence[str]], Puzzle | None]

FAMILIES: dict[str, Family] = {**STORIES, **CHECKABLE}

# Shares of the hash range, in percent, in this order.
SHARES: dict[Split, int] = {"train": 20, "validation": 10, "test": 20, "pretrain": 50}

# Wording "c" is left to the tasks, so that fine-tuning has something to learn.
WORDINGS: dict[Split, tuple[str, ...]] = {
    "train": ("a", "b", "c"),
    "validation": ("a", "b", "c"),
    "test": ("a", "b", "c"),
    "pretrain": ("a", "b"),
}


def split_of(puzzle: Puzzle) -> Split:
    """The one split a puzzle belongs to: a function of its shape and numbers alone."""
    key = "|".join([puzzle.shape, *map(str, puzzle.numbers)])
    place = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") % 100
    for split, share in SHARES.items():
        if place < share:
            return split
        place -= share
    raise AssertionError("the shares add up to 100")


def draw(split: Split, family: str, rng: random.Random) -> Puzzle:
    """One puzzle of the family that belongs to the split."""
    while True:
        puzzle = FAMILIES[family](rng, WORDINGS[split])
        if puzzle is not None and split_of(puzzle) == split:
            return puzzle


def generate(split: Split, count: int, seed: int) -> list[Problem]:
    """`count` different problems of the split, families in equal parts; the same for the same seed.

    Problems of two splits never have the same shape and numbers, whatever counts and seeds (see
    above). `level` is the number of steps, `subject` the family, `solution` one way of reasoning.

    >>> generate("test", 2, seed=0) == generate("test", 2, seed=0)
    True
    """
    rng = random.Random(f"{split}-{seed}")
    seen: set[str] = set()
    problems: list[Problem] = []
    names = list(FAMILIES)
    while len(problems) < count:
        family = names[len(problems) % len(names)]
        puzzle = draw(split, family, rng)
        if puzzle.text in seen:
            continue
        seen.add(puzzle.text)
        problems.append(
            Problem(
                id=f"arithmetic-{split}-{seed}-{len(problems):05d}",
                problem=puzzle.text,
                answer=str(puzzle.answer),
                solution=write(puzzle, rng),
                level=str(puzzle.steps),
                subject=family,
            )
        )
    return problems
