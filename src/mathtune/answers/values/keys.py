r"""The canonical key of an answer: a hashable value, equal for answers that state the same thing.

A key is built from the parsed tree: numbers exactly, irrational numbers to 60 digits, expressions
by their values at fixed points, equations by those up to a factor, lists and sets without order,
tuples and intervals with their brackets, inequalities as sets of the real line. A text that cannot
be parsed is compared as text. Because equivalence is equality of keys, it is an equivalence
relation for any texts.
"""

from collections import Counter
from collections.abc import Hashable
from functools import lru_cache

from mathtune.answers.latex.limits import MAX_TEXT, NotMathError, TooLargeError
from mathtune.answers.latex.nodes import Node
from mathtune.answers.latex.parse import parse
from mathtune.answers.latex.text import plain_text, rough_text
from mathtune.answers.values import evaluate as ev
from mathtune.answers.values import numbers
from mathtune.answers.values.fast_path import exact_number
from mathtune.answers.values.inequalities import solve
from mathtune.answers.values.real_sets import Interval, complement, intersect, interval_key, merge

Key = Hashable


def canonical_key(answer: str) -> Key:
    """Return the key of an answer's equivalence class.

    >>> canonical_key("1/2") == canonical_key("0.5")
    True
    """
    if len(answer) > MAX_TEXT:  # not worth remembering
        return ("large", answer.strip())
    return _key(answer)


@lru_cache(maxsize=50_000)
def _key(answer: str) -> Key:
    number = exact_number(answer)
    if number is not None:
        return number
    try:
        with numbers.metered():
            return node_key(parse(answer))
    except NotMathError:
        text = plain_text(answer)
        return _PHRASES.get(text) or ("text", rough_text(answer))
    except (TooLargeError, RecursionError):
        return ("large", plain_text(answer))


def node_key(node: Node) -> Key:
    """Return the key of a tree. Raises NotMathError or TooLargeError if it has none."""
    kind = node[0]
    return _KEYS[kind](node) if kind in _KEYS else scalar_key(node)


def scalar_key(node: Node) -> Key:
    """Return a number's value; for an expression with symbols, its values at the fixed points."""
    if not ev.symbols(node):
        return numbers.value_key(ev.evaluate(node))
    points = ev.STEP_POINTS if ev.calls(node, ev.STEPS) else ev.POINTS
    found = tuple(_value_at(node, point) for point in range(points))
    if all(value == "undefined" for value in found):
        raise NotMathError("an expression without a value")
    if found.count(found[0]) == points:
        return found[0]
    return ("expression", found)


def _value_at(node: Node, point: int) -> Key:
    try:
        return numbers.value_key(ev.evaluate(node, point))
    except numbers.UndefinedError:
        return "undefined"


def _infinity(node: Node) -> Key:
    if node[0] == "inf":
        return ("infinity", 1)
    inner = _infinity(node[1])
    assert isinstance(inner, tuple)
    return ("infinity", -inner[1])


def _negative(node: Node) -> Key:
    if node[1] == ("inf",):
        return _infinity(node)
    if node[1][0] == "base":
        return ("base", "-" + node[1][1], node[1][2])
    return scalar_key(node)


def bag(keys: list[Key]) -> Key:
    """Return the keys without order, each with its count."""
    return ("bag", frozenset(Counter(keys).items()))


def _list(node: Node) -> Key:
    joiner, items = node[1], node[2]
    if any(item[0] == "rel" for item in items):
        merged = _joined_relations(joiner, items)
        if merged is not None:
            return merged
    return bag([node_key(item) for item in items])


def _joined_relations(joiner: str, items: tuple[Node, ...]) -> Key | None:
    """Return `x > 1 and x < 2` or `x < 1 or x > 2` as one set of the real line."""
    solved = [_solved(item) for item in items]
    names = {entry[0] for entry in solved if entry is not None}
    if None in solved or len(names) != 1:
        return None
    sets = [entry[1] for entry in solved if entry is not None]
    (name,) = names
    if joiner == ",":  # `x > 1, x \ne 2`; a comma between two bounds may be an `or`
        holes = [item[0] == "rel" and item[2] == ("!=",) for item in items]
        joiner = "and" if holes.count(False) < 2 else ","
    if joiner == "or":
        return _labelled(name, merge([part for parts in sets for part in parts]))
    if joiner == "and":
        region = sets[0]
        for other in sets[1:]:
            region = intersect(region, other)
        return _labelled(name, region)
    return None


def _solved(item: Node) -> tuple[str, list[Interval]] | None:
    if item[0] != "rel" or "=" in item[2] or "in" in item[2]:
        return None
    return solve(item)


def _labelled(name: str, region: list[Interval]) -> Key:
    if not region or region == [Interval.everything()]:
        # `f(2) < f(1) < f(4)` is no inequality in f.
        raise NotMathError("an inequality that excludes nothing or everything")
    return ("region", name, interval_key(region))


def _set(node: Node) -> Key:
    return bag(list(dict.fromkeys(node_key(item) for item in node[1])))


def _sequence(node: Node) -> Key:
    _, opener, closer, items = node
    return ("tuple", opener, closer, tuple(node_key(item) for item in items))


def _relation(node: Node) -> Key:
    members, operators = node[1], node[2]
    if set(operators) == {"="}:
        return _equation(members)
    if operators == ("in",):
        return _membership(*members)
    if operators == ("!=",) or not set(operators) & {"=", "in", "!="}:
        solved = solve(node)
        if solved is not None:
            return _labelled(*solved)
        parts = []
        for left, operator, right in zip(members, operators, members[1:], strict=False):
            low, high = (left, right) if operator[0] in "<!" else (right, left)
            sides = ("add", high, ("neg", low))
            parts.append((operator.strip("<>") or "strict", _projective(sides, signed=True)))
        return ("inequality", frozenset(parts))
    raise NotMathError("a chain of different relations")


