r"""Sums, products, integrals and limits, with their bounds. Read by the commands' readers.

A sum or product whose bounds are whole numbers is computed. Anything else is compared by its parts:
two integrals agree if bounds, differential and integrand agree.
"""

from mathtune.answers.latex.limits import NotMathError
from mathtune.answers.latex.nodes import Node, replaced
from mathtune.answers.latex.tokens import Grammar

_BOUND = ("sym", "bound variable")
_NO_BOUND = ("sym", "no bound")


def series(reader: Grammar) -> Node:
    r"""Read `\sum_{k=1}^{n} k^2`."""
    return _series(reader, "sum")


def series_product(reader: Grammar) -> Node:
    r"""Read `\prod_{k=1}^{n} k`."""
    return _series(reader, "prod")


def _series(reader: Grammar, kind: str) -> Node:
    low: Node | None = None
    variable: Node | None = None
    condition = ""
    high: Node = _NO_BOUND
    for _ in range(2):
        if reader.take("^"):
            high = reader.script()
        elif reader.take("_"):
            start = reader.at
            variable, low = _first_value(reader)
            if variable is None:
                reader.at = start
                condition = reader.raw_group()
    reader.deeper()
    body = reader.product()
    reader.depth -= 1
    if variable is None or low is None:
        return ("opaque", kind, condition, high, body)
    return ("series", kind, variable, low, high, body)


def _first_value(reader: Grammar) -> tuple[Node | None, Node | None]:
    """Return the variable and first value of `{k=1}`; None for any other subscript."""
    if not reader.take("{"):
        return None, None
    token = reader.token()
    if token is None or token.kind != "symbol":
        return None, None
    reader.at += 1
    if not reader.take("="):
        return None, None
    try:
        low = reader.nested()
    except NotMathError:
        return None, None
    return (("sym", token.text), low) if reader.take("}") else (None, None)


def integral(reader: Grammar) -> Node:
    r"""Read `\int_a^b f(x)\,dx`; the differential belongs to the integrand.

    With both bounds, the name of its variable means nothing: `t^2 dt` is `x^2 dx`.
    """
    bounds: dict[str, Node] = {"_": _NO_BOUND, "^": _NO_BOUND}
    sign = reader.tokens[reader.at - 1].text
    for _ in range(2):
        if reader.peek() in bounds:
            mark = reader.need(*bounds)
            bounds[mark] = reader.script()
    variable = _join_differential(reader)
    reader.deeper()
    body = reader.sum()
    reader.depth -= 1
    if body[0] == "set" and len(body[1]) == 1:
        body = body[1][0]  # braces in place of brackets
    if body[0] in ("seq", "set"):
        raise NotMathError("an integral of a tuple")
    if variable and _NO_BOUND not in bounds.values():
        for name, bound in ((variable, _BOUND), (f"d {variable}", ("sym", "d bound variable"))):
            body = replaced(body, ("sym", name), bound)
    return ("opaque", sign, bounds["_"], bounds["^"], body)


def _join_differential(reader: Grammar) -> str:
    """Make one symbol of the first `d` ahead and the variable behind it; return the variable.

    `x dy` is not `y dx`.
    """
    for at in range(reader.at, len(reader.tokens) - 1):
        d, variable = reader.tokens[at], reader.tokens[at + 1]
        named = variable.kind == "symbol" or (
            variable.kind == "command" and variable.text.isalpha()
        )
        if d.kind == "symbol" and d.text == "d" and named:
            d.text = f"d {variable.text}"
            del reader.tokens[at + 1]
            return variable.text
    return ""


def limit(reader: Grammar) -> Node:
    r"""Read `\lim_{x \to 0} f(x)`."""
    place = ""
    if reader.take("_"):
        place = reader.raw_group()
    reader.deeper()
    body = reader.product()
    reader.depth -= 1
    return ("opaque", "lim", place, body)
