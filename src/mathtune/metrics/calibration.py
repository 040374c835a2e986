"""How well scores separate right from wrong solutions: AUC, calibration, and the AUC of shortcuts.

Pure functions over arrays with one entry per sample: `scores` float (S,), `right` bool (S,) and
`problem` int (S,), the number of each sample's problem. The verdict is that of the sample's
cluster.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mathtune.metrics.arrays import Bools, Floats, Ints

BINS = 10
ROC_POINTS = 101


def auc(scores: Floats, right: Bools) -> float | None:
    """Return the chance that a right sample scores above a wrong one; ties count half
    (Mann-Whitney).

    None if there are only right or only wrong samples.

    Example:
        >>> auc(np.array([0.9, 0.4, 0.4]), np.array([True, True, False]))
        0.75
    """
    positives = int(np.count_nonzero(right))
    negatives = len(right) - positives
    if positives == 0 or negatives == 0:
        return None
    rank_sum = float(mid_ranks(scores)[right].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def auc_error(scores: Floats, right: Bools, problem: Ints) -> float | None:
    """Return the standard error of the overall AUC; samples of one problem are not independent.

    Obuchowski 1997, for clustered data: the variance of the problems' sums of each sample's chance
    to score on the right side of the other kind. None with fewer than two problems, or if `auc` is
    None.
    """
    value = auc(scores, right)
    problems, number = np.unique(problem, return_inverse=True)
    if value is None or len(problems) < 2:
        return None
    positives = np.count_nonzero(right)
    negatives = len(right) - positives
    below = mid_ranks(scores)
    chance = np.empty(len(scores))
    chance[right] = (below[right] - mid_ranks(scores[right])) / negatives
    chance[~right] = 1.0 - (below[~right] - mid_ranks(scores[~right])) / positives
    # Each sample's distance from the mean, weighted so that the sums' variance is the AUC's.
    shares = (chance - value) / np.where(right, positives, negatives)
    sums = np.bincount(number, shares)
    return float(np.sqrt(len(problems) / (len(problems) - 1) * (sums**2).sum()))


def within_auc(scores: Floats, right: Bools, problem: Ints) -> dict[int, float]:
    """Return the AUC inside each problem that has both right and wrong samples, by problem number.

    Re-ranking depends on their mean: knowing which problems are easy does not raise it.

    Example:
        >>> right = np.array([True, False, True])
        >>> within_auc(np.array([0.9, 0.1, 0.5]), right, np.array([0, 0, 1]))
        {0: 1.0}
    """
    found: dict[int, float] = {}
    order = np.argsort(problem, kind="stable")
    starts = np.flatnonzero(np.diff(problem[order], prepend=-1))
    for members in np.split(order, starts[1:]):
        value = auc(scores[members], right[members])
        if value is not None:
            found[int(problem[members[0]])] = value
    return found


def reliability(scores: Floats, right: Bools) -> list[dict[str, Any]]:
    """Return `BINS` equally wide bins of [0, 1] for a plot: count, mean score and fraction right.

    Empty bins are left out.
    """
    bin_of = _bins(scores)
    found = []
    for number in range(BINS):
        inside = bin_of == number
        if inside.any():
            found.append(
                {
                    "low": number / BINS,
                    "high": (number + 1) / BINS,
                    "count": int(inside.sum()),
                    "score": float(scores[inside].mean()),
                    "right": float(right[inside].mean()),
                }
            )
    return found


@dataclass(frozen=True)
class Calibration:
    """The calibration error, its interval, and the bins with the bars of consistent scores.

    `value` is the plain error, which noise alone raises; `debiased` is the error whose noisy
    measurement would be `value` (in the median).
    """

    value: float
    low: float
    high: float
    debiased: float
    bins: list[dict[str, Any]]


def calibration(
    scores: Floats, right: Bools, problem: Ints, weights: Iterable[Floats]
) -> Calibration:
    """Return the expected calibration error with an interval that holds 0 for calibrated scores.

    An absolute value of a noisy gap is too large on average, so that resamples of it are larger
    still. Instead, with g the signed gaps of the bins (times their share of the samples) and z the
    noise of resampled problems in them, the test "the true gaps are s g" is inverted:

        error(s) = sum_b |s g_b|            measured(s) = sum_b |s g_b + z_b|
        low, debiased, high: error(s) where measured(s) is at most sum_b |g_b|
                             with a chance of 97.5 %, 50 % and 2.5 %

    The interval is widened if the resampled errors spread further around their median. A bin also
    gets the bar in which the fraction right would lie if scores were calibrated (`calibrated_low`
    and `_high`; Broecker and Smith 2007, here with resampled problems).

    `weights`: blocks of float (rows, P), how often each problem is in a resample, problems in the
    order of their numbers.
    """
    noise, gaps = _gaps(scores, right, problem, weights)
    value = float(np.abs(gaps).sum())
    low, middle, high = (_inverted(gaps, noise, chance) for chance in (0.975, 0.5, 0.025))
    spread = np.percentile(np.abs(gaps + noise).sum(axis=1), [2.5, 50, 97.5])
    low = max(0.0, min(low, middle + spread[0] - spread[1]))
    high = min(1.0, max(high, middle + spread[2] - spread[1], value))
    shown = reliability(scores, right)
    for row in shown:
        column = noise[:, round(row["low"] * BINS)] * len(scores) / row["count"]
        below, above = np.percentile(row["score"] - column, [2.5, 97.5])
        row["calibrated_low"], row["calibrated_high"] = max(0.0, below), min(1.0, above)
    return Calibration(value, float(low), float(high), float(middle), shown)


def _gaps(
    scores: Floats, right: Bools, problem: Ints, weights: Iterable[Floats]
) -> tuple[Floats, Floats]:
    """Return the noise of the signed gaps per resample (resamples, bins), and the gaps (bins,)."""
    _, number = np.unique(problem, return_inverse=True)
    cell = number * BINS + _bins(scores)
    problems = int(number.max()) + 1
    excess = np.bincount(cell, scores - right, minlength=problems * BINS).reshape(-1, BINS)
    samples = np.bincount(number)
    gaps = excess.sum(axis=0) / len(scores)
    drawn = np.concatenate([w @ excess / np.maximum(w @ samples, 1)[:, None] for w in weights])
    return (drawn - gaps) * np.sqrt(problems / max(1, problems - 1)), gaps


def _bins(scores: Floats) -> Ints:
    """Return the number of each score's bin."""
    return np.minimum((scores * BINS).astype(np.int64), BINS - 1)


def _inverted(gaps: Floats, noise: Floats, chance: float) -> float:
    """Return the error s sum |g| whose measurement is at most the observed one with this chance."""
    value = float(np.abs(gaps).sum())

    def at_most(scale: float) -> float:
        return float(np.mean(np.abs(scale * gaps + noise).sum(axis=1) <= value))

    low, high = 0.0, 3.0
    if at_most(low) <= chance:
        return 0.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if at_most(middle) > chance else (low, middle)
    return low * value


def roc(scores: Floats, right: Bools) -> list[tuple[float, float]]:
    """Return (false, true) positive rates as the threshold falls, at most `ROC_POINTS` of them.

    Example:
        >>> roc(np.array([0.9, 0.1]), np.array([True, False]))
        [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
    """
    true, false = at_thresholds(scores, right)
    points = np.stack([np.append(0, false) / false[-1], np.append(0, true) / true[-1]], axis=1)
    if len(points) > ROC_POINTS:
        points = points[np.linspace(0, len(points) - 1, ROC_POINTS).round().astype(int)]
    return [(float(x), float(y)) for x, y in points]


def at_thresholds(scores: Floats, right: Bools) -> tuple[Ints, Ints]:
    """Return how many right and how many wrong samples reach each score, the highest score first.

    Example:
        >>> at_thresholds(np.array([0.5, 0.9, 0.5]), np.array([True, True, False]))
        (array([1, 2]), array([0, 1]))
    """
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of equal scores
    true = np.cumsum(right[order])[last]
    return true, last + 1 - true


def habit_scores(habits: Sequence[Hashable], right: Bools, problem: Ints) -> Floats:
    """Score samples by a habit alone (a format, a length class): its rate of right ones elsewhere.

    Problems are halved by their number's parity and each half is scored with the other half's rates
    (smoothed towards that half's overall rate by one sample), so that no sample is scored by its
    own verdict.

    Example:
        >>> habit_scores(["boxed", "boxed"], np.array([True, False]), np.array([0, 1]))
        array([0., 1.])
    """
    numbers: dict[Hashable, int] = {}
    habit = np.array([numbers.setdefault(name, len(numbers)) for name in habits], dtype=np.int64)
    scores = np.zeros(len(right))
    for half in (0, 1):
        here = problem % 2 == half
        overall = right[~here].mean() if not here.all() else 0.0
        rights = np.bincount(habit[~here], right[~here], minlength=len(numbers)) + overall
        counts = np.bincount(habit[~here], minlength=len(numbers)) + 1
        scores[here] = (rights / counts)[habit[here]]
    return scores


def mid_ranks(values: Floats) -> Floats:
    """Return ranks from 1, equal values sharing the mean of theirs.

    Example:
        >>> mid_ranks(np.array([5.0, 7.0, 5.0]))
        array([1.5, 3. , 1.5])
    """
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[group]
