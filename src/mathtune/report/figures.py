"""The report's figures. Series differ in colour, line and marker, so that none is needed alone."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from io import StringIO
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, ScalarFormatter

from mathtune.report import tables
from mathtune.report.gap import Closed
from mathtune.report.results import Compared, Measured, Results
from mathtune.rows import jsonl
from mathtune.run.progress import visible
from mathtune.training.curve import CurvePoint

INK, PAPER = "#1b1b1b", "#ffffff"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#6b6b6b")
"""Okabe and Ito's palette, told apart by most colour-blind readers, less its pale yellow."""
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (7, 3)), (0, (3, 1)))
MOST_GROUPS = 24
"""More levels or subjects stand in the table only."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

LEGEND_INSIDE = 4
"""Names that a legend inside the axes may have before it hides what is drawn."""
NAMED_TRAININGS = 16
"""Trainings whose losses are told apart; a study has more than a hundred."""
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


def draw(results: Results, found: list[Closed]) -> dict[str, tuple[str, Figure]]:
    """Every figure that the results allow: name -> (what it shows, figure)."""
    drawn: dict[str, tuple[str, Figure]] = {}
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        if found and results.reference is not None:
            drawn["gap"] = (_gap_title(results.reference), _gap(found))
        for averaged in results.rows:
            row = averaged.each[0]  # of several seeds, the first one's curves
            if row.n > 1 and (averaged is results.reference or row.scored):
                drawn[f"{_file(row)}-over-n"] = (
                    f"{row.name}: accuracy over the number of samples N",
                    _over_n(row),
                )
            if averaged is results.reference and row.n > 2:
                caption = f"{row.name}: votes that stop once the lead is sure, and votes of N"
                drawn[f"{_file(row)}-stopping"] = (caption, _stopping(row))
            if row.scored:
                drawn |= _judged(row)
        for kind in ("level", "subject"):
            if results.reference is not None:
                drawn |= _by_group(results.reference, kind)
        curves = _of_one_seed(results.curves)
        if curves:
            drawn["training"] = ("Training losses (dots: validation)", _training(curves))
    return drawn


def _of_one_seed(curves: dict[str, list[CurvePoint]]) -> dict[str, list[CurvePoint]]:
    """The curves of steps outside any seed's folder and of the first seed that has each."""
    first: dict[str, str] = {}
    for name in curves:
        first.setdefault(name.rpartition("/")[2], name)
    return {name: curves[name] for name in first.values()}


def _judged(row: Measured) -> dict[str, tuple[str, Figure]]:
    """The figures of a row whose samples are scored."""
    found = row.document.evaluator or {}
    drawn = {
        f"{_file(row)}-over-k": (f"{row.name}: strategies over K (N for Maj1.TopN)", _over_k(row)),
        f"{_file(row)}-cost": (f"{row.name}: what the evaluator must read", _cost(row)),
    }
    if "reliability" in found:
        error = found["ece"]["value"]
        caption = (
            f"{row.name}: calibration, ECE {error:.3f}; the larger the dot, the more samples. "
            "Bars: where 95 % of the dots would be if the scores were calibrated"
        )
        drawn[f"{_file(row)}-calibration"] = (caption, _calibration(found["reliability"]))
    if "roc" in found:
        within = found["within_auc"]
        inside = "" if within is None else f", within problems {within['value']:.3f}"
        caption = f"{row.name}: ROC of the scores, AUC {found['auc']['value']:.3f}{inside}"
        drawn[f"{_file(row)}-roc"] = (caption, _roc(found["roc"]))
    return drawn


def _by_group(row: Measured, kind: Literal["level", "subject"]) -> dict[str, tuple[str, Figure]]:
    """One solution, votes, the votes that scores weigh, and the oracle, for each group."""
    names, groups = tables.grouped(row, kind)
    if len(groups) < 2 or len(groups) > MOST_GROUPS:
        return {}
    wanted = (row.first, f"Maj1@{row.n}", "W.RR", f"Pass@{row.n}")
    shown = [name for name in names if name in wanted]
    figure, axes = _figure(6.0, 1.2 + (0.16 * len(shown) + 0.12) * len(groups))
    looks = zip(shown, COLOURS, MARKERS, strict=False)
    for number, (name, colour, marker) in enumerate(looks):
        shift = 0.7 * (number + 0.5) / len(shown) - 0.35
        for place, group in enumerate(groups):
            one = group.metrics[names.index(name)]
            at = place + shift
            axes.plot([one.low, one.high], [at, at], color=colour, linewidth=1.4)
            label = name if place == 0 else None
            axes.plot([one.value], [at], marker, color=colour, label=label)
    axes.set_yticks(range(len(groups)), [_plain(f"{one.label} ({one.problems})") for one in groups])
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("accuracy, 95 % intervals (number of problems)")
    axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(shown))
    return {f"{_file(row)}-by-{kind}": (f"{row.name}: accuracy by {kind}", figure)}


