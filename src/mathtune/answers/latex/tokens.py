"""Walk over the tokens of an answer. What the readers of expressions and answers stand on."""

from mathtune.answers.latex.lexer import NotMathError, Token, TooLargeError

MAX_DEPTH = 25


class TokenReader:
    """A place in a list of tokens, and what has been seen up to it."""

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

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooLargeError(f"nested deeper than {MAX_DEPTH}")
