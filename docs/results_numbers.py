"""Print what `mathtune compare` does not: `make numbers`, from results/miniature.

Rows by family (stories, chains), lines over the supervised data and over the base's loss, factors
over SSFT, the AUC of judges and its growth, and families that a judge never saw. Intervals include
the seeds, but for that of R^2 (resampled seeds and problems: too narrow for three).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mathtune.data.arithmetic import generate
from mathtune.data.arithmetic.stories import STORIES
from mathtune.metrics.budgets import curve
from mathtune.metrics.distributions import t_quantile
from mathtune.metrics.measure import Outcome
from mathtune.metrics.seeds import row_difference, row_mean
from mathtune.rows import jsonl
from mathtune.run.names import METRICS

MINIATURE = Path(__file__).parents[1] / "results" / "miniature"
SIZES = (250, 500, 1000, 2000, 4000)
FIRST, LAST = (0, 1, 2), (3, 4, 5)
VOTES, CALCULATOR, BOTH = "Maj1@24", "calculator", "W.RR.calculator"
PAIRS = {"test-long-ninth": 1043, "test-long-third": 3101, "test-long": 9429}
"""The judges of unlike numbers of pairs (of seed 0; the other seeds differ by a few)."""

Floats = NDArray[np.float64]


def outcomes(row: str, seed: int) -> list[Outcome]:
    """Return a row's outcomes, in the order of the problems' ids."""
    found = jsonl.read(MINIATURE / f"seed-{seed}" / f"{row}-row" / "outcomes.jsonl", Outcome)
    return sorted(found, key=lambda one: one.problem_id)


def seeds_of(row: str) -> tuple[int, ...]:
    """Return the seeds that have this row, ascending."""
    found = MINIATURE.glob(f"seed-*/{row}-row")
    return tuple(sorted(int(one.relative_to(MINIATURE).parts[0].split("-")[1]) for one in found))


def further(row: str) -> tuple[int, ...]:
    """Return the seeds of RFT that were planned last, and together."""
    return tuple(seed for seed in seeds_of(row) if seed > 3)


def values(row: str, metric: str = "mean", seeds: Sequence[int] = FIRST) -> Floats:
    """Return a metric of every problem, float (seeds, problems)."""
    return np.array([[one.values[metric] for one in outcomes(row, seed)] for seed in seeds])


def stories() -> NDArray[np.bool_]:
    """Return which of the 400 test problems are stories; the others are chains."""
    problems = sorted(generate("test", 400, 0), key=lambda problem: problem.id)
    return np.array([problem.subject in STORIES for problem in problems])


def auc(row: str, seed: int) -> float:
    """Return the mean AUC within the problems that have right and wrong samples."""
    found = [one.within_auc for one in outcomes(row, seed) if one.within_auc is not None]
    return float(np.mean(found))


def over_seeds(each: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of trainings and its interval by Student's t."""
    half = t_quantile(len(each) - 1) * float(np.std(each, ddof=1)) / sqrt(len(each))
    mean = float(np.mean(each))
    return mean, mean - half, mean + half


def interval(found: Sequence[float], *, form: str = "+.1f", scale: float = 100.0) -> str:
    """Write a value and its interval."""
    value, low, high = (format(scale * one, form) for one in found)
    return f"{value} [{low}, {high}]"


