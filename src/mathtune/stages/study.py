"""Stage `study`: many measured models to accuracies, fits and the paper's claims (Yuan et al.)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mathtune.errors import InputError
from mathtune.metrics import claims
from mathtune.metrics.claims import Kind
from mathtune.metrics.fits import Fit, Floats, fit_over_problems
from mathtune.metrics.intervals import RESAMPLES, intervals
from mathtune.metrics.measure import rounded
from mathtune.rows import jsonl
from mathtune.run.progress import say
from mathtune.run.stage import File, Stage
from mathtune.stages.measure import read_outcomes

FIRST = ("Pass@1", "mean")
"""One solution a problem: greedy, else the mean of the samples."""


class StudyPoint(BaseModel):
    """A measured model: its base, how it was trained, and what it was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    base: str
    """The base model's label."""
    kind: Kind
    """base and few-shot are not trained; sft-long: on a part of the data, with as many updates as
    on all of it; control: SFT with as many updates as another point."""
    fraction: float | None = None
    """Part of the training problems."""
    k: int | None = None
    """Samples a problem that its paths are from."""
    of: Kind | None = None
    """Of a control: the kind that it has as many updates as."""


class Study(Stage[Path]):
    """Fit and judge measured points; those of several seeds are averaged within each problem.

    Its fields name the points by one name each. Handle: the folder; all results are its metrics.
    """

    revision: ClassVar[int] = 2

    points: dict[str, StudyPoint]
    """The points; points that are equal are one, under several seeds."""
    measured: dict[str, File]
    """Each point's folder of a measure step, all of the same problems."""
    trained: dict[str, File] = Field(default_factory=dict)
    """The metrics.json of the train step of each trained point."""
    collected: dict[str, File] = Field(default_factory=dict)
    """The metrics.json of the collect step (RFT) or part step (SFT) that made its rows."""
    diversity: dict[str, File] = Field(default_factory=dict)
    """Of some points: the metrics.json of a collect step that counted their paths on test."""
    bits: dict[str, File] = Field(default_factory=dict)
    """The folder of a bits step, by base."""
    resamples: int = Field(default=RESAMPLES, ge=100)
    """Bootstrap resamples over problems."""
    seed: int = 0
    """Seed of the resamples."""

    def outputs(self, folder: Path) -> Path:
        """The folder."""
        return folder

    def run(self, folder: Path) -> dict[str, Any]:  # noqa: ARG002 (all it finds are metrics)
        """Average seeds, fit, judge.

        Raises:
            InputError: points were measured on different problems.
        """
        bases = {base: jsonl.read_json(path / "metrics.json") for base, path in self.bits.items()}
        groups: dict[StudyPoint, list[str]] = {}
        for name, point in self.points.items():
            groups.setdefault(point, []).append(name)
        values, votes = self._values(list(groups.values()))
        facts = [self._facts(point, names, bases) for point, names in groups.items()]
        study = claims.Study(
            [fact["point"] for fact in facts], values, resamples=self.resamples, seed=self.seed
        )
        found = study.claims()
        for claim in found:
            say(f"  {claim.answer}: {claim.claim}")
        sure = intervals(values, resamples=self.resamples, seed=self.seed)
        rows = [
            {
                **asdict(fact["point"]),
                "fraction": point.fraction,
                "seeds": len(names),
                "steps": names,
                "accuracy": asdict(interval),
                "votes": vote,
                **fact["more"],
            }
            for (point, names), fact, interval, vote in zip(
                groups.items(), facts, sure, votes, strict=True
            )
        ]
        points = [fact["point"] for fact in facts]
        document = {
            "problems": len(values),
            "bases": bases,
            "points": rows,
            "fits": list(self._fits(points, values)),
            "claims": [asdict(claim) for claim in found],
        }
        return rounded(document)

    def _values(self, groups: Sequence[Sequence[str]]) -> tuple[Floats, list[dict[str, Any]]]:
        """Accuracy float (problems, points), and each point's votes over its samples."""
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
                n = jsonl.read_json(self.measured[name] / "metrics.json")["n"]
                rows = [outcomes[i].values for i in problems]
                first = next(metric for metric in FIRST if metric in rows[0])
                seeds.append([row[first] for row in rows])
                if n > 1:
                    voted.append((n, float(np.mean([row[f"Maj1@{n}"] for row in rows]))))
            columns.append(np.mean(seeds, axis=0))
            votes.append(
                {"n": voted[0][0], "value": float(np.mean([v for _, v in voted]))} if voted else {}
            )
        return np.stack(columns, axis=1), votes

    def _facts(
        self, point: StudyPoint, names: Sequence[str], bases: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What the steps before say of a point, means over its seeds."""
        base = bases.get(point.base, {})
        trained = [jsonl.read_json(self.trained[name]) for name in names if name in self.trained]
        made = [jsonl.read_json(self.collected[name]) for name in names if name in self.collected]
        test = [jsonl.read_json(self.diversity[name]) for name in names if name in self.diversity]
        known = claims.Point(
            base=point.base,
            kind=point.kind,
            k=point.k,
            of=point.of,
            problems=round(_mean(made, "problems")) if made else None,
            examples=round(_mean(trained, "examples")) if trained else None,
            paths=_mean(made, "paths_per_problem") if made and point.kind in SAMPLED else None,
            loss=base["bits_per_byte"] if base else None,
            parameters=base["without_embeddings"] if base else None,
        )
        more: dict[str, Any] = {"updates": round(_mean(trained, "updates")) if trained else None}
        if known.paths is not None:
            more["correct"] = _mean(made, "correct_per_problem")
            more["sources"] = _mean_counts([document["sources"] for document in made])
        if test:
            histograms = [{"": document["histogram"]} for document in test]
            more["test_histogram"] = _mean_counts(histograms)[""]
        return {"point": known, "more": more}

    def _fits(self, points: Sequence[claims.Point], values: Floats) -> list[dict[str, Any]]:
        """The lines of the figures, each with its intervals."""
        found = []
        for kind in ("base", "sft"):
            at = [
                i
                for i, p in enumerate(points)
                if p.kind == kind and p.loss is not None and p.problems in (None, _most(points))
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

    def _fit(
        self, name: str, over: str, x: Sequence[float], values: Floats
    ) -> list[dict[str, Any]]:
        """A line, where there are at least three different x."""
        if len(set(x)) < 3:
            return []
        fit: Fit = fit_over_problems(x, values, resamples=self.resamples, seed=self.seed)
        return [{"name": name, "over": over, **asdict(fit)}]


SAMPLED = ("rft", "no-dedup", "union")


def _most(points: Sequence[claims.Point]) -> int | None:
    return max((p.problems for p in points if p.problems is not None), default=None)


def _mean(documents: Sequence[Mapping[str, Any]], key: str) -> float:
    return float(np.mean([document[key] for document in documents]))


def _mean_counts(
    seeds: Sequence[Mapping[str, Mapping[str, float]]],
) -> dict[str, dict[str, float]]:
    """name -> what is counted -> its mean over the seeds; what a seed does not have is 0 there.

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
