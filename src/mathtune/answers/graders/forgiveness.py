r"""Compare two trees as a reader does, who forgives units, signs, labels and notation.

`agreement` returns what must be forgiven for one tree to state the other, or None. It never
forgives a value, another unit, another variable, a bracket, an order or a member too few or too
many.
"""

from collections.abc import Callable

from mathtune.answers.graders.labels import (
    as_point,
    coordinates,
    function_labels,
    indexed_and_plain,
    is_label,
    oriented,
    same_family_of_names,
)
from mathtune.answers.graders.pointwise import (
    equal_where_positive,
    equal_where_real,
    equal_with_steps,
)
from mathtune.answers.graders.quantities import same_quantity, same_time
from mathtune.answers.graders.vectors import as_cells, as_vector
from mathtune.answers.latex.commands import chosen
from mathtune.answers.latex.limits import NotMathError
from mathtune.answers.latex.nodes import Node
from mathtune.answers.values import evaluate as ev
from mathtune.answers.values.keys import node_key

Agreement = frozenset[str] | None
"""The names of what was forgiven; None if the two trees do not agree."""

NOTHING: frozenset[str] = frozenset()
UNIT = frozenset(("unit forgiven",))
LABEL = frozenset(("label forgiven",))
_SIGNS = {"deg": "unit forgiven", "pct": "percent sign forgiven", "base": "base forgiven"}
_RATIOS = ("ratio", "clock")
_MAX_ITEMS = 60


def agreement(a: Node, g: Node) -> Agreement:
    """Return what must be forgiven for `a` to state the gold `g`; None if they do not agree."""
    return NOTHING if _equal_keys(a, g) else beyond_keys(a, g)


def beyond_keys(a: Node, g: Node) -> Agreement:
    """Return the agreement of two trees with different keys."""
    a, g = oriented(a), oriented(g)
    kinds = (a[0], g[0])
    if "unit" in kinds:
        return _quantities(a, g)
    if _same_region(a, g):
        return frozenset(("the set without its variable",))
    named = _coordinates(a, g)
    if named is not None:
        return named
    for concerned, agree in _BY_KIND:
        if kinds[0] in concerned or kinds[1] in concerned:
            return agree(a, g)
    return _scalars(a, g)


def _equal_keys(a: Node, g: Node) -> bool:
    try:
        return node_key(a) == node_key(g)
    except NotMathError:
        return False


def _joined(*parts: Agreement) -> Agreement:
    found = NOTHING
    for part in parts:
        if part is None:
            return None
        found |= part
    return found


def _if(holds: bool, reason: frozenset[str]) -> Agreement:
    return reason if holds else None


# -- numbers --------------------------------------------------------------------------------------


def _scalars(a: Node, g: Node) -> Agreement:
    marks_a, marks_g = _marks(a), _marks(g)
    if marks_a and marks_g:
        return _if(marks_a == marks_g and _equal_keys(bare(a), bare(g)), NOTHING)
    if marks_a or marks_g:
        reasons = frozenset(_SIGNS[str(mark[0])] for mark in marks_a | marks_g)
        return _if(_equal_keys(bare(a), bare(g)), reasons)
    if _same_vector(a, g) or equal_with_steps(a, g):
        return NOTHING
    if equal_where_real(a, g):
        return frozenset(("wherever both are real",))
    return _if(equal_where_positive(a, g), frozenset(("for positive variables",)))


def _quantities(a: Node, g: Node) -> Agreement:
    """Compare two quantities in compatible units, or one with a unit that the other leaves out."""
    if a[0] == g[0]:
        return _if(same_quantity(a, g, _equal_keys), frozenset(("units converted",)))
    quantity, other = (a, g) if a[0] == "unit" else (g, a)
    if other[0] == "deg":
        degrees = quantity[2][0].powers[0][0] in ("celsius", "fahrenheit")
        return _if(degrees and _equal_keys(quantity[1], other[1]), UNIT)
    if quantity[1][0] == "clock" == other[0]:
        return _if(same_time(quantity, other), UNIT)
    if _marks(a if a[0] != "unit" else a[1]) or _marks(g if g[0] != "unit" else g[1]):
        return None
    if other[0] in ("rel", "point"):
        return _relations(a, g)
    return _joined(agreement(*((a[1], g) if a[0] == "unit" else (a, g[1]))), UNIT)