def line(*cells: object) -> None:
    """Print a row of a table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def head(title: str, *cells: str) -> None:
    """Print a title and the head of its table."""
    print(f"\n{title}\n")
    line(*cells)
    line(*["---"] * len(cells))


def families() -> None:
    """Print every row of the study, all and by family."""
    head("Percent of 400 test problems", "row", "metric", "all", "seeds", "stories", "chains")
    inside = stories()
    greedy = [f"ssft-{size}-u{updates}" for updates in (200, 600, 1800) for size in SIZES]
    greedy += [f"{kind}-u{updates}" for updates in (200, 600, 1800) for kind in ("rft", "union")]
    greedy += ["rft-k40-u1800", "union-five-u1800", "without-family-u600", "without-kind-u600"]
    greedy += [f"ssft-of-{base}-u600" for base in ("128x6-200M", "96x4-30M", "64x4-40M", "96x4-8M")]
    greedy += [f"judge/{kind}-u{u}" for u in (100, 200) for kind in ("sequential", "more-ssft")]
    rows = [(row, "mean", FIRST) for row in greedy]
    rows += [(row, "mean", seeds_of(row)) for row in ("union-four-u1800", "rft-k160-u1800")]
    for row in ("ssft-1000-u600", "rft-u600", "ssft-1000-u1800", "rft-u1800", "rft-k40-u1800"):
        rows += [(row, "mean", seeds) for seeds in (further(row), seeds_of(row))]
    for kind in ("from-generator", "from-base", "likelihood", "zero-shot"):
        rows.append((f"judge/test-{kind}", "W.RR", FIRST))
    every = seeds_of("judge/test-long")
    for row, seeds in (
        ("judge/test-long", FIRST),
        ("judge/test-long", every[:6]),
        ("judge/test-long", every[6:]),
        ("judge/test-long", every),
        ("judge/ssft-4000-u1800", FIRST),
        ("judge/test-long-u1800", LAST),
    ):
        rows += [(row, metric, seeds) for metric in (VOTES, CALCULATOR, "W.RR", BOTH, "RR.All")]
    for row, metric, seeds in rows:
        found = values(row, metric, seeds)
        mean = row_mean(found)
        each = ", ".join(f"{100 * one:.1f}" for one in found.mean(axis=1))
        of = [f"{100 * found[:, part].mean():.1f}" for part in (inside, ~inside)]
        line(row, metric, interval((mean.value, mean.low, mean.high), form=".1f"), each, *of)


def lines() -> None:
    """Print the lines of greedy accuracy over the logarithm of the supervised problems."""
    head("Five sizes of supervised data", "updates", "R^2", "points per doubling")
    for updates in (200, 600, 1800):
        of_sizes = [values(f"ssft-{size}-u{updates}") for size in SIZES]
        found = curve(np.log2(SIZES).tolist(), of_sizes)
        r2, slope = found.r2, found.slope
        line(
            updates,
            interval((r2.value, r2.low, r2.high), form=".3f", scale=1),
            interval((slope.value, slope.low, slope.high)),
        )


def bases() -> None:
    """Print the line of SSFT on 1,000 problems over the loss of its base, 600 updates."""
    head("Five bases", "base", "bits per byte", "percent", "AUC of its judge, seed 0")
    losses, accuracies, areas = [], [], []
    for name in ("128x6-200M", "96x4", "96x4-30M", "64x4-40M", "96x4-8M"):
        label = "ssft-1000" if name == "96x4" else f"ssft-of-{name}"
        losses.append(jsonl.read_json(MINIATURE / f"{label}-bits" / METRICS)["bits_per_byte"])
        accuracies.append(values(f"{label}-u600"))
        areas.append(auc(f"judge/test-of-{name}", 0))
        mean = f"{100 * accuracies[-1].mean():.1f}"
        line(name, f"{losses[-1]:.4f}", mean, f"{areas[-1]:.3f}")
    found = curve([100 * loss for loss in losses], accuracies)
    slope = interval((found.slope.value, found.slope.low, found.slope.high))
    print(f"\nPoints per hundredth of a bit: {slope}, R^2 {found.r2.value:.2f}")


def factors() -> None:
    """Print what RFT is of SSFT, and its distance in points from the paper's factor."""
    head("RFT over SSFT on 1,000 problems", "row", "times SSFT", "seeds", "minus factor x SSFT")
    grown = (
        ("rft", 600, 1.16),
        ("rft", 1800, 1.16),
        ("rft-k40", 1800, 1.16),
        ("rft-k40", 1800, 1.37),
    )
    rows = [
        (row, updates, factor, seeds)
        for row, updates, factor in grown
        for seeds in (FIRST, further(f"{row}-u{updates}"), seeds_of(f"{row}-u{updates}"))
    ]
    for row in ("union-four", "rft-k160"):
        rows.append((row, 1800, 1.37, seeds_of(f"{row}-u1800")))
    rows += [
        (row, u, 1.37, FIRST) for row, u in (("union", 600), ("union", 1800), ("union-five", 1800))
    ]
    for row, updates, factor, seeds in rows:
        ours = values(f"{row}-u{updates}", seeds=seeds)
        theirs = values(f"ssft-1000-u{updates}", seeds=seeds)
        found = row_difference(ours, factor * theirs).shown
        line(
            f"{row}-u{updates}",
            f"{ours.mean() / theirs.mean():.2f}",
            ", ".join(f"{one:.2f}" for one in ours.mean(axis=1) / theirs.mean(axis=1)),
            f"{factor}: {interval((found.difference, found.low, found.high))} p={found.p:.3f}",
        )


