"""The report's tables, once: the page, the Markdown and the terminal show the same cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np

from mathtune.metrics.baselines import BASELINES, BOTH, CALCULATOR
from mathtune.metrics.intervals import Interval
from mathtune.metrics.seeds import SINGLE
from mathtune.report.cells import NONE, Table, accuracy, difference, gain, percent
from mathtune.report.gap import Closed, closed_part, strategy_label
from mathtune.report.groups import GAINS, grouped
from mathtune.report.results import Measured, Results, StepRecord
from mathtune.rows.metrics import PrepareMetrics


def headline_tables(results: Results, found: list[Closed]) -> list[Table]:
    """Return the tables at a run's end: models, the first strategies, comparisons, evaluators."""
    tables = [models(results.rows)] if results.rows else []
    if results.reference is not None and results.reference.scored:
        tables.append(strategies(results.reference, found))
    return tables + _between(results)


def accuracy_tables(results: Results, found: list[Closed]) -> list[Table]:
    """Return models, strategies, comparisons and evaluators, those that the run has."""
    scored = [row for row in results.rows if row.scored]
    tables = [models(results.rows)] if results.rows else []
    tables += [seed_parts(results.rows), data(results.steps), reranked(scored)]
    tables += [strategies(row, found if row is results.reference else []) for row in scored]
    tables += [matched(part) for row in scored for part in row.each]
    if results.reference is not None:
        first = results.reference.each[0]
        tables += [early_stops(first), ties(first)]
        tables += [groups(results.reference, kind) for kind in ("level", "subject")]
    return [table for table in tables if table.rows] + _between(results)


def _between(results: Results) -> list[Table]:
    """Return the tables across rows: paired comparisons, and the evaluators side by side."""
    tables = []
    if any(row.document.against for row in results.rows):
        tables.append(comparisons(results.rows))
    judged = [part for row in results.rows if row.scored for part in row.each]
    judged += [row for row in results.choices if row.scored]
    if judged:
        tables.append(evaluators(judged))
    return tables


def models(rows: list[Measured]) -> Table:
    """Return one line per model: one solution, votes over N, the oracle over N.

    Samples that several evaluators judged have one line.
    """
    first: dict[str, Measured] = {}
    for row in rows:
        first.setdefault(row.samples or row.name, row)
    rows = list(first.values())
    body = [
        (
            row.model,
            NONE if row.origin.updates is None else f"{row.origin.updates:,}",
            *(accuracy(row.metrics, name) for name in ("Pass@1", "mean")),
            f"{row.n}",
            *(accuracy(row.metrics, f"{name}@{row.n}") for name in ("Maj1", "Pass")),
        )
        for row in rows
    ]
    return Table(
        "Models",
        ("model", "updates", "Pass@1 (greedy)", "mean of samples", "N", "Maj1@N", "Pass@N"),
        body,
        f"Percent of {basis(rows)}; 95 % intervals over problems{_seeds(rows)}. Updates: of the "
        "model's last training. Pass@N is an oracle.",
    )


def basis(rows: Sequence[Measured]) -> str:
    """Return the basis of these rows: `500 problems, one seed, graded by math 2`.

    The number of seeds of foreign samples is unknown.
    """
    problems = sorted({row.document.problems for row in rows})
    graders = sorted({row.document.grader for row in rows})
    seeds = sorted({len(row.each) for row in rows if row.samples})
    named = ["one seed" if count == 1 else f"means over {count} seeds" for count in seeds]
    clusters = sorted({count for row in rows if (count := row.document.clusters) is not None})
    drawn = f" in {_listed(clusters)} clusters" if clusters else ""
    parts = [
        f"{_listed(problems)} problems{drawn}",
        " or ".join(named),
        f"graded by {_listed(graders)}",
    ]
    return ", ".join(filter(None, parts))


def data(steps: list[StepRecord]) -> Table:
    """Return the numbers and lengths of problems and solutions (Liu et al. 2023, Table 1)."""
    body = []
    for step in steps:
        if step.stage == "prepare" and step.finished:
            made = step.read(PrepareMetrics)
            parts = {"train": made.train, "validation": made.validation, "test": made.test}
            body += [
                (f"{step.name}: {name}", f"{part.problems:,}", NONE, _length(part.mean_characters))
                for name, part in parts.items()
            ]
            learned = made.solutions
            counts = f"{learned.problems:,}", f"{learned.solutions:,}"
            body.append((f"{step.name}: solutions", *counts, _length(learned.mean_characters)))
    return Table("Data", ("", "problems", "solutions", "mean characters"), body)


def _length(mean: float | None) -> str:
    return NONE if mean is None else f"{mean:.0f}"


