"""The findings of Yuan et al. 2023 as questions to measured points: yes, no or cannot tell.

A point is a fine-tuned model measured on the test problems. The bases are a sample of all base
models, and every training is one draw: a claim is decided only if a test over the bases (over the
trainings, if there is one base) has p < 0.05. No rule decides more than 5 % of the studies in which
no claim is true; tests/metrics/test_claims.py runs them, docs/statistics.md has their power.

    slopes over bases       least squares, t with B - 2 degrees of freedom
    one predictor or another   Williams's test of two correlations with the same accuracies
    means over bases        t over bases, with problems drawn anew too (seeds.py)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import Any, Literal

import numpy as np

from mathtune.metrics.arrays import Floats
from mathtune.metrics.distributions import t_quantile
from mathtune.metrics.fits import Answer, holds, lines
from mathtune.metrics.intervals import Interval
from mathtune.metrics.seeds import difference_over_seeds

Kind = Literal["base", "few-shot", "sft", "sft-long", "rft", "no-dedup", "union", "control"]


@dataclass(frozen=True)
class Point:
    """A point's properties besides its accuracy. None: does not apply or was not measured.

    `of`: the model whose number of updates a control has. `problems`: of supervised data.
    `examples`: rows trained on. `paths`: distinct correct paths per training problem besides gold.
    `loss`: the base model's, in bits per byte. `parameters`: the base model's, without embeddings.
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

    `units`: what the interval is over, "5 bases". `interval` is None if the points cannot answer
    the question; `number` then says why.
    """

    claim: str
    answer: Answer
    number: str
    interval: Interval | None
    units: str = ""


class Study:
    """Points and their outcomes: of each float (seeds, problems), the same problems for all."""

    def __init__(self, points: Sequence[Point], trainings: Sequence[Floats]) -> None:
        self.points = list(points)
        self._trainings = [training.mean(axis=0) for training in trainings]
        self._seeds = list(trainings)
        self._accuracy = np.array([training.mean() for training in trainings])

    def claims(self) -> list[Claim]:
        """Return every claim, in the order of the paper's abstract."""
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
        at = [i for i in whole_sft(self.points) if self.points[i].loss is not None]
        sizes = {self.points[i].parameters for i in at}
        if len(at) < 4 or len(sizes) < 2 or len({self.points[i].loss for i in at}) < 2:
            return _undecided(claim, "needs four base models of two sizes, with their losses")
        losses = np.array([self.points[i].loss for i in at], dtype=float)
        counts = np.log([float(self.points[i].parameters or 1) for i in at])
        found = better_predictor(losses, counts, self._accuracy[at], draws=len(at))
        return _asked(claim, "R2 on loss minus R2 on log parameters", found, f"{len(at)} bases")

    def _log_linear(self) -> Claim:
        claim = "Accuracy is linear in the logarithm of the supervised data"
        curves = [(np.array(n, dtype=float), at) for n, at in self._data_curves().values()]
        if len(curves) < 2:
            return _undecided(claim, "needs three amounts of supervised data of each of two bases")
        each = np.array([self._r2(np.log(n), at) - self._r2(n, at) for n, at in curves])
        number = "R2 on log(data) minus R2 on data, mean over bases"
        return _asked(claim, number, mean_of(each), f"{len(curves)} bases")

    def _less_for_better(self) -> Claim:
        claim = "Better base models gain less from more supervised data"
        curves = [
            (self.points[at[0]].loss, np.log(np.array(n, dtype=float)), at)
            for n, at in self._data_curves().values()
            if self.points[at[0]].loss is not None
        ]
        if len({loss for loss, _, _ in curves}) < 3:
            return _undecided(claim, "needs data curves of three base models, with their losses")
        losses = np.array([loss for loss, _, _ in curves], dtype=float)
        gains = [lines(n, self._accuracy[at][None])[1][0] * np.log(2) for _, n, at in curves]
        number = "rise of the gain of a doubling per bit of loss"
        return _asked(claim, number, slope(losses, np.array(gains)), f"{len(curves)} bases")

    def _paths_or_samples(self) -> Claim:
        claim = "Distinct paths, not samples, drive what RFT gains"
        groups = self._by_base(("sft", "rft", "no-dedup", "union"))
        counted = [i for i, p in enumerate(self.points) if p.paths is not None or p.kind == "sft"]
        groups = {base: [i for i in at if i in counted] for base, at in groups.items()}
        groups = {base: at for base, at in groups.items() if len(at) >= 3}
        at = [i for group in groups.values() for i in group]
        draws = len(at) - len(groups) + 1
        if draws < 4:
            return _undecided(claim, "needs three sets of samples beside SFT for a base model")
        paths = np.log1p([self.points[i].paths or 0.0 for i in at])
        rows = np.log([float(self.points[i].examples or 1) for i in at])
        members = [[at.index(i) for i in group] for group in groups.values()]

        def centred(x: Floats) -> Floats:
            result = x.copy()
            for group in members:
                result[group] -= x[group].mean()
            return result

        one, other = centred(paths), centred(rows)
        if not one.any() or not other.any():
            return _undecided(claim, "needs sets with different numbers of paths and of rows")
        number = "within bases, R2 on log(1 + paths) minus R2 on log(rows trained on)"
        found = better_predictor(one, other, centred(self._accuracy[at]), draws=draws)
        return _asked(claim, number, found, f"{len(at)} sets")

    def _weaker_gain_more(self) -> Claim:
        claim = "RFT helps weaker base models more"
        pairs = [
            (self.points[theirs].loss, ours, theirs)
            for ours, theirs in self._pairs("rft", "sft")
            if self.points[theirs].loss is not None
        ]
        if len({loss for loss, _, _ in pairs}) < 3:
            return _undecided(claim, "needs RFT of three base models, with their losses")
        losses = np.array([loss for loss, _, _ in pairs], dtype=float)
        gains = np.array([self._accuracy[p[1]] - self._accuracy[p[2]] for p in pairs])
        number = "rise of RFT minus SFT per bit of loss"
        return _asked(claim, number, slope(losses, gains), f"{len(pairs)} bases")

    def _unions(self) -> Claim:
        return self._beats("A union of several models' paths beats one model's", "union", "rft")

    def _against_control(self) -> Claim:
        claim = "RFT beats SFT with as many updates (not asked in the paper)"
        return self._beats(claim, "rft", "control")

    def _beats(self, claim: str, kind: Kind, other: Kind) -> Claim:
        pairs = self._pairs(kind, other)
        if not pairs:
            return _undecided(claim, f"needs {kind} and {other} of a base model")
        number = f"accuracy of {kind} minus {other}"
        if len(pairs) > 1:
            ours, theirs = (np.stack([self._trainings[p[side]] for p in pairs]) for side in (0, 1))
            number, units = f"{number}, mean over bases", f"{len(pairs)} bases"
        else:
            ours, theirs = (self._seeds[pairs[0][side]] for side in (0, 1))
            units = f"{len(ours)} and {len(theirs)} seeds of one base"
        found = difference_over_seeds(ours, theirs)
        if found is None:
            return _undecided(
                claim, "needs several seeds, or several bases: one training is one draw"
            )
        value = float(ours.mean() - theirs.mean())
        return _asked(claim, number, Interval(value, found.low, found.high), units)

    def _r2(self, x: Floats, at: Sequence[int]) -> float:
        return float(lines(x, self._accuracy[list(at)][None])[2][0])

    def _by_base(self, kinds: Sequence[Kind]) -> dict[str, list[int]]:
        """Return the points of these kinds by base; for SFT only the one on all problems."""
        found: dict[str, list[int]] = {}
        whole = whole_sft(self.points)
        for index, point in enumerate(self.points):
            if point.kind in kinds and (point.kind != "sft" or index in whole):
                found.setdefault(point.base, []).append(index)
        return found

    def _data_curves(self) -> dict[str, tuple[list[int], list[int]]]:
        """Return (numbers of problems, points) of each base that has three SFT points."""
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
        """Return each base's points of `kind` and `other` that have the most samples."""
        ours, theirs = self._by_base((kind,)), self._by_base((other,))
        if other == "control":
            theirs = {
                base: [i for i in at if self.points[i].of == kind] for base, at in theirs.items()
            }

        def most(indices: list[int]) -> int:
            return max(indices, key=lambda i: self.points[i].k or 0)

        return [(most(at), most(theirs[base])) for base, at in ours.items() if theirs.get(base)]