def save(
    figures: dict[str, tuple[str, Figure]], folder: Path, *, prefix: str = ""
) -> dict[str, str]:
    """Write every figure as PNG and SVG, the same bytes for the same results; return the SVGs."""
    folder.mkdir(exist_ok=True)
    texts = {}
    with mpl.rc_context(STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box in PNGs; SVGs have the text
        for name, (_, figure) in figures.items():
            file = folder / f"{prefix}{name}"
            with jsonl.whole(Path(f"{file}.png")) as png:
                figure.savefig(png, format="png", facecolor=PAPER, metadata={"Software": None})
            figure.set_layout_engine("none")  # it is laid out; again would cost as much again
            stream = StringIO()
            figure.savefig(stream, format="svg", facecolor=PAPER, metadata={"Date": None})
            texts[name] = stream.getvalue()
            jsonl.write_text(Path(f"{file}.svg"), texts[name])
    return texts


def inline(svg: str) -> str:
    """The `<svg>` element, its ink, paper and colours those of the page, light or dark."""
    start, metadata, rest = svg[svg.index("<svg") :].partition("<metadata>")
    svg = start + (rest.partition("</metadata>")[2] if metadata else "")
    svg = svg.replace(INK, "currentColor").replace(PAPER, "var(--paper)")
    for number, colour in enumerate(COLOURS):
        svg = svg.replace(colour, f"var(--series-{number})")
    return svg


def _figure(width: float = 6.0, height: float = 3.7) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _gap_title(row: Measured) -> str:
    one = "greedy" if row.first == "Pass@1" else "mean"
    return (
        f"Part of the gap between Pass@1 ({one}, {row.metrics[row.first]['value']:.1%}) and "
        f"Pass@{row.n} ({row.metrics[f'Pass@{row.n}']['value']:.1%}) of {row.name} that each closes"
    )


def _gap(found: list[Closed]) -> Figure:
    figure, axes = _figure(7.6, 0.9 + 0.34 * len(found))
    for place, one in enumerate(found):
        colour, marker = (COLOURS[1], "s") if one.trained else (COLOURS[0], "o")
        axes.plot([one.part.low, one.part.high], [place, place], color=colour, linewidth=2.2)
        fill = PAPER if one.trained else colour
        axes.plot([one.part.value], [place], marker, color=colour, markersize=8, mfc=fill)
        axes.annotate(
            f"{one.part.value:z.0%}",
            (one.part.value, place),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            bbox={
                "facecolor": PAPER,
                "edgecolor": "none",
                "pad": 0.5,
            },  # the line at 0 % ends there
        )
    axes.axvline(0, color=INK, linewidth=1)
    axes.axvline(1, color=INK, linewidth=1, linestyle="--")
    axes.set_yticks(range(len(found)), [_plain(one.label) for one in found])
    axes.set_ylim(len(found) - 0.5, -0.75)
    low = min(one.part.low for one in found)
    axes.set_xlim(min(-0.05, max(low - 0.05, -1.0)), 1.05)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    marks = " Filled: a strategy; hollow: a model, greedily." if found[-1].trained else ""
    axes.set_xlabel(f"0 % is Pass@1, 100 % is Pass@N.{marks}")
    return figure


def differences(found: Compared) -> Figure:
    """The paired differences of every shared row to the first run: one mark a further run."""
    lines = [
        (f"{name}: {metric}", [one[metric] for one in found.minus[name]])
        for name, each in found.rows.items()
        for metric in (each[0].first, f"Maj1@{each[0].n}", "W.RR")
        if all(metric in one for one in found.minus[name])
    ]
    others = found.names[1:]
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axes = _figure(7.6, 0.9 + (0.2 + 0.14 * len(others)) * len(lines))
        for number, name in enumerate(others):
            colour, marker = COLOURS[number % 8], MARKERS[number % 8]
            shift = 0.6 * (number + 0.5) / len(others) - 0.3
            for place, (_, ones) in enumerate(lines):
                one = {key: 100 * ones[number][key] for key in ("difference", "low", "high")}
                at = [place + shift] * 2
                axes.plot([one["low"], one["high"]], at, color=colour, linewidth=2)
                label = _plain(name) if place == 0 else None
                axes.plot([one["difference"]], at[:1], marker, color=colour, label=label)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_yticks(range(len(lines)), [_plain(label) for label, _ in lines])
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"points minus {_plain(found.names[0])}")
        if len(others) > 1:
            axes.legend(fontsize=8)
    return figure


