"""The errors that the command line answers with a sentence: what a user gave cannot be used, or a
process of ours died.
"""

from __future__ import annotations


class InputError(Exception):
    """What was given cannot be used: one sentence says what, where and what was expected.

    The command line prints the sentence and exits with code 2; nothing is left half-written.

    Example:
        >>> raise InputError("train.jsonl, line 3, field 'answer': missing; expected a string.")
        Traceback (most recent call last):
        mathtune.errors.InputError: train.jsonl, line 3, field 'answer': missing; expected a string.
    """


class SettingError(InputError):
    """A setting that cannot be used; `key` is its dotted name, by which the settings' file is read.

    Example:
        >>> SettingError("ssft.epochs", "found 0; input should be greater than 0.").key
        'ssft.epochs'
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key


class ProcessDiedError(RuntimeError):
    """A process that worked for this one ended without a word, as one does that the system kills.

    The command line prints the sentence and exits with code 1; what was finished is kept.

    Example:
        >>> raise ProcessDiedError("ssft: its process died (out of memory?).")
        Traceback (most recent call last):
        mathtune.errors.ProcessDiedError: ssft: its process died (out of memory?).
    """
