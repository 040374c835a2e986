"""The calculator: a scorer without a model. A solution that states a false equation weighs little.

Above `equations.py`. A judge must beat it: one that does no better has not learned to judge.
"""

from __future__ import annotations

from typing import Final

from mathtune.paths.equations import equations

NAME: Final = "calculator"
"""Its name among scorers, evaluators and fields of scores."""

FALSE = 0.1
"""The weight of a solution that states a false equation; any other weighs 1.

It is not 0: a problem whose solutions all slip still has an answer, and a slip that was corrected,
or a false alarm, costs a solution most of its vote but not all of it.
"""


def states_false(solution: str) -> bool:
    """Decide whether an equation of the solution is false.

    Example:
        >>> states_false("3 + 4 = 7, 7 * 2 = 15"), states_false("Seven, I think.")
        (True, False)
    """
    return any(equation.holds is False for equation in equations(solution))


def weight(solution: str) -> float:
    """Score a solution by its arithmetic alone: `FALSE` if one of its equations is false, else 1.

    Example:
        >>> weight("18 * 7 = 126"), weight("18 * 7 = 136")
        (1.0, 0.1)
    """
    return FALSE if states_false(solution) else 1.0
