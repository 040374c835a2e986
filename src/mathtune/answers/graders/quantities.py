r"""Quantities: numbers with their units, even if a unit is written as a product of letters.

`5 m/s` is a product of variables to the parser; a reader of an answer sees a quantity. For the
grader `math`.
"""

import re
from collections.abc import Callable
from fractions import Fraction

from mathtune.answers.latex.nodes import Node, negated
from mathtune.answers.latex.units import UNIT_LETTERS, read_unit
from mathtune.answers.values import evaluate as ev

# A unit is set apart from its number, or in upright letters; `5m` may be 5 times m.
_SET_APART = re.compile(
    r"\\(?:text|mathrm|textrm|mbox|operatorname|rm|circ|mu|Omega)|[µμ°Ω℃℉]"
    r"|[0-9}.](?:\\[,;:! ]|~|\s|\\quad)\s*(?:\\frac\s*\{)?[A-Za-z]"
)
_GLUED = re.compile(r"\s*\$?[-−]?[0-9][0-9.,/]*[msghLlWNJV]\$?\.?\s*")


def may_hold_unit_letters(text: str, *, glued: bool) -> bool:
    """Return True if letters in the text may be units; `glued`: also in a whole text like `3s`.

    >>> may_hold_unit_letters("3 s", glued=False), may_hold_unit_letters("3s", glued=False)
    (True, False)
    """
    return bool(_SET_APART.search(text)) or (glued and bool(_GLUED.fullmatch(text)))


def with_units(node: Node) -> Node:
    """Return the tree with products of a number and unit letters as quantities.

    >>> with_units(("mul", ("num", 3), ("sym", "s")))[:2]
    ('unit', ('num', 3))
    """
    kind = node[0]
    if kind == "list":
        return (*node[:2], tuple(map(with_units, node[2])))
    if kind in ("rel", "set"):
        return (kind, tuple(map(with_units, node[1])), *node[2:])
    if kind == "seq":
        return (*node[:3], tuple(map(with_units, node[3])))
    if kind == "neg":
        inner = with_units(node[1])
        return ("unit", negated(inner[1]), inner[2]) if inner[0] == "unit" else node
    if kind == "add" and not ev.symbols(node[1]):  # the unit belongs to the whole sum
        last = with_units(node[2])
        return ("unit", ("add", node[1], last[1]), last[2]) if last[0] == "unit" else node
    return _quantity(node) or node


def _quantity(node: Node) -> Node | None:
    letters: list[tuple[str, int]] = []
    numbers: list[Node] = []
    if node[0] not in ("mul", "div") or not _collect(node, 1, letters, numbers):
        return None
    if not letters or not numbers:
        return None
    value = numbers[0]
    for factor in numbers[1:]:
        value = ("mul", value, factor)
    names = [name for name, _ in letters]
    sign, value = (negated, value[1]) if value[0] == "neg" else (_same, value)
    if value[0] == "deg" and names in (["C"], ["F"]):
        return ("unit", sign(value[1]), read_unit(({"C": "celsius", "F": "fahrenheit"}[names[0]],)))
    words: list[str] = []
    prefix = ""
    for name, power in letters:
        if name == "mu":
            prefix = "mu"
            continue
        word = name.removeprefix("unit ") if name.startswith("unit ") else UNIT_LETTERS[name]
        words += [prefix + word, f"^{power}"]
        prefix = ""
    units = read_unit(tuple(words))
    return None if prefix or not units[0].powers else ("unit", sign(value), units)


def _same(node: Node) -> Node:
    return node


def _collect(node: Node, power: int, letters: list[tuple[str, int]], numbers: list[Node]) -> bool:
    """Sort the factors of a product into unit letters and numbers; False if there are others."""
    kind = node[0]
    if kind == "mul" or (kind == "div" and ev.symbols(node)):
        sign = -1 if kind == "div" else 1
        left = _collect(node[1], power, letters, numbers)
        return left and _collect(node[2], power * sign, letters, numbers)
    if kind == "sym":
        known = node[1] in UNIT_LETTERS or node[1].startswith("unit ") or node[1] == "mu"
        letters.append((node[1], power))
        return known
    if kind == "pow" and node[1][0] == "sym" and ev.symbols(node[1]):
        exponent = node[2][1] if node[2][0] == "num" else None
        if node[2][0] == "neg" and node[2][1][0] == "num":
            exponent = -node[2][1][1]
        if not isinstance(exponent, int) or abs(exponent) > 9:
            return False
        return _collect(node[1], power * exponent, letters, numbers)
    if ev.symbols(node):
        return False
    if node != ("num", 1):
        numbers.append(node if power > 0 else ("div", ("num", 1), node))
    elif power > 0 and not numbers:
        numbers.append(node)
    return True


def same_time(quantity: Node, clock: Node) -> bool:
    """Compare `8:34 p.m.` with 20:34, or with 8:34, which leaves the half of the day out."""
    _, (_, hours, minutes), units = quantity
    afternoon = units[0].powers == (("pm", 1),)
    return clock in (quantity[1], ("clock", ("num", hours[1] % 12 + 12 * afternoon), minutes))


def same_quantity(a: Node, g: Node, equal: Callable[[Node, Node], bool]) -> bool:
    """Return True if the units are compatible and the amounts equal in one reading of each."""
    for ours in a[2]:
        for golds in g[2]:
            if ours.powers == golds.powers and equal(
                _scaled(a[1], ours.size), _scaled(g[1], golds.size)
            ):
                return True
    return False


def _scaled(value: Node, size: Fraction) -> Node:
    return value if size == 1 else ("mul", value, ("num", size))
