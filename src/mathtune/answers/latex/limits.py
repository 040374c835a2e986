"""Limits on answers, and the two errors that end the reading of one. Under everything else."""

MAX_TEXT = 2_000
MAX_TOKENS = 400
MAX_DIGITS = 400


class NotMathError(Exception):
    """The text is not an expression that this parser reads; it is compared as text."""


class TooLargeError(Exception):
    """A text or a value beyond the limits; if it cannot be compared as text it is undecided."""