def has_marks(node: Node) -> bool:
    """Return True if a percent or degree sign or a base is in the tree."""
    return bool(_marks(node))


def _marks(node: Node) -> frozenset[tuple[object, ...]]:
    """Return the percent signs, degree signs and bases that are in the tree."""
    kind = node[0]
    if kind == "base":
        return frozenset((("base", node[2]),))
    found: frozenset[tuple[object, ...]] = frozenset()
    if kind in ("deg", "pct"):
        found = frozenset(((kind,),))
    for child in node[1:]:
        if isinstance(child, tuple) and child and isinstance(child[0], str):
            found |= _marks(child)
    return found


def bare(node: Node) -> Node:
    """Return the scalar without its marks."""
    kind = node[0]
    if kind in ("deg", "pct"):
        return bare(node[1])
    if kind == "base":
        digits: str = node[1]
        return ("num", int(digits)) if digits.isdigit() else ("sym", digits)
    children = (
        bare(child) if isinstance(child, tuple) and child and isinstance(child[0], str) else child
        for child in node[1:]
    )
    return (kind, *children)


def _same_vector(a: Node, g: Node) -> bool:
    ours, golds = as_vector(a), as_vector(g)
    return ours is not None and golds is not None and _equal_keys(ours, golds)


# -- lists, tuples, matrices ----------------------------------------------------------------------


def _items(node: Node) -> list[Node] | None:
    """Return the members of a list or set, whose order means nothing; None for anything else."""
    if node[0] == "list":
        tuples = all(item[0] == "seq" for item in node[2])
        return list(dict.fromkeys(node[2])) if tuples else list(node[2])  # a solution stays one
    if node[0] == "set":
        return list(dict.fromkeys(node[1]))
    return None


def _members(a: Node, g: Node) -> Agreement:
    """Match each member of one list with one member of the other."""
    for one, other in ((a, g), (g, a)):
        if one[:2] == ("list", "or") and all(_equal_keys(i, one[2][0]) for i in one[2][1:]):
            return agreement(one[2][0], g) if other is g else agreement(a, one[2][0])
    ours = [a] if (items := _items(a)) is None else items
    golds = [g] if (items := _items(g)) is None else items
    if len(ours) != len(golds) or not 1 < len(ours) < _MAX_ITEMS:
        return _mixed_number(a, g)
    bare_ours, bare_golds = _unlabelled(ours, golds), _unlabelled(golds, ours)
    found = NOTHING if bare_ours is ours and bare_golds is golds else LABEL
    last = bare_golds[-1]
    if last[0] == "unit" and not any(item[0] == "unit" for item in bare_golds[:-1]):
        # `3 and 4 cm`: the unit belongs to all of them.
        bare_golds = [*bare_golds[:-1], last[1]]
        found |= UNIT
    left = list(bare_golds)
    for item in bare_ours:
        for place, other in enumerate(left):
            matched = agreement(item, other)
            if matched is not None:
                found |= matched
                left.pop(place)
                break
        else:
            return None
    return found


def _mixed_number(a: Node, g: Node) -> Agreement:
    """Compare `3 and 1/2` with `3.5`."""
    pair, other = (a, g) if a[0] == "list" else (g, a)
    if pair[0] != "list" or pair[1] != "and" or len(pair[2]) != 2 or _items(other) is not None:
        return None
    whole, part = pair[2]
    proper = part[0] == "div" and part[1][0] == part[2][0] == "num" and part[1][1] < part[2][1]
    if whole[0] != "num" or not proper:
        return None
    return _if(_equal_keys(("add", whole, part), other), NOTHING)


