"""The report's figures. Series differ in colour, line and marker, so that none is needed alone."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from mathtune.report.cells import with_other_seeds
from mathtune.report.curves import (
    COLOURS,
    INK,
    MARKERS,
    MOST_GROUPS,
    PAPER,
    STYLE,
    blank,
    over_k,
    over_n,
    plain,
    reading_cost,
    stopping,
    training,
)
from mathtune.report.gap import Closed
from mathtune.report.groups import grouped
from mathtune.report.results import Compared, Measured, Results
from mathtune.rows import jsonl
from mathtune.training.curve import CurvePoint


def draw(results: Results, found: list[Closed]) -> dict[str, tuple[str, Figure]]:
    """Return every figure that the results allow: name -> (caption, figure)."""
    drawn: dict[str, tuple[str, Figure]] = {}
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        if found and results.reference is not None:
            drawn["gap"] = (_gap_title(results.reference), _gap(found))
        for averaged in results.rows:
            row = averaged.each[0]  # with several seeds, the curves of the first
            if row.n > 1 and (averaged is results.reference or row.scored):
                drawn[f"{_file(row)}-over-n"] = (
                    f"{row.name}: accuracy over the number of samples N",
                    over_n(row),
                )
            if averaged is results.reference and row.n > 2:
                caption = f"{row.name}: votes that stop once the lead is sure, and votes of N"
                drawn[f"{_file(row)}-stopping"] = (caption, stopping(row))
            if row.scored:
                drawn |= _judged(row)
        for kind in ("level", "subject"):
            if results.reference is not None:
                drawn |= _by_group(results.reference, kind)
        losses = _of_one_seed(results.curves)
        if losses:
            drawn["training"] = ("Training losses (dots: validation)", training(losses))
    return drawn


def _of_one_seed(curves: dict[str, list[CurvePoint]]) -> dict[str, list[CurvePoint]]:
    """Return the curves of steps outside seeds' folders, and of the first seed that has each."""
    first: dict[str, str] = {}
    for name in curves:
        first.setdefault(name.rpartition("/")[2], name)
    return {name: curves[name] for name in first.values()}


def _judged(row: Measured) -> dict[str, tuple[str, Figure]]:
    """Return the figures of a row whose samples are scored."""
    found = row.document.evaluator or {}
    drawn = {
        f"{_file(row)}-over-k": (f"{row.name}: strategies over K (N for Maj1.TopN)", over_k(row)),
        f"{_file(row)}-cost": (
            f"{row.name}: samples to score",
            reading_cost(row),
        ),
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
    """Return one solution, votes, the votes that scores weigh, and the oracle, for each group."""
    names, groups = grouped(row, kind)
    if len(groups) < 2 or len(groups) > MOST_GROUPS:
        return {}
    wanted = (row.first, f"Maj1@{row.n}", "W.RR", f"Pass@{row.n}")
    shown = [name for name in names if name in wanted]
    figure, axes = blank(6.0, 1.2 + (0.16 * len(shown) + 0.12) * len(groups))
    looks = zip(shown, COLOURS, MARKERS, strict=False)
    for number, (name, colour, marker) in enumerate(looks):
        shift = 0.7 * (number + 0.5) / len(shown) - 0.35
        for place, group in enumerate(groups):
            one = group.metrics[names.index(name)]
            at = place + shift
            axes.plot([one.low, one.high], [at, at], color=colour, linewidth=1.4)
            label = name if place == 0 else None
            axes.plot([one.value], [at], marker, color=colour, label=label)
    axes.set_yticks(range(len(groups)), [plain(f"{one.label} ({one.problems})") for one in groups])
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
            figure.set_layout_engine("none")  # it is laid out already
            stream = StringIO()
            figure.savefig(stream, format="svg", facecolor=PAPER, metadata={"Date": None})
            texts[name] = stream.getvalue()
            jsonl.write_text(Path(f"{file}.svg"), texts[name])
    return texts


def inline(svg: str) -> str:
    """Return the `<svg>` element, its ink, paper and colours those of the page, light or dark."""
    start, metadata, rest = svg[svg.index("<svg") :].partition("<metadata>")
    svg = start + (rest.partition("</metadata>")[2] if metadata else "")
    svg = svg.replace(INK, "currentColor").replace(PAPER, "var(--paper)")
    for number, colour in enumerate(COLOURS):
        svg = svg.replace(colour, f"var(--series-{number})")
    return svg


def _gap_title(row: Measured) -> str:
    one = "greedy" if row.first == "Pass@1" else "mean"
    first, every = (row.metrics[name]["value"] for name in (row.first, f"Pass@{row.n}"))
    return (
        f"Part of the gap between Pass@1 ({one}, {first:.1%}) and Pass@{row.n} ({every:.1%}) of "
        f"{row.model} that each closes"
    )


def _gap(found: list[Closed]) -> Figure:
    figure, axes = blank(7.6, 0.9 + 0.34 * len(found))
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
    axes.set_yticks(range(len(found)), [plain(one.label) for one in found])
    axes.set_ylim(len(found) - 0.5, -0.75)
    low = min(one.part.low for one in found)
    axes.set_xlim(min(-0.05, max(low - 0.05, -1.0)), 1.05)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    marks = " Filled: a strategy; hollow: a model, greedily." if found[-1].trained else ""
    axes.set_xlabel(f"0 % is Pass@1, 100 % is Pass@N.{marks}")
    return figure


def differences(found: Compared) -> Figure:
    """Return the paired differences of shared rows to the first run: one mark per further run."""
    lines = [
        (f"{name}: {metric}", [one[metric] for one in found.minus[name]])
        for name, each in found.rows.items()
        for metric in (each[0].first, f"Maj1@{each[0].n}", "W.RR")
        if all(metric in one for one in found.minus[name])
    ]
    others = found.names[1:]
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axes = blank(7.6, 0.9 + (0.2 + 0.14 * len(others)) * len(lines))
        for number, name in enumerate(others):
            colour, marker = COLOURS[number % 8], MARKERS[number % 8]
            shift = 0.6 * (number + 0.5) / len(others) - 0.3
            for place, (_, ones) in enumerate(lines):
                wide = with_other_seeds(ones[number])
                one = {key: 100 * wide[key] for key in ("difference", "low", "high")}
                at = [place + shift] * 2
                axes.plot([one["low"], one["high"]], at, color=colour, linewidth=2)
                label = plain(name) if place == 0 else None
                axes.plot([one["difference"]], at[:1], marker, color=colour, label=label)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_yticks(range(len(lines)), [plain(label) for label, _ in lines])
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"points minus {plain(found.names[0])}")
        if len(others) > 1:
            axes.legend(fontsize=8)
    return figure


def _file(row: Measured) -> str:
    return file_name(row.name)


def file_name(name: str) -> str:
    """Return a name as part of a file's name.

    >>> file_name("their/samples $x")
    'their-samples-x'
    """
    return re.sub(r"[^\w.-]+", "-", name)


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
    """Return axes from 0 to 1 with their diagonal, which shows chance or perfect calibration."""
    figure, axes = blank()
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=":")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes
