"""Measure a set of graded (and scored) samples: every metric, curve and comparison in one document.

Above `curves.py` (values per problem) and `intervals.py` (their intervals). Under those who have
the rows: the stage `measure`, the command `mathtune measure FILE` and the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec
import numpy as np

from mathtune.errors import InputError
from mathtune.metrics import baselines, early_stopping, strategies, ties
from mathtune.metrics.agreement import Golds
from mathtune.metrics.arrays import Floats, Ints
from mathtune.metrics.curves import OVER_K, Curves, Plan, curves
from mathtune.metrics.equal_compute import Lengths, matched
from mathtune.metrics.families import by_group, over_maj1
from mathtune.metrics.intervals import (
    RESAMPLES,
    gains_of,
    intervals,
    intervals_of,
    numbered,
    paired,
)
from mathtune.metrics.sample_columns import Gathered, enough, evaluator, gather, with_weights
from mathtune.metrics.ties import Ties
from mathtune.metrics.weights import WeightRule, equals_verdict
from mathtune.rows.metrics import MeasureMetrics
from mathtune.rows.records import Row
from mathtune.rows.samples import Joined

CHOSEN = ("RR.MajK", "W.RR.MajK", "Maj1.TopN")
"""The strategies whose K (or N) is chosen on validation."""

DECIMALS = 6
FEW_PROBLEMS = 10_000
"""Up to this many problems the curve of early stopping is computed even without details."""
POINT = 0.01
"""From this difference on, the way in which ties are broken matters."""


class Outcome(Row, frozen=True):
    """One problem's value in every metric, and the index of the sample each strategy picks.

    {"problem_id":"a1","values":{"mean":0.25,"Pass@4":1.0,"Maj1@4":0.0},"picks":{"Maj1@4":2}}
    """

    problem_id: str
    values: dict[str, float]
    picks: dict[str, int]
    within_auc: float | None = None
    """The AUC of the scores among this problem's samples; None without both kinds."""


@dataclass(frozen=True)
class MeasureSettings:
    """How to measure. `chosen`: K of each of `CHOSEN`, from validation; None: chosen on this set.

    `sizes`: subset sizes of curves over N besides powers of two. `against`: other measures'
    outcomes by problem, by the name to show. `n`: samples per problem to measure; None: as many as
    every problem has. `cluster`: the cluster of each problem, for problems that were drawn
    together. `labels`: for each kind of group (subject, level) the group of each problem.
    `weights`: how scores become the weights of sums. `details`: draw the curves and return the
    outcomes; without them a million samples fit in memory.
    """

    k: int = 8
    subsets: int = 200
    seed: int = 0
    resamples: int = RESAMPLES
    sizes: tuple[int, ...] = ()
    chosen: Mapping[str, int] | None = None
    against: Mapping[str, Mapping[str, Outcome]] = field(default_factory=dict)
    n: int | None = None
    ties: Ties = "earliest"
    cluster: Mapping[str, str] | None = None
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    weights: WeightRule = "auto"
    details: bool = True

    def plan(self, n: int) -> Plan:
        """Return the plan of the curves; `n`: the samples that every problem has."""
        return Plan(self.n or n, self.k, self.subsets, self.seed, self.sizes, self.ties)

    def groups(self, problems: Iterable[str]) -> Ints | None:
        """Return each problem's cluster number; None if problems were drawn one by one."""
        return numbered(self.cluster, problems)


def measure(
    groups: Iterable[tuple[str, Sequence[Joined]]],
    *,
    settings: MeasureSettings,
    greedy: Mapping[str, bool] | None = None,
) -> tuple[MeasureMetrics, list[Outcome]]:
    """Measure groups (problem id, graded samples); `greedy`: the right greedy solutions.

    Returns the metrics, without a grader, and one `Outcome` per problem, in the order
    given. Problems with more samples than others count with expected values over subsets.

    Raises:
        InputError: samples are not graded, only some are scored, no problem has `settings.n`
            samples; `against` holds other problems.
    """
    return measure_columns(gather(groups), settings=settings, greedy=greedy)


