r"""LaTeX environments: matrices, determinants, systems of relations, piecewise functions."""

from mathtune.answers.latex.lexer import Token
from mathtune.answers.latex.limits import NotMathError
from mathtune.answers.latex.nodes import Node, negated
from mathtune.answers.latex.tokens import Grammar
from mathtune.answers.latex.units import names

_MATRICES = names("pmatrix bmatrix matrix smallmatrix Bmatrix array")
_ROWS = names(
    "cases dcases rcases aligned align align* alignedat split gather gather* gathered eqnarray "
    "eqnarray* equation equation* array multline multline*"
)
_RELATIONS = names("= < > le ge ne approx equiv in <= >= == !=")
_CONDITION_WORDS = names("if for when where otherwise else while")
_MAX_SIDE = 5


def environment(reader: Grammar, name: str) -> Node:
    r"""Read an environment, of which `\begin{name}` is taken."""
    if name == "vmatrix":
        return _determinant(_matrix(reader, name)[1])
    if name in _ROWS and (name != "array" or _has_relation(reader)):
        return _rows(reader, name)
    if name not in _MATRICES:
        raise NotMathError(f"the environment {name}")
    return _matrix(reader, name)


def _matrix(reader: Grammar, name: str) -> Node:
    rows: list[tuple[Node, ...]] = []
    row: list[Node] = []
    while not reader.take(f"end {name}"):
        row.append(reader.nested())
        if reader.take("&"):
            continue
        rows.append(tuple(row))
        row = []
        while reader.take("\\\\"):
            pass
    if not rows or len({len(r) for r in rows}) != 1:
        raise NotMathError("a matrix with rows of different lengths")
    if name in ("array", "matrix") and len(rows) == len(rows[0]) == 1:
        return rows[0][0]
    return ("matrix", tuple(rows))


def _determinant(rows: tuple[tuple[Node, ...], ...]) -> Node:
    if len(rows) != len(rows[0]) or len(rows) > _MAX_SIDE:
        raise NotMathError("a determinant that is not square, or large")
    if len(rows) == 1:
        return rows[0][0]
    total: Node = ("num", 0)
    for column, cell in enumerate(rows[0]):
        minor = tuple(row[:column] + row[column + 1 :] for row in rows[1:])
        term: Node = ("mul", cell, _determinant(minor))
        total = ("add", total, negated(term) if column % 2 else term)
    return total


# -- rows of a system -----------------------------------------------------------------------------


def _end(reader: Grammar, name: str) -> int:
    """Return the position of the environment's end."""
    depth = 0
    for at in range(reader.at, len(reader.tokens)):
        token = reader.tokens[at]
        if token.kind == "command":
            depth += token.text.startswith("begin ")
            if token.text.startswith("end "):
                if not depth:
                    return at
                depth -= 1
    raise NotMathError(f"the environment {name} does not end")


def _has_relation(reader: Grammar) -> bool:
    end = _end(reader, "array")
    return any(token.text in _RELATIONS for token in reader.tokens[reader.at : end])


def _rows(reader: Grammar, name: str) -> Node:
    """Read one row, or several: a system, a continued chain or a piecewise function."""
    end = _end(reader, name)
    _drop_marks(reader, end)
    items: list[Node] = []
    pieces: list[tuple[Node, Node]] = []
    while not reader.take(f"end {name}"):
        item = reader.item(top=True)
        if reader.peek() in ("&", ",") or reader.word() in _CONDITION_WORDS:
            condition = _condition(reader)
            if condition is not None:
                pieces.append((item, condition))
            else:
                items.append(item)
        else:
            items.append(item)
        while reader.take("\\\\", ",", ";", "."):
            pass
    if pieces and not items:
        return ("piecewise", tuple(pieces))
    if pieces or not items:
        raise NotMathError("rows with and without a condition")
    return items[0] if len(items) == 1 else ("list", "and", tuple(items))


def _drop_marks(reader: Grammar, end: int) -> None:
    """Drop `&` next to a relation, and the break before a row that begins with one."""
    tokens = reader.tokens[reader.at : end]
    kept: list[Token] = []
    for at, token in enumerate(tokens):
        before = kept[-1].text if kept else "\\\\"
        after = tokens[at + 1].text if at + 1 < len(tokens) else ""
        if token.text == "&" and (before in (*_RELATIONS, "\\\\", "&") or after in _RELATIONS):
            continue
        if token.text in _RELATIONS and before == "\\\\" and len(kept) > 1:
            kept.pop()
        kept.append(token)
    reader.tokens[reader.at : end] = kept


def _condition(reader: Grammar) -> Node | None:
    """Return the condition behind a piece; None at a comma that only ends a row."""
    reader.take(",")
    reader.take("&")
    word = ""
    while reader.word() in _CONDITION_WORDS:
        word = reader.word()
        reader.at += 1
    token = reader.token()
    if token is None or token.text == "\\\\" or token.text.startswith("end "):
        return ("sym", "otherwise") if word in ("otherwise", "else") else None
    return reader.item(top=False)
