"""Several seeds of a recipe in one run: rows averaged within each problem, measured again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import msgspec
import numpy as np
from msgspec import structs

from mathtune.metrics.arrays import Floats, Ints
from mathtune.metrics.baselines import CALCULATOR
from mathtune.metrics.intervals import intervals, paired
from mathtune.metrics.measure import CHOSEN, MeasureSettings, Outcome, compare, rounded
from mathtune.metrics.seeds import average_seeds, difference_over_seeds, mean_over_seeds
from mathtune.report.results import Document, Measured, Results
from mathtune.rows.metrics import MeasureMetrics


def over_seeds(results: Results) -> Results:
    """Return the results with the rows of several seeds averaged; unchanged with one seed."""
    return replace(results, rows=averaged(results.rows))


def averaged(rows: Sequence[Measured]) -> list[Measured]:
    """Return the rows; those of several seeds (`seed-0/ssft`, `seed-1/ssft`) become one row.

    A seed is not a new problem: values are averaged within each problem, and intervals and tests
    are over problems, as for one seed. A second interval of each metric and difference,
    `over_seeds`, also draws the trainings anew. Rows of other problems, or that are alone, stay as
    they are.
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
        name: replace(row, document=structs.replace(row.document, against=_against(row, merged)))
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
    names, votes = list(next(iter(values.values()))), f"Maj1@{parts[0].n}"
    seeds = {metric: _column(parts, list(values), metric) for metric in names}
    drawn = parts[0].drawn_together(values)
    first = parts[0].document
    document: Document = {
        "grader": first.grader,
        "problems": first.problems,
        "n": first.n,
        "metrics": _means(seeds, drawn),
        "over_maj1": _gains(seeds, names, votes, drawn),
        "curves": first.curves,
        "against": first.against,
        "clusters": first.clusters,
    }
    if all(part.scored for part in parts):
        document["chosen"] = _chosen(parts)
    if all(part.document.over_calculator is not None for part in parts):
        judged = [name for name in names if name in (first.over_calculator or {})]
        document["over_calculator"] = _gains(seeds, judged, CALCULATOR, drawn)
    deciding = [part.chosen_by for part in parts if part.chosen_by is not None]
    return replace(
        parts[0],
        name=name,
        document=msgspec.convert(rounded(document), MeasureMetrics),
        outcomes=outcomes,
        chosen_by=_best(deciding) if len(deciding) == len(parts) else None,
        parts=tuple(parts),
    )


def _means(seeds: Mapping[str, Floats], drawn: Ints | None) -> Document:
    """Return each metric's mean over seeds and problems; `seeds`: metric -> float (seeds, P)."""
    columns = np.stack([values.mean(axis=0) for values in seeds.values()], axis=1)
    return {
        metric: {**asdict(one), "over_seeds": asdict(mean_over_seeds(seeds[metric], groups=drawn))}
        for metric, one in zip(seeds, intervals(columns, groups=drawn), strict=True)
    }


def _gains(
    seeds: Mapping[str, Floats], names: Sequence[str], base: str, drawn: Ints | None
) -> Document:
    """Return the paired differences of some metrics from `base`, each also over the seeds."""
    columns = np.stack([seeds[metric].mean(axis=0) for metric in names], axis=1)
    found = paired(columns, seeds[base].mean(axis=0)[:, None], groups=drawn)
    return {
        metric: {**asdict(one), "over_seeds": _over_seeds(seeds[metric], seeds[base], drawn)}
        for metric, one in zip(names, found, strict=True)
    }


def _column(parts: Sequence[Measured], ids: Sequence[str], metric: str) -> Floats:
    """Return one metric of every seed, float (seeds, P)."""
    return np.array([[part.outcomes[i].values[metric] for i in ids] for part in parts])


def _over_seeds(ours: Floats, theirs: Floats, drawn: Ints | None) -> Document | None:
    found = difference_over_seeds(ours, theirs, groups=drawn)
    return None if found is None else asdict(found)


def _within(seeds: Sequence[Outcome]) -> float | None:
    """Return the mean AUC within a problem over the seeds that have one there."""
    found = [one.within_auc for one in seeds if one.within_auc is not None]
    return float(np.mean(found)) if found else None


def _chosen(parts: Sequence[Measured]) -> Document:
    """Return the choices seed by seed: `K = 5, 3, 5`."""
    chosen = [part.document.chosen for part in parts if part.document.chosen is not None]
    return {
        **structs.asdict(chosen[0]),
        "optimistic": any(one.optimistic for one in chosen),
        "k": {name: ", ".join(str(one.k[name]) for one in chosen) for name in CHOSEN},
    }


def _best(deciding: Sequence[MeasureMetrics]) -> MeasureMetrics:
    """Return the first measure that K was chosen on, with the strategy that is best over all."""
    first = deciding[0]
    if first.chosen is None:
        return first
    means = {name: np.mean([one.metrics[name]["value"] for one in deciding]) for name in CHOSEN}
    best = max(CHOSEN, key=lambda name: means[name])
    return structs.replace(first, chosen=structs.replace(first.chosen, best=best))


def _against(row: Measured, merged: Mapping[str, Measured]) -> Document:
    """Return paired differences to the averaged controls, in the metrics that both have."""
    found: Document = {}
    for name in row.document.against:
        if name not in merged or merged[name].outcomes.keys() != row.outcomes.keys():
            continue
        found[name] = rounded(differences(row, merged[name], name=name))
    return found


def differences(row: Measured, other: Measured, *, name: str) -> Document:
    """Return the paired differences row - other, with `over_seeds` if a row has several seeds."""
    ids = list(row.outcomes)
    settings = MeasureSettings(cluster=row.cluster)
    pairs = compare(list(row.outcomes.values()), other.outcomes, settings, name=name)
    for metric, pair in pairs.items():
        if metric != "within_auc":
            ours, theirs = (_column(one.each, ids, metric) for one in (row, other))
            pair["over_seeds"] = _over_seeds(ours, theirs, row.drawn_together(ids))
    return pairs
