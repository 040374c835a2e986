"""Failed steps of a run: their reasons, in the steps' folders, and the steps that need them.

A step fails if its inputs cannot give its outputs: `pairs` without any right solution. The run goes
on with the steps that do not need it, and the same command tries it again.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection
from pathlib import Path

import msgspec

from mathtune.errors import FailedStepsError, InputError, ProcessDiedError
from mathtune.rows import jsonl
from mathtune.run.names import FAILED
from mathtune.run.progress import say


class Failure(msgspec.Struct, frozen=True):
    """failed.json: the reason, with the remedy, and when the step failed."""

    reason: str
    when: str


class StepFailedError(Exception):
    """A step of a recipe failed; `reason` is the sentence of its error."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def write(folder: Path, error: InputError | ProcessDiedError) -> None:
    """Write down why the step in `folder` failed."""
    folder.mkdir(parents=True, exist_ok=True)
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    jsonl.write_json(folder / FAILED, Failure(str(error), when))


def read(folder: Path) -> Failure | None:
    """Return why the step in `folder` failed; None if it did not."""
    path = folder / FAILED
    return jsonl.read_json(path, Failure) if path.exists() else None


class Failures:
    """The failed steps of a run under way, and the steps that are not made because they need them.

    Example:
        >>> failures = Failures()
        >>> failures.note("pairs", "no problem has a right solution.")
        >>> failures.blocks("evaluator", ["data", "pairs"]), failures.blocks("row", ["data"])
        (True, False)
        >>> failures.blocked
        {'evaluator': 'pairs'}
    """

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self.blocked: dict[str, str] = {}

    def note(self, name: str, reason: str) -> None:
        """Note that a step failed, and print it; the reason is printed at the end of the run."""
        self.reasons[name] = reason
        say(f"{name}: failed")

    def blocks(self, name: str, reads: Collection[str]) -> bool:
        """Return whether a step needs a failed one; note which."""
        needed = next((one for one in reads if one in self.reasons or one in self.blocked), None)
        if needed is None:
            return False
        self.blocked[name] = self.blocked.get(needed, needed)
        return True

    def refuse(self) -> None:
        """Raise FailedStepsError if a step failed."""
        if self.reasons:
            raise FailedStepsError(self.reasons, needing=list(self.blocked))
