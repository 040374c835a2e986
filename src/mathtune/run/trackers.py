"""Trackers: log losses, metrics and tables to tensorboard, wandb or trackio as well. Called by
training and report.

    with opened(("wandb",), Place("ssft", "quickstart", Path("tensorboard")), config={}) as them:
        for tracker in them:
            tracker.numbers({"train/loss": 0.5}, at=3)
            tracker.table("Models", ("model", "Pass@1"), [("base", "51.7")], text="| model | ...")

Users install the ones they want and set them up by the trackers' own environment variables:
WANDB_MODE=offline, WANDB_PROJECT, TRACKIO_DIR, TRACKIO_PROJECT and the rest.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, get_args

from pydantic import BeforeValidator

from mathtune.errors import InputError, named, split
from mathtune.run.names import PLAN
from mathtune.run.stage import Free

Name = Literal["tensorboard", "wandb", "trackio"]


def _split(value: Any) -> Any:
    """Split a text at its commas; an empty one names no tracker."""
    return (split(value) if value else ()) if isinstance(value, str) else value


Names = Annotated[tuple[Name, ...], BeforeValidator(_split), Free()]
"""Trackers by name; `tensorboard,wandb` on the command line. No result depends on them."""

PROJECT = "mathtune"
"""The project in wandb and trackio if the environment names none."""
LONGEST_KEY = 80
"""The longest table key, in characters: wandb adds its own part and refuses more than 128.
"""

Rows = Sequence[tuple[str, ...]]


class Tracker(Protocol):
    """The interface of every tracker."""

    def numbers(self, values: Mapping[str, float], *, at: int) -> None:
        """Log numbers by name after update `at`; 0 if there are no updates."""

    def table(self, title: str, header: tuple[str, ...], rows: Rows, *, text: str) -> None:
        """Log a table of texts. `text`: the same in Markdown, for trackers that show texts only."""

    def close(self) -> None:
        """Write the rest, and end."""


@dataclass(frozen=True)
class Place:
    """The name of a run in a tracker, and the folder of tensorboard's files."""

    name: str
    group: str | None
    folder: Path

    @property
    def title(self) -> str:
        """The run's name where groups are not shown: `quickstart/ssft`."""
        return self.name if self.group is None else f"{self.group}/{self.name}"

    @classmethod
    def of(cls, folder: Path) -> Place:
        """Name a step's or run's folder: the group is the run, the name is the path inside it."""
        run = next((one for one in (folder, *folder.parents) if (one / PLAN).exists()), None)
        files = folder / "tensorboard"
        if run is None:
            return cls(folder.name, None, files)
        inside = folder.relative_to(run)
        return cls("report" if run == folder else inside.as_posix(), run.name, files)