def measure_columns(
    every_problem: Gathered,
    *,
    settings: MeasureSettings,
    greedy: Mapping[str, bool] | None = None,
) -> tuple[MeasureMetrics, list[Outcome]]:
    """Measure samples that are columns already; see `measure`."""
    found, rule = with_weights(enough(every_problem, settings.n), settings.weights)
    plan = settings.plan(found.n)
    together = settings.groups(found.ids)
    every = curves(found.clusters, plan)
    chosen = choose(every, settings.chosen) if found.scored else {}
    values = headline(every, chosen, scored=found.scored)
    if greedy is not None:
        values = {"Pass@1": values["mean"], **values}  # the first one, even if n = 1 has its own
        values["Pass@1"] = np.array([float(greedy[i]) for i in found.ids])
    values |= baselines.values(found, plan)
    drawing = {"resamples": settings.resamples, "seed": settings.seed}
    document: dict[str, Any] = {
        "problems": len(found.ids),
        "n": plan.n,
        "samples_per_problem": {"fewest": min(found.each), "most": max(found.each)},
        "too_few_samples": len(every_problem.ids) - len(found.ids),
        "counts": found.counts,
        "ties": tied(found, values, plan),
        "golds": asdict(Golds.of(found)),
        "metrics": intervals_of(values, groups=together),
        "over_maj1": over_maj1(values, plan.n, groups=together, **drawing),
        "curves": drawn_curves(every, scored=found.scored, groups=together),
    }
    if settings.details or len(found.ids) <= FEW_PROBLEMS:
        document["early_stopping"] = early_stopping.curve(
            found.clusters, values[f"Maj1@{plan.n}"], groups=together, **drawing
        )
    if together is not None:
        document["clusters"] = int(together.max()) + 1
    within: dict[str, float] = {}
    if found.scored:
        document["weights"] = rule
        document["oracle"] = _oracle(found, values)
        document["chosen"] = _chosen(document["metrics"], chosen, settings)
        document |= _over_baselines(found, every, values, groups=together, drawing=drawing)
        del every  # the largest columns; the evaluator's need their room
        document["evaluator"], within = evaluator(found, groups=together, **drawing)
    document["groups"] = {
        kind: by_group(values, [of[i] for i in found.ids], plan.n, groups=together, **drawing)
        for kind, of in settings.labels.items()
    }
    outcomes: list[Outcome] = []
    if settings.details:
        picked = _picked(found, chosen, plan)
        picked |= baselines.picks(found, plan)
        outcomes = _outcomes(found, values, picked, within)
    document["against"] = {
        name: compare(outcomes, other, settings, name=name)
        for name, other in settings.against.items()
    }
    return msgspec.convert(rounded(document), MeasureMetrics), outcomes


def _over_baselines(
    found: Gathered,
    every: Curves,
    values: Mapping[str, Floats],
    *,
    groups: Ints | None,
    drawing: Mapping[str, int],
) -> dict[str, Any]:
    """Return re-ranking minus the calculator's votes, and minus votes that cost as much."""
    document: dict[str, Any] = {}
    if found.calculator is not None:
        document["over_calculator"] = gains_of(
            values, _judged(values), baselines.CALCULATOR, groups=groups, **drawing
        )
    lengths = Lengths.of(found.clusters, found.sizes, k=every.plan.k, unit=found.unit)
    document["matched_compute"] = matched(found.clusters, every, lengths, groups=groups, **drawing)
    return document


def _judged(values: Iterable[str]) -> list[str]:
    """Return the metrics that read scores, without the cost of reading."""
    return [name for name in values if needs_scores(name) and not name.startswith("cost")]


