r"""The grader `math`: whether a reader would accept an answer against this gold.

It starts from the equivalence relation and then forgives what one side leaves out or writes in
another way: a unit, a percent or degree sign, a base, a label, a sentence around one number. It
never forgives a rounded value, another base, another variable, another bracket or order, or a list
with a member too few or too many. An answer or a value beyond the limits is `undecided`.
"""

from mathtune.answers.graders.labels import (
    as_point,
    coordinates,
    function_labels,
    is_label,
    oriented,
)
from mathtune.answers.graders.wording import is_sentence, plain_readings, readings, same_words
from mathtune.answers.latex.lexer import NotMathError, TooLargeError
from mathtune.answers.latex.nodes import Node
from mathtune.answers.latex.parse import parse
from mathtune.answers.values import evaluate as ev
from mathtune.answers.values import numbers
from mathtune.answers.values.fast_path import exact_number
from mathtune.answers.values.keys import canonical_key, node_key
from mathtune.rows.records import Verdict

VERSION = "2"


def judge(answer: str, gold: str) -> Verdict:
    r"""Verdict of the grader `math`. Both texts hold something else than spaces.

    >>> judge(r"x = 25\%", "25")
    <Verdict.correct: 'correct'>
    >>> judge("(1, 2]", "(1, 2)")
    <Verdict.wrong: 'wrong'>
    """
    verdict = quick(answer, gold)
    if verdict is not None:
        return verdict
    ours, golds = canonical_key(answer), canonical_key(gold)
    if ours == golds:
        return Verdict.correct
    try:
        with numbers.metered():
            if _accepts(answer, gold):
                return Verdict.correct
    except (TooLargeError, RecursionError):
        return Verdict.undecided
    large = any(isinstance(key, tuple) and key[0] == "large" for key in (ours, golds))
    return Verdict.undecided if large else Verdict.wrong


def quick(answer: str, gold: str) -> Verdict | None:
    """The verdict on equal texts and on two plain numbers or fractions, else None."""
    if answer == gold:
        return Verdict.correct
    ours = exact_number(answer)
    golds = None if ours is None else exact_number(gold)
    if ours is None or golds is None:
        return None
    return Verdict.correct if ours == golds else Verdict.wrong


def _accepts(answer: str, gold: str) -> bool:
    ours, golds = _tree(answer), _tree(gold)
    if ours is not None and golds is not None and same(ours, golds):
        return True
    if same_words(answer, gold):
        return True
    if golds is None or golds[0] == "rel":
        return False
    # Short words may read as products of variables: `It is 5`. With two units they decide.
    sentence = ours is None or (is_sentence(answer) and (ours[0] != "unit" or not _marked(golds)))
    for reading in readings(answer) if sentence else plain_readings(answer):
        if (tree := _tree(reading)) is not None and same(tree, golds):
            return True
    return False


def _marked(gold: Node) -> bool:
    return gold[0] == "unit" or bool(_marks(gold))


def _tree(text: str) -> Node | None:
    try:
        return parse(text)
    except NotMathError:
        return None


# -- trees ----------------------------------------------------------------------------------------


def same(a: Node, g: Node) -> bool:
    """Whether the tree `a` states the gold `g`, with what one side may leave out."""
    if _equal_keys(a, g):
        return True
    a, g = oriented(a), oriented(g)
    if a[0] == "unit" or g[0] == "unit":
        a_value, g_value = _measure(a), _measure(g)
        if a[0] == g[0]:
            return bool(a[2] == g[2]) and same(a_value, g_value)
        return not (_marks(a_value) or _marks(g_value)) and same(a_value, g_value)
    if _same_region(a, g) or _same_coordinates(a, g):
        return True
    if a[0] == "rel" or g[0] == "rel":
        return _same_relations(a, g)
    if _items(a) is not None or _items(g) is not None:
        return _same_items(a, g)
    if a[0] in ("seq", "matrix") or g[0] in ("seq", "matrix"):
        return _same_cells(a, g)
    if a[0] in _RATIOS or g[0] in _RATIOS:
        return _same_ratio(a, g)
    marks_a, marks_g = _marks(a), _marks(g)
    if marks_a and marks_g:
        return marks_a == marks_g and _equal_keys(_bare(a), _bare(g))
    if marks_a or marks_g:
        return _equal_keys(_bare(a), _bare(g))
    return _equal_where_positive(a, g)


