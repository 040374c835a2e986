"""A table of texts: its cells, and its looks in a terminal and in Markdown. Below tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich import box
from rich.table import Table as Grid
from rich.text import Text

from mathtune.metrics.intervals import Interval
from mathtune.run.progress import visible

NONE = "–"

SURE = 0.05
"""From this p on a difference may be due to chance."""

LONGEST_NAME = 27
"""The terminal columns that a table's names may take from the numbers."""
_MARKUP = re.compile(r"<(?=[A-Za-z/!?])|(?<=\])[(\[:]")
"""Where a tag begins, and what makes a link, a picture or a link's definition of brackets."""


@dataclass(frozen=True)
class Table:
    """A table of texts; the first column names the row. `note`: the text below."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""


def grid(table: Table) -> Grid:
    """Return the table for a terminal."""
    drawn = Grid(title=table.title, caption=table.note or None, box=box.SIMPLE_HEAD)
    drawn.pad_edge = False
    first = (table.header[0], *(cells[0] for cells in table.rows))
    names = min(max(map(len, first)), LONGEST_NAME)
    for number, name in enumerate(table.header):
        left = number == 0
        # Not min_width: rich adds that to columns it has already fitted, and crops the last.
        side: Literal["left", "right"] = "left" if left else "right"
        width = names if left else None
        drawn.add_column(Text(name), justify=side, width=width, overflow="fold")
    for cells in table.rows:
        drawn.add_row(*(Text(cell) for cell in cells))
    return drawn


def markdown(table: Table) -> str:
    """Return the table in Markdown."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(plain(cell).replace("|", "\\|") for cell in cells) + " |"

    sides = ["---"] + ["---:"] * (len(table.header) - 1)
    lines = [line(table.header), line(sides), *(line(cells) for cells in table.rows)]
    note = f"\n{plain(table.note)}\n" if table.note else ""
    return f"### {plain(table.title)}\n\n" + "\n".join(lines) + "\n" + note


def plain(text: str) -> str:
    """Return a text for Markdown as one line without tags, links and pictures of its own: names and
    groups come from files.

    >>> plain("a < b, <b>, ![x](y)")
    'a < b, \\\\<b>, ![x]\\\\(y)'
    """
    return _MARKUP.sub(r"\\\g<0>", " ".join(visible(text).split()))


def accuracy(metrics: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """Return a metric as a cell: percent with its interval, or a dash if it was not measured."""
    if name not in metrics:
        return NONE
    row = metrics[name]
    return percent(Interval(row["value"], row["low"], row["high"])) + _with_seeds(row)


def _with_seeds(row: Mapping[str, Any], sign: str = "") -> str:
    """Return the interval that includes seeds, and its p if there is one; empty with one seed."""
    found = row.get("over_seeds")
    if not found:
        return ""
    p = "" if found["p"] is None else f" {p_value(found['p'])}"
    return f", seeds {bounds(found['low'], found['high'], sign)}{p}"


def with_other_seeds(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value with the interval that includes other seeds, if it is of several seeds.

    Example:
        >>> with_other_seeds({"value": 0.5, "low": 0.4, "over_seeds": {"low": 0.3}})["low"]
        0.3
    """
    return {**row, **(row.get("over_seeds") or {})}


def percent(found: Interval) -> str:
    """Return a fraction in percent with its interval: `62.3 [57.2, 67.0]`."""
    return f"{100 * found.value:.1f} {bounds(found.low, found.high)}"


def gain(row: Mapping[str, float]) -> str:
    """Return a paired difference in points with its interval: `+1.5 [-0.2, +3.1]`.

    >>> gain({"difference": -1e-17, "low": -0.0001, "high": 0.03})
    '+0.0 [-0.0, +3.0]'
    """
    return f"{100 * row['difference']:+z.1f} {bounds(row['low'], row['high'], '+')}"


def bounds(low: float, high: float, sign: str = "") -> str:
    """Return an interval's ends in percent: `[57.2, 67.0]`; `sign` is `+` for a difference."""
    return f"[{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"


def difference(found: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """Return a paired difference as a cell: points with its interval and p, or a dash.

    If it may be due to chance, the cell also has the smallest difference that would have been seen.
    """
    if name not in found:
        return NONE
    row = found[name]
    seeds = _with_seeds(row, "+")
    unsure = row["p"] >= SURE and not seeds
    least = f" (least seen: {100 * row['detectable']:.1f})" if unsure else ""
    return f"{gain(row)} {p_value(row['p'])}{least}{seeds}"


def p_value(p: float) -> str:
    """Return a p as text.

    >>> p_value(0.0421), p_value(0.0001)
    ('p=0.042', 'p<0.001')
    """
    return "p<0.001" if p < 0.0005 else f"p={p:.3f}"
