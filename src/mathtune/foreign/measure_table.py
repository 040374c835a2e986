"""The table of measured foreign files for the terminal. Under `measure`."""

from __future__ import annotations

from typing import Any

from mathtune.errors import many
from mathtune.metrics.baselines import LABELS
from mathtune.metrics.families import concentrated
from mathtune.metrics.measure import CHOSEN
from mathtune.paths import calculator
from mathtune.report.cells import NONE, Table, bounds, gain
from mathtune.stages.measure import graded_by, unequal


def table(document: dict[str, Any]) -> Table:
    """Return the table of `measure_file`'s document for the terminal."""
    counts = document["counts"]
    oracle = document.get("oracle", [])
    n = document["n"]
    compared = [("over_maj1", f"minus Maj1@{n}"), ("over_calculator", "minus calculator")]
    compared = [(key, title) for key, title in compared if key in document]
    rows = [
        (
            _label(name, n, oracle),
            f"{100 * found['value']:.1f}",
            bounds(found["low"], found["high"]),
            *(_points(document[key], name) for key, _ in compared),
        )
        for name, found in document["metrics"].items()
    ]
    if "mean_by_rule" in document:
        marked = f"{100 * document['mean_by_rule']['explicit']:.1f}"
        rows.insert(1, ("mean, marked answers only", marked, "–", *("–" for _ in compared)))
    broken = document["broken_lines"]
    clusters = document.get("clusters")
    drawn = "problems" if clusters is None else f"{clusters:,} clusters of problems"
    return Table(
        f"{many(document['problems'], 'problem', 'problems')}, {many(n, 'sample', 'samples')} each"
        + (f", {many(broken, 'broken line', 'broken lines')} left out" if broken else ""),
        ("", "percent", "95 % interval", *(title for _, title in compared)),
        rows,
        f"Graded by {grader_of(document)}: {counts['no_answer']:,} of {counts['samples']:,} "
        f"samples without an answer, {counts['undecided']:,} undecided; "
        f"{counts['verdict_differs_from_cluster']:,} have another verdict than their cluster. "
        f"{_ties(document)}{_beats_the_calculator(document)}Intervals are over "
        f"{drawn}; differences are paired.{_notes(document)}",
    )


def _points(found: dict[str, dict[str, float]], name: str) -> str:
    """Return a paired difference as a cell, in points with its interval."""
    return gain(found[name]) if name in found else NONE


def _beats_the_calculator(document: dict[str, Any]) -> str:
    """Return W.RR minus votes weighted by arithmetic alone: the judge's gain over it."""
    if "over_calculator" not in document or document["scorer"] == calculator.NAME:
        return ""
    points = _points(document["over_calculator"], "W.RR")
    return f"W.RR minus votes weighted by the calculator, which needs no judge: {points}. "


def _notes(document: dict[str, Any]) -> str:
    """Return further notes: unequal samples, ties that matter, gains in few groups."""
    said = []
    counts, few = document["samples_per_problem"], document["too_few_samples"]
    if text := unequal(counts, document["n"], few):
        said.append(f"{text[0].upper()}{text[1:]}.")
    ties = document["ties"]
    if ties.get("matters"):
        parts = [f"{name} {100 * ties['expected'][name]:.1f}" for name in ties["matters"]]
        said.append(f"Expected over ties: {', '.join(parts)}.")
    if "W.RR" in document["over_maj1"]:
        for kind, groups in document["groups"].items():
            gains = {
                name: (one["problems"], one["over_maj1"]["W.RR"]["difference"])
                for name, one in groups.items()
            }
            if names := concentrated(gains):
                said.append(f"W.RR's gain is nearly all of it in {kind} {', '.join(names)}.")
    return "".join(f" {sentence}" for sentence in said)


def _ties(document: dict[str, Any]) -> str:
    """Return how often the earliest sample decided, and how well the scores judge."""
    ties = document["ties"]
    text = f"Most votes tied in {ties['votes']:.1%} of problems"
    if "evaluator" not in document:
        return f"{text}. "
    within = document["evaluator"]["within_auc"]
    judged = "" if within is None else f"; AUC of the scores within problems {within['value']:.3f}"
    weights = f"; weights: {document['weights']}" if document["weights"] != "as-is" else ""
    return f"{text}, best scores in {ties['scores']:.1%}{judged}{weights}. "


def _label(name: str, n: int, oracle: list[str]) -> str:
    votes = name.startswith(("Pass@", "Maj")) and not name.startswith("Maj1")
    if (votes and name.endswith(f"@{n}")) or name in oracle:
        return f"{name} (oracle)"
    if name in LABELS:
        return LABELS[name]
    return f"samples read, {name.removeprefix('cost.')}" if name.startswith("cost.") else name


def grader_of(document: dict[str, Any]) -> str:
    """Return the grader of a document of `mathtune measure FILE`."""
    return graded_by(document["grader"], document["grader_version"], document["extract"])


def without_choices(values: dict[str, Any]) -> dict[str, Any]:
    """Return the metrics without those whose K would have to be chosen on validation."""
    return {name: value for name, value in values.items() if name not in CHOSEN}
