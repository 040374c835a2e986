r"""Words behind an answer: `for all real x`, `where c is a constant`, `k \in \mathbb{Z}`, remarks.

For the grader `math`. A qualifier is forgiven if one side leaves it out and it does not narrow the
answer; two qualifiers must say the same.
"""

import re

from mathtune.answers.latex.limits import NotMathError
from mathtune.answers.latex.nodes import Node, replaced
from mathtune.answers.latex.text import plain_text
from mathtune.answers.values import evaluate as ev
from mathtune.answers.values import numbers
from mathtune.answers.values.numbers import Value

_TEXT = r"(?:\\(?:text|mbox|textrm|mathrm|textit)\s*\{\s*|\$|\s|\\quad|\\qquad|\\[,;:! ]|,|;|~|\()*"
_SYMBOL = r"(?:[A-Za-z]|\\[a-zA-Z]+)(?:_\{?\w+\}?)?"
_SETS = (
    r"(?:\\mathbb\s*\{?\s*[RZNQC]\s*\}?|\\Bbb\s*\{?[RZNQC]\}?|\\[RZNQC](?![a-zA-Z])"
    r"|[ℝℤℕℚℂ]|[RZNQ](?![\w]))"
)
_WORDED = re.compile(
    rf"(?P<gap>{_TEXT})\b(?P<words>(?:for\s+(?:all|any|every|each|some|real|arbitrary|integers?|"
    r"constants?|positive|nonzero|non-zero|nonnegative)|for(?:\s*\}|\s)*\$?\\?[A-Za-z]\b|where|such"
    r"\s+that|with|if|when|whenever|provided|given\s+that|assuming|since|because|as\s+)(?![A-Za-z]).*)$",
    re.S,
)
_FORALL = re.compile(rf"{_TEXT}\\forall.*$", re.S)
_MEMBER = re.compile(
    rf"(?:{_TEXT}(?<=[\s,;(\\}}~])|(?<=[^\w\\]))(?P<names>{_SYMBOL}(?:\s*,\s*{_SYMBOL})*)\s*(?:\\in(?![a-z])|∈)\s*"
    rf"{_SETS}[^,;=<>]{{0,12}}\$?\)?\s*\.?\s*$"
)
_APART = re.compile(r"^(?:\s|\$)*(?:,|;|\(|\\)")
_CONSTANT = re.compile(
    rf"{_TEXT}\(?\s*(?:{_SYMBOL}\s*)(?:\\text\s*\{{\s*)?(?:is|are|=)\s+(?:an?\s+)?"
    r"(?:arbitrary\s+)?(?:constants?|integers?|real)[^=<>]*$"
)
_REMARK = re.compile(r"\s*\((?:[^()]|\([^()]*\))*\)\s*\.?\s*$")
_REMARK_WORDS = re.compile(
    r"\b(?:since|because|as|i\.?e|or|approximately|approx|about|note|which)\b|^\(\s*[=≈]|\\approx"
)
_NOT_TAIL = re.compile(r",\s*(?:and\s+)?not\b.*$", re.S)
# Words that bound or fix a value narrow the answer.
_NARROWS = re.compile(r"[<>=≤≥≠]|\\(?:le|ge|ne|neq|leq|geq|lt|gt|approx)(?![a-z])|\bnot\b|[0-9]")
_INTEGERS = re.compile(r"\\mathbb\s*\{?\s*Z|\\Z\b|ℤ|\bintegers?\b")
_WHOLE = re.compile(rf"{_INTEGERS.pattern}|\\mathbb\s*\{{?\s*[NQ]|[ℕℚ]|\b(?:natural|rational)\b")
_SPACES = re.compile(r"\s+")
# A longer text is not an answer with a few words behind it, and patterns would be slow on it.
_LONGEST = 300
_MIGHT = re.compile(
    r"\b(?:for|where|with|if|when|such|provided|given|assuming)|\\in\b|∈|\\forall|∀|constant|since|because"
)


def split(text: str) -> tuple[str, str]:
    r"""Return an answer and the qualifier behind it, which is empty without one.

    >>> split(r"f(x)=2x \text{ for all real } x")
    ('f(x)=2x', 'for all real } x')
    >>> split(r"\frac{\pi}{4}+k\pi, k\in\mathbb{Z}")
    ('\\frac{\\pi}{4}+k\\pi', 'k\\in\\mathbb{Z}')
    """
    if len(text) > _LONGEST or not _MIGHT.search(text):
        return text, ""
    text = _SPACES.sub(" ", text)
    for pattern in (_WORDED, _FORALL, _MEMBER, _CONSTANT):
        match = pattern.search(text)
        if match and text[: match.start()].strip(" ${(\\,"):
            core = text[: match.start()]
            if "," in match.groupdict().get("names", "") and not _APART.search(match.group()):
                core += " " + match["names"].rpartition(",")[0]  # `2\pi n, n \in \mathbb{Z}`
            core = core.rstrip(" ,;$(\\")
            said = match.groupdict().get("words") or match.group()
            return _closed(core), said.strip(" ,;$()")
    return text, ""


