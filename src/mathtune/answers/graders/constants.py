r"""The constant of an antiderivative, which has a name of its own: `x^2 + C` is `x^2 + K`.

For the grader `math`. A name is free only where the gold ends (or begins) with a constant that is
added to a function of other letters, and stands nowhere else in either text.
"""

import re

from mathtune.answers.graders import qualifiers
from mathtune.answers.latex.limits import NotMathError
from mathtune.answers.latex.nodes import Node
from mathtune.answers.latex.parse import parse
from mathtune.answers.values import evaluate as ev

_IN_WORDS = r"const(?:ant)?\.?"
_CONSTANT = (
    rf"(?:(?P<name>[CcKk])(?:_(?:\w|\{{\w+\}}))?|(?P<word>\\(?:text|mathrm|textrm|mbox|operatorname)"
    rf"\s*\{{\s*(?:[CcKk]|{_IN_WORDS})\s*\}}|{_IN_WORDS}))"
)
_SPACE = r"(?:\s|\\[,;:! ]|\\quad|~)*"
_LAST = re.compile(rf"(?P<rest>.*[\w)}}|\]!'°]){_SPACE}\+{_SPACE}{_CONSTANT}{_SPACE}", re.S)
_FIRST = re.compile(rf"{_CONSTANT}{_SPACE}\+{_SPACE}(?P<rest>.+)", re.S)
_NOT_LINEAR = re.compile(r"[\\^/]|[a-z]{2}")
"""What tells `x^2 + c` from `x + c` and `2x + k`, in which the letter may be a variable."""
_LONGEST = 400


def with_one_name(answer: str, gold: str) -> tuple[str, str] | None:
    """Return both texts with `C` for their constants; None: the gold has none, or the answer.

    >>> with_one_name("x^2 + K", "x^2 + C")
    ('x^2 + C', 'x^2 + C')
    >>> with_one_name("a + b + k", "a + b + c") is None
    True
    """
    if "+" not in answer or "+" not in gold or len(answer) + len(gold) > _LONGEST:
        return None
    (ours, said), (golds, gold_said) = qualifiers.split(answer), qualifiers.split(gold)
    if not qualifiers.compatible(said, gold_said, bounded=False):
        return None
    found = _split(ours), _split(golds)
    if found[0] is None or found[1] is None or not _is_free(*found[1], gold=True):
        return None
    if not _is_free(*found[0], gold=False):
        return None
    return f"{found[0][0]} + C", f"{found[1][0]} + C"


def ends_in_constant(text: str) -> bool:
    """Return whether a text may have such a constant."""
    return "+" in text and len(text) < _LONGEST and _split(qualifiers.split(text)[0]) is not None


def _split(text: str) -> tuple[str, str] | None:
    """Return the rest of a sum and the name of its constant, empty for a word."""
    text = text.strip(" $.")
    match = _LAST.fullmatch(text) or _FIRST.fullmatch(text)
    return (match["rest"], match["name"] or "") if match else None


def _is_free(rest: str, name: str, *, gold: bool) -> bool:
    """Return whether the rest is a function in which the constant has no part."""
    try:
        tree: Node = parse(rest)
    except NotMathError:
        return False
    if tree[0] == "rel":
        if set(tree[2]) != {"="}:
            return False
        tree = tree[1][-1]
    letters = ev.symbols(tree)
    if name in letters:
        return False
    if not gold:
        return True
    if name in ("C", ""):
        return bool(letters) and not any(letter[0].isupper() for letter in letters)
    one = len(letters) == 1 and letters.isdisjoint(("a", "b"))
    return one and (name == "K" or (name == "c" and bool(_NOT_LINEAR.search(rest))))
