r"""Read an answer into a tree: lists, relations, units, and both signs of `\pm`. See `nodes`.

No name in a text is ever looked up or executed. An item with `\pm` is read twice, once per sign,
and becomes two items.
"""

import re
from fractions import Fraction
from functools import lru_cache

from mathtune.answers.latex.expression import RELATIONS, ExpressionReader
from mathtune.answers.latex.lexer import NotMathError, clean, tokenize
from mathtune.answers.latex.nodes import Node, is_clock, negated
from mathtune.answers.latex.units import CURRENCIES, SCALES, names, unit_name


@lru_cache(maxsize=5_000)
def parse(text: str) -> Node:
    r"""The tree of an answer.

    Raises NotMathError where the text is no expression this grammar knows, TooLargeError where it
    is beyond the limits.

    >>> parse("2x")
    ('mul', ('num', 2), ('sym', 'x'))
    >>> parse("(1, 2]")
    ('seq', '(', ']', (('num', 1), ('num', 2)))
    """
    text = clean(text)
    lettered = _LETTERED.fullmatch(text)
    if lettered:
        digits, base = lettered["digits"].upper(), int(lettered["base"])
        if len(digits) > 1 and all(int(digit, 36) < base <= 36 for digit in digits):
            return ("base", digits, base)
    parser = _AnswerReader(tokenize(text))
    tree = parser.answer()
    if parser.at != len(parser.tokens):
        raise NotMathError(f"cannot read on at {parser.tokens[parser.at].text!r}")
    return tree


# `4B_{12}`, `\text{A5}_{11}`, `BEE_{15}`: the digits of a base above ten.
_LETTERED = re.compile(
    r"(?:\\(?:text|mathrm|mbox)\s*)?\{?(?P<digits>[A-Z]{2,9}|(?=[0-9]*[A-Za-z])(?=[A-Za-z]*[0-9])"
    r"[0-9A-Za-z]{2,60})\}?\s*_\s*\{?(?P<base>[1-3][0-9])\}?"
)


class _AnswerReader(ExpressionReader):
    """Reads a whole answer."""

    def answer(self) -> Node:
        while self.tokens and self.tokens[-1].text in (".", ",", ";", "!.", "\\\\"):
            self.tokens.pop()
        if not self.tokens:
            raise NotMathError("nothing to read")
        items, joiner = self.items(top=True)
        if len(items) == 1:
            return items[0]
        return ("list", joiner, _share_label(items))

    def items(self, *, top: bool) -> tuple[tuple[Node, ...], str]:
        """Items between commas, semicolons, `and`, `or`; an item with `\\pm` counts twice."""
        items: list[Node] = []
        joiner = ","
        while True:
            start = self.at
            self.sign, self.signs_seen = 1, False
            items.append(self.item(top=top))
            if self.signs_seen:
                self.at, self.sign = start, -1
                items.append(self.item(top=top))
            self.signs_seen = False
            separated = self.take(",", ";")
            if self.word() in ("and", "or"):
                joiner = self.word()
                self.at += 1
                separated = True
            if not separated:
                return tuple(items), joiner

    def item(self, *, top: bool) -> Node:
        if top:
            self.take("approx")
        first = self.measured() if top else self.union()
        members, operators = [first], []
        while True:
            operator = self.relation()
            if operator is None:
                break
            operators.append(operator)
            members.append(self.measured() if top else self.union())
        if operators:
            return ("rel", tuple(members), tuple(operators))
        if self.peek() in ("approx", "sim") and top:
            # `\frac{1}{3} \approx 0.33`: the exact value stands first.
            self.at += 1
            self.measured()
        return first

    def relation(self) -> str | None:
        found = self.peek()
        if found not in RELATIONS:
            return None
        self.at += 1
        if found in ("<", ">") and self.take("="):
            return found + "="
        return RELATIONS[found]

    def measured(self) -> Node:
        """An expression with the unit after it (or the currency before it)."""
        currency = ""
        if self.word() in CURRENCIES and self.at + 1 < len(self.tokens):
            currency = self.word()
            self.at += 1
        negative = currency == "" and self.peek() == "-" and self._currency_next()
        if negative:
            self.at += 2
            currency = self.tokens[self.at - 1].text
        value = self.union()
        if negative:
            value = negated(value)
        if self.take(":"):
            minutes = self.token()
            value = ("ratio", value, self.union())
            while self.take(":"):
                value = ("ratio", *value[1:], self.union())
            if minutes is not None and is_clock(value, minutes.text):
                value = ("clock", *value[1:])
        if self.word() == "base" and value[0] == "num" and isinstance(value[1], int):
            return self._worded_base(value[1])
        words = self.unit_words()
        if words and words[0] in SCALES:
            value = ("mul", value, ("num", SCALES[words.pop(0)]))
        if words or currency:
            unit = unit_name(words or [currency])
            if unit == "degree":
                return ("deg", value)
            if unit == "percent":
                return ("pct", value)
            return ("unit", value, unit) if unit else value
        return value

    def _worded_base(self, digits: int) -> Node:
        """`2516 base 8` of which the number is read."""
        self.at += 1
        base = self.atom()
        if base[0] != "num":
            raise NotMathError("a base that is no number")
        return ("base", str(digits), int(base[1]))

    def _currency_next(self) -> bool:
        after = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else None
        return after is not None and after.kind == "word" and after.text in CURRENCIES

    def unit_words(self) -> list[str]:
        words: list[str] = []
        while True:
            word = self.word()
            if word and word not in ("and", "or"):
                words.append(word)
                self.at += 1
            elif words and self.peek() == "^":
                self.at += 1
                words.append("^" + _integer_text(self.script()))
            elif words and self.peek() == "/" and self._word_after():
                words.append("/")
                self.at += 1
            elif words and self.peek() == "." and self.at + 1 == len(self.tokens):
                self.at += 1
            else:
                return words

    def _word_after(self) -> bool:
        after = self.at + 1
        return after < len(self.tokens) and self.tokens[after].kind == "word"


def _integer_text(node: Node) -> str:
    if node[0] != "num" or not isinstance(node[1], int | Fraction):
        raise NotMathError("a unit with a power that is no number")
    return str(node[1])


def _share_label(items: tuple[Node, ...]) -> tuple[Node, ...]:
    """`x = 1, 2` means `x = 1, x = 2`."""
    first = items[0]
    if first[0] != "rel" or first[2] != ("=",) or first[1][0][0] != "sym":
        return items
    if any(item[0] not in _SCALARS for item in items[1:]):
        return items
    return (first, *(("rel", (first[1][0], item), ("=",)) for item in items[1:]))


_SCALARS = names("num sym add neg mul div pow fact root call deg pct")
