"""How much of the gap between Pass@1 and Pass@N each way to answer closes: the main result."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from mathtune.metrics.baselines import LABELS
from mathtune.metrics.families import concentrated
from mathtune.metrics.intervals import Interval, bootstrap_ratio
from mathtune.metrics.measure import CHOSEN
from mathtune.report.cells import bounds, with_other_seeds
from mathtune.report.results import Measured, Results
from mathtune.stages.measure import NO_GROUP

FIXED = ("RR.All", "W.RR")
"""The strategies in which no K is chosen."""
STRATEGIES = (*FIXED, *CHOSEN)
SINGLE_MODELS = (
    "Each model is one training: with another seed the differences between models may change."
)


PARTS_OVER_PROBLEMS = (
    "Intervals of the parts of the gap are over problems; they do not include other trainings."
)


@dataclass(frozen=True)
class Closed:
    """One way to answer: its accuracy and the part of the gap it closes (0: Pass@1, 1: Pass@N)."""

    label: str
    accuracy: Interval
    part: Interval
    trained: bool
    """True for another model's greedy answers; False for a strategy over the same samples."""


def closed(results: Results) -> list[Closed]:
    """Return every strategy on the reference row's samples, then every later row's own Pass@1.

        part = sum_i (a_i - Pass@1_i) / sum_i (Pass@N_i - Pass@1_i)

    over problems i, with a bootstrap interval over problems: it is not a mean. Empty if there is no
    gap.
    """
    reference = results.reference
    if reference is None or _gap(reference) <= 0.0:
        return []
    found = [
        _closed(reference, reference, metric, strategy_label(reference, metric), trained=False)
        for metric in (f"Maj1@{reference.n}", *STRATEGIES)
        if metric in reference.metrics
    ]
    later = results.rows[results.rows.index(reference) + 1 :]
    found += [
        _closed(reference, row, row.first, row.name, trained=True)
        for row in later
        if row.samples != reference.samples  # another judge's row closes nothing greedily
        and row.outcomes.keys() == reference.outcomes.keys()
        and row.first == reference.first
    ]
    return found


def strategy_label(row: Measured, metric: str) -> str:
    """Return the metric's name with its chosen K, and where it was chosen: `RR.MajK, K = 5`."""
    if metric in LABELS:
        return LABELS[metric]
    chosen = row.document.chosen
    if chosen is not None and metric in chosen.k:
        letter = "N" if metric.endswith("N") else "K"
        here = " (optimistic)" if chosen.optimistic else ""
        return f"{metric}, {letter} = {chosen.k[metric]}{here}"
    return metric


def _by_rule(row: Measured) -> str:
    """Return the mean by each extraction rule, if it depends on the rule."""
    means = row.document.mean_by_rule
    if not means:
        return ""
    shown = ", ".join(f"{mean:.1%} by the rule {name}" for name, mean in means.items())
    return f" (what counts as an answer matters: {shown})"


def headline(results: Results) -> str:
    """Return the three main numbers in one sentence: one solution, votes, any solution."""
    row = results.reference
    if row is None:
        return "Nothing has been measured yet."
    one = row.metrics[row.first]["value"]
    how = "with one greedy solution" if row.first == "Pass@1" else "with one sample"
    start = f"{row.model} solves {one:.1%} of {row.document.problems} problems {how}"
    if row.n == 1:
        return f"{start}."
    votes, every = (row.metrics[f"{name}@{row.n}"]["value"] for name in ("Maj1", "Pass"))
    return (
        f"{start} and {votes:.1%} by a majority vote of {row.n} samples; for {every:.1%} at least "
        "one of these samples is right."
    )


