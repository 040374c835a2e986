r"""Read an answer into a tree: lists, relations, units, and both signs of `\pm`. See `nodes`.

No name in a text is ever looked up or executed. An item with `\pm` is read twice, once per sign,
and becomes two items.
"""

import re
from functools import lru_cache
from itertools import pairwise

from mathtune.answers.latex.clean import clean
from mathtune.answers.latex.expression import RELATIONS, ExpressionReader
from mathtune.answers.latex.lexer import Token, tokenize
from mathtune.answers.latex.limits import NotMathError
from mathtune.answers.latex.money import CURRENCIES
from mathtune.answers.latex.nodes import Node, is_clock, negated
from mathtune.answers.latex.number_words import FIRST_WORDS, in_digits
from mathtune.answers.latex.units import (
    MULTIPLES,
    NO_UNIT,
    POWERS,
    UNIT_LETTERS,
    Unit,
    known,
    names,
    read_unit,
    singular,
)


@lru_cache(maxsize=5_000)
def parse(text: str) -> Node:
    r"""Return the tree of an answer.

    Raises NotMathError if the text is no expression this grammar knows, TooLargeError if it is
    beyond the limits.

    >>> parse("2x")
    ('mul', ('num', 2), ('sym', 'x'))
    >>> parse("(1, 2]")
    ('seq', '(', ']', (('num', 1), ('num', 2)))
    """
    text = clean(text)
    if "\\" in text and (words := _ALL_WORDS.fullmatch(text)) and _counts(words[1]):
        text = words[1]
    if "oint" in text:
        text = _NOUN.sub("", text)
    if "eal" in text and (but := _ALL_BUT.match(text)):
        text = rf"\mathbb{{R}} \setminus \{{{text[but.end() :].rstrip('}')}\}}"
    if "\\cup" in text and not _BRACKET.search(text):
        text = text.replace("\\cup", " or ")  # `x < 1 \cup x > 2`
    if _counts(text):
        text = in_digits(text)
    elif text[:1].isdigit() and " and " in text:  # 3 and a half
        whole, _, part = text.partition(" and ")
        text = f"{whole} and {in_digits(part)}"
    if "_" in text and (lettered := _LETTERED.fullmatch(_TEXT_LETTERS.sub(r"\1", text))):
        digits, base = lettered["digits"].upper(), int(lettered["base"])
        if len(digits) > 1 and all(int(digit, 36) < base <= 36 for digit in digits):
            return ("base", digits, base)
    parser = _AnswerReader(tokenize(text))
    tree = parser.answer()
    if parser.at != len(parser.tokens):
        raise NotMathError(f"cannot read on at {parser.tokens[parser.at].text!r}")
    return tree


def _counts(text: str) -> bool:
    """Return True if the text begins like a written number."""
    first = _FIRST_WORD.match(text)
    return first is not None and first[0].lower() in FIRST_WORDS


_ALL_WORDS = re.compile(r"\\(?:text|mathrm|textbf|mbox|textrm)\s*\{\s*([A-Za-z][A-Za-z -]*)\}\.?")
_ALL_BUT = re.compile(
    r"^(?:\\text\s*\{)?\s*(?:the\s+set\s+of\s+)?(?:all\s+)?reals?(?:\s+numbers?)?(?:\s+x)?\s+"
    r"(?:except|excluding|but|other\s+than)(?:\s+for)?\s*\}?\s*(?:x\s*=\s*)?",
    re.I,
)
_BRACKET = re.compile(r"[(\[{]")
_NOUN = re.compile(
    r"^(?:\\text\s*\{)?\s*(?:the\s+)?points?\s*\}?\s*(?=[A-Z]?\s*(?:\\left\s*)?\()", re.I
)
_FIRST_WORD = re.compile("[^\\W\\d_]+")
# `4B_{12}`, `\text{A5}_{11}`, `4\text{A}_{12}`, `BEE_{15}`: the digits of a base above ten.
_TEXT_LETTERS = re.compile(r"\\(?:text|mathrm|mbox|textrm)\s*\{\s*([0-9A-Z]+)\s*\}")
_LETTERED = re.compile(
    r"\{?(?P<digits>[A-Z]{2,9}|(?=[0-9]*[A-Za-z])(?=[A-Za-z]*[0-9])"
    r"[0-9A-Za-z]{2,60})\}?\s*_\s*\{?(?P<base>[1-3][0-9])\}?"
)


