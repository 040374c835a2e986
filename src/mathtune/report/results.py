"""The content of a run folder for the report: its steps, its measured rows, the bill."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

from mathtune.errors import InputError
from mathtune.metrics.arrays import Ints
from mathtune.metrics.intervals import numbered
from mathtune.metrics.measure import Outcome
from mathtune.report.steps import Document, Origin, StepRecord, origin, read_step
from mathtune.rows import jsonl
from mathtune.rows.metrics import MeasureMetrics
from mathtune.rows.records import Problem
from mathtune.rows.samples import Joined, read_groups, read_problems
from mathtune.run import failures
from mathtune.run.documents import PlannedStep, Prediction, Record, read_plan
from mathtune.run.names import FORECAST, PLAN, STEP
from mathtune.stages.measure import OUTCOMES, Measure, clusters_by
from mathtune.training.curve import CURVE, CurvePoint

Groups = Iterable[tuple[str, Sequence[Joined]]]

ROW = "-row"
"""The ending of a recipe's measure steps; a row is shown without it."""


@dataclass(frozen=True)
class Measured:
    """One row: a measured set of samples. `groups` and `greedy` read them anew at every call."""

    name: str
    document: MeasureMetrics
    outcomes: Mapping[str, Outcome]
    problems: Mapping[str, Problem]
    groups: Callable[[], Groups]
    greedy: Callable[[], Groups] = lambda: ()
    samples: str = ""
    """The file of its samples: rows of several evaluators share one."""
    origin: Origin = field(default_factory=Origin)
    """How the model that wrote the samples was made, if this run made it."""
    chosen_by: MeasureMetrics | None = None
    """The metrics of the row that K was chosen on."""
    parts: tuple[Measured, ...] = ()
    """The rows of the seeds that this one averages."""
    cluster: Mapping[str, str] | None = None
    """The cluster of each problem; None: problems were drawn one by one."""

    @property
    def model(self) -> str:
        """The name of the model that wrote its samples: the row's, without an evaluator's."""
        wrote = PurePath(self.samples).parent.name.removesuffix("-samples")
        return wrote if self.name.startswith(f"{wrote}-") else self.name

    @property
    def each(self) -> tuple[Measured, ...]:
        """The rows of its seeds, or itself alone."""
        return self.parts or (self,)

    def drawn_together(self, problems: Iterable[str]) -> Ints | None:
        """Return the number of each problem's cluster, for intervals and tests."""
        return numbered(self.cluster, problems)

    @property
    def n(self) -> int:
        """The number of samples per problem."""
        return self.document.n

    @property
    def k(self) -> int:
        """The K of RR.MajK in the table, 8 in the paper."""
        return self.document.curves["over_n"]["k"]

    @property
    def metrics(self) -> dict[str, Document]:
        """Metric name -> value, low, high, and `over_seeds` if it averages seeds."""
        return self.document.metrics

    @property
    def first(self) -> str:
        """The metric for one solution per problem: greedy if it was measured, else the mean."""
        return "Pass@1" if "Pass@1" in self.metrics else "mean"

    @property
    def scored(self) -> bool:
        """True if its samples have scores."""
        return self.document.chosen is not None


@dataclass(frozen=True)
class Results:
    """A run, or one set of samples. `choices`: rows that K is chosen on; `rows`: the others."""

    title: str
    rows: list[Measured]
    choices: list[Measured] = field(default_factory=list)
    steps: list[StepRecord] = field(default_factory=list)
    curves: dict[str, list[CurvePoint]] = field(default_factory=dict)
    made_with: Mapping[str, Any] = field(default_factory=dict)
    """The versions with which the last finished step was made, or foreign samples measured."""
    missing: tuple[str, ...] = ()
    """One sentence per failed step, and one about those that were not made."""
    forecast: Prediction | None = None
    """The predicted FLOPs and hours of each train and sample step; None: not predicted."""

    @cached_property
    def reference(self) -> Measured | None:
        """The row whose gap between Pass@1 and Pass@N the report is about.

        The first whose samples are scored, else the first that others are compared with, else the
        first.
        """
        compared = {name for row in self.rows for name in row.document.against}
        ranked = [row for row in self.rows if row.scored]
        ranked += [row for row in self.rows if row.name in compared]
        return next(iter([*ranked, *self.rows]), None)


def read_run(folder: Path) -> Results:
    """Read a run folder, finished or not.

    Raises:
        InputError: the folder holds no run, a file in it is damaged, or a row was measured by an
            earlier revision of the stage.
    """
    plan = read_plan(folder)
    steps = [read_step(folder, step) for step in plan.steps]
    finished = {step.name: step for step in steps if step.finished}
    measures = [step for step in finished.values() if step.stage == "measure"]
    _refuse_older(measures)
    side = _side(measures)
    rows = {step.name: _measured(folder, step, finished) for step in measures}
    return Results(
        title=plan.recipe,
        rows=[row for name, row in rows.items() if name not in side],
        choices=[row for name, row in rows.items() if name in side],
        steps=steps,
        missing=_missing(folder, plan.steps, finished),
        made_with=next((step.made_with for step in reversed(steps) if step.finished), {}),
        forecast=_forecast(folder / FORECAST),
        curves=_curves(finished.values()),
    )


