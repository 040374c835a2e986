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
    ("matrix", rows)  ("ratio", a, b...)  ("clock", hours, minutes)  ("unit", a, units)
    ("point", name, seq)            P(2, 3), also C(10, 3)
    ("congruent", left, residue, modulus)   left is None or a tree
    ("piecewise", cases)            pairs of value and condition
    ("series", kind, variable, low, high, body)   a sum or product with both bounds
    ("opaque", name, parts...)      an integral, limit or derivative: nothing is known of its value

`units` are the readings of a unit, `units.Unit`; the first is the likely one.
"""

from fractions import Fraction
from typing import Any

from mathtune.answers.latex.limits import NotMathError

Node = tuple[Any, ...]


def negated(node: Node) -> Node:
    """Return the negative; a matrix is negated cell by cell."""
    if node[0] == "matrix":
        return ("matrix", tuple(tuple(negated(cell) for cell in row) for row in node[1]))
    if node[0] in ("seq", "set", "list"):
        raise NotMathError("a negated tuple or set")
    return ("neg", node)


def added(a: Node, b: Node) -> Node:
    """Return the sum; matrices of one shape are added cell by cell."""
    if a[0] != "matrix" and b[0] != "matrix":
        return ("add", a, b)
    shapes = [[len(row) for row in node[1]] if node[0] == "matrix" else None for node in (a, b)]
    if shapes[0] != shapes[1]:
        raise NotMathError("a sum of matrices of different shapes")
    rows = zip(a[1], b[1], strict=True)
    return ("matrix", tuple(tuple(map(added, p, q)) for p, q in rows))


def scaled(a: Node, b: Node) -> Node:
    """Return the product; a scalar times a matrix or a tuple multiplies its cells."""
    for scalar, other in ((a, b), (b, a)):
        if other[0] == "matrix" and scalar[0] not in ("matrix", "seq", "set"):
            return ("matrix", tuple(tuple(("mul", scalar, c) for c in row) for row in other[1]))
    if a[0] == "matrix" == b[0] and len(a[1][0]) == len(b[1]) <= 6:
        columns = tuple(zip(*b[1], strict=True))
        return ("matrix", tuple(tuple(_dot(row, column) for column in columns) for row in a[1]))
    if a[0] == "set" == b[0] and len(a[1]) == len(b[1]) == 1:  # braces in place of brackets
        return ("mul", a[1][0], b[1][0])
    if a[0] in ("matrix", "seq", "set") or b[0] in ("matrix", "seq", "set"):
        raise NotMathError("a product of tuples, sets or matrices")
    return ("mul", a, b)


def _dot(row: tuple[Node, ...], column: tuple[Node, ...]) -> Node:
    total: Node = ("mul", row[0], column[0])
    for a, b in zip(row[1:], column[1:], strict=True):
        total = ("add", total, ("mul", a, b))
    return total


def raised(a: Node, b: Node) -> Node:
    r"""Return the power; a matrix to the power `T` is its transpose.

    A fraction with an odd denominator as exponent is a root, which is real for real numbers:
    `(x-5)^{1/3}` is `\sqrt[3]{x-5}`.
    """
    if a[0] == "matrix":
        if b in (("sym", "T"), ("sym", "top")):
            return ("matrix", tuple(zip(*a[1], strict=True)))
        raise NotMathError("a power of a matrix")
    negative, fraction = b[0] == "neg", b[1] if b[0] == "neg" else b
    if fraction[0] == "div" and fraction[1][0] == "neg":
        negative, fraction = not negative, ("div", fraction[1][1], fraction[2])
    if fraction[0] != "div" or not all(_is_whole(part) for part in fraction[1:]):
        return ("pow", a, b)
    exponent = Fraction(fraction[1][1], fraction[2][1])
    if exponent.denominator % 2 == 0 or exponent.denominator == 1:
        return ("pow", a, b)
    top = -exponent.numerator if negative else exponent.numerator
    base = ("root", a, ("num", exponent.denominator))
    return base if top == 1 else ("pow", base, ("num", top))


def _is_whole(node: Node) -> bool:
    return node[0] == "num" and isinstance(node[1], int) and node[1] > 0


def divided(a: Node, b: Node) -> Node:
    """Return the quotient; a matrix is divided by a scalar cell by cell."""
    if a[0] == "matrix" and b[0] not in ("matrix", "seq", "set"):
        return ("matrix", tuple(tuple(("div", cell, b) for cell in row) for row in a[1]))
    if a[0] in ("seq", "set") or b[0] in ("matrix", "seq", "set"):
        raise NotMathError("a quotient of tuples, sets or matrices")
    return ("div", a, b)


def is_clock(ratio: Node, minutes: str) -> bool:
    """Return True if `h:mm` is a time of day, which is no ratio: 12:30 is not 6:15."""
    whole = len(ratio) == 3 and all(part[0] == "num" for part in ratio[1:])
    return whole and len(minutes) == 2 and ratio[1][1] <= 24 and ratio[2][1] < 60


def mixed(whole: Node, fraction: Node) -> Node:
    """Return a mixed number; the sign of its whole part holds for all of it."""
    if whole[0] == "neg":
        return ("neg", ("add", whole[1], fraction))
    return ("add", whole, fraction)


def replaced(node: Node, old: Node, new: Node) -> Node:
    """Return `node` with `new` for every `old` in it."""
    if node == old:
        return new
    return tuple(replaced(c, old, new) if isinstance(c, tuple) else c for c in node)