def reranked(rows: list[Measured]) -> Table:
    """Return one line per judged set (Liu et al. 2023, Tables 3 and 6); empty with only one."""
    body = []
    for row in rows:
        top = (f"RR.Maj{row.k}", "W.RR", f"W.RR.Maj{row.k}")
        names = (f"Maj1@{row.n}", CALCULATOR, "RR.All", *top)
        cells = (accuracy(row.metrics, name) for name in names)
        body.append((row.name, accuracy(row.metrics, row.first), *cells))
    k = rows[0].k if rows else 0
    header = ("samples-judge", "one solution", "Maj1", "calculator", "RR.All", f"RR.Top-{k}")
    return Table(
        "Re-ranking by evaluator",
        (*header, "W.RR", f"W.RR.Top-{k}"),
        body if len(body) > 1 else [],
        f"{_begun(rows)}Each row's own samples; one solution: greedy if it was measured. "
        "Calculator: W.RR without a judge, by false equations alone. Top-K "
        "reads all solutions of the K largest clusters.",
    )


def strategies(row: Measured, found: list[Closed]) -> Table:
    """Return the strategies over one row's samples: accuracy, gain over votes, gap closed, cost."""
    n, k = row.n, row.k
    both = (BOTH,) if BOTH in row.metrics else ()
    fixed = ("RR.All", f"RR.Maj{k}", "W.RR", f"W.RR.Maj{k}", f"Maj1.Top{k}", *both)
    chosen = row.document.chosen
    assert chosen is not None  # the row is scored
    free = [name for name in BASELINES if name in row.metrics]
    names = (f"Maj1@{n}", *free, *fixed, *chosen.k, f"Maj{k}@{n}", f"Pass@{n}")
    parts = {one.label: one for one in found}
    body = []
    beyond = row.document.over_calculator or {}  # missing in rows of earlier versions
    for name in names:
        label = strategy_label(row, name)
        shown = label + (" (oracle)" if name in names[-2:] else "")
        body.append(
            (
                shown,
                accuracy(row.metrics, name),
                difference(row.document.over_maj1, name),
                difference(beyond, name),
                closed_part(parts[label]) if label in parts else NONE,
                _cost(row, name),
            )
        )
    optimistic = " (optimistic: K chosen on these problems)" if chosen.optimistic else ""
    return Table(
        f"Strategies over {n} samples of {row.name}{optimistic}",
        (
            "strategy",
            "accuracy",
            f"over Maj1@{n}",
            "over the calculator",
            "gap closed",
            "samples read",
        ),
        body,
        f"{_begun([row])}K and N chosen on {chosen.on}. Differences are paired, in points, "
        f"with 95 % intervals and the p of a sign-flip test{_seeds([row])}. W.RR by "
        "calculator alone: a sample that states a false equation weighs 0.1, any other 1; by "
        "shortness alone: 1 / length; by form alone: how often samples of its form are right in "
        "the other half of the problems. A judge that adds nothing to the calculator has learned "
        "no judging. Samples read: the part that the evaluator must score.",
    )


def matched(row: Measured) -> Table:
    """Return re-ranking minus the votes that reading the samples would have paid for."""
    names = (f"RR.Maj{row.k}", f"W.RR.Maj{row.k}")
    body = [
        (
            f"{one['n']}",
            f"{one['generated']:,.0f} + {one['evaluated']:,.0f}",
            f"{one['votes']}",
            percent(Interval(**one["Maj1"])),
            *(difference(one["over_maj1"], name) for name in names),
        )
        for one in row.document.matched_compute or ()
    ]
    return Table(
        f"{row.name} at equal compute",
        ("N", f"generated + read {_unit(row)}", "votes for as much", "their Maj1", *names),
        body,
        f"{_begun([row])}Re-ranking N samples minus Maj1 of as many votes as the same "
        f"{_unit(row)}, generated and read, would have paid for; paired, in points, "
        "with 95 % intervals and p.",
    )


def _begun(rows: Sequence[Measured]) -> str:
    """Return the beginning of a note about some of the rows."""
    return f"{basis(rows)}. " if rows else ""


def _unit(row: Measured) -> str:
    return next((one["unit"] for one in row.document.matched_compute or ()), "")


def groups(row: Measured, kind: Literal["level", "subject"]) -> Table:
    """Return a row's metrics and gains for each level or subject; empty if there is only one."""
    names, found = grouped(row, kind)
    body = [
        (
            one.label,
            f"{one.problems}",
            *map(percent, one.metrics),
            *(gain(asdict(two)) for two in one.gains),
        )
        for one in found
    ]
    gained = [f"{name} – Maj1" for name in GAINS if name in row.metrics]
    note = (
        f"{_begun([row])}95 % intervals over the problems of each {kind}; gains over Maj1@{row.n} "
        "are paired, in points."
    )
    header = (kind, "problems", *names, *gained)
    return Table(f"{row.name} by {kind}", header, body if len(body) > 1 else [], note)


def early_stops(row: Measured) -> Table:
    """Return votes that stop once the lead is sure: samples used and accuracy at each limit."""
    body = [
        (
            f"{one['stop']:g}",
            f"{one['samples']:.1f}",
            accuracy({"Maj1": one["Maj1"]}, "Maj1"),
            difference({"Maj1": one["over_maj1"]}, "Maj1"),
        )
        for one in row.document.early_stopping or ()
    ]
    return Table(
        f"Votes of {row.name} that stop early",
        ("sure of the lead", f"samples of {row.n}", "accuracy", f"minus Maj1@{row.n}"),
        body if row.n > 2 else [],
        f"{_begun([row])}Sampling stops once the largest cluster is the more frequent of the two "
        "largest with this chance, given a uniform prior; means over random orders of the samples.",
    )