def _oracle(found: Gathered, values: Mapping[str, Floats]) -> list[str]:
    """Return the metrics that know the answer: their scores are the verdicts themselves."""
    assert found.scores is not None
    answered = found.of >= 0
    if not equals_verdict(found.scores[answered], found.right[answered]):
        return []
    return _judged(values)


def tied(found: Gathered, values: Mapping[str, Floats], plan: Plan) -> dict[str, Any]:
    """Return how often ties decide, and the expected values over ties if all problems have n.

    `expected`: name -> mean over problems; `matters`: those more than a point from the shown value.
    """
    document: dict[str, Any] = {**ties.rates(found.clusters), "broken": plan.ties}
    if set(found.each) != {plan.n}:
        return document
    rows = [ties.expected(clusters, plan.k) for clusters in found.clusters]
    means = {
        _shown_name(name, plan): float(np.mean([row[name] for row in rows])) for name in rows[0]
    }
    document["expected"] = means
    document["matters"] = [
        name for name, mean in means.items() if abs(mean - values[name].mean()) > POINT
    ]
    return document


def headline(every: Curves, chosen: Mapping[str, int], *, scored: bool) -> dict[str, Floats]:
    """Return every metric of all n samples, name -> float (P,): the names a table shows."""
    values = {"mean": every.mean}
    for row, name in enumerate(every.plan.over_n):
        if scored or not needs_scores(name):
            shown = _shown_name(name, every.plan)
            values[shown] = every.over_n[:, row, -1].copy()  # a view would keep the curves
    for name, best in chosen.items():
        values[name] = every.over_k[:, OVER_K.index(name), best - 1].copy()
    return values


def _shown_name(name: str, plan: Plan) -> str:
    """Return a metric's name in tables: those that read no scores show their N, as in `Maj1@4`."""
    return f"{name}@{plan.n}" if name in ("Pass", "Maj1", f"Maj{plan.k}") else name


def needs_scores(name: str) -> bool:
    """Return whether a metric of this name reads scores, or is the cost of reading them.

    Example:
        >>> needs_scores("W.RR"), needs_scores("Maj1@8")
        (True, False)
    """
    return name.startswith(("RR", "W.RR", "Maj1.Top", "cost"))


def choose(every: Curves, given: Mapping[str, int] | None) -> dict[str, int]:
    """Return each strategy's K: as given, at most n; else the best here, the smallest if equal."""
    if given is not None:
        return {name: min(given[name], every.plan.n) for name in CHOSEN}
    means = every.over_k.mean(axis=0).round(9)
    return {name: int(np.argmax(means[OVER_K.index(name)])) + 1 for name in CHOSEN}


def _chosen(
    shown: Mapping[str, Mapping[str, float]], chosen: Mapping[str, int], settings: MeasureSettings
) -> dict[str, Any]:
    optimistic = settings.chosen is None
    return {
        "on": "these problems (optimistic)" if optimistic else "other problems",
        "optimistic": optimistic,
        "k": dict(chosen),
        "best": max(CHOSEN, key=lambda name: shown[name]["value"]),
    }


def drawn_curves(every: Curves, *, scored: bool, groups: Ints | None = None) -> dict[str, Any]:
    """Return the curves over N and over K: each name with lists of value, low and high."""
    plan = every.plan
    document: dict[str, Any] = {
        "over_n": {"n": list(plan.sizes), "k": plan.k},
        "over_k": {"n": plan.n, "k": list(range(1, plan.n + 1))},
    }
    places = [
        (curve, name, values[:, row])
        for curve, names, values in (
            ("over_n", plan.over_n, every.over_n),
            ("over_k", OVER_K, every.over_k),
        )
        for row, name in enumerate(names)
        if scored or not needs_scores(name)
    ]
    for curve, name, values in places:
        points = [asdict(point) for point in intervals(values, groups=groups)]
        document[curve][name] = {key: [p[key] for p in points] for key in ("value", "low", "high")}
    return document


