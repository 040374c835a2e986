r"""Read the tokens of an answer into a tree. No name in a text is ever looked up or executed.

A tree is a tuple whose first member names its kind:

    ("num", value)  ("sym", name)  ("inf",)  ("reals",)  ("word", text)
    ("add", a, b)  ("neg", a)  ("mul", a, b)  ("div", a, b)  ("pow", a, b)  ("fact", a)
    ("root", a, index)  ("call", name, arguments...)  ("deg", a)  ("pct", a)  ("base", digits, b)
    ("seq", open, close, items)     a tuple, point or interval
    ("set", items)                  in braces
    ("list", joiner, items)         1, 2 and 3
    ("rel", members, operators)     a chain of equalities or inequalities
    ("union", a, b)  ("meet", a, b)  ("less", a, b)
    ("matrix", rows)  ("ratio", a, b...)  ("clock", hours, minutes)  ("unit", a, unit)

`\pm` is resolved here: an item with it is read twice, once per sign, and becomes two items.
"""

from fractions import Fraction
from functools import lru_cache
from typing import Any

from mathtune.answers.lexer import NotMathError, Token, TooLargeError, clean, tokenize
from mathtune.answers.units import CURRENCIES, names, number_word, unit_name

Node = tuple[Any, ...]

MAX_DEPTH = 25
_RELATIONS = {
    "=": "=", "==": "=", "<": "<", ">": ">", "le": "<=", "ge": ">=", "<=": "<=", ">=": ">=",
    "ne": "!=", "!=": "!=", "in": "in", "equiv": "=", "cong": "=",
}  # fmt: skip
_GREEK = names(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau "
    "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell "
    "hbar triangle angle square diamond heartsuit clubsuit spadesuit aleph star"
)
_ONE_ARGUMENT = names(
    "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc asin acos atan sinh "
    "cosh tanh coth sech csch ln log lg exp floor ceil abs"
)
_MANY_ARGUMENTS = frozenset(["gcd", "lcm", "max", "min"])
_ACCENTS = names(
    "overline bar vec hat tilde widehat overrightarrow overleftrightarrow underline mathcal "
    "mathfrak overset"
)
_MATRICES = frozenset(["pmatrix", "bmatrix", "matrix", "smallmatrix", "Bmatrix", "array"])
_CLOSERS = {"(": (")", "]"), "[": ("]", ")", "["), "]": ("[", "]"), "langle": ("rangle",)}


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
    parser = _Parser(tokenize(clean(text)))
    tree = parser.answer()
    if parser.at != len(parser.tokens):
        raise NotMathError(f"cannot read on at {parser.tokens[parser.at].text!r}")
    return tree