def _over_n(row: Measured) -> Figure:
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
    figure, axes = _figure()
    _lines(axes, sizes, {shown: curves[name] for name, shown in wanted.items() if name in curves})
    _doubling(axes, sizes, "samples per problem, N (mean over subsets)")
    return figure


def _stopping(row: Measured) -> Figure:
    """Accuracy over the mean number of samples: votes of N, and votes that stop early."""
    curves, stops = row.document.curves["over_n"], row.document.early_stopping or []
    figure, axes = _figure()
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


def _over_k(row: Measured) -> Figure:
    curves = row.document.curves["over_k"]
    figure, axes = _figure()
    names = ("RR.MajK", "W.RR.MajK", "Maj1.TopN", "MajK")
    shown = {name + (" (oracle)" if name == "MajK" else ""): curves[name] for name in names}
    _lines(axes, curves["k"], shown)
    _doubling(axes, row.document.curves["over_n"]["n"], "clusters kept, K (Maj1.TopN: samples, N)")
    return figure


def _cost(row: Measured) -> Figure:
    curves = row.document.curves["over_k"]
    figure, axes = _figure()
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
    """Accuracy curves with their intervals, drawn and labelled apart."""
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


def _training(curves: dict[str, list[CurvePoint]]) -> Figure:
    """One line a training; where there are too many to tell apart, all alike and thin."""
    many = len(curves) > NAMED_TRAININGS
    figure, axes = _figure(8.0 if LEGEND_INSIDE < len(curves) <= NAMED_TRAININGS else 6.0)
    looks = cycle(zip(COLOURS, LINES, MARKERS, strict=True))
    for (name, points), (colour, line, marker) in zip(curves.items(), looks, strict=False):
        losses = [(p.update, p.loss) for p in points if p.loss is not None]
        if losses:
            updates, values = zip(*losses, strict=True)
            if many:
                axes.plot(updates, _smooth(values), color=INK, alpha=0.35, linewidth=0.7)
            else:
                axes.plot(
                    updates, _smooth(values), color=colour, linestyle=line, label=_plain(name)
                )
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
    """The legend: a short one inside or above the axes, a long one beside them, hiding no line."""
    names = axes.get_legend_handles_labels()[1]
    if len(names) > LEGEND_INSIDE:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    elif not inside:
        axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(names))
    else:
        axes.legend(fontsize=8)


def _file(row: Measured) -> str:
    return file_name(row.name)


def file_name(name: str) -> str:
    """A name as part of a file's name.

    >>> file_name("their/samples $x")
    'their-samples-x'
    """
    return re.sub(r"[^\w.-]+", "-", name)


def _plain(name: str) -> str:
    """The name with its dollar signs kept from being read as mathematics, all of it visible."""
    return visible(name, keep="").replace("$", r"\$")


def _smooth(values: Sequence[float]) -> list[float]:
    """The mean of the last twentieth of the points so far, at least of one."""
    width = max(1, len(values) // 20)
    return [
        sum(values[max(0, i + 1 - width) : i + 1]) / min(i + 1, width) for i in range(len(values))
    ]


def _calibration(bins: Sequence[dict[str, Any]]) -> Figure:
    figure, axes = _square("score", "part that is right")
    most = max(one["count"] for one in bins)
    x, y = [one["score"] for one in bins], [one["right"] for one in bins]
    low, high = [one["calibrated_low"] for one in bins], [one["calibrated_high"] for one in bins]
    axes.vlines(x, low, high, color=INK, linewidth=4, alpha=0.25)
    axes.plot(x, y, color=COLOURS[0])
    axes.scatter(x, y, s=[15 + 120 * one["count"] / most for one in bins], color=COLOURS[0])
    return figure


def _roc(points: Sequence[tuple[float, float]]) -> Figure:
    figure, axes = _square("wrong solutions accepted", "right solutions accepted")
    axes.plot(*zip(*points, strict=True), color=COLOURS[1])
    return figure


def _square(x: str, y: str) -> tuple[Figure, Axes]:
    """Axes from 0 to 1 with their diagonal: what chance, or perfect calibration, looks like."""
    figure, axes = _figure()
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=":")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes
