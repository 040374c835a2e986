"""The calculator: a scorer without a model. A solution that states a false equation weighs little.

Above `equations.py`. What a judge must beat: one that does no better has learned no judging.
"""

from __future__ import annotations

from mathtune.paths.equations import equations

NAME = "calculator"
"""What stands for it where a scorer, an evaluator or a field of scores is named."""

FALSE = 0.1
"""The weight of a solution that states a false equation; any other weighs 1.

It is not 0, so that a problem all of whose solutions slip still has an answer, and so that a slip
that was undone, or an alarm that is false, costs a solution most of its vote and not all of it.
"""


def states_false(solution: str) -> bool:
    """Decide whether an equation of the solution is false.

    Example:
        >>> states_false("3 + 4 = 7, 7 * 2 = 15"), states_false("Seven, I think.")
        (True, False)
    """
    return any(equation.holds is False for equation in equations(solution))


def weight(solution: str) -> float:
    """Score a solution by its arithmetic alone: `FALSE` if an equation of it is false, else 1.

    Example:
        >>> weight("18 * 7 = 126"), weight("18 * 7 = 136")
        (1.0, 0.1)
    """
    return FALSE if states_false(solution) else 1.0
