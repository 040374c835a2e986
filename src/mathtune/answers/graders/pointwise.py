r"""Expressions that agree only where they are compared: `|x|` and roots of positive variables.

For the grader `math`.
"""

from collections.abc import Iterable

from mathtune.answers.latex.limits import NotMathError
from mathtune.answers.latex.nodes import Node
from mathtune.answers.values import evaluate as ev
from mathtune.answers.values import numbers


def equal_with_steps(a: Node, g: Node) -> bool:
    r"""Compare an expression with `|x|` or a floor with one without."""
    if not (ev.calls(a, ev.STEPS) or ev.calls(g, ev.STEPS)):
        return False
    return _equal_at(a, g, range(ev.STEP_POINTS))


def equal_where_positive(a: Node, g: Node) -> bool:
    r"""Compare expressions with roots or logarithms for positive variables: `\sqrt{x}\sqrt{y}`."""
    names = ev.symbols(a)
    if not names or names != ev.symbols(g) or not (_branches(a) and _branches(g)):
        return False
    return _equal_at(a, g, ev.POSITIVE_POINTS)


def equal_where_real(a: Node, g: Node) -> bool:
    r"""Compare an inverse hyperbolic function with logarithms, wherever both are real."""
    names = ev.INVERSE_HYPERBOLIC
    if not (ev.calls(a, names) or ev.calls(g, names)) or ev.symbols(a) != ev.symbols(g):
        return False
    agreed = 0
    for point in range(ev.STEP_POINTS + ev.INNER_POINTS):
        try:
            ours, golds = ev.evaluate(a, point), ev.evaluate(g, point)
            real = [numbers.is_real(value) for value in (ours, golds)]
        except NotMathError:
            continue
        if real != [True, True]:
            continue
        if numbers.value_key(ours) != numbers.value_key(golds):
            return False
        agreed += 1
    return agreed > 2


def _equal_at(a: Node, g: Node, points: Iterable[int]) -> bool:
    try:
        return all(
            numbers.value_key(ev.evaluate(a, point)) == numbers.value_key(ev.evaluate(g, point))
            for point in points
        )
    except NotMathError:
        return False


def _branches(node: Node) -> bool:
    if node[0] == "root" or (node[0] == "call" and node[1] == "ln"):
        return True
    if node[0] == "pow" and node[2][0] == "div":
        return True
    return any(_branches(child) for child in node[1:] if isinstance(child, tuple) and child)
