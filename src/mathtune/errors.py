"""The errors that the command line explains in a sentence: bad input, a dead process, a stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

KEPT = "finished work is kept, and the same command continues from there."
"""The end of every sentence about an interruption."""


def many(number: int, one: str, more: str) -> str:
    """Return a number with the words that agree with it.

    Example:
        >>> many(1, "row lacks", "rows lack"), many(2000, "row lacks", "rows lack")
        ('1 row lacks', '2,000 rows lack')
    """
    return f"{number:,} {one if number == 1 else more}"


def of_samples(part: int, total: int, one: str, more: str) -> str:
    """Say how many of all samples do something.

    Example:
        >>> of_samples(1, 4, "has", "have"), of_samples(2, 1000, "has", "have")
        ('1 of 4 samples has', '2 of 1,000 samples have')
    """
    samples = "sample" if total == 1 else "samples"
    return f"{part:,} of {total:,} {samples} {one if part == 1 else more}"


def one_line(error: object, *, most: int = 300) -> str:
    r"""Return the message of another library's error as one line; it may be pages long.

    Example:
        >>> one_line(ValueError("no such\n  key"))
        'no such key'
    """
    return " ".join(str(error).split())[:most]


def split(text: str) -> tuple[str, ...]:
    """Return the names of a list with commas.

    Example:
        >>> split("math, prm800k")
        ('math', 'prm800k')

    Raises:
        ValueError: there is nothing before, between or after its commas.
    """
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise ValueError("a name is missing at a comma; expected names joined by commas")
    return names


def named(option: str, text: str) -> tuple[str, ...]:
    """Return the names of an option's list, as `split` does.

    Raises:
        InputError: instead of the ValueError, with the option's name.
    """
    try:
        return split(text)
    except ValueError as error:
        raise InputError(f"{option} {text}: {error}.") from None


class InputError(Exception):
    """Input that cannot be used: one sentence says what, where and what was expected.

    The command line prints the sentence and exits with code 2; nothing is left half-written.

    Example:
        >>> raise InputError("train.jsonl, line 3, field 'answer': missing; expected a string.")
        Traceback (most recent call last):
        mathtune.errors.InputError: train.jsonl, line 3, field 'answer': missing; expected a string.
    """


class SettingError(InputError):
    """A setting that cannot be used; `key` is its dotted name, by which it is found in the
    settings' file.

    Example:
        >>> SettingError("ssft.epochs", "found 0; input should be greater than 0.").key
        'ssft.epochs'
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key, self._reason = key, reason

    def __reduce__(self) -> tuple[type[SettingError], tuple[str, str]]:
        return SettingError, (self.key, self._reason)  # to survive pickling from a child process


class FailedStepsError(InputError):
    """Some steps of a recipe failed; those that do not need them were made.

    The command line writes the report of what there is, prints the sentence and exits with code 2.

    Example:
        >>> error = FailedStepsError({"pairs": "nothing is right."}, needing=["evaluator"])
        >>> print(str(error).replace(". ", ".\\n"))
        step pairs failed: nothing is right.
        Not made because they need it: evaluator.
        The same command tries again.
    """

    def __init__(self, reasons: Mapping[str, str], *, needing: Sequence[str]) -> None:
        lines = [f"step {name} failed: {reason}" for name, reason in reasons.items()]
        if needing:
            more = f", ... ({len(needing)} steps)" if len(needing) > 6 else ""
            lines.append(f"Not made because they need it: {', '.join(needing[:6])}{more}.")
        super().__init__(f"{' '.join(lines)} The same command tries again.")
        self.reasons = reasons


class ProcessDiedError(RuntimeError):
    """A worker process died without an error message, as when the system kills it.

    The command line prints the sentence and exits with code 1; finished work is kept.

    Example:
        >>> raise ProcessDiedError("ssft: its process died (out of memory?).")
        Traceback (most recent call last):
        mathtune.errors.ProcessDiedError: ssft: its process died (out of memory?).
    """


class Stopped(SystemExit):
    """Ctrl-C or SIGTERM stopped the command; the exit code is 128 and the signal's number.

    Example:
        >>> Stopped(15).code
        143
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