def _equation(members: tuple[Node, ...]) -> Key:
    if any(_structured(member) for member in members):
        if len(members) == 2 and members[0][0] == "sym":
            return ("labelled", members[0][1], node_key(members[1]))
        return ("chain", tuple(node_key(member) for member in members))
    if not any(ev.symbols(member) for member in members):
        keys = [scalar_key(member) for member in members]
        return keys[-1] if len(set(keys)) == 1 else ("chain", tuple(keys))
    if len(members) > 2:
        return ("chain", tuple(scalar_key(member) for member in members))
    return ("equation", _projective(("add", members[0], ("neg", members[1])), signed=False))


def _structured(node: Node) -> bool:
    """Return True if the tree is no scalar, such as a list, an infinity or a base."""
    if node[0] == "neg":
        return _structured(node[1])
    return node[0] in _KEYS


def _projective(node: Node, *, signed: bool) -> Key:
    """Return the values at the points, divided by the first nonzero one (by its size if signed)."""
    found: list[numbers.Value | None] = []
    for point in range(ev.STEP_POINTS if ev.calls(node, ev.STEPS) else ev.POINTS):
        try:
            found.append(ev.evaluate(node, point))
        except numbers.UndefinedError:
            found.append(None)
    scale = next((value for value in found if value is not None and value != 0), None)
    if scale is None:
        raise NotMathError("an identity")
    if signed:
        scale = numbers.size(scale)
    return tuple(
        "undefined" if value is None else numbers.value_key(numbers.divide(value, scale))
        for value in found
    )


def _membership(left: Node, right: Node) -> Key:
    if left[0] != "sym":
        raise NotMathError("membership of something that is no symbol")
    if right[0] == "set":
        return bag([_equation((left, item)) for item in right[1]])
    key = node_key(right)
    return ("region", left[1], key)


def _region(node: Node) -> Key:
    parts = _intervals(node)
    if parts is None:
        raise NotMathError("a union of other things than intervals")
    return interval_key(parts)


def _intervals(node: Node) -> list[Interval] | None:
    """Return the real set of unions, intersections and differences of intervals and finite sets."""
    kind = node[0]
    if kind == "reals":
        return [Interval.everything()]
    if kind == "set":
        return merge([Interval.point(item) for item in node[1]])
    if kind == "seq":
        if len(node[3]) != 2:
            return None
        return [Interval.between(node[3][0], node[3][1], node[1] == "[", node[2] == "]")]
    if kind not in ("union", "meet", "less"):  # `[0,1] \setminus {2}`: the braces were lost
        return None if kind in _KEYS else [Interval.point(node)]
    left, right = _intervals(node[1]), _intervals(node[2])
    if left is None or right is None:
        return None
    if kind == "union":
        return merge(left + right)
    return intersect(left, right if kind == "meet" else complement(right))


def _matrix(node: Node) -> Key:
    return ("matrix", tuple(tuple(scalar_key(cell) for cell in row) for row in node[1]))


def _unit(node: Node) -> Key:
    """Return a quantity in the first units of its dimensions; for dollars, their number."""
    unit = node[2][0]
    if unit.powers == _DOLLARS and unit.size == 1:  # the sign is often left out
        return node_key(node[1])
    value = node[1] if unit.size == 1 else ("mul", node[1], ("num", unit.size))
    key = node_key(value)
    return key if unit.powers == _RADIANS else ("unit", key, unit.powers)


_DOLLARS = (("dollar", 1),)
_RADIANS = (("angle", 1),)


def _congruent(node: Node) -> Key:
    _, left, residue, modulus = node
    label = None if left is None else node_key(left)
    rest: Key
    r, m = (ev.evaluate(part) if not ev.symbols(part) else None for part in (residue, modulus))
    if isinstance(r, int) and isinstance(m, int) and m > 0:
        rest = r % m, m
    else:
        rest = node_key(residue), node_key(modulus)
    return ("congruent", label, rest)


def _piecewise(node: Node) -> Key:
    """Return the pieces without order."""
    return bag([(node_key(value), node_key(condition)) for value, condition in node[1]])


def _point(node: Node) -> Key:
    return ("point", node[1], node_key(node[2]))


def _base(node: Node) -> Key:
    return ("base", node[1], node[2])


def _ratio(node: Node) -> Key:
    """Return a ratio up to a factor."""
    found = [ev.evaluate(part) for part in node[1:] if not ev.symbols(part)]
    if len(found) != len(node) - 1:
        raise NotMathError("a ratio of symbols")
    scale = found[0] if found[0] != 0 else 1
    return ("ratio", *(numbers.value_key(numbers.divide(value, scale)) for value in found))


_PHRASES: dict[str, Key] = dict.fromkeys(
    ("all real numbers", "all reals", "real numbers", "the set of all real numbers"),
    interval_key([Interval.everything()]),
) | dict.fromkeys(
    ("no solution", "no solutions", "no real solution", "no real solutions", "empty set",
     "the empty set", "none"),
    bag([]),
)  # fmt: skip
_KEYS = {
    "inf": _infinity,
    "neg": _negative,
    "list": _list,
    "set": _set,
    "seq": _sequence,
    "rel": _relation,
    "union": _region,
    "meet": _region,
    "less": _region,
    "reals": _region,
    "matrix": _matrix,
    "unit": _unit,
    "congruent": _congruent,
    "piecewise": _piecewise,
    "point": _point,
    "base": _base,
    "ratio": _ratio,
    "clock": lambda node: node,
}