def _measure(node: Node) -> Node:
    measure: Node = node[1] if node[0] == "unit" else node
    return measure


def _equal_keys(a: Node, g: Node) -> bool:
    try:
        return node_key(a) == node_key(g)
    except NotMathError:
        return False


def _marks(node: Node) -> frozenset[object]:
    """Percent and degree signs and bases in a scalar."""
    kind = node[0]
    if kind == "base":
        return frozenset((("base", node[2]),))
    found: frozenset[object] = frozenset((kind,)) if kind in ("deg", "pct") else frozenset()
    for child in node[1:]:
        if isinstance(child, tuple) and child and isinstance(child[0], str):
            found |= _marks(child)
    return found


def _bare(node: Node) -> Node:
    """The scalar without its marks."""
    kind = node[0]
    if kind in ("deg", "pct"):
        return _bare(node[1])
    if kind == "base":
        digits: str = node[1]
        return ("num", int(digits)) if digits.isdigit() else ("sym", digits)
    children = (
        _bare(child) if isinstance(child, tuple) and child and isinstance(child[0], str) else child
        for child in node[1:]
    )
    return (kind, *children)


def _items(node: Node) -> list[Node] | None:
    """Members of a list or set, whose order means nothing; None for anything else."""
    if node[0] == "list":
        return list(node[2])
    if node[0] == "set":
        return list(dict.fromkeys(node[1]))
    return None


def _same_items(a: Node, g: Node) -> bool:
    """Each member of one list is matched with one member of the other."""
    ours = [a] if (items := _items(a)) is None else items
    golds = [g] if (items := _items(g)) is None else items
    if len(ours) != len(golds) or not 1 < len(ours) < 60:
        return False
    ours, golds = _unlabelled(ours, golds), _unlabelled(golds, ours)
    last = golds[-1]
    if last[0] == "unit" and not any(item[0] == "unit" for item in golds[:-1]):
        # `3 and 4 cm`: the unit belongs to all of them.
        golds = [*golds[:-1], last[1]]
    left = list(golds)
    for item in ours:
        match = next((i for i, other in enumerate(left) if same(item, other)), None)
        if match is None:
            return False
        left.pop(match)
    return True


def _unlabelled(items: list[Node], others: list[Node]) -> list[Node]:
    """`x = 1, x = 2` as `1, 2` where the other side has no labels."""
    if any(other[0] == "rel" for other in others):
        return items
    if not all(item[0] == "rel" and item[2] == ("=",) for item in items):
        return items
    labels = {item[1][0] for item in items}
    if len(labels) == 1 and is_label(next(iter(labels))):
        return [item[1][1] for item in items]
    return items


def _same_cells(a: Node, g: Node) -> bool:
    if a[0] == "seq" == g[0]:
        if a[1:3] != g[1:3] or len(a[3]) != len(g[3]):
            return False
        return all(same(x, y) for x, y in zip(a[3], g[3], strict=True))
    rows_a, rows_g = _rows(a), _rows(g)
    if rows_a is None or rows_g is None or len(rows_a) != len(rows_g):
        return False
    return all(
        len(x) == len(y) and all(same(p, q) for p, q in zip(x, y, strict=True))
        for x, y in zip(rows_a, rows_g, strict=True)
    )


def _rows(node: Node) -> tuple[tuple[Node, ...], ...] | None:
    """Rows of a matrix; a tuple counts as a column vector."""
    if node[0] == "matrix":
        rows: tuple[tuple[Node, ...], ...] = node[1]
        return rows
    if node[0] == "seq" and node[1:3] == ("(", ")"):
        return tuple((cell,) for cell in node[3])
    return None


