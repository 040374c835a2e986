"""Progress and messages on standard error: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.segment import Segment

from mathtune.run import ranks


class Terminal(Console):
    """A console that shows every text literally.

    Text from models, servers and files may hold control sequences, which a terminal would obey, and
    parts that look like rich's markup. Styles and layout come from `Text` and `Table` alone.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Yield the output with invisible characters replaced; rich's own controls stay.

        Some characters (backspace, bell) never reach it: `Text` has dropped them.
        """
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text), style, control)


console = Terminal(stderr=True, soft_wrap=True)
"""Progress and messages go to standard error."""
WIDE = 120
"""The width of a line in a file or pipe, in characters: tables fit without folded cells."""
_plain = not sys.stdout.isatty() and "COLUMNS" not in os.environ
output = Terminal(width=WIDE if _plain else None)
"""Results go to standard output."""

SECONDS_BETWEEN_LINES = 15.0


def say(line: str) -> None:
    """Print one line, in the first one of several processes launched together."""
    if ranks.first():
        console.print(visible(line))


def visible(text: str, *, keep: str = "\n\t") -> str:
    """Replace every character that cannot be seen, except those in `keep`.

    Example:
        >>> visible("4\x1b[2J2")
        '4\ufffd[2J2'
    """
    return "".join(c if c.isprintable() or c in keep else "\ufffd" for c in text)


def say_once(kind: str, line: str) -> None:
    """Print a line as `say` does, but only the first of its kind in this process."""
    if kind not in _said:
        _said.add(kind)
        say(line)


_said: set[str] = set()


def duration(seconds: float) -> str:
    """Return a time in seconds, minutes or hours, with two or three digits.

    Example:
        >>> duration(0.4), duration(45.2), duration(270), duration(5400), duration(1e6)
        ('under 1 s', '45 s', '4.5 min', '1.5 hours', '278 hours')
    """
    if seconds < 1:
        return "under 1 s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    for size, unit in ((60.0, "min"), (3600.0, "hours")):
        if (value := seconds / size) < 75 or unit == "hours":
            break
    return f"{value:.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"


class Heartbeat:
    """Lines about one long piece of work, each after twice the time of the one before: after 15 s,
    30 s, 1 min, 2 min, ... Short work says nothing.
    """

    def __init__(self) -> None:
        self._start, self._next = time.monotonic(), SECONDS_BETWEEN_LINES

    def beat(self, line: Callable[[float], str]) -> None:
        """Say `line(seconds since the start)` if it is time."""
        seconds = time.monotonic() - self._start
        if seconds > self._next:
            self._next *= 2
            say(line(seconds))


class Countdown:
    """The position of a step in its run, and the time left.

    `expected`: the expected seconds of each step, in order; None: unknown. `finished` returns
    whether a step is done. The time of the steps so far corrects the expectation for the others.
    """

    def __init__(
        self, expected: Mapping[str, float | None], finished: Callable[[str], bool]
    ) -> None:
        self._expected, self._finished = expected, finished
        self._before = {name for name in expected if finished(name)}
        self._start = time.monotonic()

    def at(self, name: str) -> str:
        """Return `step 7 of 48, about 3 min left`; without the time if one is unknown."""
        place = f"step {list(self._expected).index(name) + 1} of {len(self._expected)}"
        done = {step for step in self._expected if self._finished(step)}
        left = [seconds for step, seconds in self._expected.items() if step not in done]
        if None in left:
            return place
        foreseen = sum(self._expected[step] or 0.0 for step in done - self._before)
        spent = time.monotonic() - self._start
        rest = sum(seconds or 0.0 for seconds in left)
        # The first steps show little: their time counts once it is a fair part of the whole.
        factor = spent / foreseen if foreseen > 0.1 * (foreseen + rest) else 1.0
        return f"{place}, about {duration(rest * factor)} left"


class Progress:
    """A count of finished units of work, with the rate and the time left; `total` 0: unknown.

    Example:
        >>> with Progress("sample", total=2, unit="problems") as progress:
        ...     progress.advance()
        ...     progress.advance(note="1,200 tokens/s")
    """

    def __init__(
        self, label: str, *, total: int, unit: str, every: float = SECONDS_BETWEEN_LINES
    ) -> None:
        self._every = every  # seconds between two lines if there is no bar
        self.label, self.total, self.unit = label, total, unit
        self.done = 0
        self._start = self._last = time.monotonic()
        self._bar = None
        if total and console.is_terminal and ranks.first():
            columns = (
                TextColumn("  {task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
            )
            self._bar = Bar(*columns, console=console, transient=True)
            self._task = self._bar.add_task(escape(label), total=total, note="")

    def advance(self, units: int = 1, *, note: str = "") -> None:
        """Count `units` more; `note` is shown next to the count (a rate, a loss)."""
        self.done += units
        if self._bar is not None:
            self._bar.update(self._task, advance=units, note=escape(note))
        elif time.monotonic() - self._last > self._every:
            self._last = time.monotonic()
            say(f"  {self.label}: {self._state()}{'; ' + note if note else ''}")

    def _state(self) -> str:
        if not self.total:
            return f"{self.done:,} {self.unit}"
        elapsed = time.monotonic() - self._start
        left = elapsed / max(self.done, 1) * (self.total - self.done)
        return f"{self.done} of {self.total} {self.unit}, {left:.0f} s left"

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()
