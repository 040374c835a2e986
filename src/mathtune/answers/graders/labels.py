r"""Labels: the left side of `x = 5` only names a value, and an answer may leave it out.

For the grader `math`.
"""

from mathtune.answers.latex.nodes import Node
from mathtune.answers.values import evaluate as ev


def is_label(node: Node) -> bool:
    r"""Return True if the left of `... = 5` only names a value: `x`, `P(x)`, `a + b`, `(b, c)`.

    `2x + 3` and `x^2` are no labels: `x^2 = 4` is an equation and does not state 4.
    """
    kind = node[0]
    if kind == "sym":
        return True
    if kind == "pow" and node[1][0] == "sym":
        return False
    if kind == "seq":
        return all(is_label(item) for item in node[3])
    if kind == "ratio":
        return all(is_label(item) for item in node[1:])
    if kind == "mul" and node[1][0] == "opaque":
        return True
    if kind == "mul":
        inverse = node[1][0] == "pow" and node[1][1] in _FUNCTIONS and _is_minus_one(node[1][2])
        function = node[1][0] == "sym" or inverse
        return (function and node[2][0] != "pow") or (is_label(node[1]) and is_label(node[2]))
    if kind in ("add", "div"):
        return all(is_label(child) or child[0] == "pow" for child in node[1:])
    if kind in ("pow", "deg", "root", "fact"):
        return is_label(node[1])
    if kind in ("opaque", "series", "point"):
        return True
    if node[:2] == ("call", "abs"):
        return _is_length(node[2])
    return kind == "call" and all(ev.symbols(child) for child in node[2:])


def _is_length(node: Node) -> bool:
    """Return True for `|AB|` and `|z_1 - z_2|`, which name lengths; `|x| = 1` does not state 1."""
    return len(ev.symbols(node)) > 1


def same_family_of_names(labels: set[Node]) -> bool:
    """Return True for `x_1` and `x_2`: one name with several indices."""
    if len(labels) < 2 or not all(label[0] == "sym" and "_" in label[1] for label in labels):
        return False
    return len({label[1].partition("_")[0] for label in labels}) == 1


def indexed_and_plain(labels: set[Node], others: set[Node]) -> bool:
    """Return True for `x_1, x_2` and, on the other side, `x` alone."""
    if same_family_of_names(others):
        labels, others = others, labels
    if not same_family_of_names(labels) or len(others) != 1:
        return False
    return next(iter(others)) == ("sym", next(iter(labels))[1].partition("_")[0])


def function_labels(a: Node, g: Node) -> bool:
    """Return True for `y = ...` or `f = ...` and `f(x) = ...`, which name the same thing."""
    for function, plain in ((a, g), (g, a)):
        if _label_kind(function) == "function" and _label_kind(plain) != "function":
            name = function[1]
            return _label_kind(plain) == "y" or (plain == name and name[1] in ("f", "g", "h"))
    return False


def _label_kind(node: Node) -> str:
    if node == ("sym", "y"):
        return "y"
    return "function" if node[0] == "mul" and node[1][0] == "sym" == node[2][0] else ""


_FUNCTIONS = [("sym", name) for name in "fghFGH"]


def _is_minus_one(node: Node) -> bool:
    return node == ("neg", ("num", 1))


def oriented(node: Node) -> Node:
    """Return `x = 5` for `5 = x`; any other tree unchanged."""
    if node[0] != "rel" or node[2] != ("=",):
        return node
    left, right = node[1]
    if right[0] == "sym" and left[0] != "sym" and not ev.symbols(left):
        return ("rel", (right, left), ("=",))
    return node


def coordinates(node: Node) -> dict[Node, Node] | None:
    """Return the values of `x = 1, y = 2` or `(x, y) = (1, 2)` by name; None for any other tree."""
    relations = node[2] if node[0] == "list" and len(node[2]) > 1 else (node,)
    if not all(one[0] == "rel" and one[2] == ("=",) for one in relations):
        return None
    pairs = [one[1] for one in relations]
    if len(pairs) == 1:
        left, right = pairs[0]
        if left[0] != "seq" or right[0] != "seq" or len(left[3]) != len(right[3]):
            return None
        pairs = list(zip(left[3], right[3], strict=True))
    found = {label: value for label, value in pairs if label[0] == "sym"}
    return found if len(found) == len(pairs) else None


def as_point(values: dict[Node, Node]) -> Node | None:
    """Return `y = 2, x = 1` as the point `(1, 2)`.

    None unless the names are neighbours in the alphabet.
    """
    names = sorted(label[1] for label in values)
    first = ord(names[0][0])
    if names != [chr(first + i) for i in range(len(names))]:
        return None
    return ("seq", "(", ")", tuple(values["sym", name] for name in names))
