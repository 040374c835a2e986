"""Draw docs/results.png from results/miniature: `make picture`.

On the left what supervised problems are worth at three budgets of updates, on the right what votes,
the calculator and a judge make of 24 samples. Large marks are means with 95 % intervals that
include seeds, the dots beside them single trainings.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from mathtune.metrics.measure import Outcome
from mathtune.metrics.seeds import row_mean
from mathtune.report.curves import COLOURS, MARKERS, STYLE
from mathtune.rows import jsonl

DOCS = Path(__file__).parent
MINIATURE = DOCS.parent / "results" / "miniature"
SIZES = (250, 500, 1000, 2000, 4000)
BUDGETS = (200, 600, 1800)
WEIGHTS = {
    "votes": "Maj1@24",
    "votes × calculator": "calculator",
    "... × judge": "W.RR.calculator",
}
JUDGED = {
    "600 updates, seeds 0 to 11": [f"seed-{seed}/judge/test-long-row" for seed in range(12)],
    "1,800 updates, seeds 3 to 5": [
        f"seed-{seed}/judge/test-long-u1800-row" for seed in range(3, 6)
    ],
}


def main(file: Path = DOCS / "results.png") -> None:
    """Draw and write it."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(9.0, 3.6), layout="constrained")
        data, weights = figure.subplots(1, 2)
        supervised(data)
        voted(weights)
        for axes in (data, weights):
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        data.set_ylim(0, 0.9)
        weights.set_ylim(0.45, 0.9)
        data.legend(loc="upper left")
        weights.legend(loc="lower right")
        figure.savefig(file, metadata={"Software": None})


def values(rows: Sequence[str], metric: str) -> np.ndarray:
    """Return a metric of every problem in rows of several seeds, float (seeds, problems)."""
    found = []
    for row in rows:
        outcomes = jsonl.read(MINIATURE / row / "outcomes.jsonl", Outcome)
        by_id = {one.problem_id: one.values[metric] for one in outcomes}
        found.append([by_id[name] for name in sorted(by_id)])
    return np.array(found)


def supervised(axes: Axes) -> None:
    """Draw greedy accuracy over the number of supervised problems, a line for each budget."""
    for number, updates in enumerate(BUDGETS):
        each = [
            values([f"seed-{seed}/ssft-{size}-u{updates}-row" for seed in range(3)], "mean")
            for size in SIZES
        ]
        marked(axes, np.log2(SIZES), each, number, f"{updates:,} updates", line="-")
    axes.set_xticks(np.log2(SIZES), [f"{size:,}" for size in SIZES])
    axes.set_xlabel("supervised problems")
    axes.set_title("Greedy solutions of 400 problems", loc="left", fontsize="medium")


def voted(axes: Axes) -> None:
    """Draw what each way to weigh votes makes of a weak and of a stronger generator's samples."""
    for number, (label, rows) in enumerate(JUDGED.items()):
        at = np.arange(len(WEIGHTS)) + 0.2 * number - 0.1
        each = [values(rows, metric) for metric in WEIGHTS.values()]
        marked(axes, at, each, number + 1, label, line="")
    axes.set_xticks(range(len(WEIGHTS)), list(WEIGHTS))
    axes.set_xlim(-0.4, len(WEIGHTS) - 0.6)
    axes.set_title("Votes of 24 samples, SSFT on 4,000", loc="left", fontsize="medium")


def marked(
    axes: Axes, at: np.ndarray, each: list[np.ndarray], number: int, label: str, *, line: str
) -> None:
    """Draw means with their intervals, and the single trainings."""
    colour, means = COLOURS[number], [row_mean(one) for one in each]
    centre = np.array([mean.value for mean in means])
    reach = [centre - [mean.low for mean in means], [mean.high for mean in means] - centre]
    axes.errorbar(
        at, centre, reach, color=colour, marker=MARKERS[number], linestyle=line, label=label
    )
    for place, one in zip(at, each, strict=True):
        axes.plot([place + 0.07] * len(one), one.mean(1), ".", color=colour, markersize=3)


if __name__ == "__main__":
    main()
