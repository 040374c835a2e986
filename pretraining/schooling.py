"""The schooling: the families of problems that the embedded base is pre-trained on.

Sums, short exercises and stories whose wording and shape differ from those of the tasks
(`mathtune.data.arithmetic`; tests count what the two share). Above lessons and lesson_stories.
"""

from __future__ import annotations

import random

from mathtune.data import arithmetic
from mathtune.data.arithmetic import TASKS, Family, Split
from mathtune.data.arithmetic.puzzle import Puzzle
from pretraining.lesson_stories import LESSON_STORIES
from pretraining.lessons import drill, lesson

SCHOOLING: dict[str, Family] = {"drill": drill, "lesson": lesson, **LESSON_STORIES}
FAMILIES: dict[str, Family] = {**TASKS, **SCHOOLING}


def draw(split: Split, family: str, rng: random.Random) -> Puzzle:
    """Return one puzzle of the named family that belongs to the split."""
    return arithmetic.draw(split, FAMILIES[family], rng)
