r"""LaTeX commands that read their own arguments: `\frac`, `\sqrt`, `\sin^2 x`, matrices."""

from collections.abc import Callable

from mathtune.answers.latex.brackets import sequence
from mathtune.answers.latex.limits import NotMathError
from mathtune.answers.latex.nodes import Node, divided
from mathtune.answers.latex.operators import integral, limit, series, series_product
from mathtune.answers.latex.tokens import Grammar
from mathtune.answers.latex.units import names

ONE_ARGUMENT = names(
    "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth sech "
    "csch arcsinh arccosh arctanh arccoth arcsech arccsch ln log lg exp floor ceil abs"
)
_INVERTIBLE = names("sin cos tan cot sec csc sinh cosh tanh coth sech csch")


def function(reader: Grammar, name: str) -> Node:
    """Read `\\sin x`, `\\sin^2 x`, `\\sin(2x)`, `\\log_2 8`."""
    base: Node | None = None
    power: Node | None = None
    for _ in range(2):
        if base is None and reader.take("_"):
            base = reader.script()
        elif power is None and reader.take("^"):
            power = reader.exponent()
    argument = operand(reader)
    if power == ("neg", ("num", 1)) and name in _INVERTIBLE:
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
    """Read the argument of a function; without brackets, the factors up to the next function."""
    if reader.peek() == "(":
        inner = reader.atom()
        # `\\sin(x)^2` is the square of the sine; `\\sin(30)^\\circ` has an angle in degrees.
        if reader.peek() == "^" and "circ" in (reader.peek(1), reader.peek(2)):
            reader.at += 1
            return ("deg", inner) if reader.take_circle() else inner
        return ("deg", inner) if reader.take("circ") else inner
    if reader.peek() in ("{", "["):
        return reader.postfix(reader.atom())
    if reader.take("\\{"):
        inner = reader.nested()
        reader.need("\\}")
        return inner
    if reader.peek() == "-":
        return reader.factor()
    value = reader.power()
    while reader.starts_factor() and reader.peek() not in ("(", "[", "|", *ONE_ARGUMENT):
        value = reader.juxtaposed(value)
    return value


def fraction(reader: Grammar) -> Node:
    start = reader.at
    top = reader.script(digits=True)
    bottom = reader.script(digits=True)
    if _differential(top) and _differential(bottom):
        # d/dx is no quotient, and neither is dy/dx.
        text = " ".join(token.text for token in reader.tokens[start : reader.at])
        if bottom not in (("sym", "d"), ("sym", "partial")):
            return ("opaque", "derivative", text)
    return divided(top, bottom)


def _differential(node: Node) -> bool:
    """Return True if the tree is `d` or a product that begins with it: `dy`, `d^2 y`."""
    while node[0] == "mul":
        node = node[1]
    node = node[1] if node[0] == "pow" else node
    return node in (("sym", "d"), ("sym", "partial"))


def choice(reader: Grammar) -> Node:
    r"""Read `_{10}C_3` or `^{10}P_3`, of which `_` or `^` is taken."""
    n = reader.script(digits=True)
    token = reader.token()
    if token is None or token.text not in ("C", "P"):
        raise NotMathError("a script without a base")
    reader.at += 1
    reader.need("_", "^")
    return chosen(token.text, n, reader.script())


def choices(base: Node, exponent: Node) -> Node | None:
    r"""Return `C_{10}^3` or `A_{10}^3` as a number of choices; None for any other power."""
    if base[0] != "sym" or base[1][:2] not in ("C_", "A_", "P_") or exponent[0] != "num":
        return None
    n = base[1][2:]
    if not n.isdigit() or not 2 < int(n) < 10_000 or not isinstance(exponent[1], int):
        return None
    return chosen(base[1][0], ("num", int(n)), exponent) if exponent[1] <= int(n) else None


def chosen(name: str, n: Node, k: Node) -> Node:
    """Return the number of ways to choose `k` of `n`; their order counts if the name is P or A."""
    found: Node = ("call", "binom", n, k)
    return found if name == "C" else ("mul", found, ("fact", k))


def cis(reader: Grammar) -> Node:
    angle = operand(reader)
    return ("add", ("call", "cos", angle), ("mul", ("sym", "i"), ("call", "sin", angle)))


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
    "cis": cis,
    "sum": series,
    "prod": series_product,
    "int": integral,
    "iint": integral,
    "iiint": integral,
    "oint": integral,
    "lim": limit,
}
