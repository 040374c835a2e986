"""Steps that leave cores free, executed in a child process while the run goes on.

A run hands such steps over in its recipe's order, and waits for one if a later step reads it. The
child executes them one after another, so that each finds what it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from mathtune.run.children import Child, on_sigterm
from mathtune.run.progress import say
from mathtune.run.stage import Stage
from mathtune.run.step import STEP, execute

SECONDS_TO_SAVE = 60.0
"""How long a training may take to write its checkpoint after SIGTERM."""


class Background:
    """The steps handed over, as a context: the child ends with it, in the middle of a step if an
    error ends the run. SIGTERM ends both, with exit code 0, once a training has saved itself.

    Example:
        >>> with Background() as background:
        ...     background.wait_for(["ssft"])  # nothing was handed over
    """

    def __init__(self) -> None:
        self._names: list[str] = []  # handed over and not known to be finished, in order
        self._child: Child | None = None
        self._signals = ExitStack()

    def start(
        self, stage: Stage[Any], folder: Path, *, name: str, redo: bool, place: str = ""
    ) -> None:
        """Hand a step over and return at once; finished ones are skipped or refused here."""
        if not self._names and (folder / STEP).exists() and not redo:
            execute(stage, folder, name=name)
            return
        if self._child is None:
            self._child = Child(name, _executing, quiet=True)
            self._signals.enter_context(on_sigterm(_leave))
        say(f"{name}: {stage.kind()}, in the background{place and f' ({place})'}")
        self._names.append(name)
        self._child.send((stage, folder, name, redo))

    def wait_for(self, names: Collection[str]) -> None:
        """Return when none of these steps is under way any more.

        Raises:
            Exception: what a step raised, as early as it is known.
            ProcessDiedError: the child died.
        """
        child = self._child
        while child is not None and self._names:
            if not child.end.poll() and set(names).isdisjoint(self._names):
                return
            child.name = self._names.pop(0)
            try:
                child.receive()
            finally:
                if said := child.said.rstrip():
                    say(f"{child.name}: finished in the background; it said:\n{said}")

    def __enter__(self) -> Background:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._signals:
            try:
                if error is None:
                    self.wait_for(list(self._names))
            finally:
                if self._child is not None:
                    asked = isinstance(error, SystemExit) and error.code == 0
                    self._child.close(grace=SECONDS_TO_SAVE if asked else 0.0)


def _leave() -> None:
    raise SystemExit(0)


def _executing() -> Callable[[tuple[Stage[Any], Path, str, bool]], None]:
    """In the child: execute a step."""

    def work(task: tuple[Stage[Any], Path, str, bool]) -> None:
        stage, folder, name, redo = task
        execute(stage, folder, name=name, redo=redo)

    return work