def _unlabelled(items: list[Node], others: list[Node]) -> list[Node]:
    """Compare `x = 1, x = 2` or `x_1 = 1, x_2 = 2` with `1, 2`."""
    if not all(item[0] == "rel" and item[2] == ("=",) for item in items):
        return items
    labels = {item[1][0] for item in items}
    named = {item[1][0] for item in others if item[0] == "rel"}
    if named and not indexed_and_plain(labels, named):
        return items
    if (len(labels) == 1 and is_label(next(iter(labels)))) or same_family_of_names(labels):
        return [item[1][1] for item in items]
    return items


def _cells(a: Node, g: Node) -> Agreement:
    """Compare tuples, points, vectors and matrices cell by cell."""
    if a[0] == "seq" == g[0]:
        if a[1:3] != g[1:3] or len(a[3]) != len(g[3]):
            return None
        return _joined(*(agreement(x, y) for x, y in zip(a[3], g[3], strict=True)))
    rows_a, rows_g = as_cells(a, other=g), as_cells(g, other=a)
    if rows_a is None or rows_g is None or [*map(len, rows_a)] != [*map(len, rows_g)]:
        return None
    cells = zip(rows_a, rows_g, strict=True)
    return _joined(*(agreement(p, q) for x, y in cells for p, q in zip(x, y, strict=True)))


def _coordinates(a: Node, g: Node) -> Agreement:
    """Compare `x = 1, y = 2`, `(x, y) = (1, 2)` and, on one side, `(1, 2)`."""
    ours, golds = coordinates(a), coordinates(g)
    if ours is not None and golds is not None:
        if ours.keys() != golds.keys():
            return None
        return _joined(*(agreement(value, golds[label]) for label, value in ours.items()))
    for values, other in ((ours, g), (golds, a)):
        if values is not None and other[0] == "seq" and (point := as_point(values)):
            return _joined(_cells(point, other), frozenset(("a point by its coordinates",)))
    return None


def _points(a: Node, g: Node) -> Agreement:
    """Compare `P(2, 3)` with `(2, 3)`, and `C(10, 3)` with 120."""
    if a[0] == g[0]:
        return _joined(_cells(a[2], g[2]), _if(a[1] == g[1], NOTHING))
    point, other = (a, g) if a[0] == "point" else (g, a)
    pair = point[2][3]
    if other[0] == "rel":
        return _relations(a, g)
    if other[0] in ("seq", "matrix"):
        return _joined(_cells(*((a[2], g) if point is a else (a, g[2]))), LABEL)
    if point[1] in ("C", "P", "A") and len(pair) == 2 and not any(map(ev.symbols, pair)):
        return _if(_equal_keys(chosen(point[1], *pair), other), NOTHING)
    return None


def _ratios(a: Node, g: Node) -> Agreement:
    if a[0] == "clock" == g[0] or len(a) > 3 or len(g) > 3:
        return None
    ours, golds = (("div", x[1], x[2]) if x[0] in _RATIOS else x for x in (a, g))
    return _if(_equal_keys(ours, golds), frozenset(("a ratio as a quotient",)))


# -- relations ------------------------------------------------------------------------------------


def _congruences(a: Node, g: Node) -> Agreement:
    """Compare residue classes of one modulus, or a class with its residue."""
    if a[0] == g[0]:
        if a[1] is not None and g[1] is not None:
            return None
        labelled = a if a[1] is not None else g
        bare = [(*x[:1], None, *x[2:]) for x in (a, g)]
        return _if(_equal_keys(*bare) and is_label(labelled[1]), LABEL)
    klass, other = (a, g) if a[0] == "congruent" else (g, a)
    if klass[1] is not None and not is_label(klass[1]):
        return None
    residue = ("call", "mod", klass[2], klass[3])
    if other[0] == "rel":
        if klass[1] is not None and other[1][0] != klass[1]:
            return None  # of another variable
        return _relations(residue if klass is a else a, residue if klass is g else g)
    return _if(_equal_keys(residue, other), frozenset(("modulus forgiven",)))


def _relations(a: Node, g: Node) -> Agreement:
    if a[0] == "rel" == g[0]:
        return _same_relations(a, g)
    if a[0] == "rel":
        return _states(a, g, any_label=True)
    return _states(g, a, any_label=False)


