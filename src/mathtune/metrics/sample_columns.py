"""The columns that measuring keeps of samples, and the evaluator's figures. Under `measure.py`."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from mathtune.errors import InputError
from mathtune.metrics import calibration, strategies
from mathtune.metrics.arrays import Bools, Floats, Ints
from mathtune.metrics.intervals import Interval, intervals, resampled_problems
from mathtune.metrics.strategies import Clusters
from mathtune.metrics.weights import WeightRule, rule_for, weights_of
from mathtune.paths import calculator
from mathtune.rows.records import Graded, Verdict
from mathtune.rows.samples import Joined

NORMAL = 1.96
"""The standard errors to either side of a 95 % interval."""
COUNTS = ("samples", "no_answer", "undecided", "verdict_differs_from_cluster", "cut_off")
"""The counts over all samples; `cut_off`: reached the limit on tokens."""


@dataclass(frozen=True)
class Gathered:
    """The problems in the order given, in flat columns of S samples: no texts, no sample objects.

    Problem p's samples are `starts[p]:starts[p + 1]` of each column and its clusters
    `cluster_starts[p]:cluster_starts[p + 1]` of `correct`. `of` int (S,): each sample's cluster in
    its problem, -1 without an answer. `scores` float (S,), NaN for a sample without one, or None:
    nothing is scored. `forms` numbers the samples' forms (see `form_of`).
    """

    ids: list[str]
    starts: Ints
    cluster_starts: Ints
    of: NDArray[np.int32]
    correct: Bools
    scores: Floats | None
    indices: NDArray[np.int32]
    lengths: NDArray[np.int32]
    tokens: NDArray[np.int32]
    forms: NDArray[np.int32]
    counts: dict[str, int]
    calculator: Floats | None = None
    """The calculator's weights, which a judge must beat; only if the samples are scored."""
    weights: Floats | None = None

    @property
    def each(self) -> list[int]:
        """The number of samples of each problem."""
        return list(map(int, np.diff(self.starts)))

    @property
    def n(self) -> int:
        """The number of samples that every problem has; metrics average over such subsets."""
        return int(np.diff(self.starts).min())

    def only(self, kept: Sequence[int]) -> Gathered:
        """Return the problems at these positions; the counts stay those of all."""
        problems = np.zeros(len(self.ids), dtype=bool)
        problems[list(kept)] = True
        samples = np.repeat(problems, np.diff(self.starts))
        clusters = np.repeat(problems, np.diff(self.cluster_starts))

        def part(column: Any) -> Any:
            return None if column is None else column[samples]

        return replace(
            self,
            ids=[self.ids[i] for i in kept],
            starts=np.append(0, np.cumsum(np.diff(self.starts)[problems])),
            cluster_starts=np.append(0, np.cumsum(np.diff(self.cluster_starts)[problems])),
            correct=self.correct[clusters],
            of=part(self.of),
            scores=part(self.scores),
            indices=part(self.indices),
            lengths=part(self.lengths),
            tokens=part(self.tokens),
            forms=part(self.forms),
            calculator=part(self.calculator),
            weights=part(self.weights),
        )

    @property
    def problem(self) -> Ints:
        """The number of each sample's problem, int (S,)."""
        return np.repeat(np.arange(len(self.ids), dtype=np.int32), np.diff(self.starts))

    @property
    def right(self) -> Bools:
        """True for a sample whose cluster is correct, bool (S,)."""
        if not len(self.correct):
            return np.zeros(len(self.of), dtype=bool)
        numbers = np.repeat(self.cluster_starts[:-1], np.diff(self.starts)) + self.of
        return np.where(self.of >= 0, self.correct[np.maximum(numbers, 0)], False)

    @property
    def unit(self) -> str:
        """The unit of `sizes`: other programs' files do not count tokens."""
        return "tokens" if self.tokens.any() else "characters"

    @property
    def sizes(self) -> NDArray[np.int32]:
        """The cost of generating each sample."""
        return self.tokens if self.unit == "tokens" else self.lengths

    @property
    def scored(self) -> bool:
        """True if the samples have scores."""
        return self.scores is not None

    @property
    def clusters(self) -> Sequence[Clusters]:
        """Each problem's clusters, made at each access: a million small arrays are too much."""
        return _ClustersOf(self)


class _ClustersOf(Sequence[Clusters]):
    def __init__(self, found: Gathered) -> None:
        self._found = found

    def __len__(self) -> int:
        return len(self._found.ids)

    @overload
    def __getitem__(self, number: int) -> Clusters: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Clusters]: ...
    def __getitem__(self, number: int | slice) -> Clusters | Sequence[Clusters]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        found, number = self._found, number % len(self)
        part = slice(found.starts[number], found.starts[number + 1])
        clusters = slice(found.cluster_starts[number], found.cluster_starts[number + 1])
        scores = None
        if found.scores is not None:
            scores = found.scores[part]
            scores = np.where(np.isnan(scores), -np.inf, scores)  # a missing score ranks last
        weights = None if found.weights is None else found.weights[part]
        return Clusters(found.of[part].astype(np.int64), found.correct[clusters], scores, weights)


