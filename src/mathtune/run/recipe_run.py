"""A recipe's run: its steps, planned and checked, then executed in the run folder. Above step.

    runs/quickstart/
      plan.json          every step of the recipe, written before work starts
      forecast.json      what its steps were expected to cost
      ssft/              one folder per step (step.py)

A recipe is called twice: first to plan (configs are validated and listed, nothing runs), then to
work. Handles are paths inside the run folder, so a recipe cannot branch on a result.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from mathtune.errors import FailedStepsError, InputError, SettingError
from mathtune.rows import jsonl
from mathtune.run import finished, ranks
from mathtune.run.background import Background, Step
from mathtune.run.documents import Plan, PlannedStep, Prediction, read_plan
from mathtune.run.failures import Failures, StepFailedError
from mathtune.run.fingerprint import growth, inputs, settings
from mathtune.run.finished import refuse_changes, refuse_edits, regathered
from mathtune.run.folder_lock import locked
from mathtune.run.names import FAILED, FORECAST, LOCK, PLAN, STEP
from mathtune.run.progress import Countdown, say
from mathtune.run.stage import Stage, fault
from mathtune.run.step import execute
from mathtune.run.version import __version__

Handle = TypeVar("Handle")
Overrides = Mapping[str, Mapping[str, Any]]
"""Fields to set, by step name (`ssft`) or by stage (`train`, for every step of that stage)."""

BEGUN = (LOCK, PLAN + jsonl.PARTIAL)
"""The files of a run that was killed before its plan was whole."""
FILES = (".jsonl", ".jsonl.gz", ".gguf", ".yaml")
UNUSABLE = re.compile(
    r"""[<>:"\\|?*\x00-\x1f]|[. ](/|$)|(^|/)(con|prn|aux|nul|com\d|lpt\d)([./]|$)""", re.IGNORECASE
)
"""What no folder's name may hold on Windows."""


@dataclass(frozen=True)
class _Work:
    """The second call of a recipe: the steps to redo, the process for steps in the background, the
    failed steps, and the countdown.
    """

    redo: frozenset[str]
    background: Background
    failures: Failures
    countdown: Countdown