def ties(row: Measured) -> Table:
    """Return metrics that change by more than a point if ties are broken at random; else empty."""
    found = row.document.ties or {}
    body = [
        (name, accuracy(row.metrics, name), f"{100 * found['expected'][name]:.1f}")
        for name in found.get("matters", ())
    ]
    return Table(
        f"Ties of {row.name}",
        ("", f"ties broken by the {found.get('broken', '')}", "expected over ties"),
        body,
        f"{_begun([row])}Only metrics that differ by more than a point.",
    )


def comparisons(rows: list[Measured]) -> Table:
    """Yield paired differences between rows; of two judges of the same samples, re-ranked alone."""
    samples = {row.name: row.samples for row in rows}

    def cells(row: Measured, other: str, found: Mapping[str, Any]) -> Iterator[str]:
        same = row.samples != "" and samples.get(other) == row.samples
        for name in ("Pass@1", "mean", "W.RR"):
            yield NONE if same and name != "W.RR" else difference(found, name)

    body = [
        (f"{row.name} – {other}", *cells(row, other, found))
        for row in rows
        for other, found in row.document.against.items()
    ]
    return Table(
        "Paired comparisons",
        ("row – control", "Pass@1", "mean of samples", "W.RR"),
        body,
        f"{_begun(rows)}In points, problem by problem, with 95 % intervals and the p of a "
        f"sign-flip test{_seeds(rows)}.{_single(rows)}",
    )


def _seeds(rows: Sequence[Measured]) -> str:
    """Return the explanation of the second interval, of rows with several seeds; else ""."""
    several = any(len(row.each) > 1 for row in rows)
    return "; then the interval that includes other training seeds" if several else ""


def _single(rows: Sequence[Measured]) -> str:
    """Return the limits of comparing single trainings; empty if all rows have more."""
    once = [row for row in rows if len(row.each) == 1 and row.samples]
    return f" {SINGLE[0].upper()}{SINGLE[1:]}." if once else ""


def seed_parts(rows: Sequence[Measured]) -> Table:
    """Return the parts of the uncertainty by kind of draw, for rows with several seeds."""
    body = []
    for row in rows:
        found = row.metrics[row.first].get("over_seeds")
        if found is not None:
            parts = (found["parts"][name] for name in ("problems", "trainings", "samples"))
            cells = (f"{100 * part:.2f}" for part in parts)
            body.append((row.name, f"{len(row.each)}", *cells))
    return Table(
        "Sources of uncertainty",
        ("row", "seeds", "problems", "trainings", "samples and the rest"),
        body,
        "Standard errors of the accuracy of one solution, in points. Trainings: a shift of all "
        "problems from seed to seed; the rest: samples, and what a training does to single "
        "problems.",
    )


def evaluators(rows: list[Measured]) -> Table:
    """Return how well each evaluator judges, next to length and form alone."""
    body = []
    for row in rows:
        found = row.document.evaluator or {}
        body.append(
            (
                row.name,
                _fraction(found["auc"]),
                _fraction(found["within_auc"]),
                f"{found['within_problems']}",
                _fraction(found.get("ece")),
                _fraction(found["shorter_alone"]["within_auc"]),
                _fraction(found["formatting_alone"]["within_auc"]),
                _fraction(found.get("calculator_alone", {}).get("within_auc")),
            )
        )
    return Table(
        "Evaluators",
        (
            "scores of",
            "AUC",
            "AUC within problems",
            "problems with both",
            "ECE",
            "shortness alone",
            "form alone",
            "calculator alone",
        ),
        body,
        f"{_begun(rows)}AUC: the chance that a right solution scores above a wrong one; within "
        "problems is what re-ranking depends on. The last columns: the same of "
        "shortness, of form and of the calculator alone.",
    )


def _cost(row: Measured, name: str) -> str:
    """Return the part of the samples that is read, the mean over seeds."""
    return f"{100 * np.mean([_read(part, name) for part in row.each]):.0f} %"


def _read(row: Measured, name: str) -> float:
    k, n = row.k, row.n
    if name in (f"Maj1@{n}", f"Maj{k}@{n}", f"Pass@{n}", *BASELINES):
        return 0.0
    by_k = row.document.curves["over_k"]["cost.MajK"]["value"]
    if name.endswith((f".Maj{k}", ".MajK")):
        chosen = row.document.chosen
        top = int(chosen.k[name]) if chosen and name.endswith("MajK") else min(k, n)
        return by_k[top - 1]
    return 1.0


def _fraction(found: Mapping[str, float] | None) -> str:
    return NONE if found is None else "{value:.3f} [{low:.3f}, {high:.3f}]".format(**found)


def _listed(values: list[str] | list[int]) -> str:
    return ", ".join(str(value) for value in values)
