r"""LaTeX commands that read their own arguments: `\frac`, `\sqrt`, `\sin^2 x`, matrices."""

from collections.abc import Callable

from mathtune.answers.latex.brackets import sequence
from mathtune.answers.latex.lexer import NotMathError
from mathtune.answers.latex.nodes import Node, divided
from mathtune.answers.latex.tokens import Grammar
from mathtune.answers.latex.units import names

ONE_ARGUMENT = names(
    "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc asin acos atan sinh "
    "cosh tanh coth sech csch ln log lg exp floor ceil abs"
)
_MATRICES = frozenset(["pmatrix", "bmatrix", "matrix", "smallmatrix", "Bmatrix", "array"])
_SHORT_NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}


def function(reader: Grammar, name: str) -> Node:
    """`\\sin x`, `\\sin^2 x`, `\\sin(2x)`, `\\log_2 8`."""
    name = _SHORT_NAMES.get(name, name)
    base: Node | None = None
    power: Node | None = None
    for _ in range(2):
        if base is None and reader.take("_"):
            base = reader.script()
        elif power is None and reader.take("^"):
            power = reader.exponent()
    argument = operand(reader)
    if power == ("neg", ("num", 1)) and name in ("sin", "cos", "tan", "cot", "sec", "csc"):
        name, power = "arc" + name, None
    if name in ("log", "lg", "ln") and base is not None:
        value: Node = ("div", ("call", "ln", argument), ("call", "ln", base))
    elif base is not None:
        raise NotMathError(f"\\{name} with a subscript")
    elif name in ("log", "lg"):
        value = ("div", ("call", "ln", argument), ("call", "ln", ("num", 10)))
    else:
        value = ("call", name, argument)
    return value if power is None else ("pow", value, power)


def operand(reader: Grammar) -> Node:
    """What a function without brackets applies to: the factors up to the next function."""
    if reader.peek() in ("(", "{", "["):
        return reader.power() if reader.peek() == "(" else reader.postfix(reader.atom())
    if reader.peek() == "-":
        return reader.factor()
    value = reader.power()
    while reader.starts_factor() and reader.peek() not in ("(", "[", "|", *ONE_ARGUMENT):
        value = reader.juxtaposed(value)
    return value


def matrix(reader: Grammar, environment: str) -> Node:
    if environment not in _MATRICES:
        raise NotMathError(f"the environment {environment}")
    rows: list[tuple[Node, ...]] = []
    row: list[Node] = []
    while not reader.take(f"end {environment}"):
        row.append(reader.nested())
        if reader.take("&"):
            continue
        rows.append(tuple(row))
        row = []
        while reader.take("\\\\"):
            pass
    if not rows or len({len(r) for r in rows}) != 1:
        raise NotMathError("a matrix with rows of different lengths")
    return ("matrix", tuple(rows))


def fraction(reader: Grammar) -> Node:
    top = reader.script(digits=True)
    return divided(top, reader.script(digits=True))


def root(reader: Grammar) -> Node:
    index: Node = ("num", 2)
    if reader.take("["):
        index = reader.nested()
        reader.need("]")
    return ("root", reader.script(), index)


def cube_root(reader: Grammar) -> Node:
    return ("root", reader.script(), ("num", 3))


def binomial(reader: Grammar) -> Node:
    top = reader.script(digits=True)
    return ("call", "binom", top, reader.script(digits=True))


def floor(reader: Grammar) -> Node:
    inner = reader.nested()
    reader.need("rfloor")
    return ("call", "floor", inner)


def ceiling(reader: Grammar) -> Node:
    inner = reader.nested()
    reader.need("rceil")
    return ("call", "ceil", inner)


def angles(reader: Grammar) -> Node:
    return sequence(reader, "langle")


def blackboard(reader: Grammar) -> Node:
    name = reader.raw_group()
    return ("reals",) if name == "R" else ("sym", f"mathbb {name}")


READERS: dict[str, Callable[[Grammar], Node]] = {
    "frac": fraction,
    "sqrt": root,
    "cbrt": cube_root,
    "binom": binomial,
    "lfloor": floor,
    "lceil": ceiling,
    "langle": angles,
    "mathbb": blackboard,
    "Bbb": blackboard,
}