def judges() -> None:
    """Print the AUC of every judge, and how it grows with its pairs."""
    head("AUC within problems", "judge", "by seed", "mean, with seeds", "minus zero-shot")
    untrained = {seed: auc("judge/test-zero-shot", seed) for seed in FIRST}
    every = sorted(MINIATURE.glob("seed-*/judge/*-row"))
    for name in dict.fromkeys(folder.name.removesuffix("-row") for folder in every):
        seeds = seeds_of(f"judge/{name}")
        if all(one.within_auc is None for one in outcomes(f"judge/{name}", seeds[0])):
            continue
        each = [auc(f"judge/{name}", seed) for seed in seeds]
        shown = interval(over_seeds(each), form=".3f", scale=1) if len(each) > 1 else ""
        minus = [one - untrained[s] for s, one in zip(seeds, each, strict=True) if s in untrained]
        same = name.startswith("test-") and name not in ("test-zero-shot", "test-long-u1800")
        above = ""
        if same and len(minus) > 2:  # judges of the same samples as zero-shot
            above = interval(over_seeds(minus), form="+.3f", scale=1)
        line(name, ", ".join(f"{one:.3f}" for one in each), shown, above)
    doublings = np.log2(list(PAIRS.values()))
    slopes = [
        float(np.polyfit(doublings, [auc(f"judge/{name}", seed) for name in PAIRS], 1)[0])
        for seed in FIRST
    ]
    print(f"\nAUC per doubling of the pairs: {interval(over_seeds(slopes), form='+.3f', scale=1)}")


def unseen() -> None:
    """Print judges of a family that they never saw; each seed has 100 problems of its own."""
    head("Families left out", "judge", "metric", "seeds", "minus the calculator, with seeds")
    for family, kind in (("bus", "evaluator"), ("travel", "evaluator"), ("travel", "long")):
        row = f"judge-without-{family}/{kind}"
        for metric in (VOTES, CALCULATOR, "W.RR", BOTH):
            if metric not in outcomes(row, 0)[0].values:
                continue
            each = [values(row, metric, (seed,)).mean() for seed in FIRST]
            base = [values(row, CALCULATOR, (seed,)).mean() for seed in FIRST]
            minus = [float(a - b) for a, b in zip(each, base, strict=True)]
            shown = "" if metric == CALCULATOR else interval(over_seeds(minus))
            line(row, metric, ", ".join(f"{100 * one:.1f}" for one in each), shown)


def carried() -> None:
    """Print what SSFT reaches on families that it never saw, next to SSFT on all of them."""
    head("Families that SSFT never saw", "family", "base", "without it", "without its kind", "all")
    problems = sorted(generate("test", 400, 0), key=lambda problem: problem.id)
    base = jsonl.read(MINIATURE / "base-row" / "outcomes.jsonl", Outcome)
    start = np.array([one.values["mean"] for one in sorted(base, key=lambda one: one.problem_id)])
    rows = ("without-family-u600", "without-kind-u600", "ssft-4000-u600")
    shares = [start, *(values(row).mean(axis=0) for row in rows)]
    for family in dict.fromkeys(problem.subject for problem in problems):
        part = np.array([problem.subject == family for problem in problems])
        line(family, *(f"{100 * share[part].mean():.1f}" for share in shares))


def main() -> None:
    """Print all of it."""
    families()
    carried()
    lines()
    bases()
    factors()
    judges()
    unseen()


if __name__ == "__main__":
    main()
