"""Stage `measure`: graded (and scored) samples to metrics, curves, intervals and comparisons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from msgspec.structs import replace
from pydantic import Field, PositiveInt

from mathtune.errors import InputError, many
from mathtune.metrics.agreement import doubt
from mathtune.metrics.intervals import RESAMPLES
from mathtune.metrics.measure import CHOSEN, MeasureSettings, Outcome, measure
from mathtune.metrics.ties import Ties
from mathtune.rows import jsonl
from mathtune.rows.metrics import MeasureMetrics
from mathtune.rows.records import Problem, Verdict
from mathtune.rows.samples import Joined, read_groups, read_problems
from mathtune.run.names import METRICS
from mathtune.run.progress import say
from mathtune.run.stage import Columns, File, Stage

OUTCOMES = "outcomes.jsonl"
NO_GROUP = "–"
"""The group of problems that name none."""


class Measure(Stage[Path]):
    """Measure samples of `problems`; write `outcomes.jsonl`, one row per problem. Handle: its
    folder.

    Example:
        >>> stage = Measure(problems="test.jsonl", samples="samples.jsonl,grades.jsonl")
        >>> stage.samples
        (PosixPath('samples.jsonl'), PosixPath('grades.jsonl'))
    """

    revision: ClassVar[int] = 8
    gathers: ClassVar[tuple[str, ...]] = ()

    problems: File
    """The problem file; exactly these problems must have been sampled."""
    samples: Columns
    """Sampled solutions with their grades, and with scores if re-ranking is measured."""
    greedy: Columns | None = None
    """Graded greedy solutions of the same problems, for Pass@1."""
    choose_on: File | None = None
    """The folder of a measure of validation problems, from which K and N are taken. None: they are
    chosen on the measured problems themselves, and the table says "optimistic".
    """
    against: dict[str, File] = Field(default_factory=dict)
    """Folders of other measures of these problems, by the name to show: paired comparisons.
    """
    grader: str | None = None
    """The grader's name to show. None: name, version and extraction rule as recorded with the
    grades.
    """
    k: int = Field(default=8, ge=1)
    """The K of RR.MajK and W.RR.MajK and the N of Maj1.TopN in the table; 8 as in the paper."""
    sizes: tuple[PositiveInt, ...] = ()
    """Subset sizes N of the curves over N, in addition to the powers of two and n."""
    subsets: int = Field(default=200, ge=1)
    """The number of subsets per size in curves over N."""
    n: PositiveInt | None = None
    """The samples per problem to measure: metrics are expected values over subsets of this size.
    Problems with fewer are left out and counted. None: as many as every problem has.
    """
    ties: Ties = "earliest"
    """How ties of votes and scores are broken: by the earliest sample, or `expected`: in
    expectation over the tied ones, for Maj1, RR.All, W.RR and Maj1.TopN.
    """
    cluster_by: Literal["level", "subject"] | None = None
    """A field of the problems: those with one value were drawn together, and intervals and tests
    are over its values instead of single problems.
    """
    resamples: int = Field(default=RESAMPLES, ge=100)
    """The number of sign flips, and of resamples for statistics other than means over problems.
    """
    seed: int = 0
    """Seed of subsets and resamples."""

    def outputs(self, folder: Path) -> Path:
        """Return the folder: other measures read its metrics and outcomes."""
        return folder

    def run(self, folder: Path) -> MeasureMetrics:
        """Measure, write the outcomes, return the metrics.

        Raises:
            InputError: samples, greedy solutions or other measures do not fit the problems.
        """
        problems = read_problems(self.problems)
        settings = MeasureSettings(
            k=self.k,
            subsets=self.subsets,
            seed=self.seed,
            resamples=self.resamples,
            sizes=self.sizes,
            chosen=None if self.choose_on is None else read_choice(self.choose_on),
            against={name: read_outcomes(path) for name, path in self.against.items()},
            n=self.n,
            ties=self.ties,
            labels=labels_of(problems),
            cluster=None if self.cluster_by is None else clusters_by(problems, self.cluster_by),
        )
        greedy = None if self.greedy is None else read_greedy(self.greedy, problems)
        groups = of_problems(self.samples, problems)
        metrics, outcomes = measure(groups, settings=settings, greedy=greedy)
        jsonl.write(folder / OUTCOMES, outcomes)
        counts, ties = metrics.counts or {}, metrics.ties or {}
        if said := unequal(metrics.samples_per_problem or {}, metrics.n, metrics.too_few_samples):
            say(f"  {said}")
        say(
            f"  of {counts['samples']} samples {counts['no_answer']} have no answer, "
            f"{counts['undecided']} are undecided, {counts['verdict_differs_from_cluster']} have "
            f"another verdict than their cluster; ties of votes in {ties['votes']:.1%}, of scores "
            f"in {ties['scores']:.1%} of problems"
        )
        if (doubted := doubt(metrics.golds)) is not None:
            say(f"  warning: {doubted}")
        say(f"  {accuracies(metrics.metrics)} of {metrics.problems} problems")
        return replace(metrics, grader=self.grader or grader_of(self.samples))


def accuracies(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the main accuracies, in percent.

    Example:
        >>> accuracies({"mean": {"value": 0.25}, "Maj8@4": {"value": 1}, "Pass@4": {"value": 0.5}})
        'mean 25.0, Pass@4 50.0 %'
    """
    wanted = ("Pass@1", "mean", "Maj1@", "W.RR", "Pass@")
    named = [
        name
        for start in wanted
        for name in metrics
        if name == start or (start[-1] == "@" and name.startswith(start) and name != "Pass@1")
    ]
    return ", ".join(f"{name} {100 * metrics[name]['value']:.1f}" for name in named) + " %"