def whole_sft(points: Sequence[Any]) -> list[int]:
    """Return the numbers of each base's SFT point on the most problems; of equal ones the first.

    `points`: `Point`s, or others with a base, a kind and a number of problems.
    """
    best: dict[str, int] = {}
    for number, point in enumerate(points):
        if point.kind == "sft":
            kept = best.setdefault(point.base, number)
            if (point.problems or 0) > (points[kept].problems or 0):
                best[point.base] = number
    return list(best.values())


def slope(x: Floats, y: Floats) -> Interval:
    """Return the slope of least squares and its interval: t with n - 2 degrees of freedom.

    The interval leaves 3.5 % outside: weak bases' accuracies vary differently from strong ones',
    which the test ignores, and with 5 % it decided up to 5.7 % of the null studies.

    Example:
        >>> slope(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0]))
        Interval(value=1.0, low=1.0, high=1.0)
    """
    intercepts, slopes, _ = lines(x, y[None])
    value = float(slopes[0])
    residual = y - intercepts[0] - value * x
    df = len(x) - 2
    error = sqrt(float(residual @ residual) / df / float(((x - x.mean()) ** 2).sum()))
    reach = t_quantile(df, tails=SLOPE_TAILS) * error
    return Interval(value, value - reach, value + reach)


def mean_of(values: Floats) -> Interval:
    """Return the mean of independent values and its interval: t with n - 1 degrees of freedom.

    Example:
        >>> found = mean_of(np.array([1.0, 3.0]))
        >>> round(found.low, 3), found.value, round(found.high, 3)
        (-10.706, 2.0, 14.706)
    """
    value = float(values.mean())
    reach = t_quantile(len(values) - 1) * float(values.std(ddof=1)) / sqrt(len(values))
    return Interval(value, value - reach, value + reach)


