r"""Read an expression: sums, products, powers, functions, brackets, LaTeX commands. Under `parse`.

Recursive descent, from the loosest binding to the tightest. Products need no sign; `1\frac{1}{2}`
and `7 3/4` are mixed numbers; TeX's one-digit arguments (`\frac12`) are read as TeX reads them.
"""

from mathtune.answers.latex.brackets import bracketed
from mathtune.answers.latex.commands import ONE_ARGUMENT, READERS, choice, choices, function
from mathtune.answers.latex.environments import environment
from mathtune.answers.latex.lexer import Token
from mathtune.answers.latex.limits import NotMathError
from mathtune.answers.latex.nodes import Node, added, divided, mixed, negated, raised, scaled
from mathtune.answers.latex.number_words import joined_number, number_word
from mathtune.answers.latex.tokens import Grammar
from mathtune.answers.latex.units import known, names, singular

RELATIONS = {
    "=": "=", "==": "=", "<": "<", ">": ">", "le": "<=", "ge": ">=", "<=": "<=", ">=": ">=",
    "ne": "!=", "!=": "!=", "in": "in", "equiv": "=", "cong": "=", "coloneqq": "=",
}  # fmt: skip
_GREEK = names(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau "
    "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell "
    "hbar triangle angle square diamond heartsuit clubsuit spadesuit aleph star"
)
_ONE_TOKEN = ("number", "symbol")
_MANY_ARGUMENTS = frozenset(["gcd", "lcm", "max", "min"])
_ACCENTS = names("bar vec hat tilde overleftrightarrow mathcal mathfrak mathscr overset dot ddot")