class Tensorboard:
    """Event files in the place's folder, which `tensorboard --logdir` of any parent finds."""

    def __init__(self, place: Place, config: Mapping[str, Any]) -> None:  # noqa: ARG002 (not shown)
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._files = EventFileWriter(str(place.folder))
        self._begun = False

    def numbers(self, values: Mapping[str, float], *, at: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        each = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._add(Summary(value=each), at)

    def table(self, title: str, header: tuple[str, ...], rows: Rows, *, text: str) -> None:  # noqa: ARG002
        from tensorboard.plugins.text.summary_v2 import text_pb

        self._add(text_pb(title, text), 0)

    def close(self) -> None:
        self._files.close()

    def _add(self, summary: Any, at: int) -> None:
        """Add a summary; before the first one, mark later entries as void.

        A training that continues from a checkpoint logs some updates again.
        """
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        if not self._begun:
            begin = SessionLog(status=SessionLog.START)
            self._files.add_event(Event(step=at, wall_time=time.time(), session_log=begin))
            self._begun = True
        self._files.add_event(Event(step=at, wall_time=time.time(), summary=summary))


class Logged:
    """A run that logs dictionaries and tables, as wandb's and trackio's do.

    `table`: the library's kind of table. `where`: further arguments of a table's entry.
    """

    def __init__(self, run: Any, table: Any, **where: int) -> None:
        self._run, self._table, self._where = run, table, where

    def numbers(self, values: Mapping[str, float], *, at: int) -> None:
        self._run.log(dict(values), step=at)

    def table(self, title: str, header: tuple[str, ...], rows: Rows, *, text: str) -> None:  # noqa: ARG002
        shown = self._table(columns=_headed(header), data=[list(row) for row in rows])
        self._run.log({key(title): shown}, **self._where)

    def close(self) -> None:
        self._run.finish()


def _wandb(place: Place, config: Mapping[str, Any]) -> Logged:
    """Begin a run of the project WANDB_PROJECT, else `mathtune`; steps of one run folder are a
    group.
    """
    import wandb

    try:
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=place.title,
            group=place.group,
            config=dict(config),
            reinit="create_new",  # a separate run for every training in one process
        )
    except wandb.Error as error:
        raise InputError(
            f"report_to: wandb says {str(error).rstrip('.')!r}; expected `wandb login`, or "
            "WANDB_MODE=offline in the environment."
        ) from error
    return Logged(run, wandb.Table)


def _trackio(place: Place, config: Mapping[str, Any]) -> Logged:
    """Begin a run of the project TRACKIO_PROJECT, else `mathtune`, in trackio's files on this
    machine.
    """
    import trackio

    run = trackio.init(
        project=os.environ.get("TRACKIO_PROJECT", PROJECT),
        name=place.title,
        group=place.group,
        config=dict(config),
        embed=False,
        auto_log_cpu=False,
        auto_log_gpu=False,
    )
    return Logged(run, trackio.Table, step=0)


KINDS: dict[Name, Callable[[Place, Mapping[str, Any]], Tracker]] = {
    "tensorboard": Tensorboard,
    "wandb": _wandb,
    "trackio": _trackio,
}


def parse(text: str | None) -> tuple[Name, ...]:
    """Read `tensorboard,wandb`, as an option of the command line gives it.

    Raises:
        InputError: a name is missing, of no tracker, or of one that is not installed.
    """
    given: Any = named("--report-to", text) if text else ()
    for name in given:
        if name not in get_args(Name):
            raise InputError(
                f"--report-to {text}: no tracker {name!r}; expected {', '.join(get_args(Name))}."
            )
    require(given)
    return given


def require(names: Sequence[Name]) -> None:
    """Raise InputError if a tracker is not installed, before any work."""
    for name in names:
        if find_spec(name) is None:
            raise InputError(
                f"report_to: found {name!r}, which is not installed; expected `pip install {name}`."
            )


@contextmanager
def opened(
    names: Sequence[Name], place: Place, config: Mapping[str, Any]
) -> Iterator[list[Tracker]]:
    """Open the named trackers, and close them at the end. `config`: settings to show, as JSON.

    Raises:
        InputError: a tracker is not installed, or its login fails.
    """
    require(names)
    found: list[Tracker] = []
    with ExitStack() as closing:
        for name in names:
            tracker = KINDS[name](place, config)
            closing.callback(tracker.close)
            found.append(tracker)
        yield found


def key(title: str) -> str:
    """Return a table's title as a name that wandb and trackio accept.

    >>> key("Strategies over 8 samples of ssft (optimistic: K chosen on these problems)")
    'tables/strategies-over-8-samples-of-ssft-optimistic-k-chosen-on-these-problems'
    """
    return f"tables/{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}"[:LONGEST_KEY]


def _headed(header: tuple[str, ...]) -> list[str]:
    """Return unique, non-empty names for the columns: `Data`'s first column has none."""
    names: list[str] = []
    for place, name in enumerate(header):
        names.append(name if name and name not in names else f"{name or 'column'} {place + 1}")
    return names