def compare(
    ours: Sequence[Outcome], theirs: Mapping[str, Outcome], settings: MeasureSettings, *, name: str
) -> dict[str, Any]:
    """Return the paired difference, ours - theirs, in every metric that both runs have.

    `within_auc` is compared over the problems where both runs have one, and says how many.

    Raises:
        InputError: the runs are not of the same problems.
    """
    odd = {row.problem_id for row in ours} ^ theirs.keys()
    if odd:
        raise InputError(
            f"against {name}: problem {min(odd)!r} is in only one of the two; "
            "expected measures of the same problems."
        )
    shared = [metric for metric in ours[0].values if metric in theirs[ours[0].problem_id].values]
    mine = np.array([[row.values[metric] for metric in shared] for row in ours])
    other = np.array([[theirs[row.problem_id].values[m] for m in shared] for row in ours])
    drawing = {"resamples": settings.resamples, "seed": settings.seed}
    found = paired(mine, other, groups=settings.groups(row.problem_id for row in ours), **drawing)
    document: dict[str, Any] = {
        metric: asdict(row) for metric, row in zip(shared, found, strict=True)
    }
    judged = {
        row.problem_id: (row.within_auc, theirs[row.problem_id].within_auc)
        for row in ours
        if row.within_auc is not None and theirs[row.problem_id].within_auc is not None
    }
    if judged:
        both = np.array(list(judged.values()), dtype=np.float64)
        (pair,) = paired(both[:, :1], both[:, 1:], groups=settings.groups(judged), **drawing)
        document["within_auc"] = {**asdict(pair), "problems": len(judged)}
    return document


def _picked(found: Gathered, chosen: Mapping[str, int], plan: Plan) -> dict[str, list[int | None]]:
    """Return the position of each strategy's pick, problem by problem; None: no answer."""
    ways: dict[str, tuple[strategies.Strategy, int]] = {f"Maj1@{plan.n}": ("Maj1", 1)}
    if chosen:
        ways |= {
            "RR.All": ("RR.All", plan.k),
            f"RR.Maj{plan.k}": ("RR.MajK", plan.k),
            "W.RR": ("W.RR", plan.k),
            f"W.RR.Maj{plan.k}": ("W.RR.MajK", plan.k),
            f"Maj1.Top{plan.k}": ("Maj1.TopN", plan.k),
            "RR.MajK": ("RR.MajK", chosen["RR.MajK"]),
            "W.RR.MajK": ("W.RR.MajK", chosen["W.RR.MajK"]),
            "Maj1.TopN": ("Maj1.TopN", chosen["Maj1.TopN"]),
        }
    first = [strategies.first(clusters, plan.n) for clusters in found.clusters]
    return {
        name: [strategies.pick(clusters, way, k=k) for clusters in first]
        for name, (way, k) in ways.items()
    }


def _outcomes(
    found: Gathered,
    values: Mapping[str, Floats],
    picked: Mapping[str, Sequence[int | None]],
    within: Mapping[str, float],
) -> list[Outcome]:
    rows = []
    for number, problem_id in enumerate(found.ids):
        indices = found.indices[found.starts[number] : found.starts[number + 1]].tolist()
        mine = {name: round(float(column[number]), DECIMALS) for name, column in values.items()}
        auc = round(within[problem_id], DECIMALS) if problem_id in within else None
        positions = {name: of[number] for name, of in picked.items()}
        picks = {name: indices[at] for name, at in positions.items() if at is not None}
        rows.append(Outcome(problem_id=problem_id, values=mine, picks=picks, within_auc=auc))
    return rows


def rounded(value: Any) -> Any:
    """Round every float of the document to `DECIMALS`: the same file on every machine.

    Example:
        >>> rounded({"low": (0.1234567, 1)})
        {'low': [0.123457, 1]}
    """
    if isinstance(value, float):
        return round(float(value), DECIMALS)  # numpy's floats have no JSON form
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value
