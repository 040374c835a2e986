"""Curves over N, over K and over a training, and the look that all figures share. Below figures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, ScalarFormatter

from mathtune.report.results import Measured
from mathtune.run.progress import visible
from mathtune.training.curve import CurvePoint

INK, PAPER = "#1b1b1b", "#ffffff"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#6b6b6b")
"""Okabe and Ito's palette, which most colour-blind readers can read, without its pale yellow."""
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (7, 3)), (0, (3, 1)))
MOST_GROUPS = 24
"""The most levels or subjects in a figure; more are only in the table."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

LEGEND_INSIDE = 4
"""The most names of a legend inside the axes; a longer one would hide the lines."""
NAMED_TRAININGS = 16
"""The most trainings whose losses are labelled; a study has more than a hundred."""
STYLE = {
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "font.size": 10,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "mathtune",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
}


def blank(width: float = 6.0, height: float = 3.7) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def over_n(row: Measured) -> Figure:
    curves = row.document.curves["over_n"]
    k, sizes = curves["k"], curves["n"]
    wanted = {
        "Pass": "Pass@N (oracle)",
        f"Maj{k}": f"Maj{k}@N (oracle)",
        "RR.All": "RR.All",
        f"RR.Maj{k}": f"RR.Maj{k}",
        "W.RR": "W.RR",
        "Maj1": "Maj1@N",
    }
    figure, axes = blank()
    _lines(axes, sizes, {shown: curves[name] for name, shown in wanted.items() if name in curves})
    _doubling(axes, sizes, "samples per problem, N (mean over subsets)")
    return figure


def stopping(row: Measured) -> Figure:
    """Return accuracy over the mean number of samples: votes of N, and votes that stop early."""
    curves, stops = row.document.curves["over_n"], row.document.early_stopping or []
    figure, axes = blank()
    _lines(axes, curves["n"], {"Maj1@N": curves["Maj1"]})
    used, values = [one["samples"] for one in stops], [one["Maj1"]["value"] for one in stops]
    axes.plot(used, values, MARKERS[1], color=COLOURS[1], linestyle="-", label="stopped early")
    for one in stops:
        place = (one["samples"], one["Maj1"]["value"])
        shift = (4, -10)
        axes.annotate(f"{one['stop']:g}", place, xytext=shift, textcoords="offset points")
    axes.legend(fontsize=8)
    _doubling(axes, curves["n"], "samples per problem, mean")
    return figure


def over_k(row: Measured) -> Figure:
    curves = row.document.curves["over_k"]
    figure, axes = blank()
    names = ("RR.MajK", "W.RR.MajK", "Maj1.TopN", "MajK")
    shown = {name + (" (oracle)" if name == "MajK" else ""): curves[name] for name in names}
    _lines(axes, curves["k"], shown)
    _doubling(axes, row.document.curves["over_n"]["n"], "clusters kept, K (Maj1.TopN: samples, N)")
    return figure


def reading_cost(row: Measured) -> Figure:
    curves = row.document.curves["over_k"]
    figure, axes = blank()
    axes.plot(
        curves["k"], curves["cost.MajK"]["value"], color=COLOURS[0], label="RR.MajK, W.RR.MajK"
    )
    axes.axhline(1.0, color=COLOURS[1], linestyle="--", label="RR.All, W.RR, Maj1.TopN")
    axes.set_ylim(0, 1.05)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_ylabel("part of the samples read")
    axes.legend(fontsize=8, loc="lower right")
    _doubling(axes, row.document.curves["over_n"]["n"], "clusters kept, K")
    return figure


def _doubling(axes: Axes, ticks: Sequence[int], label: str) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel(label)


def _lines(axes: Axes, x: Sequence[int], series: dict[str, dict[str, list[float]]]) -> None:
    """Draw accuracy curves with their intervals, each with its own style and label."""
    looks = zip(COLOURS, LINES, MARKERS, strict=True)
    for (name, found), (colour, line, marker) in zip(series.items(), cycle(looks), strict=False):
        marked = [place for place, one in enumerate(x) if one.bit_count() == 1 or one == x[-1]]
        axes.plot(
            x, found["value"], marker, color=colour, linestyle=line, markevery=marked, label=name
        )
        axes.fill_between(x, found["low"], found["high"], color=colour, alpha=0.08, linewidth=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_ylabel("accuracy")
    axes.legend(fontsize=8)


def training(curves: dict[str, list[CurvePoint]]) -> Figure:
    """Return one line per training; if there are too many to label, all alike and thin."""
    many = len(curves) > NAMED_TRAININGS
    figure, axes = blank(8.0 if LEGEND_INSIDE < len(curves) <= NAMED_TRAININGS else 6.0)
    looks = cycle(zip(COLOURS, LINES, MARKERS, strict=True))
    for (name, points), (colour, line, marker) in zip(curves.items(), looks, strict=False):
        losses = [(p.update, p.loss) for p in points if p.loss is not None]
        if losses:
            updates, values = zip(*losses, strict=True)
            if many:
                axes.plot(updates, _smooth(values), color=INK, alpha=0.35, linewidth=0.7)
            else:
                axes.plot(updates, _smooth(values), color=colour, linestyle=line, label=plain(name))
        held = [(p.update, p.validation_loss) for p in points if p.validation_loss is not None]
        if held:
            axes.plot(*zip(*held, strict=True), marker, color=colour, markersize=6, mec=INK)
    axes.set_xlabel("updates")
    axes.set_ylabel("loss (mean of the last updates)")
    if many:
        axes.set_title(f"{len(curves)} trainings", fontsize=9)
    else:
        named(axes)
    return figure


def named(axes: Axes, *, inside: bool = True) -> None:
    """Place the legend so that it hides no line: short ones in or above the axes, long ones at the
    side.
    """
    names = axes.get_legend_handles_labels()[1]
    if len(names) > LEGEND_INSIDE:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    elif not inside:
        axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(names))
    else:
        axes.legend(fontsize=8)


def plain(name: str) -> str:
    """Return the name, visible as a whole, with dollar signs that are not read as mathematics."""
    return visible(name, keep="").replace("$", r"\$")


def _smooth(values: Sequence[float]) -> list[float]:
    """Return the mean of the last twentieth of the points so far, at least of one."""
    width = max(1, len(values) // 20)
    return [
        sum(values[max(0, i + 1 - width) : i + 1]) / min(i + 1, width) for i in range(len(values))
    ]
