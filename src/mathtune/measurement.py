"""Measure one set of graded (and scored) samples: every metric, curve and comparison, as one document.

Between `metrics.py` (per problem), `intervals.py` (how sure) and those who read files: the stage
`measure`, the command `mathtune measure FILE` and the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mathtune import judging, ranking
from mathtune.errors import InputError
from mathtune.intervals import RESAMPLES, Interval, bootstrap_ratio, intervals, paired
from mathtune.metrics import OVER_K, Curves, Plan, curves, tie_rates
from mathtune.ranking import Clusters
from mathtune.records import Row, Verdict
from mathtune.samples import Joined

Floats = NDArray[np.float64]

BY_SCORE = ("RR", "W.RR", "Maj1.Top")
"""How the names of metrics that read scores begin; `cost` goes with them."""

CHOSEN = ("RR.MajK", "W.RR.MajK", "Maj1.TopN")
"""The strategies whose K (or N) is chosen on validation."""

DECIMALS = 6


class Outcome(Row):
    """One problem's value in every metric, and the index of the sample each strategy picks.

    {"problem_id":"a1","values":{"mean":0.25,"Pass@4":1.0,"Maj1@4":0.0},"picks":{"Maj1@4":2}}
    """

    problem_id: str
    values: dict[str, float]
    picks: dict[str, int]


@dataclass(frozen=True)
class Settings:
    """How to measure. `chosen`: the K of each of `CHOSEN`, from validation; None: chosen on this set."""

    k: int = 8
    subsets: int = 200
    seed: int = 0
    resamples: int = RESAMPLES
    chosen: Mapping[str, int] | None = None
    against: Mapping[str, Mapping[str, Outcome]] = field(default_factory=dict)


@dataclass
class Gathered:
    """What measuring keeps of the samples: clusters and narrow columns, no texts."""

    ids: list[str] = field(default_factory=list)
    clusters: list[Clusters] = field(default_factory=list)
    indices: list[list[int]] = field(default_factory=list)
    lengths: list[list[int]] = field(default_factory=list)
    formats: list[list[tuple[Any, ...]]] = field(default_factory=list)
    counts: dict[str, int] = field(
        default_factory=lambda: {
            "samples": 0,
            "no_answer": 0,
            "undecided": 0,
            "verdict_differs_from_cluster": 0,
            "cut_at_max_tokens": 0,
        }
    )


def measure(
    groups: Iterable[tuple[str, Sequence[Joined]]],
    *,
    settings: Settings,
    greedy: Mapping[str, bool] | None = None,
) -> tuple[dict[str, Any], list[Outcome]]:
    """Measure (problem id, its graded samples) groups; `greedy` says whose greedy solution is right.

    Returns the document that `metrics.json` holds and one `Outcome` a problem, in the order given.

    Raises:
        InputError: samples are not graded, only some are scored, or problems differ in their number
            of samples; `against` holds other problems.
    """
    found = gather(groups)
    scored = found.clusters[0].scores is not None
    plan = Plan(len(found.clusters[0].of), settings.k, settings.subsets, settings.seed)
    every = curves(found.clusters, plan)
    chosen = choose(every, settings.chosen) if scored else {}
    values = headline(every, chosen, scored=scored)
    if greedy is not None:
        values = {"Pass@1": np.array([float(greedy[i]) for i in found.ids]), **values}
    outcomes = _outcomes(found, values, chosen, plan)
    document: dict[str, Any] = {"problems": len(found.ids), "n": plan.n}
    document["counts"] = found.counts
    document["ties"] = tie_rates(found.clusters)
    document["metrics"] = _with_intervals(values, settings)
    document["over_maj1"] = _compared(values, f"Maj1@{plan.n}", settings)
    document["curves"] = _curves(every, settings, scored=scored)
    if scored:
        document["chosen"] = _chosen(values, chosen, settings)
        document["evaluator"] = evaluator(found, settings)
    document["against"] = {
        name: compare(outcomes, other, settings, name=name)
        for name, other in settings.against.items()
    }
    return rounded(document), outcomes


def gather(groups: Iterable[tuple[str, Sequence[Joined]]]) -> Gathered:
    """Read the groups once, keeping what measuring needs."""
    found = Gathered()
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
        clusters = ranking.clusters_of(grades, scores or None)
        _check(problem_id, clusters, found)
        found.ids.append(problem_id)
        found.clusters.append(clusters)
        found.indices.append([row.sample.index for row in rows])
        found.lengths.append([len(row.sample.text) for row in rows])
        found.formats.append([_format(row) for row in rows])
        found.counts["samples"] += len(rows)
        found.counts["cut_at_max_tokens"] += sum(r.sample.finish_reason == "length" for r in rows)
        for position, grade in enumerate(grades):
            found.counts["no_answer"] += grade.verdict is Verdict.no_answer
            found.counts["undecided"] += grade.verdict is Verdict.undecided
            found.counts["verdict_differs_from_cluster"] += (
                grade.verdict is Verdict.correct
            ) != bool(clusters.right[position])
    if not found.ids:
        raise InputError("there are no samples to measure.")
    return found


def _check(problem_id: str, clusters: Clusters, found: Gathered) -> None:
    if clusters.scores is not None and not np.isfinite(clusters.scores).all():
        raise InputError(f"problem {problem_id!r}: a score is not a finite number.")
    if not found.clusters:
        return
    first = found.clusters[0]
    if len(clusters.of) != len(first.of):
        raise InputError(
            f"problem {problem_id!r} has {len(clusters.of)} samples, {found.ids[0]!r} has "
            f"{len(first.of)}; expected the same number for every problem."
        )
    if (clusters.scores is None) != (first.scores is None):
        raise InputError(
            f"of problems {problem_id!r} and {found.ids[0]!r} only one has scores; "
            "expected scores for all problems or for none."
        )


def _format(row: Joined) -> tuple[Any, ...]:
    """What a reader sees of a sample's form without reading its mathematics."""
    text = row.sample.text
    return (
        row.grade and row.grade.rule,
        row.sample.finish_reason,
        "<<" in text,
        "\\" in text,
        "**" in text,
        text.count("\n").bit_length(),
    )