class Run:
    """A recipe's view of its run folder: `run(name, stage)` adds a step and returns its handle.

    Example:
        A recipe composes steps by passing handles on:

            data = run("data", Prepare(source="arithmetic"))
            model = run("ssft", Train(model="embedded", examples=data.solutions))
    """

    def __init__(self, folder: Path, *, overrides: Overrides) -> None:
        self.folder = folder
        self.steps: dict[str, Step] = {}
        self._overrides = overrides
        self._scope: tuple[str, ...] = ()
        self._fields: Mapping[str, Any] = {}
        self._work: _Work | None = None

    def __call__(self, name: str, stage: Stage[Handle]) -> Handle:
        full = "/".join((*self._scope, name))
        if self._work is not None:
            self._execute(self.steps[full], self._work)
            return stage.outputs(self.folder / full)
        if full.casefold() in map(str.casefold, self.steps):
            raise ValueError(f"two steps are named {full!r}")  # macOS and Windows: in one folder
        if UNUSABLE.search(full):
            raise InputError(f"step {full!r}: not every system can name a folder so.")
        stage = self.with_settings(name, stage)
        reads = dict.fromkeys(self._step_of(read) for read in inputs(stage) if self._inside(read))
        self.steps[full] = Step(full, stage, tuple(reads))
        return stage.outputs(self.folder / full)

    def _execute(self, step: Step, work: _Work) -> None:
        folder, redo = self.folder / step.name, step.name in work.redo
        apart, place = step.stage.leaves_cores(), work.countdown.at(step.name)
        if not apart:
            work.background.wait_for(step.reads)
        if work.failures.blocks(step.name, step.reads):
            if redo:  # never show the former results of a step that is to be made again
                shutil.rmtree(folder, ignore_errors=True)
        elif apart:
            work.background.start(step, folder, redo=redo, place=place)
        else:
            try:
                execute(step.stage, folder, name=step.name, redo=redo, in_recipe=True, place=place)
            except StepFailedError as error:
                work.failures.note(step.name, error.reason)

    def within(self, scope: str | None, **fields: Any) -> Run:
        """Return the same run whose further steps are in the folder `scope`, with `fields` set if
        they exist.

        `scope` None: in the same folder. The fields of nested runs add up.
        Settings given for a step's name reach it in every scope.
        """
        inner = copy(self)
        inner._scope = self._scope if scope is None else (*self._scope, scope)
        inner._fields = {**self._fields, **fields}
        return inner

    def with_settings(self, name: str, stage: Stage[Handle]) -> Stage[Handle]:
        """Return the stage with the settings that a step of that name gets."""
        has = type(stage).model_fields
        known = {key: value for key, value in self._fields.items() if key in has}
        stage = stage.replaced(known, where="/".join(self._scope))
        for key in (stage.kind(), name):
            if key in self._overrides:
                stage = stage.replaced(self._overrides[key], where=key)
        return stage

    def work(
        self,
        recipe: Callable[[Run], None],
        *,
        redo: frozenset[str],
        seconds: Mapping[str, float | None],
    ) -> None:
        """Call the planned recipe again, this time executing its steps.

        `seconds`: the expected seconds that each step adds to the run; None: unknown.

        Raises:
            FailedStepsError: steps failed; the others are made.
        """
        grown = self._grown(redo)
        for name in self._dependent_on(grown) - grown - redo:
            if (self.folder / name).exists():
                say(f"{name}: depends on a step that is added to, made again")
                shutil.rmtree(self.folder / name)
        failures = Failures()
        with Background(failures) as background:
            expected = {name: seconds.get(name) for name in self.steps}
            countdown = Countdown(expected, self._finished)
            self._work = _Work(self._dependent_on(redo), background, failures, countdown)
            recipe(self)
        failures.refuse()

    def check(self, redo: frozenset[str]) -> None:
        """Raise InputError for faults known before any work: overrides, inputs, other settings."""
        self._refuse_unknown(redo)
        for step in self.steps.values():
            for path in inputs(step.stage):
                if not self._inside(path) and missing(path):
                    raise InputError(
                        f"{path}: no such file or folder; step {step.name!r} reads it."
                    )
            step.stage.check(self._inside)
            self._refuse_link(self.folder / step.name)
        self._refuse_other_settings(redo)

    def _refuse_unknown(self, redo: frozenset[str]) -> None:
        """Raise InputError for a setting or `--redo` of a step that the recipe does not have."""
        names = dict.fromkeys(name.rpartition("/")[2] for name in self.steps)
        kinds = {step.stage.kind() for step in self.steps.values()}
        for name, given in self._overrides.items():
            # `ray` is set for every stage that knows it, even if this recipe does not use the
            # stage.
            if name not in names and name not in kinds and given.keys() != {"ray"}:
                known = ", ".join(names)
                raise SettingError(name, f"no such step or setting; steps are {known}.")
        for name in sorted(redo):
            if name not in self.steps:
                known = ", ".join(self.steps)
                raise InputError(f"--redo {name}: no such step; steps are {known}.")

    def _refuse_other_settings(self, redo: frozenset[str]) -> None:
        """Raise InputError for finished steps that were made otherwise, or would be made again."""
        asked, grown = self._dependent_on(redo), self._grown(redo)
        again = self._dependent_on(redo | grown)
        costly = [n for n in again if self.steps[n].stage.costly and self._finished(n)]
        if unasked := [name for name in costly if name not in asked]:
            raise InputError(
                f"{', '.join(sorted(grown))}: asked for more than before, and "
                f"{', '.join(unasked)} would be made again from it; "
                f"add --redo {unasked[0]} to have that, or choose another --out."
            )
        for name, step in self.steps.items():
            if name not in asked and self._finished(name):
                refuse_edits(self.folder / name, name=name)
            if name not in again and self._finished(name):
                mark = settings(step.stage)
                if not regathered(self.folder / name, step.stage, mark):
                    refuse_changes(self.folder / name, step.stage, mark, name=name)

    def _step_of(self, path: str | Path) -> str:
        inside = Path(path).relative_to(self.folder)
        return next(name for name in self.steps if inside.is_relative_to(name))

    def _inside(self, path: str | Path) -> bool:
        return Path(path).is_relative_to(self.folder)

    def _refuse_link(self, path: Path) -> None:
        """Raise InputError if a step's folder is a link to a place outside the run folder."""
        if path.exists() and not path.resolve().is_relative_to(self.folder.resolve()):
            raise InputError(
                f"{path}: is a link that leads out of the run folder, to {path.resolve()}; "
                "expected the step's own folder: move it there, or choose another --out."
            )

    def _finished(self, name: str) -> bool:
        return (self.folder / name / STEP).exists()

    def _grown(self, redo: frozenset[str]) -> frozenset[str]:
        """Return the finished steps that must now make more rows and are not made again."""
        grown: set[str] = set()
        for name, step in self.steps.items():
            if name not in self._dependent_on(redo | grown) and self._finished(name):
                found = finished.read(self.folder / name)
                if growth(found, settings(step.stage), step.stage.grows) is not None:
                    grown.add(name)
        return frozenset(grown)

    def _dependent_on(self, redo: frozenset[str]) -> frozenset[str]:
        found = set(redo)
        for step in self.steps.values():  # in order: a step reads only earlier ones
            if found.intersection(step.reads):
                found.add(step.name)
        return frozenset(found)


