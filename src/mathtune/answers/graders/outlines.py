"""Outlines of answers, which are cheap to compare: clusters then ask the grader about few pairs.

Two answers whose outlines do not agree are different for the grader `math`.
"""

import re
from collections.abc import Hashable
from functools import lru_cache
from typing import NamedTuple

from mathtune.answers.graders import constants, qualifiers, unit_words
from mathtune.answers.graders.forgiveness import bare, has_marks
from mathtune.answers.graders.labels import oriented
from mathtune.answers.graders.quantities import may_hold_unit_letters, with_units
from mathtune.answers.graders.vectors import as_vector
from mathtune.answers.graders.wording import choice_behind, choice_label, choices, is_sentence
from mathtune.answers.latex.clean import unwrapped
from mathtune.answers.latex.limits import NotMathError, TooLargeError
from mathtune.answers.latex.nodes import Node
from mathtune.answers.latex.parse import parse
from mathtune.answers.latex.text import plain_text
from mathtune.answers.latex.units import names
from mathtune.answers.values import numbers
from mathtune.answers.values.evaluate import INVERSE_HYPERBOLIC, calls, symbols
from mathtune.answers.values.fast_path import exact_number
from mathtune.answers.values.keys import canonical_key, node_key, scalar_key

_SCALARS = names("num sym add neg mul div pow fact call root deg pct base series opaque")
_BASE = re.compile(r"_\{?[0-9]+\}?$")
_NOT_WORD = re.compile("[^a-z0-9]+")


class Outline(NamedTuple):
    """`kind` scalar, cells, list or any; `faces`: two scalars that agree share one."""

    kind: str
    faces: frozenset[Hashable] = frozenset()
    cells: int = 0


_ANY = Outline("any")


def may_agree(a: Outline, b: Outline) -> bool:
    """Return False if the two outlines show that the answers are different."""
    if "any" in (a.kind, b.kind) or not a.faces.isdisjoint(b.faces):
        return True
    return a.kind == b.kind != "scalar" and a.cells == b.cells


@lru_cache(maxsize=50_000)
def outline(answer: str) -> Outline:
    """Return the outline of an answer.

    >>> may_agree(outline("5 cm"), outline("5")), may_agree(outline("5 cm"), outline("6"))
    (True, False)
    """
    answer = unwrapped(answer)
    number = exact_number(answer)
    if number is not None:
        return _ANY if "," in answer else Outline("scalar", frozenset((number,)))
    if (
        is_sentence(answer)
        or choice_label(answer)
        or choice_behind(answer)
        or choices(answer)
        or "box" in answer
        or qualifiers.is_turns(answer)
    ):
        return _ANY
    if qualifiers.split(answer)[1] or qualifiers.without_remark(answer):
        return _ANY
    if constants.ends_in_constant(answer):
        return _ANY
    try:
        tree = parse(answer)
        if (tree[0] != "unit" or symbols(tree)) and unit_words.worded(answer):
            return _ANY
        if calls(tree, INVERSE_HYPERBOLIC):
            return _ANY
        with numbers.metered():
            return _of_tree(oriented(tree), answer)
    except (NotMathError, TooLargeError, RecursionError):
        return _ANY


def _of_tree(tree: Node, answer: str) -> Outline:
    words = _NOT_WORD.sub(" ", _BASE.sub("", plain_text(answer))).strip()
    whole = True
    if tree[0] == "rel" and set(tree[2]) == {"="}:
        tree = tree[1][-1]  # a label is forgiven; what is left has to agree
        whole = False
    if tree[0] in ("list", "set"):
        items = tree[-1]
        listed = tree[:2] == ("list", ",") or len(items) > 2
        if not listed or not _is_bare(items):
            return _ANY
        return Outline("list", frozenset((words,)), len(set(items)))
    if tree[0] == "seq":
        return Outline("cells", frozenset((words,)), len(tree[3]))
    if tree[0] == "matrix":
        return Outline("cells", frozenset((words,)), len(tree[1]) * len(tree[1][0]))
    trees = [tree]
    if may_hold_unit_letters(answer, glued=True):
        trees.append(with_units(tree))
    faces: set[Hashable] = {words}
    for one in trees:
        inner = one[1] if one[0] == "unit" else one
        if inner[0] not in _SCALARS or as_vector(inner):
            return _ANY
        faces.add(_face(canonical_key(answer) if inner is tree and whole else scalar_key(inner)))
        if has_marks(inner):
            faces.add(_face(scalar_key(bare(inner))))
        if one[0] == "unit":
            faces.update(_face(node_key(("mul", inner, ("num", unit.size)))) for unit in one[2])
    return Outline("scalar", frozenset(faces))


def _is_bare(items: tuple[Node, ...]) -> bool:
    """Return True for members without labels, which make no point and no set of the real line."""
    return not any(item[0] in ("rel", "congruent", "point") for item in items)


def _face(key: Hashable) -> Hashable:
    """Return a number's key; for an expression, its values for positive variables."""
    if isinstance(key, tuple) and key[0] == "expression":
        return key[1][:2]
    return key