def headline(every: Curves, chosen: Mapping[str, int], *, scored: bool) -> dict[str, Floats]:
    """Every metric of all n samples, name -> float (P,): the names a table shows."""
    n, k = every.plan.n, every.plan.k
    values = {"mean": every.mean}
    for row, name in enumerate(every.plan.over_n):
        if name.startswith(("cost", *BY_SCORE)) and not scored:
            continue
        shown = f"{name}@{n}" if name in ("Pass", "Maj1", f"Maj{k}") else name
        values[shown] = every.over_n[:, row, -1]
    for name, best in chosen.items():
        values[name] = every.over_k[:, OVER_K.index(name), best - 1]
    return values


def choose(every: Curves, given: Mapping[str, int] | None) -> dict[str, int]:
    """The K of each strategy: as given from validation, at most n; else the best here, the smallest if tied."""
    if given is not None:
        return {name: min(given[name], every.plan.n) for name in CHOSEN}
    means = every.over_k.mean(axis=0)
    return {name: int(np.argmax(means[OVER_K.index(name)].round(9))) + 1 for name in CHOSEN}


def _chosen(
    values: Mapping[str, Floats], chosen: Mapping[str, int], settings: Settings
) -> dict[str, Any]:
    optimistic = settings.chosen is None
    shown = _with_intervals({name: values[name] for name in CHOSEN}, settings)
    best = max(CHOSEN, key=lambda name: shown[name]["value"])
    return {
        "chosen_on": "these problems (optimistic)" if optimistic else "other problems",
        "optimistic": optimistic,
        "k": dict(chosen),
        "metrics": shown,
        "best": best,
    }


def evaluator(found: Gathered, settings: Settings) -> dict[str, Any]:
    """How well the scores judge, over answered samples, beside length alone and formatting alone."""
    answered = np.concatenate([c.of >= 0 for c in found.clusters])
    problem = np.repeat(np.arange(len(found.ids)), [len(c.of) for c in found.clusters])[answered]
    right = np.concatenate([c.right[:-1] for c in found.clusters])[answered]
    scores = np.concatenate([c.scores for c in found.clusters if c.scores is not None])[answered]
    lengths = np.concatenate(found.lengths)[answered].astype(np.float64)
    habits = [habit for part in found.formats for habit in part]
    habits = [habit for habit, kept in zip(habits, answered, strict=True) if kept]
    within = judging.within_auc(scores, right, problem)
    document: dict[str, Any] = {
        "samples": int(answered.sum()),
        "without_answer": int((~answered).sum()),
        "auc": judging.auc(scores, right),
        "within_auc": _mean_interval(within, len(found.ids), settings),
        "within_problems": len(within),
    }
    for name, shortcut in (
        ("length_alone", -lengths),
        ("formatting_alone", judging.habit_scores(habits, right, problem)),
    ):
        inside = judging.within_auc(shortcut, right, problem)
        document[name] = {
            "auc": judging.auc(shortcut, right),
            "within_auc": float(np.mean(list(inside.values()))) if inside else None,
        }
    if len(scores) and scores.min() >= 0.0 and scores.max() <= 1.0:
        document["ece"] = judging.ece(scores, right)
        document["reliability"] = judging.reliability(scores, right)
    if document["auc"] is not None:
        document["roc"] = judging.roc(scores, right)
    return document


