"""Coverage of every interval and false decisions of every test, by simulation: docs/statistics.md.

    python benchmarks/coverage.py                    # every part, some ten CPU-minutes
    python benchmarks/coverage.py means differences  # some parts
    python benchmarks/coverage.py --trials 300       # faster, coarser

Problems are drawn anew in every trial: a problem's chance of a right sample is a Beta variable with
mean p and concentration c (c = 0.5: nearly every problem is always or never solved; c = inf: all
are equally hard), and N samples are drawn with it. Expect 93 to 97 percent wherever that can be
reached. A letter behind a cell says why no other number is within reach (docs/statistics.md):

    a  no interval of means holds 93 to 97 percent of the sets: counts of few events jump
    b  the set without an event must hold p, so that only one side can miss
    c  too few problems changed: an interval that left out 0, or what lies between 0 and its mean,
       would be wrong too often
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mathtune.metrics.arrays import Floats
from mathtune.metrics.calibration import calibration
from mathtune.metrics.claims import Point, Study
from mathtune.metrics.intervals import bootstrap_ratio, half_widths, intervals, resampled_problems
from mathtune.metrics.seeds import difference_over_seeds

Rng = np.random.Generator

SIZES = (10, 30, 64, 100, 300, 1000)
MEANS = (0.005, 0.02, 0.05, 0.2, 0.5, 0.8, 0.97, 0.995)
SAMPLES = (1, 4, 16, 64)
CONCENTRATIONS = (0.5, 2.0, 10.0, np.inf)
INSIDE, FEW = (0.93, 0.97), 4


def chances(rng: Rng, shape: tuple[int, ...], mean: float, concentration: float) -> Floats:
    """Return the chance of a right sample of each problem."""
    if np.isinf(concentration):
        return np.full(shape, mean)
    return rng.beta(mean * concentration, (1 - mean) * concentration, size=shape)


def means(rng: Rng, trials: int) -> Iterator[str]:
    """Measure how often the interval of a mean holds the true mean, in percent."""
    yield f"{'c':>5} {'N':>3} {'n':>5}  " + " ".join(f"p={p:<6}" for p in MEANS)
    cells: list[Cell] = []
    for concentration in CONCENTRATIONS:
        for samples in SAMPLES:
            if samples == 1 and concentration != CONCENTRATIONS[0]:
                continue  # single samples do not show how problems differ
            for size in SIZES:
                row = []
                for p in MEANS:
                    x = rng.binomial(samples, chances(rng, (size, trials), p, concentration))
                    found = intervals(x / samples)
                    held = 100 * np.mean([one.low <= p <= one.high for one in found])
                    row.append(Cell(float(held), _bound_by(x.sum(axis=0), p, size)))
                cells += row
                name = f"{concentration:>5} {samples:>3} {size:>5}  "
                yield name + " ".join(str(cell) for cell in row)
    yield from _summary(cells)


@dataclass(frozen=True)
class Cell:
    """Percent of sets whose interval holds the truth; why it must be far from 95, if it must."""

    held: float
    why: str

    def __str__(self) -> str:
        return f"{self.held:6.1f}{self.why if abs(self.held - 95) > 2 else ' ':<2}"


def _bound_by(rights: np.ndarray, p: float, size: int) -> str:
    """Return a: no run of the totals seen has 93 to 97 percent; b: none right must hold p.

    An interval whose bounds grow with the mean holds p for a run of means. And one that is right
    for problems that are always or never solved holds p for the set without a right (wrong) one
    where that has a chance of more than 7 percent.
    """
    _, counts = np.unique(rights, return_counts=True)
    ends = np.concatenate([[0.0], counts.cumsum() / len(rights)])
    runs = ends[None, :] - ends[:, None]
    if not ((runs >= INSIDE[0]) & (runs <= INSIDE[1])).any():
        return "a"
    return "b" if (1 - min(p, 1 - p)) ** size > 1 - INSIDE[0] else ""


def _summary(cells: list[Cell]) -> Iterator[str]:
    found = np.array([cell.held for cell in cells])
    below, above = found < 100 * INSIDE[0], found > 100 * INSIDE[1]
    why = np.array([cell.why for cell in cells])
    yield (
        f"{len(cells)} cells: mean {found.mean():.1f}, lowest {found.min():.1f}; "
        f"{len(cells) - below.sum() - above.sum()} within 93 to 97"
    )
    for name, outside in (("below", below), ("above", above)):
        reasons = {letter: int((why[outside] == letter).sum()) for letter in ("a", "b", "c", "")}
        each = ", ".join(f"{count} {letter or 'no letter'}" for letter, count in reasons.items())
        yield f"{outside.sum()} {name}: {each}; farthest {_farthest(found[outside])}"


def _farthest(found: Floats) -> str:
    return f"{found[np.abs(found - 95).argmax()]:.1f}" if len(found) else "none"


EQUAL = (0.005, 0.02, 0.5, 0.9)
DIFFERENCES = (
    *((p, p) for p in EQUAL),
    *((0.3, 0.32), (0.005, 0.02), (0.02, 0.08), (0.5, 0.7), (0.98, 0.995)),
)


def differences(rng: Rng, trials: int) -> Iterator[str]:
    """Measure how often the interval of a paired difference holds the true one, in percent.

    A part of the problems (`same`) is as hard for the second system as for the first, up to the
    shift between the two means; the others are drawn anew.
    """
    yield f"{'c':>5} {'same':>4} {'N':>3} {'n':>5}  " + " ".join(
        f"{p:g}-{q:g}".rjust(9) for p, q in DIFFERENCES
    )
    cells: list[Cell] = []
    for concentration in (0.5, 2.0, np.inf):
        for same in (0.0, 0.9):
            for samples in SAMPLES:
                for size in (10, 30, 100, 300, 1000):
                    row = [
                        _covered(rng, trials, pair, (concentration, same, samples, size))
                        for pair in DIFFERENCES
                    ]
                    cells += row
                    name = f"{concentration:>5} {same:>4} {samples:>3} {size:>5}  "
                    yield name + "  ".join(str(cell) for cell in row)
    yield from _summary(cells)


def _covered(
    rng: Rng, trials: int, pair: tuple[float, float], made: tuple[float, float, int, int]
) -> Cell:
    """Return the cell, with c where so few problems change that their signs cannot decide.

    k problems that change equally much in one direction do so by chance with 2 / 2^k, above 7
    percent up to k = 4; k = (sum |d|)^2 / sum d^2 for other changes. Their interval must hold 0,
    and so all between 0 and its mean. A set without a change must also hold a part of changes that
    is not seen with a chance of 7 percent; of single samples, all sets that changed in the right
    direction reach further. If all other sets are held with 95 percent, the cell is above 97.
    """
    (p, q), (concentration, same, samples, size) = pair, made
    first = chances(rng, (size, trials), p, concentration)
    shifted = first + (1 - first) * (q - p) / (1 - p)
    anew = chances(rng, (size, trials), q, concentration)
    second = np.where(rng.random((size, trials)) < same, shifted, anew)
    d = (rng.binomial(samples, first) - rng.binomial(samples, second)) / samples
    half, _ = half_widths(d)
    mean, true = d.mean(axis=0), p - q
    held = float(100 * np.mean(np.abs(mean - true) <= half + 1e-12))
    changed = np.abs(d).sum(axis=0) ** 2 / np.maximum((d**2).sum(axis=0), 1e-30)
    unseen = 1 - (1 - INSIDE[0]) ** (1 / size)
    alike = (abs(true) <= unseen) & ((samples == 1) | (changed == 0))
    reached = (np.abs(mean) >= abs(true) - 1e-12) | alike
    must = (changed <= FEW + 0.01) & reached & (mean * true >= 0)
    return Cell(held, "c" if 1 - 0.05 * np.mean(~must) > INSIDE[1] else "")


def clusters(rng: Rng, trials: int) -> Iterator[str]:
    """Measure how often intervals of problems from templates hold the truth, in percent.

    A template's problems share its ease; between two systems they share the template's change.
    """
    yield "templates  problems of each   mean: alone  clustered   difference: alone  clustered"
    for count, size in ((10, 3), (12, 30), (30, 3), (30, 10), (100, 5), (300, 3)):
        held = np.zeros(4)
        groups = np.repeat(np.arange(count), size)
        for _ in range(trials // 2):
            ease = np.repeat(rng.beta(1.0, 1.0, size=count), size)
            change = np.repeat(rng.choice([-0.3, 0.0, 0.3], p=[0.2, 0.5, 0.3], size=count), size)
            first, second = (rng.random(count * size) < e for e in (ease + change, ease))
            column = 1.0 * first - second
            true = _mean_change()
            for at, part in enumerate((None, groups)):
                (found,) = intervals(1.0 * second[:, None], groups=part)
                held[at] += found.low <= 0.5 <= found.high
                (half,), _ = half_widths(column[:, None], groups=part)
                held[2 + at] += abs(column.mean() - true) <= half
        alone, together, first_alone, first_together = 100 * held / (trials // 2)
        yield (
            f"{count:>9} {size:>17} {alone:>13.1f} {together:>10.1f} {first_alone:>19.1f} "
            f"{first_together:>10.1f}"
        )


def _mean_change() -> float:
    """Return the mean of clip(e + c, 0, 1) - e for a uniform e and the changes c of `clusters`."""
    lost = 0.3 - 0.3**2 / 2
    return (0.3 - 0.2) * lost


def seeds(rng: Rng, trials: int) -> Iterator[str]:
    """Null comparisons, each training shifting all problems: how often p < 0.05, in percent."""
    yield "seeds  shift per training   over problems   with seeds"
    for count in (2, 3, 5):
        for shift in (0.0, 0.02, 0.05):
            only = wider = 0
            for _ in range(trials // 2):
                ease = 0.1 + 0.8 * rng.beta(0.5, 0.5, size=400)
                ours, theirs = (_trained(rng, ease, count, shift) for _ in range(2))
                found = difference_over_seeds(ours, theirs)
                assert found is not None
                assert found.p is not None
                column = (ours - theirs).mean(axis=0)[:, None]
                only += abs(column.mean()) > half_widths(column)[0][0]
                wider += found.p < 0.05
            share = 100 / (trials // 2)
            name = f"{count:>5} {100 * shift:>12.0f} points"
            yield f"{name} {only * share:>15.1f} {wider * share:>12.1f}"


def _trained(rng: Rng, ease: Floats, count: int, shift: float) -> Floats:
    moved = ease + rng.normal(0, shift, size=(count, 1))
    return (rng.random((count, len(ease))) < np.clip(moved, 0, 1)).astype(float)


def ece(rng: Rng, trials: int) -> Iterator[str]:
    """Measure how often the calibration error's interval holds the true one, and 0."""
    yield "judge            problems samples   true   holds it   holds 0   percentile bootstrap"
    judges: dict[str, Callable[[Floats], Floats]] = {
        "calibrated": lambda s: s,
        "5 points over": lambda s: np.clip(s - 0.05, 0, 1),
        "too sure": lambda s: 0.5 + 0.7 * (s - 0.5),
    }
    for name, curve in judges.items():
        scores, _, _ = _judged(rng, 20_000, 8, curve)
        bins = np.minimum((scores * 10).astype(int), 9)
        true = np.abs(np.bincount(bins, scores - curve(scores))).sum() / len(scores)
        for problems, samples in ((40, 8), (150, 8), (400, 16)):
            held = zero = old = 0
            count = max(20, trials // 10)
            for trial in range(count):
                s, right, problem = _judged(rng, problems, samples, curve)
                drawn = list(resampled_problems(problems, 400, trial))
                found = calibration(s, right, problem, drawn)
                held += found.low <= true + 1e-9 and true <= found.high + 1e-9
                zero += found.low == 0.0
                low, high = _percentile(s, right, problem, drawn)
                old += low <= true <= high
            share = 100 / count
            yield (
                f"{name:<16} {problems:>8} {samples:>7} {true:>6.3f} {held * share:>10.0f} "
                f"{zero * share:>9.0f} {old * share:>22.0f}"
            )


def _judged(
    rng: Rng, problems: int, samples: int, curve: Callable[[Floats], Floats]
) -> tuple[Floats, np.ndarray, np.ndarray]:
    """Return scores, rights and problems; a score s is right with the chance curve(s)."""
    problem = np.repeat(np.arange(problems), samples)
    ease = np.repeat(rng.beta(2, 1.2, size=problems), samples)
    scores = np.clip(rng.beta(3 * ease + 0.05, 3 * (1 - ease) + 0.05), 0.001, 0.999)
    return scores, rng.random(len(scores)) < curve(scores), problem


def _percentile(
    scores: Floats, right: np.ndarray, problem: np.ndarray, drawn: list[Floats]
) -> tuple[float, float]:
    """Return the percentile bootstrap of the plain error, which is wrong."""
    bins = np.minimum((scores * 10).astype(int), 9)
    problems = int(problem.max()) + 1
    excess = np.bincount(problem * 10 + bins, scores - right, minlength=problems * 10)
    each = np.abs(np.concatenate(drawn) @ excess.reshape(problems, 10)).sum(axis=1) / len(scores)
    low, high = np.percentile(each, [2.5, 97.5])
    return float(low), float(high)


def gap(rng: Rng, trials: int) -> Iterator[str]:
    """Measure how often the bootstrap interval of the closed part of the gap holds the truth."""
    yield "problems   holds it"
    for problems in (30, 100, 400):
        held, count = 0, max(50, trials // 5)
        for _ in range(count):
            ease = rng.beta(0.8, 0.8, size=problems)
            one = rng.random(problems) < ease
            every = one | (rng.random(problems) < 1 - (1 - ease) ** 8)
            picked = np.where(rng.random(problems) < 0.4, every, one)
            found = bootstrap_ratio(1.0 * picked - one, 1.0 * every - one, resamples=500)
            held += found.low <= 0.4 <= found.high
        yield f"{problems:>8} {100 * held / count:>10.1f}"


BASES, FRACTIONS = 5, (1, 2, 4, 8, 16, 32)


def study(rng: Rng, *, planted: bool, bases: int = BASES, seeds: int = 3) -> Study:
    """A scaling study. Not planted: a base's skill has nothing to do with its loss or size, and no
    data, paths or training changes it. Planted: every claim of the paper is true.
    """
    ease = rng.normal(0, 0.25, size=200)
    losses = np.sort(rng.uniform(0.5, 1.0, size=bases))
    sizes = rng.integers(3, 40, size=bases) * 10**6
    points: list[Point] = []
    trainings: list[Floats] = []

    def add(skill: float, base: int, **known: object) -> None:
        moved = skill + ease + rng.normal(0, 0.015, size=(seeds, 1))
        right = rng.random((seeds, 200)) < np.clip(moved, 0, 1)
        trainings.append(right.astype(float))
        where = {"base": str(base), "loss": losses[base], "parameters": int(sizes[base])}
        points.append(Point(**where, **known))  # type: ignore[arg-type]

    for base in range(bases):
        weak = (losses[base] - 0.5) / 0.5
        skill = 0.75 - 0.4 * weak if planted else rng.uniform(0.3, 0.75)
        doubling, gain = (0.03 + 0.03 * weak, 0.03 + 0.08 * weak) if planted else (0.0, 0.0)
        for half, part in enumerate(FRACTIONS):
            add(
                skill - doubling * half,
                base,
                kind="sft",
                problems=640 // part,
                examples=640 // part,
            )
        for k, paths in ((2, 1.0), (8, 3.0)):
            more = gain * np.log1p(paths) / np.log1p(3.0)
            add(skill + more, base, kind="rft", k=k, paths=paths, examples=int(640 * (1 + paths)))
        add(skill + gain, base, kind="no-dedup", k=8, paths=3.0, examples=640 * 8)
        union = gain * np.log1p(6.0) / np.log1p(3.0) + 0.03 * planted
        add(skill + union, base, kind="union", k=8, paths=6.0, examples=640 * 7)
        add(skill, base, kind="control", k=8, of="rft")
    return Study(points, trainings)


def claims(rng: Rng, trials: int) -> Iterator[str]:
    """Count how often each claim is decided in null studies (false) and found in planted ones."""
    count = max(20, trials // 4)
    answers: dict[bool, list[list[str]]] = {}
    names: list[str] = []
    for planted in (False, True):
        found = [study(rng, planted=planted).claims() for _ in range(count)]
        names = [claim.claim for claim in found[0]]
        answers[planted] = [[claim.answer for claim in one] for one in found]
    yield f"{BASES} bases, 3 seeds, 200 problems   decided if null   yes if planted"
    for number, name in enumerate(names):
        false = 100 * np.mean([one[number] != "cannot tell" for one in answers[False]])
        power = 100 * np.mean([one[number] == "yes" for one in answers[True]])
        yield f"{name[:72]:<72} {false:>6.1f} {power:>8.1f}"


PARTS = {
    "means": means,
    "differences": differences,
    "clusters": clusters,
    "seeds": seeds,
    "ece": ece,
    "gap": gap,
    "claims": claims,
}


def main() -> None:
    """Simulate and print the parts asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(PARTS)}; none: all")
    parser.add_argument("--trials", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for name in asked.parts or PARTS:
        if name not in PARTS:
            parser.error(f"no part {name!r}; expected {', '.join(PARTS)}")
        print(f"\n{name}: {' '.join((PARTS[name].__doc__ or '').split())}")
        for line in PARTS[name](np.random.default_rng(asked.seed), asked.trials):
            print(line, flush=True)


if __name__ == "__main__":
    main()
