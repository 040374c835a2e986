"""The findings of Yuan et al. 2023 as questions to measured points: yes, no or cannot tell.

A point is a fine-tuned model measured on the test problems. Every answer hangs on one number whose
95 % interval comes from resampling the problems; it is "cannot tell" where the interval holds 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mathtune.metrics.fits import Answer, Floats, holds, lines
from mathtune.metrics.intervals import RESAMPLES, Interval, resampled_means

Kind = Literal["base", "few-shot", "sft", "sft-long", "rft", "no-dedup", "union", "control"]
Statistic = Callable[[Floats], Floats]
"""Accuracies float (R, points) -> float (R,)."""


@dataclass(frozen=True)
class Point:
    """What is known of a point beside its accuracy. None: does not apply or was not measured.

    `of`: what a control has as many updates as. `problems`: of supervised data. `examples`: rows
    trained on. `paths`: distinct correct paths per training problem beside gold. `loss`: the base
    model's, in bits per byte. `parameters`: the base model's, without embeddings.
    """

    base: str
    kind: Kind
    k: int | None = None
    of: Kind | None = None
    problems: int | None = None
    examples: int | None = None
    paths: float | None = None
    loss: float | None = None
    parameters: int | None = None


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, the answer here, and the number behind it with its interval.

    `interval` is None where the points do not allow the question; `number` then says why.
    """

    claim: str
    answer: Answer
    number: str
    interval: Interval | None