def _mean_interval(
    values: Mapping[int, float], problems: int, settings: Settings
) -> dict[str, float] | None:
    if not values:
        return None
    over, under = np.zeros(problems), np.zeros(problems)
    over[list(values)] = list(values.values())
    under[list(values)] = 1.0
    return asdict(bootstrap_ratio(over, under, resamples=settings.resamples, seed=settings.seed))


def compare(
    ours: Sequence[Outcome], theirs: Mapping[str, Outcome], settings: Settings, *, name: str
) -> dict[str, Any]:
    """The paired difference, ours - theirs, in every metric that both runs have.

    Raises:
        InputError: the runs are not of the same problems.
    """
    missing = {row.problem_id for row in ours} ^ theirs.keys()
    if missing:
        raise InputError(
            f"against {name}: problem {min(missing)!r} is in only one of the two; "
            "expected measures of the same problems."
        )
    shared = [metric for metric in ours[0].values if metric in theirs[ours[0].problem_id].values]
    mine = np.array([[row.values[metric] for metric in shared] for row in ours])
    other = np.array([[theirs[row.problem_id].values[m] for m in shared] for row in ours])
    found = paired(mine, other, resamples=settings.resamples, seed=settings.seed)
    return {metric: asdict(row) for metric, row in zip(shared, found, strict=True)}


def _compared(
    values: Mapping[str, Floats], base: str, settings: Settings
) -> dict[str, dict[str, float]]:
    """Every other metric minus `base`, problem by problem."""
    names = [name for name in values if name != base and not name.startswith("cost")]
    ours = np.stack([values[name] for name in names], axis=1)
    found = paired(ours, values[base][:, None], resamples=settings.resamples, seed=settings.seed)
    return {name: asdict(row) for name, row in zip(names, found, strict=True)}


def _with_intervals(
    values: Mapping[str, Floats], settings: Settings
) -> dict[str, dict[str, float]]:
    columns = np.stack(list(values.values()), axis=1)
    found = intervals(columns, resamples=settings.resamples, seed=settings.seed)
    return {name: asdict(row) for name, row in zip(values, found, strict=True)}


def _curves(every: Curves, settings: Settings, *, scored: bool) -> dict[str, Any]:
    def points(names: Sequence[str], values: Floats) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for row, name in enumerate(names):
            if scored or not name.startswith(("cost", *BY_SCORE)):
                parts: list[Interval] = intervals(
                    values[:, row], resamples=settings.resamples, seed=settings.seed
                )
                found[name] = {
                    key: [getattr(part, key) for part in parts] for key in ("value", "low", "high")
                }
        return found

    plan = every.plan
    return {
        "over_n": {"n": list(plan.sizes), "k": plan.k, **points(plan.over_n, every.over_n)},
        "over_k": {"n": plan.n, "k": list(range(1, plan.n + 1)), **points(OVER_K, every.over_k)},
    }


def _outcomes(
    found: Gathered, values: Mapping[str, Floats], chosen: Mapping[str, int], plan: Plan
) -> list[Outcome]:
    strategies: dict[str, tuple[ranking.Strategy, int]] = {f"Maj1@{plan.n}": ("Maj1", 1)}
    if chosen:
        strategies |= {
            "RR.All": ("RR.All", plan.k),
            f"RR.Maj{plan.k}": ("RR.MajK", plan.k),
            "W.RR": ("W.RR", plan.k),
            f"W.RR.Maj{plan.k}": ("W.RR.MajK", plan.k),
            f"Maj1.Top{plan.k}": ("Maj1.TopN", plan.k),
        }
        strategies |= {name: (name, chosen[name]) for name in CHOSEN}  # type: ignore[dict-item]
    rows = []
    for number, problem_id in enumerate(found.ids):
        picks: dict[str, int] = {}
        for name, (strategy, k) in strategies.items():
            position = ranking.pick(found.clusters[number], strategy, k=k)
            if position is not None:
                picks[name] = found.indices[number][position]
        mine = {name: round(float(column[number]), DECIMALS) for name, column in values.items()}
        rows.append(Outcome(problem_id=problem_id, values=mine, picks=picks))
    return rows


def rounded(value: Any) -> Any:
    """The document with every float at `DECIMALS` decimals, so that it is the same on every machine."""
    if isinstance(value, float):
        return round(float(value), DECIMALS)  # numpy's floats are not JSON
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value
