"""Stage `study`: many measured models to accuracies, fits and the paper's claims (Yuan et al.)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import ClassVar, TypeVar

import msgspec
import numpy as np
from pydantic import BaseModel, Field

from mathtune.errors import InputError
from mathtune.metrics import claims
from mathtune.metrics.arrays import Floats
from mathtune.metrics.claims import Kind
from mathtune.metrics.fits import Line, fit_over_problems
from mathtune.metrics.intervals import RESAMPLES, Interval, intervals
from mathtune.metrics.measure import rounded
from mathtune.metrics.seeds import OverSeeds, mean_over_seeds
from mathtune.rows import jsonl
from mathtune.rows.metrics import BitsMetrics, Metrics, PathsMetrics, SourceMetrics, TrainMetrics
from mathtune.run.names import METRICS
from mathtune.run.progress import say
from mathtune.run.stage import STRICT, File, Stage
from mathtune.stages.measure import read_outcomes

FIRST = ("Pass@1", "mean")
"""One solution per problem: greedy, else the mean of the samples."""


class StudyPoint(BaseModel):
    """A measured model: its base, its training and its training data."""

    model_config = STRICT

    base: str
    """The base model's label."""
    kind: Kind
    """base and few-shot are not trained; sft-long: on a part of the data, with as many updates as
    on all of it; control: SFT with as many updates as another point."""
    fraction: float | None = None
    """The fraction of the training problems."""
    k: int | None = None
    """The number of samples per problem that its paths come from."""
    of: Kind | None = None
    """For a control: the kind whose number of updates it has."""


class Votes(msgspec.Struct, frozen=True, omit_defaults=True):
    """The accuracy of votes over n samples, a mean over seeds; None: one sample per problem."""

    n: int | None = None
    value: float | None = None


class SourceMeans(msgspec.Struct, frozen=True):
    """The contribution of one set of samples, means over seeds: see `SourceMetrics` of collect."""

    correct: float
    paths: float
    exclusive_paths: float


class MeasuredPoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A measured model: its properties (see `StudyPoint` and `claims.Point`) and its results.

    `steps`: its measure steps, one per seed. `updates`: of its training. `correct`: correct samples
    per training problem. `test_histogram`: number of paths -> test problems that have so many.
    `over_seeds`: for several trainings, the accuracy's interval that includes other seeds.
    """

    base: str
    kind: Kind
    k: int | None
    of: Kind | None
    problems: int | None
    examples: int | None
    paths: float | None
    loss: float | None
    parameters: int | None
    fraction: float | None
    seeds: int
    steps: list[str]
    accuracy: Interval
    votes: Votes
    updates: int | None
    correct: float | None = None
    sources: dict[str, SourceMeans] | None = None
    test_histogram: dict[str, float] | None = None
    over_seeds: OverSeeds | None = None


class StudyFit(msgspec.Struct, frozen=True):
    """A line of a figure: its name, its two quantities, and its intervals."""

    name: str
    over: str
    line: Line
    slope: Interval
    r2: Interval


class StudyMetrics(Metrics, frozen=True):
    """The results of a study over so many test problems; `bases`: the base models read by bits."""

    problems: int
    bases: dict[str, BitsMetrics]
    points: list[MeasuredPoint]
    fits: list[StudyFit]
    claims: list[claims.Claim]


class Made(msgspec.Struct):
    """The part of the metrics of a collect or part step that describes the rows it made."""

    problems: int
    paths_per_problem: float | None = None
    correct_per_problem: float | None = None
    sources: dict[str, SourceMetrics] | None = None


class Sampled(msgspec.Struct):
    """The part of the metrics of a measure step that counts the samples per problem."""

    n: int


@dataclass(frozen=True)
class _Facts:
    """The facts about a point from earlier steps."""

    point: claims.Point
    updates: int | None
    correct: float | None
    sources: dict[str, SourceMeans] | None
    test_histogram: dict[str, float] | None


class Study(Stage[Path]):
    """Fit and judge measured points; those of several seeds are averaged within each problem.

    Its fields name the points by one name each. Handle: the folder; all results are its metrics.
    """

    revision: ClassVar[int] = 4
    gathers: ClassVar[tuple[str, ...]] = ("points",)

    points: dict[str, StudyPoint]
    """The points; equal points are one point under several seeds."""
    measured: dict[str, File]
    """The folder of each point's measure step, all of the same problems."""
    trained: dict[str, File] = Field(default_factory=dict)
    """The metrics.json of each trained point's train step."""
    collected: dict[str, File] = Field(default_factory=dict)
    """The metrics.json of the collect step (RFT) or part step (SFT) that made its rows."""
    diversity: dict[str, File] = Field(default_factory=dict)
    """For some points: the metrics.json of a collect step that counted their paths on test."""
    bits: dict[str, File] = Field(default_factory=dict)
    """The folder of each base's bits step."""
    resamples: int = Field(default=RESAMPLES, ge=100)
    """Bootstrap resamples over problems."""
    seed: int = 0
    """Seed of the resamples."""

    def outputs(self, folder: Path) -> Path:
        """Return the folder."""
        return folder

    def run(self, folder: Path) -> StudyMetrics:  # noqa: ARG002 (all it finds are metrics)
        """Average over seeds, fit the lines, and judge the claims.

        Raises:
            InputError: points were measured on different problems.
        """
        bases = {
            base: jsonl.read_json(path / METRICS, BitsMetrics) for base, path in self.bits.items()
        }
        groups: dict[StudyPoint, list[str]] = {}
        for name, point in self.points.items():
            groups.setdefault(point, []).append(name)
        trainings, votes = self._values(list(groups.values()))
        values = np.stack([training.mean(axis=0) for training in trainings], axis=1)
        facts = [self._facts(point, names, bases) for point, names in groups.items()]
        found = claims.Study([fact.point for fact in facts], trainings).claims()
        for claim in found:
            say(f"  {claim.answer}: {claim.claim}")
        sure = intervals(values)
        rows = [
            MeasuredPoint(
                **asdict(fact.point),
                fraction=point.fraction,
                seeds=len(names),
                steps=names,
                accuracy=interval,
                over_seeds=mean_over_seeds(training) if len(training) > 1 else None,
                votes=vote,
                updates=fact.updates,
                correct=fact.correct,
                sources=fact.sources,
                test_histogram=fact.test_histogram,
            )
            for (point, names), fact, interval, training, vote in zip(
                groups.items(), facts, sure, trainings, votes, strict=True
            )
        ]
        metrics = StudyMetrics(
            problems=len(values),
            bases=bases,
            points=rows,
            fits=self._fits([fact.point for fact in facts], values),
            claims=found,
        )
        return msgspec.convert(rounded(msgspec.to_builtins(metrics)), StudyMetrics)

    def _values(self, groups: Sequence[Sequence[str]]) -> tuple[list[Floats], list[Votes]]:
        """Return each point's outcomes, float (seeds, problems), and its votes over its samples."""
        columns, votes = [], []
        problems: list[str] | None = None
        for names in groups:
            seeds, voted = [], []
            for name in names:
                outcomes = read_outcomes(self.measured[name])
                ids = list(outcomes)
                problems = ids if problems is None else problems
                if set(ids) != set(problems):
                    raise InputError(
                        f"{self.measured[name]}: measured on other problems than the first point; "
                        "expected the same for all."
                    )
                n = jsonl.read_json(self.measured[name] / METRICS, Sampled).n
                rows = [outcomes[i].values for i in problems]
                first = next(metric for metric in FIRST if metric in rows[0])
                seeds.append([row[first] for row in rows])
                if n > 1:
                    voted.append((n, float(np.mean([row[f"Maj1@{n}"] for row in rows]))))
            columns.append(np.array(seeds))
            votes.append(
                Votes(voted[0][0], float(np.mean([v for _, v in voted]))) if voted else Votes()
            )
        return columns, votes

    def _facts(
        self, point: StudyPoint, names: Sequence[str], bases: Mapping[str, BitsMetrics]
    ) -> _Facts:
        """Read the facts about a point from earlier steps; take means over its seeds."""
        base = bases.get(point.base)
        trained = _read(self.trained, names, TrainMetrics)
        made = _read(self.collected, names, Made)
        test = _read(self.diversity, names, PathsMetrics)
        sampled = made if point.kind in SAMPLED else []
        known = claims.Point(
            base=point.base,
            kind=point.kind,
            k=point.k,
            of=point.of,
            problems=round(fmean(one.problems for one in made)) if made else None,
            examples=round(fmean(one.examples for one in trained)) if trained else None,
            paths=fmean(one.paths_per_problem or 0.0 for one in sampled) if sampled else None,
            loss=base.bits_per_byte if base else None,
            parameters=base.without_embeddings if base else None,
        )
        sources = [msgspec.to_builtins(one.sources or {}) for one in sampled]
        histograms = [{"": one.histogram} for one in test]
        return _Facts(
            known,
            updates=round(fmean(one.updates for one in trained)) if trained else None,
            correct=fmean(one.correct_per_problem or 0.0 for one in sampled) if sampled else None,
            sources=msgspec.convert(_mean_counts(sources), dict[str, SourceMeans])
            if sampled
            else None,
            test_histogram=_mean_counts(histograms)[""] if test else None,
        )

    def _fits(self, points: Sequence[claims.Point], values: Floats) -> list[StudyFit]:
        """Fit the lines of the figures, each with its intervals."""
        found: list[StudyFit] = []
        most = max((p.problems for p in points if p.problems is not None), default=None)
        for kind in ("base", "sft"):
            at = [
                i
                for i, p in enumerate(points)
                if p.kind == kind and p.loss is not None and p.problems in (None, most)
            ]
            x = [points[i].loss or 0.0 for i in at]
            found += self._fit(f"{kind} over loss", "loss", x, values[:, at])
        for base in dict.fromkeys(point.base for point in points):
            ours = [i for i, p in enumerate(points) if p.base == base]
            at = [i for i in ours if points[i].kind == "sft" and points[i].problems]
            x = [float(np.log(points[i].problems or 1)) for i in at]
            found += self._fit(f"{base}: SFT over log problems", "problems", x, values[:, at])
            at = [i for i in ours if points[i].kind in ("rft", "union")]
            x = [float(np.log1p(points[i].paths or 0.0)) for i in at]
            found += self._fit(f"{base}: RFT over log(1 + paths)", "paths", x, values[:, at])
        return found

    def _fit(self, name: str, over: str, x: Sequence[float], values: Floats) -> list[StudyFit]:
        """Fit a line; None: there are fewer than three different x."""
        if len(set(x)) < 3:
            return []
        fit = fit_over_problems(x, values, resamples=self.resamples, seed=self.seed)
        return [StudyFit(name, over, fit.line, fit.slope, fit.r2)]


SAMPLED = ("rft", "no-dedup", "union")


T = TypeVar("T", bound=msgspec.Struct)


def _read(files: Mapping[str, Path], names: Sequence[str], kind: type[T]) -> list[T]:
    """Return the metrics of those points that have such a file."""
    return [jsonl.read_json(files[name], kind) for name in names if name in files]


def _mean_counts(
    seeds: Sequence[Mapping[str, Mapping[str, float]]],
) -> dict[str, dict[str, float]]:
    """Return name -> count's name -> mean over the seeds; a missing count is 0.

    Example:
        >>> _mean_counts([{"a": {"paths": 3}}, {"a": {"paths": 4, "more": 1}}])
        {'a': {'paths': 3.5, 'more': 0.5}}
    """
    names = dict.fromkeys(name for seed in seeds for name in seed)
    keys = {
        name: dict.fromkeys(key for seed in seeds for key in seed.get(name, {})) for name in names
    }
    return {
        name: {
            key: sum(seed.get(name, {}).get(key, 0) for seed in seeds) / len(seeds)
            for key in keys[name]
        }
        for name in names
    }