def _forecast(path: Path) -> Prediction | None:
    if not path.exists():
        return None
    try:
        return jsonl.read_json(path, Prediction)
    except InputError as error:
        raise InputError(f"{error} The command that made the run writes it again.") from None


def read_folder(folder: Path) -> Results:
    """Read a run folder, or the folder that a stage's command wrote.

    Raises:
        InputError: as `read_run`; the folder holds neither.
    """
    if (folder / PLAN).exists() or not (folder / STEP).exists():
        return read_run(folder)
    folder = folder.absolute()
    record = jsonl.read_json(folder / STEP, Record)
    if record.settings is None:
        raise InputError(
            f"{folder}: made by an earlier version, which did not note its inputs; expected it "
            "made again: the same command with --redo."
        )
    planned = PlannedStep(name=folder.name, stage=record.stage, config=record.settings)
    step = read_step(folder.parent, planned)
    _refuse_older([step], "the same command with --redo")
    measured = step.stage == "measure"
    return Results(
        title=folder.name,
        rows=[_measured(folder.parent, step, {})] if measured else [],
        steps=[step],
        made_with=step.made_with,
        curves=_curves([step]),
    )


def _refuse_older(steps: Iterable[StepRecord], how: str = "") -> None:
    """Raise InputError if a row was measured by another revision of the stage."""
    for step in steps:
        if step.stage == "measure" and step.revision != Measure.revision:
            again = how or f"the run's command with --redo {step.name}"
            raise InputError(
                f"{step.folder}: measured by revision {step.revision} of measure, which is "
                f"{Measure.revision} now; expected it measured again: {again}."
            )


def _curves(steps: Iterable[StepRecord]) -> dict[str, list[CurvePoint]]:
    return {
        step.name: list(jsonl.read(step.folder / CURVE, CurvePoint))
        for step in steps
        if step.stage == "train" and (step.folder / CURVE).exists()
    }


def _missing(
    folder: Path, steps: Sequence[PlannedStep], finished: Container[str]
) -> tuple[str, ...]:
    """Say which steps of the plan are missing, and why."""
    lacking = [step for step in steps if step.name not in finished]
    failed = {step.name: failures.read(folder / step.name) for step in lacking}
    unmade = failures.Failures()
    unmade.reasons = {name: found.reason for name, found in failed.items() if found is not None}
    needing = [step.name for step in lacking if unmade.blocks(step.name, step.reads)]
    rest = [name for name in failed if name not in unmade.reasons and name not in unmade.blocked]
    sentences = [f"Step {name} failed: {reason}" for name, reason in unmade.reasons.items()]
    if needing:
        sentences.append(f"Not made, because they need a failed step: {', '.join(needing)}.")
    if rest:
        sentences.append(f"Not made yet: {', '.join(rest)}.")
    return tuple(sentences)


def measured_by(row: Measured, steps: Mapping[str, StepRecord]) -> StepRecord:
    """Return the measure step of a row; a training may have the row's name."""
    return steps.get(f"{row.name}{ROW}") or steps[row.name]


def _side(measures: Sequence[StepRecord]) -> set[str]:
    """Return the rows that K is chosen on, and others of their problems, which are not reported."""
    named = {step.config["choose_on"] for step in measures} - {None}
    problems = {step.config["problems"] for step in measures if step.name in named}
    return {step.name for step in measures if step.config["problems"] in problems}


def _measured(folder: Path, step: StepRecord, finished: Mapping[str, StepRecord]) -> Measured:
    config = step.config
    columns = tuple(folder / path for path in config["samples"])
    greedy = config["greedy"]
    deciding, by = config["choose_on"], config.get("cluster_by")
    problems = read_problems(folder / config["problems"])
    return Measured(
        name=step.name.removesuffix(ROW),
        document=step.read(MeasureMetrics),
        outcomes={
            row.problem_id: row for row in jsonl.read(folder / step.name / OUTCOMES, Outcome)
        },
        problems=problems,
        groups=lambda: read_groups(columns),
        greedy=lambda: read_groups(tuple(folder / path for path in greedy)) if greedy else (),
        samples=config["samples"][0],
        origin=origin(config, finished),
        chosen_by=finished[deciding].read(MeasureMetrics) if deciding in finished else None,
        cluster=None if by is None else clusters_by(problems, by),
    )


Difference = dict[str, Any]


@dataclass(frozen=True)
class Compared:
    """Runs of the same problems; the others are compared with the first.

    `rows`: name -> that row of each run. `minus`: name -> for each further run, its paired
    differences to the first, metric -> difference, low, high, p.
    """

    names: tuple[str, ...]
    folders: tuple[Path, ...]
    results: tuple[Results, ...]
    rows: dict[str, tuple[Measured, ...]]
    minus: dict[str, tuple[Difference, ...]]
