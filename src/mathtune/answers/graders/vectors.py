r"""Vectors and matrices in their notations, cell by cell. For the grader `math`."""

from mathtune.answers.latex.nodes import Node, negated

_BASES = ("i", "j", "k")


def as_cells(node: Node, *, other: Node) -> tuple[tuple[Node, ...], ...] | None:
    """Return the rows of a matrix or of `[[1,2],[3,4]]`; a tuple or `2i + 3j` is a column."""
    if node[0] == "matrix":
        rows: tuple[tuple[Node, ...], ...] = node[1]
        return rows
    if node[0] != "seq":
        node = as_vector(node) or node
    if node[0] != "seq":
        return None
    nested = node[1:3] == ("[", "]") and all(i[:3] == ("seq", "[", "]") for i in node[3])
    if nested:
        return tuple(item[3] for item in node[3])
    if node[1:3] == ("(", ")"):
        return tuple((cell,) for cell in node[3])
    if node[1:3] == ("[", "]") and other[0] == "matrix":  # no interval then
        return (node[3],) if len(other[1]) == 1 else tuple((cell,) for cell in node[3])
    return None


def as_vector(node: Node) -> Node | None:
    r"""Return `2\hat i + 3\hat j` or `2i + 3j` as the tuple (2, 3); None for any other tree.

    With `i` alone the tree is a complex number.
    """
    if node[0] not in ("add", "mul", "neg", "sym", "div"):
        return None
    parts: dict[str, Node] = {}
    if not _collect(node, parts, positive=True):
        return None
    marks = {name.rpartition(" ")[0] for name in parts}
    letters = {name.rpartition(" ")[2] for name in parts}
    if len(marks) != 1 or (marks == {""} and letters == {"i"}):
        return None
    mark = marks.pop()
    found = []
    for letter in _BASES[: 3 if "k" in letters else 2]:
        found.append(parts.get(f"{mark} {letter}".strip(), ("num", 0)))
    return ("seq", "(", ")", tuple(found))


def _collect(node: Node, parts: dict[str, Node], *, positive: bool) -> bool:
    """Add up the coefficients of the unit vectors; False if a term is none of theirs."""
    if node[0] == "add":
        left = _collect(node[1], parts, positive=positive)
        return left and _collect(node[2], parts, positive=positive)
    if node[0] == "neg":
        return _collect(node[1], parts, positive=not positive)
    term = _term(node)
    if term is None or term[0] in parts:
        return False
    parts[term[0]] = term[1] if positive else negated(term[1])
    return True


def _term(node: Node) -> tuple[str, Node] | None:
    """Return a product's unit vector and its coefficient."""
    if node[0] == "sym":
        return (node[1], ("num", 1)) if _is_base(node[1]) else None
    if node[0] not in ("mul", "div"):
        return None
    left = _term(node[1])
    right = _term(node[2]) if node[0] == "mul" else None
    if (left is None) == (right is None):
        return None
    if left is not None:
        return left[0], (node[0], left[1], node[2])
    assert right is not None
    return right[0], ("mul", node[1], right[1])


def _is_base(name: str) -> bool:
    mark, _, letter = name.rpartition(" ")
    return letter in _BASES and mark in ("", "hat", "vec")