class Study:
    """Points and their accuracies, `values` float (problems, points), seeds averaged."""

    def __init__(
        self, points: Sequence[Point], values: Floats, *, resamples: int = RESAMPLES, seed: int = 0
    ) -> None:
        self.points = list(points)
        self._whole = values.mean(axis=0)[None]
        self._drawn = resampled_means(values, resamples=resamples, seed=seed)

    def interval(self, statistic: Statistic) -> Interval:
        """The statistic and its interval over resampled problems."""
        low, high = np.percentile(statistic(self._drawn), [2.5, 97.5])
        return Interval(float(statistic(self._whole)[0]), float(low), float(high))

    def claims(self) -> list[Claim]:
        """Every claim, in the order of the paper's abstract."""
        return [
            self._loss_or_size(),
            self._log_linear(),
            self._less_for_better(),
            self._paths_or_samples(),
            self._weaker_gain_more(),
            self._unions(),
            self._against_control(),
        ]

    def _loss_or_size(self) -> Claim:
        claim = "The pre-training loss predicts SFT accuracy better than the parameter count"
        at = [i for i in self._whole_sft() if self.points[i].loss is not None]
        sizes = {self.points[i].parameters for i in at}
        if len(at) < 3 or len(sizes) < 2 or len({self.points[i].loss for i in at}) < 2:
            return _untold(claim, "needs three base models of two sizes, with their losses")
        losses = np.array([self.points[i].loss for i in at], dtype=float)
        counts = np.log([float(self.points[i].parameters or 1) for i in at])
        return self._asked(
            claim,
            "R2 on loss minus R2 on log parameters",
            lambda y: lines(losses, y[:, at])[2] - lines(counts, y[:, at])[2],
        )

    def _log_linear(self) -> Claim:
        claim = "Accuracy is linear in the logarithm of the supervised data"
        curves = [(np.array(n, dtype=float), at) for n, at in self._data_curves().values()]
        if not curves:
            return _untold(claim, "needs three amounts of supervised data of a base model")

        def statistic(y: Floats) -> Floats:
            each = [lines(np.log(n), y[:, at])[2] - lines(n, y[:, at])[2] for n, at in curves]
            return np.mean(each, axis=0)

        return self._asked(claim, "R2 on log(data) minus R2 on data, mean over bases", statistic)

    def _less_for_better(self) -> Claim:
        claim = "Better base models gain less from more supervised data"
        curves = [
            (self.points[at[0]].loss, np.log(np.array(n, dtype=float)), at)
            for n, at in self._data_curves().values()
            if self.points[at[0]].loss is not None
        ]
        if len({loss for loss, _, _ in curves}) < 3:
            return _untold(claim, "needs data curves of three base models, with their losses")
        losses = np.array([loss for loss, _, _ in curves], dtype=float)

        def statistic(y: Floats) -> Floats:
            gains = np.stack([lines(n, y[:, at])[1] * np.log(2) for _, n, at in curves], axis=1)
            return lines(losses, gains)[1]

        return self._asked(claim, "rise of the gain of a doubling per bit of loss", statistic)

    def _paths_or_samples(self) -> Claim:
        claim = "Distinct paths, not samples, drive what RFT gains"
        groups = self._by_base(("sft", "rft", "no-dedup", "union"))
        counted = [i for i, p in enumerate(self.points) if p.paths is not None or p.kind == "sft"]
        groups = {base: [i for i in at if i in counted] for base, at in groups.items()}
        groups = {base: at for base, at in groups.items() if len(at) >= 3}
        if not groups:
            return _untold(claim, "needs two sets of samples beside SFT for a base model")
        at = [i for group in groups.values() for i in group]
        paths = np.log1p([self.points[i].paths or 0.0 for i in at])
        rows = np.log([float(self.points[i].examples or 1) for i in at])
        members = [[at.index(i) for i in group] for group in groups.values()]

        def centred(x: Floats) -> Floats:
            result = x.copy()
            for group in members:
                result[..., group] -= x[..., group].mean(axis=-1, keepdims=True)
            return result

        one, other = centred(paths), centred(rows)
        if not one.any() or not other.any():
            return _untold(claim, "needs sets with different numbers of paths and of rows")
        return self._asked(
            claim,
            "within bases, R2 on log(1 + paths) minus R2 on log(rows trained on)",
            lambda y: lines(one, centred(y[:, at]))[2] - lines(other, centred(y[:, at]))[2],
        )

    def _weaker_gain_more(self) -> Claim:
        claim = "RFT helps weaker base models more"
        pairs = [
            (self.points[theirs].loss, ours, theirs)
            for ours, theirs in self._pairs("rft", "sft")
            if self.points[theirs].loss is not None
        ]
        if len({loss for loss, _, _ in pairs}) < 3:
            return _untold(claim, "needs RFT of three base models, with their losses")
        losses = np.array([loss for loss, _, _ in pairs], dtype=float)
        ours, theirs = [p[1] for p in pairs], [p[2] for p in pairs]
        return self._asked(
            claim,
            "rise of RFT minus SFT per bit of loss",
            lambda y: lines(losses, y[:, ours] - y[:, theirs])[1],
        )

    def _unions(self) -> Claim:
        return self._beats("A union of several models' paths beats one model's", "union", "rft")

    def _against_control(self) -> Claim:
        claim = "RFT beats SFT with as many updates (not asked in the paper)"
        return self._beats(claim, "rft", "control")

    def _beats(self, claim: str, kind: Kind, other: Kind) -> Claim:
        pairs = self._pairs(kind, other)
        if not pairs:
            return _untold(claim, f"needs {kind} and {other} of a base model")
        ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
        number = f"accuracy of {kind} minus {other}, mean over bases"
        return self._asked(claim, number, lambda y: (y[:, ours] - y[:, theirs]).mean(axis=1))

    def _asked(self, claim: str, number: str, statistic: Statistic) -> Claim:
        interval = self.interval(statistic)
        return Claim(claim, holds(interval), number, interval)

    def _by_base(self, kinds: Sequence[Kind]) -> dict[str, list[int]]:
        """The points of these kinds by base; of SFT only that on all problems."""
        found: dict[str, list[int]] = {}
        whole = self._whole_sft()
        for index, point in enumerate(self.points):
            if point.kind in kinds and (point.kind != "sft" or index in whole):
                found.setdefault(point.base, []).append(index)
        return found

    def _whole_sft(self) -> list[int]:
        """Per base the SFT point on the most problems."""
        best: dict[str, int] = {}
        for index, point in enumerate(self.points):
            if point.kind == "sft":
                kept = best.setdefault(point.base, index)
                if (point.problems or 0) > (self.points[kept].problems or 0):
                    best[point.base] = index
        return list(best.values())

    def _data_curves(self) -> dict[str, tuple[list[int], list[int]]]:
        """Base -> (numbers of problems, points) of its SFT points, where there are three."""
        found: dict[str, dict[int, int]] = {}
        for index, point in enumerate(self.points):
            if point.kind == "sft" and point.problems is not None:
                found.setdefault(point.base, {})[point.problems] = index
        return {
            base: (list(curve), list(curve.values()))
            for base, curve in found.items()
            if len(curve) >= 3
        }

    def _pairs(self, kind: Kind, other: Kind) -> list[tuple[int, int]]:
        """Per base the point of `kind` and that of `other`, each with the most samples."""
        ours, theirs = self._by_base((kind,)), self._by_base((other,))
        if other == "control":
            theirs = {
                base: [i for i in at if self.points[i].of == kind] for base, at in theirs.items()
            }

        def most(indices: list[int]) -> int:
            return max(indices, key=lambda i: self.points[i].k or 0)

        return [(most(at), most(theirs[base])) for base, at in ours.items() if theirs.get(base)]


def _untold(claim: str, why: str) -> Claim:
    return Claim(claim, "cannot tell", why, None)