def _same_relations(a: Node, g: Node) -> Agreement:
    last = _last(a)
    if last is not None and _last(g) is not None and max(len(a[1]), len(g[1])) > 2:
        inner = (*a[1][1:-1], *g[1][1:-1])
        if is_label(g[1][0]) and _equal_keys(a[1][0], g[1][0]) and not any(map(ev.symbols, inner)):
            return agreement(last, g[1][-1])  # `x = 80/40 = 2` against `x = 2`
    if a[2] != g[2] or len(a[1]) != len(g[1]):
        return None
    if a[2] == ("=",) and is_label(g[1][0]) and not any(map(ev.symbols, a[1])):
        return _joined(agreement(a[1][-1], g[1][-1]), LABEL)  # `3 + 4 = 7` against `x = 7`
    if not is_label(g[1][0]):
        return None
    if _equal_keys(a[1][0], g[1][0]):
        return _joined(*(agreement(x, y) for x, y in zip(a[1][1:], g[1][1:], strict=True)))
    if function_labels(a[1][0], g[1][0]):
        rest = (agreement(x, y) for x, y in zip(a[1][1:], g[1][1:], strict=True))
        return _joined(LABEL, *rest)
    return None


def _states(relation: Node, value: Node, *, any_label: bool) -> Agreement:
    """Compare `label = value`, a chain ending in it, or `x in value` with the value alone."""
    if relation[2] == ("in",):
        members = _items(relation[1][1])
        if members is None:
            return None
        return _joined(agreement(("list", ",", tuple(members)), value), LABEL)
    last = _last(relation)
    if last is None:
        return None
    labels = relation[1][:-1]
    if _is_identity(relation[1]):
        return agreement(last, value)
    if any_label:
        ready = is_label(labels[0]) or not any(ev.symbols(member) for member in labels)
    else:
        ready = _names_gold(labels[0]) and not any(map(ev.symbols, labels[1:]))
    swapped = (last, value) if any_label else (value, last)
    return _joined(agreement(*swapped), LABEL) if ready else None


_GOLD_LABELS = frozenset(("sym", "seq", "mul", "ratio", "opaque", "series", "point", "div"))
_GOLD_FUNCTIONS = frozenset(("abs", "sin", "cos", "tan", "cot", "sec", "csc", "max", "min"))


def _names_gold(node: Node) -> bool:
    kind = node[1] in _GOLD_FUNCTIONS if node[0] == "call" else node[0] in _GOLD_LABELS
    return kind and is_label(node)


def _is_identity(members: tuple[Node, ...]) -> bool:
    r"""Return True if a chain holds for every value of its variables: `x^{1/2} = \sqrt{x}`."""
    return any(map(ev.symbols, members)) and all(_equal_keys(m, members[0]) for m in members[1:])


def _last(relation: Node) -> Node | None:
    """Return the last member of a chain of equalities."""
    return relation[1][-1] if set(relation[2]) == {"="} else None


def _same_region(a: Node, g: Node) -> bool:
    """Compare `1 < x < 2` or `x in (1, 2)` with the interval alone."""
    if not (_may_be_region(a) or _may_be_region(g)):
        return False
    try:
        keys = [node_key(a), node_key(g)]
    except NotMathError:
        return False
    regions = [key[2] if isinstance(key, tuple) and key[0] == "region" else None for key in keys]
    return (regions[0] is None) != (regions[1] is None) and (
        regions[0] == keys[1] or regions[1] == keys[0]
    )


def _may_be_region(node: Node) -> bool:
    if node[0] == "list":
        return any(item[0] == "rel" for item in node[2])
    return node[0] == "rel" and node[2] != ("=",)


_BY_KIND: tuple[tuple[tuple[str, ...], Callable[[Node, Node], Agreement]], ...] = (
    (("point",), _points),
    (("congruent",), _congruences),
    (("rel",), _relations),
    (("list", "set"), _members),
    (("seq", "matrix"), _cells),
    (("ratio", "clock"), _ratios),
)
"""Comparisons by the kinds of tree that they are for; the first that applies decides."""
