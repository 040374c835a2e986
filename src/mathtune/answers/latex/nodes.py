r"""Trees of expressions: their kinds, and constructors that keep matrices and tuples apart.

A tree is a tuple whose first member names its kind:

    ("num", value)  ("sym", name)  ("inf",)  ("reals",)  ("word", text)
    ("add", a, b)  ("neg", a)  ("mul", a, b)  ("div", a, b)  ("pow", a, b)  ("fact", a)
    ("root", a, index)  ("call", name, arguments...)  ("deg", a)  ("pct", a)  ("base", digits, b)
    ("seq", open, close, items)     a tuple, point or interval
    ("set", items)                  in braces
    ("list", joiner, items)         1, 2 and 3
    ("rel", members, operators)     a chain of equalities or inequalities
    ("union", a, b)  ("meet", a, b)  ("less", a, b)
    ("matrix", rows)  ("ratio", a, b...)  ("clock", hours, minutes)  ("unit", a, unit)
"""

from typing import Any

from mathtune.answers.latex.lexer import NotMathError

Node = tuple[Any, ...]


def negated(node: Node) -> Node:
    """The negative; of a matrix, that of its cells."""
    if node[0] == "matrix":
        return ("matrix", tuple(tuple(negated(cell) for cell in row) for row in node[1]))
    if node[0] in ("seq", "set", "list"):
        raise NotMathError("a negated tuple or set")
    return ("neg", node)


def added(a: Node, b: Node) -> Node:
    """Sum; of two matrices of one shape, that of their cells."""
    if a[0] != "matrix" and b[0] != "matrix":
        return ("add", a, b)
    shapes = [[len(row) for row in node[1]] if node[0] == "matrix" else None for node in (a, b)]
    if shapes[0] != shapes[1]:
        raise NotMathError("a sum of matrices of different shapes")
    rows = zip(a[1], b[1], strict=True)
    return ("matrix", tuple(tuple(map(added, p, q)) for p, q in rows))


def scaled(a: Node, b: Node) -> Node:
    """Product; a scalar times a matrix or a tuple is taken into its cells."""
    for scalar, other in ((a, b), (b, a)):
        if other[0] == "matrix" and scalar[0] not in ("matrix", "seq", "set"):
            return ("matrix", tuple(tuple(("mul", scalar, c) for c in row) for row in other[1]))
    if a[0] in ("matrix", "seq", "set") or b[0] in ("matrix", "seq", "set"):
        raise NotMathError("a product of tuples, sets or matrices")
    return ("mul", a, b)


def divided(a: Node, b: Node) -> Node:
    """Quotient; of a matrix by a scalar, that of its cells."""
    if a[0] == "matrix" and b[0] not in ("matrix", "seq", "set"):
        return ("matrix", tuple(tuple(("div", cell, b) for cell in row) for row in a[1]))
    if a[0] in ("seq", "set") or b[0] in ("matrix", "seq", "set"):
        raise NotMathError("a quotient of tuples, sets or matrices")
    return ("div", a, b)


def is_clock(ratio: Node, minutes: str) -> bool:
    """Whether `h:mm` reads as a time of day, which is no ratio: 12:30 is not 6:15."""
    whole = len(ratio) == 3 and all(part[0] == "num" for part in ratio[1:])
    return whole and len(minutes) == 2 and ratio[1][1] <= 24 and ratio[2][1] < 60


def mixed(whole: Node, fraction: Node) -> Node:
    """A mixed number: the sign of its whole part is the sign of all."""
    if whole[0] == "neg":
        return ("neg", ("add", whole[1], fraction))
    return ("add", whole, fraction)