def gather(groups: Iterable[tuple[str, Sequence[Joined]]]) -> Gathered:
    """Read (problem id, its samples) groups once.

    Raises:
        InputError: samples are not graded, only some are scored, a score is not finite, or there
            are none.
    """
    building = Gathering()
    for problem_id, rows in groups:
        grades = [row.grade for row in rows if row.grade is not None]
        scores = [row.score for row in rows if row.score is not None]
        if len(grades) < len(rows):
            raise InputError(
                f"problem {problem_id!r}: its samples are not graded; run grade first."
            )
        if len(scores) not in (0, len(rows)):
            raise InputError(
                f"problem {problem_id!r}: {len(scores)} of its {len(rows)} samples are scored; "
                "expected all or none."
            )
        if not all(map(isfinite, scores)):
            raise InputError(f"problem {problem_id!r}: a score is not a finite number.")
        building.add(
            problem_id,
            grades,
            scores=scores or None,
            lengths=[len(row.sample.text) for row in rows],
            tokens=[row.sample.tokens for row in rows],
            forms=[
                form_of(row.sample.text, grade.rule, row.sample.finish_reason)
                for row, grade in zip(rows, grades, strict=True)
            ],
            cut_off=sum(row.sample.finish_reason == "length" for row in rows),
            calculator=_calculated(rows) if scores else None,
        )
    return building.done()


def _calculated(rows: Sequence[Joined]) -> list[float]:
    """Return the calculator's weight of every sample; equal texts are read once."""
    of = {text: calculator.weight(text) for text in {row.sample.text for row in rows}}
    return [of[row.sample.text] for row in rows]


def enough(found: Gathered, n: int | None) -> Gathered:
    """Return the problems that have n samples.

    Raises:
        InputError: none has.
    """
    if n is None:
        return found
    kept = [number for number, count in enumerate(found.each) if count >= n]
    if not kept:
        raise InputError(f"no problem has {n} samples; the most are {max(found.each)}.")
    return found.only(kept)


def with_weights(found: Gathered, rule: WeightRule) -> tuple[Gathered, WeightRule | None]:
    """Return the columns with the weights of their scores, and the rule that made them.

    Raises:
        InputError: the rule is as-is and a score is negative.
    """
    if found.scores is None:
        return found, None
    rule = rule_for(found.scores) if rule == "auto" else rule
    try:
        return replace(found, weights=weights_of(found.scores, found.starts, rule)), rule
    except ValueError:
        raise InputError(
            "--weights as-is: a score is negative, and sums of negative scores prefer the smallest "
            "cluster; expected auto, softmax, sigmoid or rank."
        ) from None


