"""Several seeds of a recipe in one run: rows averaged within each problem, measured again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from mathtune.metrics.baselines import CALCULATOR
from mathtune.metrics.intervals import Floats, average_seeds, intervals, paired
from mathtune.metrics.measure import CHOSEN, MeasureSettings, Outcome, compare, rounded
from mathtune.report.results import Document, Measured, Results


def over_seeds(results: Results) -> Results:
    """The results with the rows of several seeds averaged; unchanged where there is one seed."""
    return replace(results, rows=averaged(results.rows))


def averaged(rows: Sequence[Measured]) -> list[Measured]:
    """The rows, those of one name under several seeds (`seed-0/ssft`, `seed-1/ssft`) as one row.

    A seed is no new problem: values are averaged within each problem, and intervals and tests are
    over problems, as for one seed. Rows of other problems, or that stand alone, stay as they are.
    """
    named: dict[str, list[Measured]] = defaultdict(list)
    for row in rows:
        named[row.name.rpartition("/")[2]].append(row)
    merged: dict[str, Measured] = {}
    for name, parts in named.items():
        same = all(part.outcomes.keys() == parts[0].outcomes.keys() for part in parts)
        if len(parts) > 1 and same and len({part.n for part in parts}) == 1:
            merged[name] = _average(name, parts)
    with_controls = {
        name: replace(row, document={**row.document, "against": _against(row, merged)})
        for name, row in merged.items()
    }
    kept: dict[str, Measured] = {}
    for row in rows:
        name = row.name.rpartition("/")[2]
        kept.setdefault(name if name in merged else row.name, with_controls.get(name, row))
    return list(kept.values())


def _average(name: str, parts: list[Measured]) -> Measured:
    values = average_seeds([{i: one.values for i, one in p.outcomes.items()} for p in parts])
    outcomes = {
        i: Outcome(
            problem_id=i, values=row, picks={}, within_auc=_within([p.outcomes[i] for p in parts])
        )
        for i, row in values.items()
    }
    names = list(next(iter(values.values())))
    columns = np.array([[row[metric] for metric in names] for row in values.values()])
    found = intervals(columns)
    base = columns[:, [names.index(f"Maj1@{parts[0].n}")]]
    over = zip(names, paired(columns, base), strict=True)
    first = parts[0].document
    document = {
        "grader": first["grader"],
        "problems": first["problems"],
        "n": first["n"],
        "metrics": {metric: asdict(one) for metric, one in zip(names, found, strict=True)},
        "over_maj1": {metric: asdict(one) for metric, one in over},
        "curves": first["curves"],
        "against": first["against"],
    }
    if all(part.scored for part in parts):
        document["chosen"] = _chosen(parts)
    if all("over_calculator" in part.document for part in parts):
        judged = [name for name in names if name in first["over_calculator"]]
        beyond = paired(_of(judged, names, columns), _of([CALCULATOR], names, columns))
        document["over_calculator"] = {
            name: asdict(one) for name, one in zip(judged, beyond, strict=True)
        }
    deciding = [part.chosen_by for part in parts if part.chosen_by is not None]
    return replace(
        parts[0],
        name=name,
        document=rounded(document),
        outcomes=outcomes,
        chosen_by=_best(deciding) if len(deciding) == len(parts) else None,
        parts=tuple(parts),
    )


def _of(wanted: Sequence[str], names: Sequence[str], columns: Floats) -> Floats:
    """The columns of some of the metrics."""
    return columns[:, [names.index(name) for name in wanted]]


def _within(seeds: Sequence[Outcome]) -> float | None:
    """The mean AUC within a problem over the seeds that have one there."""
    found = [one.within_auc for one in seeds if one.within_auc is not None]
    return float(np.mean(found)) if found else None


def _chosen(parts: Sequence[Measured]) -> Document:
    """What was chosen, seed by seed: `K = 5, 3, 5`."""
    chosen = [part.document["chosen"] for part in parts]
    return {
        **chosen[0],
        "optimistic": any(one["optimistic"] for one in chosen),
        "k": {name: ", ".join(str(one["k"][name]) for one in chosen) for name in CHOSEN},
    }


def _best(deciding: Sequence[Document]) -> Document:
    """The strategy with the best mean over seeds where K was chosen."""
    means = {
        name: np.mean([document["metrics"][name]["value"] for document in deciding])
        for name in CHOSEN
    }
    return {"chosen": {"best": max(CHOSEN, key=lambda name: means[name])}}


def _against(row: Measured, merged: Mapping[str, Measured]) -> Document:
    """Paired differences to the averaged controls, in the metrics that both have."""
    return {
        name: rounded(
            compare(
                list(row.outcomes.values()), merged[name].outcomes, MeasureSettings(), name=name
            )
        )
        for name in row.document["against"]
        if name in merged and merged[name].outcomes.keys() == row.outcomes.keys()
    }