class ExpressionReader(Grammar):
    """Read one expression; the subclass reads lists and relations."""

    def union(self) -> Node:
        left = self.sum()
        while True:
            operator = self.peek()
            if operator == "cup" or (
                operator == "" and self._is_symbol("U") and left[0] in ("seq", "set")
            ):
                self.at += 1
                left = ("union", left, self.sum())
            elif operator == "cap":
                self.at += 1
                left = ("meet", left, self.sum())
            elif operator == "setminus":
                self.at += 1
                left = ("less", left, self.sum())
            elif operator == "choose":
                self.at += 1
                left = ("call", "binom", left, self.sum())
            elif operator == "over":
                self.at += 1
                left = divided(left, self.sum())
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
                left = added(left, right if plus else negated(right))
            elif operator == "+":
                self.at += 1
                left = added(left, self.product())
            elif operator == "-":
                self.at += 1
                right = self.product()
                # The reals without a few; else a difference.
                less = right[0] == "set"
                left = ("less", left, right) if less else added(left, negated(right))
            else:
                self.depth -= 1
                return left

    def product(self) -> Node:
        left = self.factor()
        while True:
            operator = self.peek()
            if operator in ("*", "cdot", "times"):
                self.at += 1
                left = scaled(left, self.factor())
            elif operator == "bmod":
                self.at += 1
                left = ("call", "mod", left, self.factor())
            elif operator in ("/", "div"):
                self.at += 1
                left = divided(left, self.factor())
            elif self.starts_factor():
                left = self.juxtaposed(left)
            else:
                return left

    def juxtaposed(self, left: Node) -> Node:
        """Read an implicit product, or a mixed number such as `7 3/4` or `1\\frac{1}{2}`."""
        before = self.tokens[self.at - 1]
        token = self.tokens[self.at]
        whole = before.kind == "number" and isinstance(before.value, int)
        if whole and token.text == "frac":
            right = self.power()
            percent = right[0] == "pct"
            right = right[1] if percent else right
            if right[0] == "div" and right[1][0] == right[2][0] == "num":
                value = mixed(left, right)
                return ("pct", value) if percent else value
            return scaled(left, ("pct", right) if percent else right)
        if token.kind == "number":
            after = self.tokens[self.at + 1 : self.at + 3]
            fraction = len(after) == 2 and after[0].text == "/" and after[1].kind == "number"
            if whole and token.spaced and fraction and isinstance(left[-1], int | tuple):
                self.at += 3
                parts = ("num", token.value), ("num", after[1].value)
                return self.postfix(mixed(left, ("div", *parts)))
            if before.kind == "number" and not (token.spaced and self._power_follows(left)):
                raise NotMathError("two numbers side by side")
        return scaled(left, self.power())

    def _power_follows(self, left: Node) -> bool:
        """Return True between the powers of `2^6 3^5`, which are no two numbers side by side."""
        last = left[2] if left[0] == "mul" else left
        return last[0] == "pow" and self.peek(1) == "^"

    def starts_factor(self) -> bool:
        token = self.token()
        if token is None or token.kind == "word":
            return False
        if token.kind in ("number", "symbol"):
            return not (token.text == "U" and self._union_follows())
        if token.kind == "mark":
            if token.text == "[":
                return not self.outward
            if token.text == "(" and self.peek(1) == "bmod":
                return False
            if token.text == "\\{":
                return self.at > 0 and self.tokens[self.at - 1].text == "\\}"
            return token.text in ("(", "{") or (token.text == "|" and not self.bars)
        return token.text not in _NOT_FACTORS and not token.text.startswith("end ")

    def _union_follows(self) -> bool:
        before, after = self.tokens[self.at - 1], self.peek(1)
        return before.text in (")", "]", "\\}") and after in ("(", "[", "\\{")

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
            if self.take_circle():
                return ("deg", base)
            if self.peek() == "{" and self.peek(1) == "'":
                raise NotMathError("a prime")
            token = self.token()
            if base[0] == "sym" and self.peek(1) == "_" and token and token.kind in _ONE_TOKEN:
                self.at += 1  # TeX takes one sign: a^n_k is a_k^n
                number = token.kind == "number"
                exponent: Node = ("num", token.value) if number else ("sym", token.text)
            else:
                exponent = self.exponent()
            if self.peek() == "_" and base[0] == "sym" and "_" not in base[1]:
                self.at += 1  # x^2_1 is x_1^2
                base = ("sym", f"{base[1]}_{self.subscript()}")
            base = self.postfix(choices(base, exponent) or raised(base, exponent))
        elif self.take("circ"):
            return ("deg", base)
        return base

    def take_circle(self) -> bool:
        """Take the circle of a degree sign behind `^`."""
        if self.take("circ"):
            return True
        if self.peek() == "{" and self.peek(1) == "circ" and self.peek(2) == "}":
            self.at += 3
            return True
        return False

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
            if self.peek() == "!" == self.peek(1):
                self.at += 2
                base = ("call", "semifact", base)
            elif self.peek() == "!":
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
        """Read the argument of `^`, `\\frac`, `\\sqrt`: a group, or one number, symbol, command."""
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
        """Read an expression inside brackets, which holds no unit."""
        outside = self.bars, self.outward
        self.bars, self.outward = 0, False
        inner = self.union()
        self.bars, self.outward = outside
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
            if number is not None:
                return ("num", self._joined(number))
            before = self.tokens[self.at - 2].text if self.at > 1 else ""
            if before in ("/", "{", "cdot", "*", "(") and known(token.text):
                return ("sym", f"unit {singular(token.text.lower())}")
            raise NotMathError(f"the word {token.text!r}")
        if token.kind == "mark":
            if token.text == "{" and self.take("}"):  # {}_{10}C_3
                self.at += 1
                token = self.tokens[self.at - 1] if self.at <= len(self.tokens) else token
            if token.text in ("^", "_"):
                return choice(self)
            return bracketed(self, token.text)
        return self.command(token.text)

    def _joined(self, tens: int) -> int:
        """Read `twenty-five` or `twenty five`, of which `twenty` is taken."""
        ahead = 1 if self.peek() == "-" else 0
        token = self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else None
        number = None if token is None else joined_number(tens, token.text)
        if number is None:
            return tens
        self.at += ahead + 1
        return number

    def based(self, token: Token) -> Node:
        if self.peek() != "_":
            return ("num", token.value)
        self.at += 1
        base = self.subscript()
        if not base.isdigit() or int(base) < 2:
            raise NotMathError("a number with a subscript that is no base")
        return ("base", token.text.lstrip("0") or "0", int(base))

    def symbol(self, name: str) -> Node:
        if self.peek() == "_":
            self.at += 1
            name = f"{name}_{self.subscript()}"
        if self.peek() != "(" or len(name) > 1:
            return ("sym", name)
        if name in "fgh" and self.peek(2) == ")":
            place = self.tokens[self.at + 1]
            if place.kind == "number":  # no product: f(2) < f(4) says nothing of f(1)
                self.at += 3
                return ("sym", f"{name}({place.value})")
        if (name in "fgh" or name.isupper()) and self._pair_follows():
            self.at += 1
            return ("point", name, bracketed(self, "("))
        if name in "fgh":
            self.at += 1
            return scaled(("sym", name), bracketed(self, "("))
        return ("sym", name)

    def _pair_follows(self) -> bool:
        """Return True if the bracket ahead holds a comma: `P(2, 3)`, `f(x, y)`."""
        depth = 0
        for at in range(self.at, len(self.tokens)):
            text = self.tokens[at].text
            depth += (text in ("(", "[", "{", "\\{")) - (text in (")", "]", "}", "\\}"))
            if depth == 1 and text == ",":
                return True
            if depth == 0:
                return False
        return False

    def subscript(self) -> str:
        """Read the text of a subscript: part of a name, or a base."""
        token = self.token()
        if token is None or (token.kind == "mark" and token.text != "{"):
            raise NotMathError("an empty subscript")
        return "".join(_numeral(t) for t in self.group() if t.text not in ("(", ")"))

    def inside(self) -> tuple[Node, ...]:
        """Read the items of a bracket. A `\\pm` among them is left to the item outside."""
        bars, self.bars = self.bars, 0
        items = [self.item(top=False)]
        while self.take(",", ";"):
            items.append(self.item(top=False))
        self.bars = bars
        return tuple(items)

    def command(self, name: str) -> Node:
        if name in ONE_ARGUMENT:
            return function(self, name)
        if name in _MANY_ARGUMENTS:
            opener = self.need("(", "{", "\\{", "[")
            items = self.inside()
            self.need({"(": ")", "{": "}", "\\{": "\\}", "[": "]"}[opener])
            if len(items) == 1 and items[0][0] in ("seq", "set"):  # \\max{(1, 2)}
                items = tuple(items[0][-1])
            return ("call", name, *items)
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name in _GREEK:
            return self.symbol(name)
        if name in _ACCENTS:
            return self.symbol(f"{name} {self.raw_group()}")
        if name.startswith("begin "):
            return environment(self, name[6:])
        reader = READERS.get(name)
        if reader is None:
            raise NotMathError(f"unknown command \\{name}")
        return reader(self)


def _numeral(token: Token) -> str:
    """Return the text of a token in a subscript; `eight` as `8`."""
    number = number_word(token.text) if token.kind == "word" else None
    return token.text if number is None else str(number)


_CONSTANTS: dict[str, Node] = {
    "pi": ("sym", "pi"),
    "infty": ("inf",),
    "emptyset": ("set", ()),
    "reals": ("reals",),
}
_NOT_FACTORS = names(
    "cup cap setminus cdot times div pm mp le ge ne in equiv cong approx sim to rfloor rceil "
    "rangle circ choose over bmod pmod ldots forall exists land notin rightarrow Rightarrow implies"
) | frozenset(RELATIONS)