class Gathering:
    """Columns under construction: `add` each problem, then `done`."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._starts, self._cluster_starts = array("q", [0]), array("q", [0])
        self._of, self._indices = array("i"), array("i")
        self._lengths, self._tokens, self._forms = array("i"), array("i"), array("i")
        self._correct, self._scores = bytearray(), array("d")
        self._calculator = array("d")
        self._scored: bool | None = None
        self._numbers: dict[Hashable, int] = {}
        self._counts = dict.fromkeys(COUNTS, 0)

    def add(
        self,
        problem_id: str,
        grades: Sequence[Graded],
        *,
        scores: Sequence[float] | None,
        lengths: Sequence[int],
        tokens: Sequence[int],
        forms: Sequence[Hashable],
        cut_off: int = 0,
        calculator: Sequence[float] | None = None,
    ) -> None:
        """Add a problem's samples. `scores`: NaN for a sample without one; None: none has one.

        Raises:
            InputError: the problem does not fit those before it.
        """
        clusters = strategies.clusters_of(grades, scores)
        self._check(problem_id, scores is not None)
        self._scored = scores is not None
        self._ids.append(problem_id)
        self._starts.append(self._starts[-1] + len(grades))
        self._cluster_starts.append(self._cluster_starts[-1] + len(clusters.correct))
        self._of.extend(clusters.of.tolist())
        self._correct.extend(clusters.correct.tobytes())
        self._scores.extend(scores or ())
        self._calculator.extend(calculator or ())
        self._indices.extend(grade.index for grade in grades)
        self._lengths.extend(lengths)
        self._tokens.extend(tokens)
        self._forms.extend(self._numbers.setdefault(form, len(self._numbers)) for form in forms)
        self._count(grades, clusters, cut_off)

    def _check(self, problem_id: str, scored: bool) -> None:
        if not self._ids:
            return
        if scored != self._scored:
            raise InputError(
                f"of problems {problem_id!r} and {self._ids[0]!r} only one has scores; "
                "expected scores for all problems or for none."
            )

    def _count(self, grades: Sequence[Graded], clusters: Clusters, cut_off: int) -> None:
        counts = self._counts
        counts["samples"] += len(grades)
        counts["cut_off"] += cut_off
        for grade, right in zip(grades, clusters.right[:-1].tolist(), strict=True):
            counts["no_answer"] += grade.verdict is Verdict.no_answer
            counts["undecided"] += grade.verdict is Verdict.undecided
            counts["verdict_differs_from_cluster"] += (grade.verdict is Verdict.correct) != right

    def done(self) -> Gathered:
        """Return the columns.

        Raises:
            InputError: no problem was added.
        """
        if not self._ids:
            raise InputError("there are no samples to measure.")
        return Gathered(
            ids=self._ids,
            starts=np.asarray(self._starts),
            cluster_starts=np.asarray(self._cluster_starts),
            of=np.asarray(self._of),
            correct=np.frombuffer(self._correct, dtype=bool),
            scores=np.asarray(self._scores) if self._scored else None,
            indices=np.asarray(self._indices),
            lengths=np.asarray(self._lengths),
            tokens=np.asarray(self._tokens),
            forms=np.asarray(self._forms),
            counts=self._counts,
            calculator=np.asarray(self._calculator) if self._calculator else None,
        )


def form_of(text: str, rule: str | None, finish_reason: str) -> tuple[Hashable, ...]:
    """Return the features of a sample's form that need no reading of its mathematics.

    Example:
        >>> form_of("<<1+1=2>>\\n#### 2", "hashes", "stop")
        ('hashes', 'stop', True, False, False, 1)
    """
    marks = ("<<" in text, "\\" in text, "**" in text)
    return (rule, finish_reason, *marks, text.count("\n").bit_length())


def evaluator(
    found: Gathered, *, resamples: int, seed: int, groups: Ints | None = None
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return how well scores judge answered samples, next to length, form or arithmetic alone.

    Samples without an answer or a score are left out and counted; no strategy reads one without an
    answer. Also returns the AUC within each problem that has one.
    """
    assert found.scores is not None
    missing = np.isnan(found.scores)
    answered = (found.of >= 0) & ~missing
    problem = found.problem[answered]
    right = found.right[answered]
    scores = found.scores[answered]
    lengths = found.lengths[answered].astype(np.float64)
    forms = found.forms[answered].tolist()
    within = calibration.within_auc(scores, right, problem)
    document: dict[str, Any] = {
        "samples": int(answered.sum()),
        "without_answer": int((found.of < 0).sum()),
        "without_score": int(missing.sum()),
        "auc": _overall(scores, right, problem, groups),
        "within_auc": _mean_interval(within, groups),
        "within_problems": len(within),
    }
    shortcuts = {
        "shorter_alone": -lengths,
        "formatting_alone": calibration.habit_scores(forms, right, problem),
    }
    if found.calculator is not None:
        shortcuts["calculator_alone"] = found.calculator[answered]
    for name, shortcut in shortcuts.items():
        inside = calibration.within_auc(shortcut, right, problem)
        document[name] = {
            "auc": _overall(shortcut, right, problem, groups),
            "within_auc": _mean_interval(inside, groups),
        }
    if len(scores) and scores.min() >= 0.0 and scores.max() <= 1.0:
        drawn_together = problem if groups is None else groups[problem]
        drawn = resampled_problems(len(np.unique(drawn_together)), resamples, seed)
        error = asdict(calibration.calibration(scores, right, drawn_together, drawn))
        document["reliability"] = error.pop("bins")
        document["ece"] = error
    if document["auc"] is not None:
        document["roc"] = calibration.roc(scores, right)
    return document, {found.ids[number]: value for number, value in within.items()}


def _overall(
    scores: Floats,
    right: Bools,
    problem: Ints,
    groups: Ints | None,
) -> dict[str, float] | None:
    """Return the AUC over all samples, its interval by the error for clustered data."""
    value = calibration.auc(scores, right)
    if value is None:
        return None
    together = problem if groups is None else groups[problem]
    error = NORMAL * (calibration.auc_error(scores, right, together) or 0.0)
    return asdict(Interval(value, max(0.0, value - error), min(1.0, value + error)))


def _mean_interval(values: Mapping[int, float], groups: Ints | None) -> dict[str, float] | None:
    """Return the mean over those problems that have a value, with its interval."""
    if not values:
        return None
    column = np.array(list(values.values()))[:, None]
    kept = None if groups is None else groups[list(values)]
    return asdict(intervals(column, groups=kept)[0])
