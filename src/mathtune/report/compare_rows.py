"""Compared rows as tables, as a page with the problems that changed sides, and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mathtune.errors import many
from mathtune.metrics.families import concentrated
from mathtune.metrics.seeds import SINGLE
from mathtune.report.cells import (
    SURE,
    Table,
    accuracy,
    bounds,
    difference,
    gain,
    markdown,
    p_value,
    plain,
)
from mathtune.report.page import rendered
from mathtune.rows import jsonl
from mathtune.rows.records import Problem

Document = dict[str, Any]

LONGEST = 4_000
"""The number of characters of a solution that the page shows."""
LISTED = 300
"""The most changed problems that the page shows; it also says how many there are."""


def tables(document: Document) -> list[Table]:
    """Return accuracies of every row, differences of every pair, and their groups of problems."""
    return [rows(document), pairs(document), *groups(document)]


def rows(document: Document) -> Table:
    """Return one line per metric, one column per row."""
    each = document["rows"]
    names = dict.fromkeys(metric for row in each for metric in row["metrics"])
    body = [(name, *(accuracy(row["metrics"], name) for row in each)) for name in names]
    seeds = ", ".join(f"{row['seeds']} for {row['name']}" for row in each if row["seeds"] > 1)
    clusters = f"{document['clusters']} clusters of " if "clusters" in document else ""
    note = f"Percent of {each[0]['problems']} problems, with 95 % intervals over {clusters}problems"
    note += f"; then those that include other training seeds ({seeds})" if seeds else ""
    if "left_out" in document:
        left = many(document["left_out"], "problem", "problems")
        note += f". Left out: {left} that not all rows have"
    if "without_auc" in document:
        without = many(document["without_auc"], "problem", "problems")
        note += f". Left out: {without} without right and wrong samples in every row"
    return Table("Rows", ("", *(row["name"] for row in each)), body, f"{note}.")


def pairs(document: Document) -> Table:
    """Return one line per pair and metric: difference, wins and losses, and equality."""
    body = [
        (
            f"{one['a']} – {one['b']}: {one['metric']}",
            difference({"": one}, ""),
            f"{one['wins']} / {one['ties']} / {one['losses']}",
            f"{'yes' if equal['equivalent'] else 'not shown'}, {p_value(equal['p'])}",
        )
        for one in document["comparisons"]
        for equal in [one["equivalence"]]
    ]
    several = len(document["rows"]) > 2
    notes = [
        "In points, problem by problem, with 95 % intervals and p",
        " (corrected for several pairs, Holm)" if several else "",
        "; (least seen): the true difference that would be seen with a chance of 80 %.",
    ]
    once = all(one["seeds"] == [1, 1] for one in document["comparisons"])
    notes += [f" If the rows are trained models: {SINGLE}."] if once else []
    within = document["comparisons"][0]["equivalence"]["within"]
    header = ("", "difference", "wins / ties / losses", f"equal within {100 * within:g} points")
    return Table("Differences", header, body, "".join(notes))


def groups(document: Document) -> list[Table]:
    """Return wins and difference by kind of group, for the first metric of every pair."""
    found = []
    seen = set()
    for one in document["comparisons"]:
        if (one["a"], one["b"]) in seen:
            continue
        seen.add((one["a"], one["b"]))
        for kind, labels in one["groups"].items():
            body = [
                (
                    label,
                    f"{part['problems']}",
                    gain(part),
                    f"{part['wins']} / {part['ties']} / {part['losses']}",
                )
                for label, part in labels.items()
            ]
            title = f"{one['a']} – {one['b']}: {one['metric']} by {kind}"
            header = (kind, "problems", "difference", "wins / ties / losses")
            units = "clusters of problems" if "clusters" in document else "problems"
            note = f"In points, with 95 % intervals over the {units} of each group."
            if kind == "difficulty":
                note += " Difficulty: thirds of the problems by the mean of the two rows."
            found.append(Table(title, header, body, note))
    return found


def sentence(document: Document) -> str:
    """Return the first pair in words, in its first metric."""
    one = document["comparisons"][0]
    change = 100 * one["difference"]
    start = f"On {one['problems']} problems {one['a']} is {change:+z.1f} points "
    start += f"{bounds(one['low'], one['high'], '+')} from "
    start += f"{one['b']} in {one['metric']} ({p_value(one['p'])}"
    if one["equivalence"]["equivalent"]:
        verdict = f"; they are equal within {100 * one['equivalence']['within']:g} points)"
    elif one["p"] >= SURE:
        verdict = f"; cannot tell, {100 * one['detectable']:.1f} points would have been seen)"
    else:
        verdict = f"){_mostly_in(one['groups'])}"
    return f"{start}{verdict}: better on {one['wins']} problems, worse on {one['losses']}."


def _mostly_in(kinds: Mapping[str, Any]) -> str:
    """Return `, nearly all of it in coins, square` for a difference from few groups, else empty."""
    for kind in ("subject", "level"):
        groups = kinds.get(kind, {})
        gains = {name: (one["problems"], one["difference"]) for name, one in groups.items()}
        if names := concentrated(gains):
            return f", nearly all of it in {kind} {', '.join(names)}"
    return ""


def page(document: Document, changed: Sequence[Document], count: int) -> str:
    """Return the page; `changed`: the problems that changed sides, of `count` in all."""
    return rendered(
        "compare_rows.html",
        title=" and ".join(row["name"] for row in document["rows"]),
        sentence=sentence(document),
        tables=tables(document),
        changed=changed,
        count=count,
        metric=document["comparisons"][0]["metric"],
    )


def as_markdown(document: Document) -> str:
    """Return the same in Markdown, without the problems."""
    title = " and ".join(row["name"] for row in document["rows"])
    parts = [f"# {plain(title)}\n", f"{plain(sentence(document))}\n"]
    return "\n".join([*parts, *map(markdown, tables(document))])


def changed_problem(
    problem_id: str, problem: Problem | None, sides: Sequence[tuple[str, float, Sequence[str]]]
) -> Document:
    """Return a problem of the page's list. `sides`: of each row its name, value and solutions."""
    return {
        "id": problem_id,
        "question": jsonl.writable(problem.problem) if problem is not None else "",
        "answer": jsonl.writable(problem.answer) if problem is not None else "",
        "sides": [
            {
                "name": name,
                "value": f"{100 * value:.0f} %",
                "solutions": [jsonl.writable(text[:LONGEST]) for text in texts],
            }
            for name, value, texts in sides
        ],
    }
