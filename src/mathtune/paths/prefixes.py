r"""Labels after every step of a sampled solution: which beginnings are right so far, which wrong.

For the evaluator. A sample's answer says whether its whole is right, not where it goes wrong; what
can be said of its beginnings without guessing:

- a right solution was right all along, up to its first false equation; of what follows that
  equation (a mistake that was undone, or did not matter) nothing is said;
- a wrong solution is wrong from its first false equation on; before it, and where all its equations
  hold, nothing is said.

A step is a line. People's ratings of steps say more: `data.prm800k`.
"""

from __future__ import annotations

from mathtune.paths.equations import equations


def beginnings(solution: str) -> list[str]:
    r"""The solution after each of its steps but the last, which would be the whole.

    Example:
        >>> beginnings("2 + 2 = 4\n\nso 4\n#### 4")
        ['2 + 2 = 4', '2 + 2 = 4\n\nso 4']
    """
    lines = solution.split("\n")
    found = ["\n".join(lines[: end + 1]) for end, line in enumerate(lines) if line.strip()]
    return found[:-1]


def first_false(texts: list[str]) -> int:
    """The place of the first text that holds a false equation; their number where none does."""
    for place, text in enumerate(texts):
        if any(equation.holds is False for equation in equations(text)):
            return place
    return len(texts)


def right_beginnings(solution: str) -> list[str]:
    r"""Return what is right so far of a solution that ends in the right answer.

    Example:
        >>> right_beginnings("2 + 2 = 4\n4 + 1 = 6\n#### 5")
        ['2 + 2 = 4']
    """
    texts = beginnings(solution)
    return texts[: first_false(texts)]


def wrong_beginnings(solution: str) -> list[str]:
    r"""Return what is wrong already of a solution that ends in a wrong answer.

    Example:
        >>> wrong_beginnings("2 + 2 = 4\n4 + 1 = 6\n#### 6")
        ['2 + 2 = 4\n4 + 1 = 6']
    """
    texts = beginnings(solution)
    return texts[first_false(texts) :]
