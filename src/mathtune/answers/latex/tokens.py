"""Walk over the tokens of an answer, and name the grammar's rules. Under brackets and commands."""

from abc import ABC, abstractmethod

from mathtune.answers.latex.lexer import Token
from mathtune.answers.latex.limits import NotMathError, TooLargeError
from mathtune.answers.latex.nodes import Node

MAX_DEPTH = 25


class TokenReader:
    """A position in a list of tokens, with the state of the reading up to it."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.bars = 0
        self.sign = 1
        self.signs_seen = False
        self.in_set = False
        self.outward = False  # inside `]1,2[`, where `[` opens nothing

    def peek(self, ahead: int = 0) -> str:
        """Return the text of a mark or command ahead; the empty string for anything else."""
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

    def group(self) -> list[Token]:
        """Return the tokens of a group without braces, or the one token ahead."""
        found: list[Token] = []
        depth = 0
        while True:
            token = self.token()
            if token is None:
                raise NotMathError("a group does not close")
            self.at += 1
            if token.kind == "mark" and token.text in ("{", "}"):
                depth += 1 if token.text == "{" else -1
            else:
                found.append(token)
            if depth <= 0:
                return found

    def raw_group(self) -> str:
        """Return the text of a group, unread."""
        return "".join(token.text for token in self.group())

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooLargeError(f"nested deeper than {MAX_DEPTH}")


class Grammar(TokenReader, ABC):
    """The rules of the grammar that the readers of brackets and commands call.

    `expression.ExpressionReader` and `parse` define them.
    """

    @abstractmethod
    def item(self, *, top: bool) -> Node:
        """Read one member of a list, which may be a relation; at the `top` it may have a unit."""

    @abstractmethod
    def items(self, *, top: bool) -> tuple[tuple[Node, ...], str]:
        """Read the members of a list and the word that joins them."""

    @abstractmethod
    def inside(self) -> tuple[Node, ...]:
        """Read the items of a bracket; a `\\pm` among them is left to the item outside."""

    @abstractmethod
    def nested(self) -> Node:
        """Return an expression inside brackets, which holds no unit."""

    @abstractmethod
    def sum(self) -> Node:
        """Return terms joined by plus and minus."""

    @abstractmethod
    def factor(self) -> Node:
        """Return a power with its signs."""

    @abstractmethod
    def starts_factor(self) -> bool:
        """Return True if the next token begins another factor of a product."""

    @abstractmethod
    def juxtaposed(self, left: Node) -> Node:
        """Return `left` times the factor that follows it without a sign, or a mixed number."""

    @abstractmethod
    def power(self) -> Node:
        """Return an atom with its postfixes and exponent."""

    @abstractmethod
    def take_circle(self) -> bool:
        """Take the circle of a degree sign behind `^`."""

    @abstractmethod
    def product(self) -> Node:
        """Return a product: factors with or without a sign between them."""

    @abstractmethod
    def exponent(self) -> Node:
        """Return the exponent behind `^`."""

    @abstractmethod
    def postfix(self, base: Node) -> Node:
        """Return `base` with the `!`, `%` and primes that follow it."""

    @abstractmethod
    def script(self, *, powers: bool = False, digits: bool = False) -> Node:
        """Return one argument: a group, else one number, symbol or command."""

    @abstractmethod
    def atom(self) -> Node:
        """Return a number, symbol, word, bracket or command."""

    @abstractmethod
    def based(self, token: Token) -> Node:
        """Return a number, with its base if it has a subscript."""