def _same_coordinates(a: Node, g: Node) -> bool:
    """`x = 1, y = 2`, `(x, y) = (1, 2)` and, on one side, `(1, 2)`."""
    ours, golds = coordinates(a), coordinates(g)
    if ours is not None and golds is not None:
        named = ours.keys() == golds.keys()
        return named and all(same(value, golds[label]) for label, value in ours.items())
    for values_of, other in ((ours, g), (golds, a)):
        if values_of is not None and other[0] == "seq" and (point := as_point(values_of)):
            return _same_cells(point, other)
    return False


_RATIOS = ("ratio", "clock")


def _same_ratio(a: Node, g: Node) -> bool:
    if a[0] == "clock" == g[0]:
        return False
    if len(a) > 3 or len(g) > 3:
        return False
    return _equal_keys(_quotient(a), _quotient(g))


def _quotient(node: Node) -> Node:
    return ("div", node[1], node[2]) if node[0] in _RATIOS else node


def _equal_where_positive(a: Node, g: Node) -> bool:
    r"""Expressions with roots or logarithms, for positive variables: `\sqrt{x}\sqrt{y}`."""
    names = ev.symbols(a)
    if not names or names != ev.symbols(g) or not (_branches(a) and _branches(g)):
        return False
    try:
        return all(
            numbers.value_key(ev.evaluate(a, point)) == numbers.value_key(ev.evaluate(g, point))
            for point in ev.POSITIVE_POINTS
        )
    except NotMathError:
        return False


def _branches(node: Node) -> bool:
    if node[0] == "root" or (node[0] == "call" and node[1] == "ln"):
        return True
    if node[0] == "pow" and node[2][0] == "div":
        return True
    return any(_branches(child) for child in node[1:] if isinstance(child, tuple) and child)


# -- relations ------------------------------------------------------------------------------------


def _same_relations(a: Node, g: Node) -> bool:
    if a[0] == "rel" == g[0]:
        if a[2] != g[2] or len(a[1]) != len(g[1]):
            return _last(a) is not None and is_label(g[1][0]) and _chain_states(a, g)
        if a[2] == ("=",) and is_label(g[1][0]) and not any(map(ev.symbols, a[1])):
            return same(a[1][-1], g[1][-1])  # `3 + 4 = 7` against `x = 7`
        labels_agree = _equal_keys(a[1][0], g[1][0]) or function_labels(a[1][0], g[1][0])
        if not (labels_agree and is_label(g[1][0])):
            return False
        return all(same(x, y) for x, y in zip(a[1][1:], g[1][1:], strict=True))
    if a[0] == "rel":
        return _states(a, g, any_label=True)
    return _states(g, a, any_label=False)


def _states(relation: Node, value: Node, *, any_label: bool) -> bool:
    """Whether `label = value`, a chain ending in it, or `x in value` states the value alone."""
    if relation[2] == ("in",):
        members = _items(relation[1][1])
        return members is not None and same(("list", ",", tuple(members)), value)
    last = _last(relation)
    if last is None:
        return False
    labels = relation[1][:-1]
    if any_label:
        ready = is_label(labels[0]) or not any(ev.symbols(member) for member in labels)
    else:
        ready = len(labels) == 1 and labels[0][0] in ("sym", "seq", "mul", "ratio")
        ready = ready and is_label(labels[0])
    return ready and same(last, value)


def _chain_states(a: Node, g: Node) -> bool:
    """`x = 80/40 = 2` against `x = 2`."""
    return len(g[1]) == 2 and _equal_keys(a[1][0], g[1][0]) and same(a[1][-1], g[1][-1])


def _same_region(a: Node, g: Node) -> bool:
    """`1 < x < 2` or `x in (1, 2)` against the interval alone."""
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


def _last(relation: Node) -> Node | None:
    """The last member of a chain of equalities."""
    return relation[1][-1] if set(relation[2]) == {"="} else None