def missing(name: str | Path) -> bool:
    """Return whether this is a path that does not exist; any other name may be one of a hub."""
    looks = isinstance(name, Path) or looks_like_a_path(name) or name.endswith(FILES)
    return looks and not Path(name).expanduser().exists()


def looks_like_a_path(name: str) -> bool:
    """Return whether a name can only be a path's, and no hub's.

    Example:
        >>> [looks_like_a_path(name) for name in ("owner/model", "./model", "C:\\\\model", "a/b/c")]
        [False, True, True, True]
    """
    begins = name.startswith(("/", "./", "../", "~"))
    return begins or name.count("/") > 1 or "\\" in name


def planned(
    recipe: Callable[[Run], None],
    *,
    name: str,
    folder: Path,
    overrides: Overrides,
    redo: frozenset[str] = frozenset(),
) -> Run:
    """Plan and check the recipe's steps; write and do nothing.

    Raises:
        InputError: a setting, an input or the folder does not fit.
    """
    ranks.refuse_several("a recipe")
    run = Run(folder, overrides=overrides)
    try:
        recipe(run)
    except ValidationError as error:
        raise fault(error, where=error.title.lower()) from None
    refuse_other_recipe(run, name)
    run.check(redo)
    return run


def work(
    run: Run,
    recipe: Callable[[Run], None],
    *,
    name: str,
    redo: frozenset[str] = frozenset(),
    forecast: Prediction | None = None,
    seconds: Mapping[str, float | None] | None = None,
) -> None:
    """Write `plan.json`, and `forecast.json` if a forecast is given, and execute the plan.

    `seconds`: as in `Run.work`.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    with locked(run.folder / LOCK, folder=run.folder):
        jsonl.write_json(run.folder / PLAN, plan(run, name))
        if forecast is not None:
            jsonl.write_json(run.folder / FORECAST, forecast)
        try:
            run.work(recipe, redo=redo, seconds=seconds or {})
        except (InputError, ModuleNotFoundError) as error:
            files = {path.name for path in run.folder.rglob("*") if path.is_file()}
            if files <= {PLAN, FORECAST, LOCK, FAILED}:
                shutil.rmtree(run.folder)  # no step has written anything to continue
                if isinstance(error, FailedStepsError):
                    raise InputError(" ".join(error.reasons.values())) from None
            raise


def plan(run: Run, recipe: str) -> Plan:
    """Return the content of `plan.json`: the recipe and its steps, with relative paths."""
    steps = [
        PlannedStep(
            name=step.name,
            stage=step.stage.kind(),
            reads=list(step.reads),
            config=step.stage.described(relative_to=run.folder),
        )
        for step in run.steps.values()
    ]
    return Plan(recipe=recipe, mathtune=__version__, steps=steps)


def refuse_other_recipe(run: Run, name: str) -> None:
    """Raise InputError if the folder holds something other than a run of this recipe.

    A damaged plan is written again if the folder holds steps of this recipe.
    """
    folder = run.folder
    if (folder / PLAN).exists():
        try:
            other = read_plan(folder).recipe
        except InputError:
            if not any((folder / step).is_dir() for step in run.steps):
                raise
            say(f"{folder / PLAN}: damaged, written again")
            return
        if other != name:
            raise InputError(
                f"{folder}: holds a run of recipe {other!r}, not {name!r}; choose another --out."
            )
    elif folder.exists() and (
        not folder.is_dir() or any(path.name not in BEGUN for path in folder.iterdir())
    ):
        raise InputError(f"{folder}: exists and holds no run; choose another --out.")