class _AnswerReader(ExpressionReader):
    """Reads a whole answer."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self.separators: list[str] = []

    def answer(self) -> Node:
        while self.tokens and self.tokens[-1].text in (".", ",", ";", "!.", "\\\\"):
            self.tokens.pop()
        if not self.tokens:
            raise NotMathError("nothing to read")
        self.take("=", ":", "Rightarrow", "implies", "to")
        items, joiner = self.items(top=True)
        items = _without_domain(_with_modulus(items))
        if len(items) == 1:
            return items[0]
        groups = _solutions(items, self.separators)
        if groups is not None:
            return ("list", joiner, groups)
        return _one_quantity(items) or ("list", joiner, _share_label(items))

    def items(self, *, top: bool) -> tuple[tuple[Node, ...], str]:
        """Read items between commas, semicolons, `and`, `or`; one with `\\pm` counts twice."""
        items: list[Node] = []
        separators: list[str] = []
        joiner = ","
        while True:
            start = self.at
            self.sign, self.signs_seen = 1, False
            items.append(self.item(top=top))
            if self.signs_seen:
                self.at, self.sign = start, -1
                items.append(self.item(top=top))
                separators.append(",")
            self.signs_seen = False
            separator = self.tokens[self.at - 1].text if self.take(",", ";") else ""
            if top and self.take("\\\\"):
                separator = separator or ","
            if self.word() in ("and", "or"):
                joiner = separator = self.word()
                self.at += 1
            if not separator:
                if top:
                    self.separators = separators
                return tuple(items), joiner
            separators.append(separator)

    def item(self, *, top: bool) -> Node:
        if top:
            self.take("approx")
        first = self.measured() if top else self._counted()
        members, operators = [first], []
        congruence = False
        while True:
            congruence = congruence or self.peek() == "equiv"
            operator = self.relation()
            if operator is None:
                break
            operators.append(operator)
            members.append(self.measured() if top else self.union())
        modulus = self._modulus()
        item: Node = ("rel", tuple(members), tuple(operators)) if operators else first
        if modulus is not None or members[-1][:2] == ("call", "mod"):
            item = _congruence(item, modulus, named=congruence)
        if top and self.peek() in ("approx", "sim"):
            self.at += 1
            rounded = self.measured()
            if item[0] == "sym" and item[1] not in ("pi", "e"):
                return ("rel", (item, rounded), ("=",))
            # `\frac{1}{3} \approx 0.33`: the exact value comes first.
        return item

    def _counted(self) -> Node:
        """Read an expression inside brackets, with the unit behind it if the table knows it."""
        value = self.union()
        return self._with_unit(value, self.unit_words()) if known(self.word()) else value

    def _modulus(self) -> Node | None:
        """Return the modulus of `\\pmod 5` or `(mod 5)`."""
        if self.take("pmod"):
            return self.script()
        if self.peek() == "(" and self.peek(1) == "bmod":
            self.at += 2
            modulus = self.nested()
            self.need(")")
            return modulus
        return None

    def relation(self) -> str | None:
        found = self.peek()
        if found not in RELATIONS:
            return None
        self.at += 1
        if found in ("<", ">") and self.take("="):
            return found + "="
        return RELATIONS[found]

    def measured(self) -> Node:
        """Return an expression with the unit after it (or the currency before it)."""
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
            if value[3:] == (("num", 0),) and self.tokens[self.at - 1].text == "00":
                value = value[:3]  # 20:34:00
            if minutes is not None and is_clock(value, minutes.text):
                value = ("clock", *value[1:])
        if self.word() == "base" and value[0] == "num" and isinstance(value[1], int):
            return self._worded_base(value[1])
        words = self.unit_words()
        while words and words[0] in MULTIPLES:
            value = ("mul", value, ("num", MULTIPLES[words.pop(0)]))
        if words and words[0] in POWERS:
            value = ("pow", value, ("num", POWERS[words.pop(0)]))
        if not words and not currency:
            return value
        return self._with_unit(value, words or [currency])

    def _with_unit(self, value: Node, words: list[str]) -> Node:
        spelled = " ".join(map(singular, words))
        if _VERBS.intersection(words):
            raise NotMathError("a sentence")
        if spelled in ("degree", "deg"):
            return ("deg", value)
        if spelled in ("percent", "percentage", "percentage point", "pct", "per cent"):
            return ("pct", value)
        units = read_unit(tuple(words))
        if units == (NO_UNIT,):
            return value
        token = self.token()
        if token is not None and token.kind == "number":  # 5 feet 6 inches
            smaller = self.measured()
            whole = _one_quantity((("unit", value, units), smaller))
            if whole is None:
                raise NotMathError("a number behind a unit")
            return whole
        return ("unit", value, units)

    def _worded_base(self, digits: int) -> Node:
        """Read `2516 base 8`, of which the number is taken."""
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
            token = self.token()
            if word and word not in ("and", "or"):
                words.append(word)
                self.at += 1
            elif words and token is not None and self._unit_letter(token):
                words.append(UNIT_LETTERS[token.text])
                self.at += 1
            elif words and self.peek() == "^":
                self.at += 1
                words.append("^" + _integer_text(self.script()))
            elif words and self.peek() in ("/", "cdot", "*") and self._word_after():
                words += ["/"] if self.peek() == "/" else []
                self.at += 1
            elif words and self.peek() == "." and self.at + 1 == len(self.tokens):
                self.at += 1
            else:
                return words

    @staticmethod
    def _unit_letter(token: Token) -> bool:
        return token.kind == "symbol" and token.text in UNIT_LETTERS

    def _word_after(self) -> bool:
        after = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else None
        return after is not None and (after.kind == "word" or self._unit_letter(after))


def _integer_text(node: Node) -> str:
    sign, node = ("-", node[1]) if node[0] == "neg" else ("", node)
    if node[0] != "num" or not isinstance(node[1], int) or node[1] > 9:
        raise NotMathError("a unit with a power that is no small number")
    return sign + str(node[1])


# -- the meaning of several items together --------------------------------------------------------


def _congruence(item: Node, modulus: Node | None, *, named: bool) -> Node:
    r"""Read `x \equiv 2 \pmod 5`, `2 \pmod 5` or `x = 2 \bmod 5` as a residue class.

    Without a modulus of its own the item ends in `a \bmod b`: it is a class if `a` is reduced or
    the relation is a congruence, else a number to compute.
    """
    left = item[1][0] if item[0] == "rel" else None
    last = item[1][-1] if item[0] == "rel" else item
    if item[0] == "rel" and (len(item[1]) != 2 or item[2] != ("=",)):
        if modulus is None:
            return item
        raise NotMathError("a chain of congruences")
    if modulus is None:
        _, _, last, modulus = last
        reduced = last[0] == modulus[0] == "num" and 0 <= last[1] < modulus[1]
        if not named and not reduced:
            return item
    return ("congruent", left, last, modulus)


def _with_modulus(items: tuple[Node, ...]) -> tuple[Node, ...]:
    r"""Read `x \equiv 2, 3 \pmod 5`: the modulus at the end belongs to all."""
    last = items[-1]
    if last[0] != "congruent" or len(items) == 1 or any(i[0] == "congruent" for i in items[:-1]):
        return items
    found = []
    label = None
    for item in items[:-1]:
        if item[0] == "rel" and item[2] == ("=",) and len(item[1]) == 2:
            label, item = item[1]
        found.append(("congruent", label, item, last[3]))
    return (*found, ("congruent", last[1] or label, *last[2:]))


def _without_domain(items: tuple[Node, ...]) -> tuple[Node, ...]:
    r"""Drop the part of `x \in \mathbb{R}, x \ne 1` that only says that `x` is real."""
    kept = tuple(item for item in items if not _is_domain(item))
    return kept if kept and len(kept) < len(items) and all(i[0] == "rel" for i in kept) else items


def _is_domain(item: Node) -> bool:
    return item[0] == "rel" and item[2] == ("in",) and item[1][1] == ("reals",)


def _solutions(items: tuple[Node, ...], separators: list[str]) -> tuple[Node, ...] | None:
    """Return `p=5, q=2; p=7, q=2` as a list of lists; None for anything else."""
    for outer in (";", "or"):
        if outer not in separators or len(set(separators)) == 1:
            continue
        groups: list[list[Node]] = [[items[0]]]
        for separator, item in zip(separators, items[1:], strict=False):
            if separator == outer:
                groups.append([])
            groups[-1].append(item)
        labels = [[i[1][0] if _is_value(i) else None for i in group] for group in groups]
        if len(labels[0]) > 1 and None not in labels[0] and labels.count(labels[0]) == len(labels):
            return tuple(("list", ",", tuple(group)) for group in groups)
    return None


def _is_value(item: Node) -> bool:
    return item[0] == "rel" and item[2] == ("=",) and item[1][0][0] == "sym"


def _one_quantity(items: tuple[Node, ...]) -> Node | None:
    """Return `6 hours and 30 minutes` as one quantity in the first unit; None for anything else."""
    if any(item[0] != "unit" for item in items):
        return None
    first: Unit = items[0][2][0]
    units = [u for item in items for u in item[2] if u.powers == first.powers]
    if len(units) != len(items) or any(a.size <= b.size for a, b in pairwise(units)):
        return None
    total: Node = items[0][1]
    for item, unit in zip(items[1:], units[1:], strict=True):
        total = ("add", total, ("mul", item[1], ("num", unit.size / units[0].size)))
    return ("unit", total, (units[0],))


def _share_label(items: tuple[Node, ...]) -> tuple[Node, ...]:
    """Read `x = 1, 2` as `x = 1, x = 2`."""
    first = items[0]
    if first[0] != "rel" or first[2] != ("=",) or first[1][0][0] != "sym":
        return items
    if any(item[0] not in _SCALARS for item in items[1:]):
        return items
    return (first, *(("rel", (first[1][0], item), ("=",)) for item in items[1:]))


_VERBS = names("is are was were equals means has have")
_SCALARS = names("num sym add neg mul div pow fact root call deg pct")