def unequal(counts: Mapping[str, int], n: int, few: int | None) -> str:
    """Return the sentence about problems with different numbers of samples; empty if all have n.

    `counts`: the fewest and the most. `few`: the number of problems left out because they have
    fewer than n.
    """
    fewer = many(few or 0, "problem", "problems")
    left = f"; left out: {fewer} with fewer than {n} samples" if few else ""
    if counts["fewest"] == counts["most"] == n:
        return left.removeprefix("; ")
    return (
        f"problems have {counts['fewest']} to {counts['most']} samples: metrics are expected "
        f"values over subsets of {n} of them{left}"
    )


def labels_of(problems: Mapping[str, Problem]) -> dict[str, dict[str, str]]:
    """Return each problem's group for every kind of group that they have (subject, level)."""
    found = {}
    for kind in ("subject", "level"):
        of = {name: getattr(problem, kind) or NO_GROUP for name, problem in problems.items()}
        if len(set(of.values())) > 1:
            found[kind] = of
    return found


def clusters_by(problems: Mapping[str, Problem], name: str) -> dict[str, str]:
    """Return the cluster of each problem: its value of a field.

    Raises:
        InputError: a problem has no such value.
    """
    found = {key: getattr(problem, name) for key, problem in problems.items()}
    for key, value in found.items():
        if value is None:
            raise InputError(f"cluster_by={name}: problem {key!r} has no {name}.")
    return {key: str(value) for key, value in found.items()}


def graded_by(grader: str, version: object, rule: str) -> str:
    """Name a grader, its version and the rule that found the answers, as every result does.

    Example:
        >>> graded_by("math", 2, "explicit")
        'math 2 (answers: explicit)'
    """
    return f"{grader} {version} (answers: {rule})"


def grader_of(columns: Columns) -> str:
    """Return the grader of `columns`, from the grade step's folder; see `graded_by`.

    Raises:
        InputError: the metrics of that step are damaged.
    """
    for path in columns:
        metrics = path.with_name(METRICS)
        if not path.name.startswith("grades") or not metrics.exists():
            continue
        found = jsonl.read_json(metrics)
        if "grader_version" in found:  # of the stage
            return graded_by(found["grader"], found["grader_version"], found["extract"])
        for name, of in found.get("graders", {}).items():  # of `mathtune grade FILE --out`
            if path.name in ("grades.jsonl", f"grades-{name}.jsonl"):
                return graded_by(name, of["version"], found["extract"])
    return "a grader that is not named"


def of_problems(
    columns: Columns, problems: dict[str, Problem]
) -> Iterator[tuple[str, Sequence[Joined]]]:
    """Yield the groups of `columns`.

    Raises:
        InputError: a problem has no samples, or samples are of an unknown problem.
    """
    left = dict.fromkeys(problems)
    for problem_id, rows in read_groups(columns):
        if problem_id not in left:
            raise InputError(f"{columns[0]}: problem {problem_id!r} is not in the problem file.")
        del left[problem_id]
        yield problem_id, rows
    if left:
        raise InputError(
            f"{columns[0]}: {many(len(left), 'problem has', 'problems have')} no samples, the "
            f"first is {next(iter(left))!r}; expected samples of every problem."
        )


def read_greedy(columns: Columns, problems: dict[str, Problem]) -> dict[str, bool]:
    """Return whether each problem's greedy solution is right.

    Raises:
        InputError: as `of_problems`, or a problem has several or ungraded greedy solutions.
    """
    right: dict[str, bool] = {}
    for problem_id, rows in of_problems(columns, problems):
        if len(rows) != 1:
            raise InputError(
                f"{columns[0]}: problem {problem_id!r} has {len(rows)} greedy solutions; "
                "expected 1."
            )
        grade = rows[0].grade
        if grade is None:
            raise InputError(f"{columns[0]}: the greedy solutions are not graded; run grade first.")
        right[problem_id] = grade.verdict is Verdict.correct
    return right


def read_outcomes(folder: Path) -> dict[str, Outcome]:
    """Read the outcomes of a finished measure, by problem."""
    return {row.problem_id: row for row in jsonl.read(folder / OUTCOMES, Outcome)}


def read_choice(folder: Path) -> dict[str, int]:
    """Read each strategy's best K (or N) from a finished measure.

    Raises:
        InputError: the folder holds no measure of scored samples.
    """
    chosen = jsonl.read_json(folder / METRICS, MeasureMetrics).chosen
    if chosen is None:
        raise InputError(f"{folder}: measured samples without scores; K cannot be chosen from it.")
    return {name: int(chosen.k[name]) for name in CHOSEN}
