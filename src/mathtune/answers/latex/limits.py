"""Limits on answers, and the two errors that end the reading of one. Under everything else."""

MAX_TEXT = 2_000
MAX_TOKENS = 400
MAX_DIGITS = 400


class NotMathError(Exception):
    """The text is not an expression this parser reads: compare it as text."""


class TooLargeError(Exception):
    """A text or a value beyond the limits: what cannot be compared as text stays undecided."""
