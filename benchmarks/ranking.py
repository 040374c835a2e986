"""All curves of many problems: how long voting and re-ranking over N and over K take.

    python benchmarks/ranking.py                         # 5,000 problems x 64 samples
    python benchmarks/ranking.py --problems 500 --samples 32

Expect at most 30 CPU-seconds for the curves of 5,000 x 64 with 200 subsets a size: N in powers of
two at K = 8, and every K at N = 64. One process, one thread, CPU seconds: a busy machine changes
nothing. The intervals of every point are timed as well.
"""

import argparse
import time

import numpy as np

from mathtune.metrics.curves import Plan, curves
from mathtune.metrics.measure import drawn_curves
from mathtune.metrics.strategies import Clusters


def generated(number: int, n: int) -> Clusters:
    """A problem like sampled ones: few large clusters and a tail, some samples without an answer.

    Right samples score higher on average; its ease is drawn uniformly.
    """
    rng = np.random.default_rng(number)
    ease = rng.random()
    right = rng.random(n) < ease
    names = np.where(right, 0, 1 + rng.geometric(0.3, n))
    names[rng.random(n) < 0.03] = -1
    numbers: dict[int, int] = {}
    of = np.array([numbers.setdefault(int(x), len(numbers)) if x >= 0 else -1 for x in names])
    scores = np.clip(rng.normal(0.45 + 0.2 * right, 0.2), 0.0, 1.0)
    return Clusters(of, np.array([name == 0 for name in numbers], dtype=bool), scores)


def main() -> None:
    """Generate, time, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=5_000)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--subsets", type=int, default=200)
    asked = parser.parse_args()
    problems = [generated(number, asked.samples) for number in range(asked.problems)]
    wall, cpu = time.monotonic(), time.process_time()
    every = curves(problems, Plan(asked.samples, subsets=asked.subsets))
    print(
        f"curves     {asked.problems} x {asked.samples}, {asked.subsets} subsets: "
        f"{time.process_time() - cpu:.1f} CPU s, {time.monotonic() - wall:.1f} s"
    )
    cpu = time.process_time()
    found = drawn_curves(every, scored=True)
    print(f"intervals  of every point: {time.process_time() - cpu:.1f} CPU s")
    for name in ("Pass", "Maj1", "RR.All", "W.RR", "W.RR.Maj8"):
        values = " ".join(f"{100 * value:.1f}" for value in found["over_n"][name]["value"])
        print(f"{name:10} {values}")


if __name__ == "__main__":
    main()
