"""Re-ranking compared with votes at equal tokens. Under `measure.py`.

N samples are generated and the evaluator reads some of them; the same tokens would have paid for
more samples to vote. Reading a solution is taken to cost its tokens. The true cost is lower: the
text that a problem's candidates share, and a repeated solution, are read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mathtune.metrics import strategies
from mathtune.metrics.arrays import Ints
from mathtune.metrics.curves import Curves, votes_at
from mathtune.metrics.intervals import intervals, paired
from mathtune.metrics.strategies import Clusters


@dataclass(frozen=True)
class Lengths:
    """The lengths of samples, in tokens if these are known, else in characters.

    `generated`: the mean of all samples. `read`: the mean of those in the K largest clusters.
    """

    generated: float
    read: float
    unit: str

    @staticmethod
    def of(
        clusters: Sequence[Clusters], sizes: NDArray[np.integer], *, k: int, unit: str
    ) -> Lengths:
        """Return the means. `sizes` int (S,): the lengths of all samples, problem after problem.

        Example:
            >>> one = Clusters(np.array([0, 0, 1]), np.array([True, False]))
            >>> Lengths.of([one], np.array([10, 20, 60]), k=1, unit="tokens")
            Lengths(generated=30.0, read=15.0, unit='tokens')
        """
        read, count, start = 0.0, 0, 0
        for problem in clusters:
            lengths = sizes[start : start + len(problem.of)]
            start += len(problem.of)
            standing = strategies.standings(problem, strategies.whole(problem), top=k)
            first = standing.first[0][standing.votes[0] > 0]
            inside = np.isin(problem.of, problem.of[first])
            read += float(lengths[inside].sum())
            count += int(inside.sum())
        mean = float(np.mean(sizes, dtype=np.float64))
        return Lengths(mean, read / count if count else 0.0, unit)


def matched(
    clusters: Sequence[Clusters],
    every: Curves,
    lengths: Lengths,
    *,
    resamples: int,
    seed: int,
    groups: Ints | None = None,
) -> list[dict[str, Any]]:
    """Return for each N the votes of equal cost, and RR.MajK and W.RR.MajK minus their Maj1.

    With g the mean length of generated samples, r that of read ones, and c the fraction that is
    read, N samples and their reading cost N g + N c r, which pays for

        votes = N (1 + c r / g)

    Each row holds `n`, `votes`, `generated` and `evaluated` (per problem, in `unit`), `Maj1` of
    those votes, and `over_maj1`. An N is left out if fewer samples than its votes were drawn.
    """
    plan = every.plan
    names = (f"RR.Maj{plan.k}", f"W.RR.Maj{plan.k}")
    cost = every.over_n[:, -1].mean(axis=0)
    ratio = lengths.read / lengths.generated if lengths.generated else 0.0
    votes = [round(n * (1 + float(c) * ratio)) for n, c in zip(plan.sizes, cost, strict=True)]
    kept = [column for column, number in enumerate(votes) if number <= plan.n]
    if not kept:
        return []
    # All N at once: drawing the resamples takes most of the time.
    base = votes_at(clusters, plan, [votes[column] for column in kept])
    ours = every.over_n[:, [plan.over_n.index(name) for name in names]][:, :, kept]
    theirs = np.broadcast_to(base[:, None], ours.shape).reshape(len(base), -1)
    flat = ours.reshape(len(base), -1)
    pairs = paired(flat, theirs, resamples=resamples, seed=seed, groups=groups)
    shown = intervals(base, groups=groups)
    return [
        {
            "n": plan.sizes[column],
            "votes": votes[column],
            "generated": plan.sizes[column] * lengths.generated,
            "evaluated": plan.sizes[column] * float(cost[column]) * lengths.read,
            "unit": lengths.unit,
            "Maj1": asdict(shown[place]),
            "over_maj1": {
                name: asdict(pairs[row * len(kept) + place]) for row, name in enumerate(names)
            },
        }
        for place, column in enumerate(kept)
    ]
