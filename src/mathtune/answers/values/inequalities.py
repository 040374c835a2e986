r"""Inequalities in one variable as sets of the real line: linear, rational, and with `|...|`.

For the keys of answers. Both sides are brought to one quotient of polynomials, whose real zeros cut
the line; a linear one may have any real coefficients, the others rational ones, or degree two.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor, lcm

from mathtune.answers.latex.limits import NotMathError
from mathtune.answers.latex.nodes import Node, replaced
from mathtune.answers.values import evaluate as ev
from mathtune.answers.values import numbers
from mathtune.answers.values.numbers import Value
from mathtune.answers.values.real_sets import Interval, complement, intersect, merge, real_end

_DEGREE = 4
_COEFFICIENT_BITS = 500
# Zeros are found to so many binary digits behind the point, more than a key keeps.
_BITS = 420
_MAX_BARS = 4
_FUNCTIONS = "fgh"

Polynomial = tuple[Value, ...]
"""Coefficients from the constant up, the last one not zero; the zero polynomial has none."""


def solve(node: Node) -> tuple[str, list[Interval]] | None:
    """Solve a chain of inequalities in one variable: (variable, real set), or None.

    >>> with numbers.metered():
    ...     x, four = ("sym", "x"), ("num", 4)
    ...     _, found = solve(("rel", (("mul", x, x), four), ("<",)))
    >>> [(str(part.low.value), str(part.high.value)) for part in found]
    [('-2', '2')]
    """
    members, operators = node[1], node[2]
    names = frozenset().union(*(ev.symbols(member) for member in members))
    functions = names.intersection(_FUNCTIONS)
    if len(names) == 2 and len(functions) == 1:  # `0 < f(x) < 1` is one in f(x)
        (function,), (variable,) = functions, names - functions
        value = ("sym", f"{function}({variable})")
        product = ("mul", ("sym", function), ("sym", variable))
        members = tuple(replaced(member, product, value) for member in members)
        names = frozenset().union(*(ev.symbols(member) for member in members))
    if len(names) != 1:
        return None
    (name,) = names
    region = [Interval.everything()]
    for left, operator, right in zip(members, operators, members[1:], strict=False):
        part = _pair(left, operator, right, name)
        if part is None:
            return None
        region = intersect(region, part)
    return name, region


def _pair(left: Node, operator: str, right: Node, name: str) -> list[Interval] | None:
    low, high = (left, right) if operator[0] in "<!" else (right, left)
    if ("inf",) in (low, high) or ("neg", ("inf",)) in (low, high):
        return [Interval.everything()]
    kind = "!=" if operator == "!=" else ">=" if operator.endswith("=") else ">"
    try:
        return _positive(("add", high, ("neg", low)), kind, name, bars=0)
    except NotMathError:
        return None


def _positive(node: Node, kind: str, name: str, bars: int) -> list[Interval]:
    """Return the set on which `node` is above zero; for `>=` at least zero, for `!=` not zero."""
    inner = _absolute(node, name)
    if inner is None:
        return _quotient_positive(_quotient(node, name), kind)
    if bars == _MAX_BARS:
        raise NotMathError("too many absolute values")
    found: list[Interval] = []
    for value, where in ((inner, ">="), (("neg", inner), ">")):
        half = _positive(value, where, name, bars)
        rest = _positive(replaced(node, ("call", "abs", inner), value), kind, name, bars + 1)
        found += intersect(half, rest)
    return merge(found)


def _absolute(node: Node, name: str) -> Node | None:
    """Return the content of the innermost bars that hold the variable; None without any."""
    for child in node[1:]:
        if isinstance(child, tuple) and (found := _absolute(child, name)) is not None:
            return found
    inside: Node | None = node[2] if node[:2] == ("call", "abs") else None
    return inside if inside is not None and name in ev.symbols(inside) else None


# -- quotients of polynomials ---------------------------------------------------------------------


def _quotient(node: Node, name: str) -> tuple[Polynomial, Polynomial]:
    """Return `node` as one quotient of polynomials in `name`; NotMathError if it is none."""
    numbers.spend(5)
    kind = node[0]
    if node == ("sym", name):
        return (0, 1), (1,)
    if name not in ev.symbols(node):
        return _trimmed([ev.evaluate(node)]), (1,)
    if kind == "neg":
        top, bottom = _quotient(node[1], name)
        return _trimmed([numbers.negative(c) for c in top]), bottom
    if kind == "pow" and node[2][0] == "num" and node[2][1] in range(1, _DEGREE + 1):
        top, bottom = _quotient(node[1], name)
        found: tuple[Polynomial, Polynomial] = (1,), (1,)
        for _ in range(int(node[2][1])):
            found = _product(found[0], top), _product(found[1], bottom)
        return found
    if kind not in ("add", "mul", "div"):
        raise NotMathError(f"an inequality with {kind}")
    (a, b), (c, d) = _quotient(node[1], name), _quotient(node[2], name)
    if kind == "mul":
        return _product(a, c), _product(b, d)
    if kind == "div":
        if not c:
            raise NotMathError("a division by zero")
        return _product(a, d), _product(b, c)
    return _sum(_product(a, d), _product(c, b)), _product(b, d)


def _trimmed(coefficients: Sequence[Value]) -> Polynomial:
    kept = list(coefficients)
    while kept and kept[-1] == 0:
        kept.pop()
    if len(kept) > _DEGREE + 1:
        raise NotMathError("an inequality of a high degree")
    return tuple(kept)


def _sum(p: Polynomial, q: Polynomial) -> Polynomial:
    if len(p) < len(q):
        p, q = q, p
    return _trimmed([numbers.add(c, q[i]) if i < len(q) else c for i, c in enumerate(p)])


def _product(p: Polynomial, q: Polynomial) -> Polynomial:
    found: list[Value] = [0] * (len(p) + len(q) - 1 if p and q else 0)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            found[i + j] = numbers.add(found[i + j], numbers.multiply(a, b))
    return _trimmed(found)


def _quotient_positive(quotient: tuple[Polynomial, Polynomial], kind: str) -> list[Interval]:
    top, bottom = quotient
    for value in (*top, *bottom):
        size = numbers.real_fraction(value)
        bits = size.numerator.bit_length() + size.denominator.bit_length()
        if not isinstance(value, tuple) and bits > _COEFFICIENT_BITS:
            raise NotMathError("an inequality with enormous numbers")
    zeros, poles = _zeros(top), _zeros(bottom)
    cuts = {numbers.value_key(value): value for value in (*zeros, *poles)}
    ordered = sorted(cuts.values(), key=numbers.real_fraction)
    ends = [real_end(value) for value in ordered]
    missing = {numbers.value_key(value) for value in poles}
    if kind == "!=":
        return complement([Interval(end, end, True, True) for end in ends])
    found: list[Interval] = []
    for number, place in enumerate(_between([end.value for end in ends])):
        if _sign(top, place) * _sign(bottom, place) <= 0:
            continue
        if not ends:
            return [Interval.everything()]
        if number == 0:
            found.append(Interval.below(ends[0], closed=False))
        elif number == len(ends):
            found.append(Interval.above(ends[-1], closed=False))
        else:
            found.append(Interval(ends[number - 1], ends[number], False, False))
    if kind == ">=":
        found += [Interval(end, end, True, True) for end in ends if end.key not in missing]
    return merge(found)


def _between(cuts: list[Fraction]) -> list[Fraction]:
    """Return a point below all `cuts`, one in each gap, one above all."""
    if not cuts:
        return [Fraction(0)]
    gaps = [(a + b) / 2 for a, b in pairwise(cuts)]
    return [cuts[0] - 1, *gaps, cuts[-1] + 1]


def _sign(p: Polynomial, place: Fraction) -> int:
    value = _at([numbers.real_fraction(c) for c in p], place)
    return (value > 0) - (value < 0)


def _at(p: Sequence[Fraction], place: Fraction) -> Fraction:
    numbers.spend(4)
    total = Fraction(0)
    for coefficient in reversed(p):
        total = total * place + coefficient
    return total


# -- zeros ----------------------------------------------------------------------------------------


def _zeros(p: Polynomial) -> list[Value]:
    """Return the different real zeros, in any order."""
    if len(p) < 2:
        if not p:
            raise NotMathError("an inequality with zero")
        return []
    if len(p) == 2:
        return [numbers.divide(numbers.negative(p[0]), p[1])]
    if len(p) == 3:
        return _quadratic_zeros(*p)
    if any(isinstance(c, tuple) for c in p):
        raise NotMathError("an irrational coefficient")
    return list(_isolated([Fraction(c) for c in p if not isinstance(c, tuple)]))


def _quadratic_zeros(c: Value, b: Value, a: Value) -> list[Value]:
    square = numbers.multiply(b, b)
    spread = numbers.add(square, numbers.multiply(-4, numbers.multiply(a, c)))
    if numbers.real_fraction(spread) < 0:
        return []
    half = numbers.root(spread, 2)
    signs = (half, numbers.negative(half)) if spread != 0 else (half,)
    return [
        numbers.divide(numbers.add(numbers.negative(b), sign), numbers.multiply(2, a))
        for sign in signs
    ]


def _isolated(p: list[Fraction]) -> list[Value]:
    """Find zeros by bisection between those of the derivative: there the polynomial is monotone."""
    if len(p) == 3:
        return _quadratic_zeros(*p)
    turns = sorted(map(numbers.real_fraction, _isolated([i * c for i, c in enumerate(p)][1:])))
    bound = 1 + max(abs(c / p[-1]) for c in p)
    found: list[Value] = []
    for turn in turns:
        if _near_zero(p, turn):
            found.append(_settled(turn))
    stops = [-bound, *turns, bound]
    for low, high in pairwise(stops):
        if _near_zero(p, low) or _near_zero(p, high) or (_at(p, low) < 0) == (_at(p, high) < 0):
            continue
        found.append(_settled(_bisected(p, low, high)))
    return found


def _near_zero(p: list[Fraction], place: Fraction) -> bool:
    """Return True if a turning point, known to _BITS digits, is a zero too."""
    reach = max(Fraction(1), abs(place))
    size = sum(abs(c) * reach**i for i, c in enumerate(p))
    return abs(_at(p, place)) * (1 << _BITS // 2) < size


def _bisected(p: list[Fraction], low: Fraction, high: Fraction) -> Fraction:
    """Return a zero between two points of different sign, rounded down to _BITS digits.

    In whole numbers: c_0 + c_1 x + ... at x = k / 2^B has the sign of c_0 2^(nB) + c_1 k 2^((n-1)B)
    + ...
    """
    numbers.spend(200)
    scale = lcm(*(c.denominator for c in p))
    degree = len(p) - 1
    whole = [int(c * scale) << _BITS * (degree - i) for i, c in enumerate(p)]
    rising = _at(p, low) < 0
    below, above = floor(low * (1 << _BITS)), ceil(high * (1 << _BITS))
    while above - below > 1:
        middle = (below + above) // 2
        total = 0
        for coefficient in reversed(whole):
            total = total * middle + coefficient
        if (total < 0) == rising:
            below = middle
        else:
            above = middle
    return Fraction(below, 1 << _BITS)


def _settled(place: Fraction) -> Value:
    return numbers.whole(numbers.inexact(place))
