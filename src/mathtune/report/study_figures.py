"""The study's figures: accuracy over loss, data and paths; paths over samples; their sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from mathtune.report import study
from mathtune.report.curves import COLOURS, INK, LINES, MARKERS, STYLE, blank, named
from mathtune.report.results import Results
from mathtune.stages.study import MeasuredPoint

Drawn = dict[str, tuple[str, Figure]]
HIGHEST = 12
"""Distinct paths from here on share the last bar of the histogram."""


def draw(results: Results) -> Drawn:
    """Return every figure that the study allows: name -> (caption, figure)."""
    document = study.found(results)
    if document is None:
        return {}
    points = document.points
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        return {**_over_loss(points), **_over_data(points), **_paths(points), **_tested(points)}


def _over_loss(points: Sequence[MeasuredPoint]) -> Drawn:
    """Return their Figure 1: accuracy over the loss by way to train; RFT at its largest k."""
    series: dict[str, list[MeasuredPoint]] = defaultdict(list)
    full = study.whole(points)
    most = max(study.known(p.k for p in points if p.kind == "rft"), default=None)
    for point in points:
        shown = point.kind in ("base", "few-shot", "union") or point in full
        shown = shown or (point.kind == "rft" and point.k == most)
        if shown and point.loss is not None:
            series[study.way(point)].append(point)
    series = {way: rows for way, rows in series.items() if len(rows) > 1}
    if not series:
        return {}
    figure, axes = blank()
    _lines(axes, series, lambda row: row.loss)
    axes.set_xlabel("loss of the base model on held-out text, bits per byte")
    _finish(axes)
    return {"study-loss": ("Accuracy over the base model's loss", figure)}


def _over_data(points: Sequence[MeasuredPoint]) -> Drawn:
    """Return their Figure 3: accuracy over supervised data, on a logarithmic axis."""
    series: dict[str, list[MeasuredPoint]] = defaultdict(list)
    for point in points:
        if point.kind in ("sft", "sft-long") and point.problems:
            series[point.base + ", equal updates" * (point.kind != "sft")].append(point)
    series = {base: rows for base, rows in series.items() if len(rows) > 2}
    if not series:
        return {}
    figure, axes = blank()
    _lines(axes, series, lambda row: row.problems)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_xlabel("problems with a solution to learn from")
    _finish(axes)
    return {"study-data": ("Accuracy over supervised data", figure)}


def _paths(points: Sequence[MeasuredPoint]) -> Drawn:
    """Return the figures of points that were trained on sampled paths."""
    sampled = [point for point in points if point.paths is not None]
    unions = [point for point in sampled if len(point.sources or {}) > 1]
    return _over_paths(sampled) | _over_k(sampled) | (_exclusive(unions[-1]) if unions else {})


def _over_paths(sampled: Sequence[MeasuredPoint]) -> Drawn:
    """Return accuracy over distinct paths; points without deduplication are apart from the line."""
    if not sampled:
        return {}
    figure, axes = blank(width=7.6)
    for (base, rows), look in zip(_grouped(sampled).items(), cycle(_looks()), strict=False):
        joined = [row for row in rows if row.kind != "no-dedup"]
        _line(axes, study.known(row.paths for row in joined), joined, base, look)
        apart = [row for row in rows if row.kind == "no-dedup"]
        at = study.known(row.paths for row in apart), [row.accuracy.value for row in apart]
        label = f"{base}, without dedup" if apart else None
        axes.plot(*at, look[2], color=look[0], mfc="none", ms=9, ls="", label=label)
    axes.set_xlabel("distinct paths per training problem, besides gold")
    _finish(axes)
    return {"study-paths": ("Accuracy over distinct paths", figure)}


def _over_k(sampled: Sequence[MeasuredPoint]) -> Drawn:
    """Return correct samples and distinct paths over k, on logarithmic axes."""
    by_base = _grouped([point for point in sampled if point.kind == "rft"])
    by_base = {base: rows for base, rows in by_base.items() if len(rows) > 1}
    if not by_base:
        return {}
    figure, axes = blank()
    for (base, unordered), look in zip(by_base.items(), cycle(_looks()), strict=False):
        rows = sorted(unordered, key=lambda row: row.k or 0)
        ks, paths = study.known(row.k for row in rows), study.known(row.paths for row in rows)
        axes.plot(ks, paths, look[2], color=look[0], ls="-", label=base)
        correct = study.known(row.correct for row in rows)
        axes.plot(ks, correct, look[2], color=look[0], ls=":", mfc="none")
    drawn = [row for rows in by_base.values() for row in rows]
    ticks = sorted(set(study.known(row.k for row in drawn)))
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [str(k) for k in ticks])
    if all(row.paths for row in drawn):  # a logarithmic axis has no zero
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_xlabel("samples per problem, k")
    axes.set_ylabel("per problem: paths (lines), correct (dots)")
    axes.legend(fontsize=8)
    return {"study-samples": ("Correct samples and distinct paths over k", figure)}


def _exclusive(union: MeasuredPoint) -> Drawn:
    """Return their Figure 6: the paths that only one model brings to the union."""
    sources = union.sources or {}
    names, found = list(sources), list(sources.values())
    figure, axes = blank(height=0.9 + 0.4 * len(names))
    axes.barh(names, [one.paths for one in found], color=COLOURS[5], label="distinct paths")
    alone = [one.exclusive_paths for one in found]
    axes.barh(names, alone, color=COLOURS[1], hatch="//", label="of them, in no other's samples")
    whole = (union.paths or 0.0) * (union.problems or 0)
    for place, one in enumerate(found):
        share = f" {one.exclusive_paths / whole:.0%} of the union" if whole else ""
        axes.text(one.exclusive_paths, place, share, va="center", fontsize=8)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("paths over all training problems")
    axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return {"study-exclusive": ("Paths in the union that only one model brings", figure)}


def _tested(points: Sequence[MeasuredPoint]) -> Drawn:
    """Return their Figure 7: distinct correct paths of each test problem."""
    rows = [
        point
        for point in points
        if point.test_histogram is not None and point.fraction in (None, 1)
    ]
    last = {(row.base, row.kind): row for row in rows}
    rows = [row for row in last.values() if row.base == points[0].base]
    if not rows:
        return {}
    figure, axes = blank()
    width = 0.8 / len(rows)
    for place, (row, look) in enumerate(zip(rows, cycle(_looks()), strict=False)):
        heights = [0.0] * (HIGHEST + 1)
        for paths, problems in (row.test_histogram or {}).items():
            heights[min(int(paths), HIGHEST)] += problems
        x = [number + place * width for number in range(HIGHEST + 1)]
        axes.bar(x, heights, width, color=look[0], label=study.way(row))
    ticks = [str(number) for number in range(HIGHEST)] + [f"{HIGHEST}+"]
    axes.set_xticks([number + 0.4 - width / 2 for number in range(HIGHEST + 1)], ticks)
    axes.set_xlabel("distinct correct paths among a test problem's samples")
    axes.set_ylabel("problems")
    axes.legend(fontsize=8)
    title = f"{rows[0].base}: distinct correct paths of each test problem"
    return {"study-diversity": (title, figure)}


def _grouped(points: Sequence[MeasuredPoint]) -> dict[str, list[MeasuredPoint]]:
    found: dict[str, list[MeasuredPoint]] = defaultdict(list)
    for point in points:
        found[point.base].append(point)
    return dict(found)


Look = tuple[str, object, str]


def _looks() -> list[Look]:
    return list(zip(COLOURS, LINES, MARKERS, strict=True))


def _lines(
    axes: Axes,
    series: Mapping[str, Sequence[MeasuredPoint]],
    x: Callable[[MeasuredPoint], float | None],
) -> None:
    """Draw each series over x, which its points all have, in a look of its own."""
    for (name, rows), look in zip(series.items(), cycle(_looks()), strict=False):
        _line(axes, study.known(map(x, rows)), rows, name, look)


def _line(
    axes: Axes, x: Sequence[float], rows: Sequence[MeasuredPoint], label: str, look: Look
) -> None:
    """Draw points in the order of x, with their intervals."""
    order = sorted(range(len(rows)), key=lambda i: x[i])
    values = [rows[i].accuracy for i in order]
    below = [one.value - one.low for one in values]
    above = [one.high - one.value for one in values]
    colour, line, marker = look
    axes.errorbar(
        [x[i] for i in order],
        [one.value for one in values],
        yerr=[below, above],
        color=colour,
        ecolor=INK,
        elinewidth=0.5,
        linestyle=line,
        marker=marker,
        label=label,
    )


def _finish(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel("accuracy, greedy")
    named(axes, inside=False)