def better_predictor(ours: Floats, theirs: Floats, y: Floats, *, draws: int) -> Interval:
    """Return r2 of y with `ours` minus r2 with `theirs`; interval of Williams's test (1959).

    With r, s the absolute correlations of y with the two, c that of the two, n `draws`:

        D = 1 - r^2 - s^2 - c^2 + 2 r s c
        t = (r - s) sqrt((n - 1) (1 + c) / (2 D (n - 1)/(n - 3) + ((r + s)/2)^2 (1 - c)^3))

    with n - 3 degrees of freedom. The interval is that of the standard error that gives this t.
    """
    table = np.corrcoef([y, ours, theirs]) if y.std() > 0 else np.zeros((3, 3))
    signs = np.sign(table[0, 1:]) + (table[0, 1:] == 0)
    r, s = map(float, np.abs(table[0, 1:]))
    c = float(table[1, 2] * signs[0] * signs[1])
    value = float(r**2 - s**2)
    rest = max(0.0, 1 - r**2 - s**2 - c**2 + 2 * r * s * c)
    under = 2 * rest * (draws - 1) / (draws - 3) + ((r + s) / 2) ** 2 * (1 - c) ** 3
    t = (r - s) * sqrt((draws - 1) * (1 + c) / under) if under > 0 else inf * float(np.sign(r - s))
    if abs(t) < _NO_T:
        return Interval(value, -1.0, 1.0)
    reach = t_quantile(draws - 3) * abs(value / t)
    return Interval(value, value - reach, value + reach)


_NO_T = 1e-9
SLOPE_TAILS = 0.035
"""The chance that the interval of a slope over bases leaves outside."""


def _asked(claim: str, number: str, found: Interval, units: str) -> Claim:
    return Claim(claim, holds(found), number, found, units)


def _undecided(claim: str, why: str) -> Claim:
    return Claim(claim, "cannot tell", why, None)
