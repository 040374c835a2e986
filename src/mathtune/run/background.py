"""Steps that leave cores free, executed in a child process while the run goes on.

A run hands such steps over in its recipe's order, and waits for one if a later step reads it. The
child executes them one after another, so that each finds its inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mathtune.run.children import Child, on_sigterm
from mathtune.run.failures import Failures, StepFailedError
from mathtune.run.names import STEP
from mathtune.run.progress import say
from mathtune.run.stage import Stage
from mathtune.run.step import execute


@dataclass(frozen=True)
class Step:
    """One use of a stage in a recipe: name, resolved config, and the steps whose files it reads."""

    name: str
    stage: Stage
    reads: tuple[str, ...]


SECONDS_TO_SAVE = 60.0
"""The longest time for a training to write its checkpoint after SIGTERM, in seconds."""


class Background:
    """The steps handed over, as a context: the child ends with it, in the middle of a step if an
    error ends the run. SIGTERM ends both, with exit code 0, once a training has saved its state.

    Failed steps are noted in `failures`; steps that need them are not made.

    Example:
        >>> with Background(Failures()) as background:
        ...     background.wait_for(["ssft"])  # nothing was handed over
    """

    def __init__(self, failures: Failures) -> None:
        self._failures = failures
        # The steps that were handed over and are not known to be finished, in order.
        self._reads: dict[str, tuple[str, ...]] = {}
        self._child: Child | None = None
        self._signals = ExitStack()

    def start(self, step: Step, folder: Path, *, redo: bool, place: str = "") -> None:
        """Hand a step over and return at once; finished ones are skipped or refused here."""
        stage, name = step.stage, step.name
        if not self._reads and (folder / STEP).exists() and not redo:
            execute(stage, folder, name=name, in_recipe=True)
            return
        if self._child is None:
            self._child = Child(name, _executing, quiet=True)
            self._signals.enter_context(on_sigterm(_leave))
        say(f"{name}: {stage.kind()}, in the background{place and f' ({place})'}")
        self._reads[name] = step.reads
        self._child.send((step, folder, redo))

    def wait_for(self, names: Collection[str]) -> None:
        """Wait until none of these steps is under way any more.

        Raises:
            Exception: what a step raised, as early as it is known.
            ProcessDiedError: the child died.
        """
        child = self._child
        while child is not None and self._reads:
            if not child.end.poll() and set(names).isdisjoint(self._reads):
                return
            child.name = next(iter(self._reads))
            reads = self._reads.pop(child.name)
            try:
                reason = child.receive()
                if reason and not self._failures.blocks(child.name, reads):
                    self._failures.note(child.name, reason)
            finally:
                if said := child.said.rstrip():
                    say(f"{child.name}: finished in the background; its messages:\n{said}")

    def __enter__(self) -> Background:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        with self._signals:
            try:
                if error is None:
                    self.wait_for(list(self._reads))
            finally:
                if self._child is not None:
                    asked = isinstance(error, SystemExit) and error.code == 0
                    self._child.close(grace=SECONDS_TO_SAVE if asked else 0.0)


def _leave() -> None:
    raise SystemExit(0)


def _executing() -> Callable[[tuple[Step, Path, bool]], str | None]:
    """Execute a step in the child unless it needs a failed one; return the reason of a failure."""
    failed: dict[str, str] = {}

    def work(task: tuple[Step, Path, bool]) -> str | None:
        step, folder, redo = task
        needed = next((failed[name] for name in step.reads if name in failed), None)
        if needed is None:
            try:
                execute(step.stage, folder, name=step.name, redo=redo, in_recipe=True)
                return None
            except StepFailedError as error:
                needed = error.reason
        failed[step.name] = needed
        return needed

    return work
