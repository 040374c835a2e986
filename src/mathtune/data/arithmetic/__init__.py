"""The embedded problems: seeded multi-step word problems with solutions in GSM8K's form.

    {"id": "arithmetic-train-0-00003", "problem": "Ann sets out with $60. A lamp sets Ann back $12.
     Grandfather matches the sum. What is Ann worth by then?", "answer": "96",
     "solution": "Falls to <<60-12=48>>48\\nBecomes <<48*2=96>>96\\n#### 96", "level": "2",
     "subject": "purse"}

Recipes learn the *tasks*, stories and chains, and are measured on them. The embedded base never saw
them: it is pre-trained on the *schooling* (`pretraining.schooling`).

No two splits share a problem for any seeds: a hash of a problem's kind and numbers determines its
split (`split_of`; names, things and wording do not matter), and `draw` rejects all others.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from typing import Literal

from mathtune.data.arithmetic.chains import CHAINS
from mathtune.data.arithmetic.puzzle import Puzzle, write
from mathtune.data.arithmetic.stories import STORIES
from mathtune.rows.records import Problem

Split = Literal["train", "validation", "test", "pretrain"]
Family = Callable[[random.Random], Puzzle | None]

TASKS: dict[str, Family] = {**STORIES, **CHAINS}

# Shares of the hash range, in percent, in this order. `pretrain` is used with schooling alone.
SHARES: dict[Split, int] = {"train": 30, "validation": 10, "test": 20, "pretrain": 40}


def split_of(puzzle: Puzzle) -> Split:
    """Return the one split of a puzzle, a function of its kind and numbers alone."""
    key = "|".join([puzzle.kind, *map(str, puzzle.numbers)])
    place = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") % 100
    for split, share in SHARES.items():
        if place < share:
            return split
        place -= share
    raise AssertionError("the shares add up to 100")


def draw(split: Split, family: Family, rng: random.Random) -> Puzzle:
    """Return one puzzle of the family that belongs to the split."""
    while True:
        puzzle = family(rng)
        if puzzle is not None and split_of(puzzle) == split:
            return puzzle


def generate(
    split: Split, count: int, seed: int, families: Mapping[str, Family] = TASKS
) -> list[Problem]:
    """Return `count` different problems of the split, equally many of each family.

    The same seed gives the same problems. Problems of two splits never have the same kind and
    numbers, for any counts and seeds (see above). `level` is the number of steps, `subject`
    the family, `solution` one way of reasoning.

    >>> generate("test", 2, seed=0) == generate("test", 2, seed=0)
    True
    """
    rng = random.Random(f"{split}-{seed}")
    seen: set[str] = set()
    problems: list[Problem] = []
    names = list(families)
    while len(problems) < count:
        family = names[len(problems) % len(names)]
        puzzle = draw(split, families[family], rng)
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
