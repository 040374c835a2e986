r"""Labels after every step of a sampled solution: its right and its wrong beginnings.

For the evaluator. A sample's answer shows if the whole is right, not where it goes wrong. Without
guessing, this is known of its beginnings:

- a right solution was right all along, up to its first false equation; of the steps after it (a
  mistake that was undone, or did not matter) nothing is known;
- a wrong solution is wrong from its first false equation on; before it, and if all its equations
  hold, nothing is known.

A step is a line. People's ratings of steps say more: `data.prm800k`.
"""

from __future__ import annotations

import random
from collections import Counter

from mathtune.paths.calculator import states_false


def beginnings(solution: str) -> list[str]:
    r"""Return the solution up to each of its steps but the last, which would be the whole.

    Example:
        >>> beginnings("2 + 2 = 4\n\nso 4\n#### 4")
        ['2 + 2 = 4', '2 + 2 = 4\n\nso 4']
    """
    lines = solution.split("\n")
    found = ["\n".join(lines[: end + 1]) for end, line in enumerate(lines) if line.strip()]
    return found[:-1]


def first_false(texts: list[str]) -> int:
    """Return the index of the first text that holds a false equation; else their number."""
    return next((place for place, text in enumerate(texts) if states_false(text)), len(texts))


def right_beginnings(solution: str) -> list[str]:
    r"""Return the right beginnings of a solution that ends in the right answer.

    Example:
        >>> right_beginnings("2 + 2 = 4\n4 + 1 = 6\n#### 5")
        ['2 + 2 = 4']
    """
    texts = beginnings(solution)
    return texts[: first_false(texts)]


def wrong_beginnings(solution: str) -> list[str]:
    r"""Return the wrong beginnings of a solution that ends in a wrong answer.

    Example:
        >>> wrong_beginnings("2 + 2 = 4\n4 + 1 = 6\n#### 6")
        ['2 + 2 = 4\n4 + 1 = 6']
    """
    texts = beginnings(solution)
    return texts[first_false(texts) :]


def drawn_beginnings(
    rights: list[str], wrongs: list[str], rng: random.Random, counts: Counter[str]
) -> tuple[list[str], list[str]]:
    """Draw as many right as wrong beginnings of these solutions, each text once.

    None is both: a wrong one has a false equation, a right one has none.
    """
    right = {text for solution in rights for text in right_beginnings(solution)}
    wrong = {text for solution in wrongs for text in wrong_beginnings(solution)}
    count = min(len(right), len(wrong))
    counts["beginnings"] += count
    counts["right_beginnings_left"] += len(right) - count
    counts["wrong_beginnings_left"] += len(wrong) - count
    return rng.sample(sorted(right), count), rng.sample(sorted(wrong), count)