def _closed(core: str) -> str:
    """Return the core without a group that the qualifier closed."""
    while core.count("{") > core.count("}") and re.search(r"\\[a-z]+\s*\{\s*$", core):
        core = re.sub(r"\\[a-z]+\s*\{\s*$", "", core).rstrip(" ,;$(\\")
    return core


def compatible(ours: str, golds: str, *, bounded: bool) -> bool:
    """Return True if two qualifiers do not contradict each other; `bounded`: of an inequality."""
    if ours and golds:
        mine, other = (re.sub(r"[{}$\s]", "", plain_text(text)) for text in (ours, golds))
        return mine == other or not (_NARROWS.search(ours) or _NARROWS.search(golds))
    if golds.startswith("where"):
        return True  # the gold explains its own names
    if bounded and _WHOLE.search(ours + golds):
        return False  # whole numbers above 0 are fewer than all numbers above 0
    return not _NARROWS.search(ours + golds)


def says_integer(qualifier: str) -> bool:
    """Return True if the qualifier says that a variable is an integer."""
    return bool(_INTEGERS.search(qualifier))


_CAUSE = re.compile(r"[,;]?\s*(?:\\text\s*\{\s*)?\b(?:since|because)\b.*$", re.S)


def without_remark(text: str) -> str | None:
    """Return the text without `(since ...)` or `, not 4` at its end; None if there is none.

    >>> without_remark("42 (since 6*7 = 42)"), without_remark("3.5, not 4")
    ('42', '3.5')
    """
    if len(text) > _LONGEST:
        return None
    if "(" in text and text.rstrip(" .}").endswith(")"):
        text = re.sub(r"\\text\s*\{([^{}]*\([^{}]*)\}", r"\1", text).rstrip("}")
        remark = _REMARK.search(text)
        if remark and remark.start() and _REMARK_WORDS.search(remark.group().strip()):
            return text[: remark.start()].strip()
    if "since" in text or "because" in text:
        cause = _CAUSE.search(text)
        if cause and cause.start():
            return text[: cause.start()].strip()
    tail = _NOT_TAIL.search(text) if "not" in text else None
    return text[: tail.start()].strip() if tail and tail.start() else None


# -- families of values ---------------------------------------------------------------------------


_TURNS = re.compile(r"=(?=.*(?:\\pi|\\circ|°|π))(?=.*(?<![A-Za-z])[knm](?![A-Za-z]))")


def is_turns(text: str) -> bool:
    r"""Return True for `x = 30^\circ + 360^\circ k`, where nothing says that `k` is whole."""
    return bool(_TURNS.search(text))


def same_family(a: Node, g: Node) -> bool:
    r"""Return True for `\frac{\pi}{4} + k\pi` and `\frac{5\pi}{4} + n\pi`: one set for integers."""
    if a[0] == "rel" == g[0] and a[2] == g[2] == ("=",) and a[1][0] == g[1][0]:
        a, g = a[1][-1], g[1][-1]
    try:
        ours, golds = _progression(a), _progression(g)
    except NotMathError:
        return False  # 1/k has no value at 0
    return ours is not None and ours == golds


def _progression(node: Node) -> tuple[object, object] | None:
    """Return the first value and the step of a tree linear in one variable; None for any other."""
    names = ev.symbols(node)
    if len(names) != 1 or node[0] == "rel":
        return None
    variable = ("sym", next(iter(names)))
    at = [ev.evaluate(replaced(node, variable, ("num", place))) for place in (0, 1, 2)]
    step = numbers.add(at[1], numbers.negative(at[0]))
    again = numbers.add(at[2], numbers.negative(at[1]))
    if numbers.value_key(step) != numbers.value_key(again) or step == 0:
        return None
    step = numbers.size(step)
    turns: Value = numbers.divide(at[0], step)
    whole = numbers.real_fraction(turns).__floor__()
    first = numbers.add(at[0], numbers.multiply(-whole, step))
    return numbers.value_key(first), numbers.value_key(step)