class _Parser:
    """Recursive descent over the tokens of one answer, from the loosest binding to the tightest."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.bars = 0
        self.sign = 1
        self.signs_seen = False
        self.in_set = False

    # -- tokens ------------------------------------------------------------------------------

    def peek(self, ahead: int = 0) -> str:
        """Text of a mark or command ahead; the empty string for anything else."""
        at = self.at + ahead
        if at >= len(self.tokens):
            return ""
        token = self.tokens[at]
        return token.text if token.kind in ("mark", "command") else ""

    def token(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, *texts: str) -> bool:
        if self.at < len(self.tokens) and self.peek() in texts:
            self.at += 1
            return True
        return False

    def need(self, *texts: str) -> str:
        found = self.peek()
        if found not in texts:
            raise NotMathError(f"expected {texts[0]!r}, found {found!r}")
        self.at += 1
        return found

    def word(self) -> str:
        token = self.token()
        return token.text.lower() if token is not None and token.kind == "word" else ""

    # -- answers, lists, relations -------------------------------------------------------------

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
        if found not in _RELATIONS:
            return None
        self.at += 1
        if found in ("<", ">") and self.take("="):
            return found + "="
        return _RELATIONS[found]

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
            value = ("neg", value)
        if self.take(":"):
            minutes = self.token()
            value = ("ratio", value, self.union())
            while self.take(":"):
                value = ("ratio", *value[1:], self.union())
            if minutes is not None and _is_clock(value, minutes.text):
                value = ("clock", *value[1:])
        words = self.unit_words()
        if words or currency:
            unit = unit_name(words or [currency])
            if unit == "degree":
                return ("deg", value)
            if unit == "percent":
                return ("pct", value)
            return ("unit", value, unit) if unit else value
        return value

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

    # -- expressions ---------------------------------------------------------------------------

    def union(self) -> Node:
        left = self.sum()
        while True:
            operator = self.peek()
            if operator == "cup" or (operator == "" and self._is_symbol("U") and left[0] == "seq"):
                self.at += 1
                left = ("union", left, self.sum())
            elif operator == "cap":
                self.at += 1
                left = ("meet", left, self.sum())
            elif operator == "setminus":
                self.at += 1
                left = ("less", left, self.sum())
            else:
                return left

    def _is_symbol(self, name: str) -> bool:
        token = self.token()
        return token is not None and token.kind == "symbol" and token.text == name

    def sum(self) -> Node:
        self.deeper()
        left = self.product()
        while True:
            operator = self.peek()
            if operator in ("pm", "mp"):
                self.at += 1
                self.signs_seen = True
                right = self.product()
                plus = (self.sign > 0) == (operator == "pm")
                left = ("add", left, right if plus else ("neg", right))
            elif operator == "+":
                self.at += 1
                left = ("add", left, self.product())
            elif operator == "-":
                self.at += 1
                left = ("add", left, negated(self.product()))
            else:
                self.depth -= 1
                return left

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooLargeError(f"nested deeper than {MAX_DEPTH}")

    def product(self) -> Node:
        left = self.factor()
        while True:
            operator = self.peek()
            if operator in ("*", "cdot", "times"):
                self.at += 1
                left = scaled(left, self.factor())
            elif operator in ("/", "div"):
                self.at += 1
                left = divided(left, self.factor())
            elif self.starts_factor():
                left = self.juxtaposed(left)
            else:
                return left

    def juxtaposed(self, left: Node) -> Node:
        """Implicit multiplication, or a mixed number such as `7 3/4` or `1\\frac{1}{2}`."""
        before = self.tokens[self.at - 1]
        token = self.tokens[self.at]
        whole = before.kind == "number" and isinstance(before.value, int)
        if whole and token.text == "frac":
            right = self.power()
            if right[0] == "div" and right[1][0] == right[2][0] == "num":
                return _mixed(left, right)
            return scaled(left, right)
        if token.kind == "number":
            after = self.tokens[self.at + 1 : self.at + 3]
            fraction = len(after) == 2 and after[0].text == "/" and after[1].kind == "number"
            if whole and token.spaced and fraction and isinstance(left[-1], int | tuple):
                self.at += 3
                return _mixed(left, ("div", ("num", token.value), ("num", after[1].value)))
            if before.kind == "number":
                raise NotMathError("two numbers side by side")
        return scaled(left, self.power())

    def starts_factor(self) -> bool:
        token = self.token()
        if token is None or token.kind == "word":
            return False
        if token.kind in ("number", "symbol"):
            return not (token.text == "U" and self._union_follows())
        if token.kind == "mark":
            return token.text in ("(", "[", "{") or (token.text == "|" and not self.bars)
        return token.text not in _NOT_FACTORS and not token.text.startswith("end ")

    def _union_follows(self) -> bool:
        before, after = self.tokens[self.at - 1], self.peek(1)
        return before.text in (")", "]") and after in ("(", "[")

    def factor(self) -> Node:
        positive = True
        while self.peek() in ("-", "+", "pm", "mp"):
            sign = self.peek()
            self.at += 1
            if sign in ("pm", "mp"):
                self.signs_seen = True
                positive ^= (self.sign > 0) != (sign == "pm")
            else:
                positive ^= sign == "-"
        value = self.power()
        return value if positive else negated(value)

    def power(self) -> Node:
        base = self.postfix(self.atom())
        if self.peek() == "^":
            self.at += 1
            if self.take("circ"):
                return ("deg", base)
            if self.peek() == "{" and self.peek(1) == "circ" and self.peek(2) == "}":
                self.at += 3
                return ("deg", base)
            if self.peek() == "{" and self.peek(1) == "'":
                raise NotMathError("a prime")
            base = self.postfix(("pow", base, self.exponent()))
        elif self.take("circ"):
            return ("deg", base)
        return base

    def exponent(self) -> Node:
        if self.peek() in ("-", "+"):
            return self.factor()
        value = self.script(powers=True)
        if self.peek() != "^":
            return value
        self.at += 1
        self.deeper()
        value = ("pow", value, self.exponent())
        self.depth -= 1
        return value

    def postfix(self, base: Node) -> Node:
        while True:
            if self.peek() == "!":
                self.at += 1
                base = ("fact", base)
            elif self.peek() == "%":
                self.at += 1
                base = ("pct", base)
            elif self.peek() == "'" and base[0] == "sym":
                self.at += 1
                base = ("sym", base[1] + "'")
            else:
                return base

    def script(self, *, powers: bool = False, digits: bool = False) -> Node:
        """The argument of `^`, `\\frac`, `\\sqrt`: a group, else one number, symbol or command."""
        if self.take("{"):
            inner = self.nested()
            self.need("}")
            return inner
        token = self.token()
        if token is None:
            raise NotMathError("an argument is missing")
        if digits and token.kind == "number" and len(token.text) > 1 and token.text.isdigit():
            # TeX reads one digit: \frac12 is a half. The rest is the next argument.
            parts = (token.text[0], token.text[1:])
            pair = [Token("number", part, False, int(part)) for part in parts]
            self.tokens[self.at : self.at + 1] = pair
        return self.power() if powers and token.text == "(" else self.atom()

    def nested(self) -> Node:
        """An expression inside brackets, where no unit can stand."""
        bars, self.bars = self.bars, 0
        inner = self.union()
        self.bars = bars
        return inner

    # -- atoms -----------------------------------------------------------------------------------

    def atom(self) -> Node:
        token = self.token()
        if token is None:
            raise NotMathError("the expression ends early")
        self.at += 1
        if token.kind == "number":
            return self.based(token)
        if token.kind == "symbol":
            return self.symbol(token.text)
        if token.kind == "word":
            number = number_word(token.text)
            if number is None:
                raise NotMathError(f"the word {token.text!r}")
            return ("num", number)
        if token.kind == "mark":
            return self.bracketed(token.text)
        return self.command(token.text)

    def based(self, token: Token) -> Node:
        if self.peek() != "_":
            return ("num", token.value)
        self.at += 1
        base = self.subscript()
        if not base.isdigit():
            raise NotMathError("a number with a subscript that is no base")
        return ("base", token.text.lstrip("0") or "0", int(base))

    def symbol(self, name: str) -> Node:
        if self.peek() == "_":
            self.at += 1
            name = f"{name}_{self.subscript()}"
        return ("sym", name)

    def subscript(self) -> str:
        """The text of a subscript: it is part of a name, or a base."""
        if not self.take("{"):
            token = self.token()
            if token is None or token.kind == "mark":
                raise NotMathError("an empty subscript")
            self.at += 1
            return token.text
        parts: list[str] = []
        while not self.take("}"):
            token = self.token()
            if token is None:
                raise NotMathError("a subscript does not close")
            self.at += 1
            if token.text not in ("(", ")"):
                number = number_word(token.text) if token.kind == "word" else None
                parts.append(token.text if number is None else str(number))
        return "".join(parts)

    def bracketed(self, mark: str) -> Node:
        if mark == "{":
            items = self._inside()
            if len(items) == 1 and self.take("choose"):
                items = (("call", "binom", items[0], self.nested()),)
            self.need("}")
            return items[0] if len(items) == 1 else ("set", items)
        if mark == "\\{":
            if self.take("\\}"):
                return ("set", ())
            if self.peek(1) in ("|", ":") and self.tokens[self.at].kind == "symbol":
                return self._set_builder()
            items = self._members()
            self.need("\\}")
            return ("set", items)
        if mark == "|":
            self.bars += 1
            inner = self.sum()
            self.need("|")
            self.bars -= 1
            return ("call", "abs", inner)
        if mark in ("(", "[", "]"):
            return self._sequence(mark)
        raise NotMathError(f"{mark!r} where a value is expected")

    def _set_builder(self) -> Node:
        """`\\{x \\mid x > 1\\}` is the condition on its variable."""
        self.at += 2
        condition = self.item(top=False)
        self.need("\\}")
        if condition[0] != "rel":
            raise NotMathError("a set without a condition")
        return condition

    def _inside(self) -> tuple[Node, ...]:
        """Items of a bracket. A `\\pm` among them is left to the item outside."""
        bars, self.bars = self.bars, 0
        items = [self.item(top=False)]
        while self.take(",", ";"):
            items.append(self.item(top=False))
        self.bars = bars
        return tuple(items)

    def _members(self) -> tuple[Node, ...]:
        """Items of a set in braces: each one with a `\\pm` is two of its members."""
        if self.in_set:
            raise NotMathError("a set of sets")
        outside = self.sign, self.signs_seen, self.bars
        self.in_set, self.bars = True, 0
        items, _ = self.items(top=False)
        self.in_set = False
        self.sign, self.signs_seen, self.bars = outside
        return items

    def _sequence(self, mark: str) -> Node:
        opener = "(" if mark == "langle" else mark
        items = self._inside()
        closer = self.need(*_CLOSERS[mark])
        if len(items) == 1 and (opener, closer) in (("(", ")"), ("[", "]")):
            if items[0][0] == "rel":
                raise NotMathError("a relation inside brackets")
            return items[0]
        closer = {"rangle": ")", "[": ")"}[closer] if closer in ("rangle", "[") else closer
        return ("seq", "(" if opener == "]" else opener, closer, items)

    def command(self, name: str) -> Node:
        if name in _ONE_ARGUMENT:
            return self.function(name)
        if name in _MANY_ARGUMENTS:
            self.need("(")
            items = self._inside()
            self.need(")")
            return ("call", name, *items)
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name in _GREEK:
            return self.symbol(name)
        if name in _ACCENTS:
            return ("sym", f"{name} {self.raw_group()}")
        if name.startswith("begin "):
            return self.matrix(name[6:])
        reader = _READERS.get(name)
        if reader is None:
            raise NotMathError(f"unknown command \\{name}")
        return reader(self)

    def raw_group(self) -> str:
        if not self.take("{"):
            token = self.token()
            if token is None:
                raise NotMathError("an argument is missing")
            self.at += 1
            return token.text
        parts = []
        while not self.take("}"):
            token = self.token()
            if token is None:
                raise NotMathError("a group does not close")
            self.at += 1
            parts.append(token.text)
        return "".join(parts)

    def function(self, name: str) -> Node:
        """`\\sin x`, `\\sin^2 x`, `\\sin(2x)`, `\\log_2 8`."""
        name = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}[name] if name in (
            "asin", "acos", "atan") else name  # fmt: skip
        base: Node | None = None
        power: Node | None = None
        for _ in range(2):
            if base is None and self.take("_"):
                base = self.script()
            elif power is None and self.take("^"):
                power = self.exponent()
        argument = self.argument()
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

    def argument(self) -> Node:
        """What a function without brackets applies to: the factors up to the next function."""
        if self.peek() in ("(", "{", "["):
            return self.power() if self.peek() == "(" else self.postfix(self.atom())
        if self.peek() == "-":
            return self.factor()
        value = self.power()
        while self.starts_factor() and self.peek() not in ("(", "[", "|", *_ONE_ARGUMENT):
            value = self.juxtaposed(value)
        return value

    def matrix(self, environment: str) -> Node:
        if environment not in _MATRICES:
            raise NotMathError(f"the environment {environment}")
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        while not self.take(f"end {environment}"):
            row.append(self.nested())
            if self.take("&"):
                continue
            rows.append(tuple(row))
            row = []
            while self.take("\\\\"):
                pass
        if not rows or len({len(r) for r in rows}) != 1:
            raise NotMathError("a matrix with rows of different lengths")
        return ("matrix", tuple(rows))

    # -- commands that read their own arguments ----------------------------------------------------

    def fraction(self) -> Node:
        top = self.script(digits=True)
        return divided(top, self.script(digits=True))

    def root(self) -> Node:
        index: Node = ("num", 2)
        if self.take("["):
            index = self.nested()
            self.need("]")
        return ("root", self.script(), index)

    def binomial(self) -> Node:
        top = self.script(digits=True)
        return ("call", "binom", top, self.script(digits=True))

    def floor(self) -> Node:
        inner = self.nested()
        self.need("rfloor")
        return ("call", "floor", inner)

    def ceiling(self) -> Node:
        inner = self.nested()
        self.need("rceil")
        return ("call", "ceil", inner)

    def norm(self) -> Node:
        raise NotMathError("a norm")

    def angles(self) -> Node:
        return self._sequence("langle")

    def blackboard(self) -> Node:
        name = self.raw_group()
        return ("reals",) if name == "R" else ("sym", f"mathbb {name}")


_CONSTANTS: dict[str, Node] = {
    "pi": ("sym", "pi"),
    "infty": ("inf",),
    "emptyset": ("set", ()),
    "reals": ("reals",),
    "imath": ("sym", "i"),
}
_READERS = {
    "frac": _Parser.fraction,
    "sqrt": _Parser.root,
    "cbrt": lambda parser: ("root", parser.script(), ("num", 3)),
    "binom": _Parser.binomial,
    "lfloor": _Parser.floor,
    "lceil": _Parser.ceiling,
    "langle": _Parser.angles,
    "mathbb": _Parser.blackboard,
    "Bbb": _Parser.blackboard,
}
_NOT_FACTORS = names(
    "cup cap setminus cdot times div pm mp le ge ne in equiv cong approx sim to rfloor rceil "
    "rangle circ choose"
) | frozenset(_RELATIONS)


def negated(node: Node) -> Node:
    if node[0] == "matrix":
        return ("matrix", tuple(tuple(negated(cell) for cell in row) for row in node[1]))
    if node[0] in ("seq", "set", "list"):
        raise NotMathError("a negated tuple or set")
    return ("neg", node)


def scaled(a: Node, b: Node) -> Node:
    """Product; a scalar times a matrix or a tuple is taken into its cells."""
    for scalar, other in ((a, b), (b, a)):
        if other[0] == "matrix" and scalar[0] not in ("matrix", "seq", "set"):
            return ("matrix", tuple(tuple(("mul", scalar, c) for c in row) for row in other[1]))
    if a[0] in ("matrix", "seq", "set") or b[0] in ("matrix", "seq", "set"):
        raise NotMathError("a product of tuples, sets or matrices")
    return ("mul", a, b)


def divided(a: Node, b: Node) -> Node:
    if a[0] == "matrix" and b[0] not in ("matrix", "seq", "set"):
        return ("matrix", tuple(tuple(("div", cell, b) for cell in row) for row in a[1]))
    if a[0] in ("seq", "set") or b[0] in ("matrix", "seq", "set"):
        raise NotMathError("a quotient of tuples, sets or matrices")
    return ("div", a, b)


def _is_clock(ratio: Node, minutes: str) -> bool:
    """Whether `h:mm` reads as a time of day, which is no ratio: 12:30 is not 6:15."""
    whole = len(ratio) == 3 and all(part[0] == "num" for part in ratio[1:])
    return whole and len(minutes) == 2 and ratio[1][1] <= 24 and ratio[2][1] < 60


def _mixed(whole: Node, fraction: Node) -> Node:
    if whole[0] == "neg":
        return ("neg", ("add", whole[1], fraction))
    return ("add", whole, fraction)


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
