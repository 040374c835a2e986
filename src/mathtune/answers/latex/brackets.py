r"""Read brackets: groups, absolute values, sets, tuples, points, intervals.

Called by the reader of expressions.
"""

from mathtune.answers.latex.lexer import Token
from mathtune.answers.latex.limits import NotMathError
from mathtune.answers.latex.nodes import Node
from mathtune.answers.latex.tokens import Grammar

_CLOSERS = {"(": (")", "]"), "[": ("]", ")", "["), "]": ("[", "]"), "langle": ("rangle",)}


def bracketed(reader: Grammar, mark: str) -> Node:
    """Read on after the opening `mark`, which is already taken."""
    if mark == "{":
        items = reader.inside()
        reader.need("}")
        return items[0] if len(items) == 1 else ("set", items)
    if mark == "\\{":
        return _set(reader)
    if mark == "|":
        reader.bars += 1
        inner = reader.sum()
        reader.need("|")
        reader.bars -= 1
        return ("call", "abs", inner)
    if mark in ("(", "[", "]"):
        return sequence(reader, mark)
    raise NotMathError(f"{mark!r} where a value is expected")


def _set(reader: Grammar) -> Node:
    if reader.take("\\}"):
        return ("set", ())
    token = reader.token()
    if token is not None and token.kind == "symbol":
        start = reader.at
        reader.at += 1
        if reader.take("in"):
            _reals(reader)
        if reader.take("|", ":"):
            return _condition(reader)
        reader.at = start
    items = _members(reader)
    reader.need("\\}")
    return ("set", items)


def _reals(reader: Grammar) -> None:
    """Read the `\\mathbb{R}` of a set's variable; another set would bound the variable."""
    if reader.atom() not in (("reals",), ("sym", "R")):
        raise NotMathError("a condition on something that is no real number")


def _condition(reader: Grammar) -> Node:
    """Read `\\{x \\mid x > 1\\}` as the condition on its variable."""
    condition = reader.item(top=False)
    reader.need("\\}")
    if condition[0] != "rel":
        raise NotMathError("a set without a condition")
    return condition


def _members(reader: Grammar) -> tuple[Node, ...]:
    """Return the items of a set in braces; one with a `\\pm` gives two members."""
    if reader.in_set:
        raise NotMathError("a set of sets")
    outside = reader.sign, reader.signs_seen, reader.bars
    reader.in_set, reader.bars = True, 0
    items, _ = reader.items(top=False)
    reader.in_set = False
    reader.sign, reader.signs_seen, reader.bars = outside
    return items


def sequence(reader: Grammar, mark: str) -> Node:
    """Read a tuple, a point or an interval; a single item in matching brackets is that item."""
    opener = "(" if mark == "langle" else mark
    outward = reader.outward
    # `]1,2[`, `[1,2[`: the last bracket opens nothing.
    reader.outward = mark == "]" or (mark == "[" and reader.tokens[-1].text == "[")
    items = reader.inside()
    reader.outward = outward
    closer = reader.need(*_CLOSERS[mark])
    if len(items) == 1 and (opener, closer) in (("(", ")"), ("[", "]")):
        if items[0][0] == "rel":
            raise NotMathError("a relation inside brackets")
        if items[0][0] == "num" and reader.peek() == "_":
            return reader.based(Token("number", str(items[0][1]), False, items[0][1]))
        return items[0]
    closer = {"rangle": ")", "[": ")"}[closer] if closer in ("rangle", "[") else closer
    return ("seq", "(" if opener == "]" else opener, closer, items)