def sentence(results: Results, found: list[Closed]) -> str:
    """Return the answer in words: the chosen or fixed strategies, and the gains of training."""
    row = results.reference
    if row is None:
        return "Nothing has been measured yet."
    one, every = row.metrics[row.first]["value"], row.metrics[f"Pass@{row.n}"]["value"]
    how = "greedily" if row.first == "Pass@1" else "with one sample"
    start = (
        f"On {row.document.problems} problems, {row.model} solves {one:.1%} {how}, and "
        f"{every:.1%} have a right solution among its {row.n} samples"
    )
    start += _by_rule(row)
    if not found:
        return f"{start}: there is no gap to close."
    votes = found[0]
    parts = [f"majority voting closes {closed_part(votes)}"]
    best = _validated(row, found)
    fixed = [one for one in found if best is None and one.label in FIXED]
    judge = "" if row.name == row.model else f" ({row.name})"
    parts += [
        f"{one.label}{judge} closes {closed_part(one)}" for one in ([best] if best else fixed)
    ]
    parts += [_against_controls(results, one, found) for one in found if one.trained]
    trained = any(one.trained for one in found)
    once = trained and all(len(row.each) == 1 for row in results.rows)
    several = any(len(row.each) > 1 for row in results.rows)
    more = [
        PARTS_OVER_PROBLEMS if several else "",
        _gain(row, best),
        SINGLE_MODELS if once else "",
    ]
    return " ".join(
        [f"{start}. Of that gap, {'; '.join(filter(None, parts))}.", *filter(None, more)]
    )


def _gain(row: Measured, best: Closed | None) -> str:
    """Return the gain of judging over votes, and the groups of problems that hold it, if few.

    Its interval includes the seeds if there are several.
    """
    if not row.scored:
        return ""
    chosen = row.chosen_by.chosen if row.chosen_by is not None else None
    metric = chosen.best if best is not None and chosen is not None else "W.RR"
    gain = with_other_seeds(row.document.over_maj1[metric])
    where = mostly_in(row, metric, f"Maj1@{row.n}")
    return (
        f"Over Maj1@{row.n} {metric} gains {100 * gain['difference']:+z.1f} points "
        f"{bounds(gain['low'], gain['high'], '+')}{where}."
    )


def mostly_in(row: Measured, metric: str, base: str) -> str:
    """Return the few groups that hold a gain: `, nearly all of it in coins, square`, or ""."""
    for kind in ("subject", "level"):
        sums: dict[str, list[float]] = defaultdict(list)
        for problem_id, outcome in row.outcomes.items():
            label = getattr(row.problems[problem_id], kind) or NO_GROUP
            sums[label].append(outcome.values[metric] - outcome.values[base])
        gains = {label: (len(each), float(np.mean(each))) for label, each in sums.items()}
        if names := concentrated(gains):
            return f", nearly all of it in {', '.join(names)}"
    return ""


def _against_controls(results: Results, one: Closed, found: list[Closed]) -> str:
    """Return what a trained row closes, with its controls; nothing for a row that is a control."""
    row = next(row for row in results.rows if row.name == one.label)
    others = row.document.against
    if not others:
        return ""
    controls = [
        f"{other.label} {other.part.value:z.0%}" for other in found if other.label in others
    ]
    beside = f" (control: {', '.join(controls)})" if controls else ""
    return f"{one.label}, greedily, {closed_part(one)}{beside}"


def _validated(row: Measured, found: list[Closed]) -> Closed | None:
    """Return the best strategy of the row that K was chosen on; None without such a row."""
    if row.chosen_by is None or row.chosen_by.chosen is None:
        return None
    label = strategy_label(row, row.chosen_by.chosen.best)
    return next((one for one in found if one.label == label), None)


def closed_part(one: Closed) -> str:
    """Return the part of the gap as text: `62% [57%, 67%]`."""
    return f"{one.part.value:z.0%} [{one.part.low:z.0%}, {one.part.high:z.0%}]"


def _gap(row: Measured) -> float:
    return row.metrics[f"Pass@{row.n}"]["value"] - row.metrics[row.first]["value"]


def _closed(
    reference: Measured, row: Measured, metric: str, label: str, *, trained: bool
) -> Closed:
    ids = list(reference.outcomes)
    column = {
        name: np.array([measured.outcomes[i].values[key] for i in ids])
        for name, measured, key in (
            ("one", reference, reference.first),
            ("every", reference, f"Pass@{reference.n}"),
            ("here", row, metric),
        )
    }
    part = bootstrap_ratio(
        column["here"] - column["one"],
        column["every"] - column["one"],
        groups=reference.drawn_together(ids),
    )
    found = row.metrics[metric]
    return Closed(label, Interval(found["value"], found["low"], found["high"]), part, trained)
