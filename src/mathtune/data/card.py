"""The data card of prepared problems: their source, what was left out, and their counts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from mathtune.data import local
from mathtune.data.counts import Counts, shortened
from mathtune.data.declared import NamedSet
from mathtune.data.rows import normalized
from mathtune.rows.metrics import FirstGold, RowsMetrics, SolutionMetrics, SplitMetrics
from mathtune.rows.records import Example, Problem

CARD = "card.json"


def card(
    found: NamedSet | None,
    source: str,
    settings: Mapping[str, Any],
    counts: Counts,
    files: Mapping[str, Path],
    *,
    read_from: str,
) -> dict[str, Any]:
    """Return the card: the declared source, id, revision and licence, settings, counts, hashes.

    A hash is the SHA-256 of the written file of problems: the same rows have the same hash.
    """
    one = None if found is None else found.set
    return {
        "source": source if found is None else found.name,
        "id": None if one is None else one.id,
        "subset": None if one is None else one.subset,
        "revision": one.revision if one is not None and read_from == "hub" else None,
        "read_from": read_from,
        "licence": "not declared" if one is None else one.licence,
        "settings": {
            name: value for name, value in settings.items() if value not in (None, (), {})
        },
        "rows": counts.rows or None,
        "dropped": dict(counts.dropped),
        "files": {name: _of_file(path) for name, path in files.items()},
    }


def read_from(source: str, folder: Path | None) -> str:
    """Return where the rows of a source come from; a local copy has no known revision.

    >>> read_from("arithmetic", None), read_from("gsm8k", None), read_from("x/y", None)
    ('generated', 'hub', 'hub')
    """
    if source == "arithmetic":
        return "generated"
    if source in ("gsm8k", "math"):  # whose folder may lack them
        copied = bool(local.matching(folder, f"{source}_train.jsonl"))
    else:
        copied = folder is not None or Path(source).exists()
    return "local copy" if copied else "hub"


def _of_file(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"rows": content.count(b"\n"), "sha256": hashlib.sha256(content).hexdigest()}


def read_metrics(counts: Counts) -> RowsMetrics | None:
    """Return the counts of the rows read; None: the source is not read by rows."""
    if not counts.rows:
        return None
    first = None
    if counts.first is not None:
        where, gold = counts.first
        first = FirstGold(where=where, gold=gold.answer, rule=gold.rule, text=shortened(gold.text))
    return RowsMetrics(
        read=counts.rows,
        dropped=dict(counts.dropped),
        first_dropped=dict(counts.places),
        fields=dict(counts.roles),
        first_gold=first,
        golds_reduced=counts.golds_reduced,
        bare_solutions=counts.bare_solutions,
    )


def split_metrics(problems: Sequence[Problem]) -> SplitMetrics:
    """Return a split's size."""
    repeated = len(problems) - len({normalized(p.problem) for p in problems})
    return SplitMetrics(
        problems=len(problems),
        repeated_within=repeated,
        mean_characters=round(fmean(len(p.problem) for p in problems), 1) if problems else None,
    )


def solution_metrics(solutions: Sequence[Example]) -> SolutionMetrics:
    """Return the size of the solutions."""
    mean = round(fmean(len(s.solution) for s in solutions), 1) if solutions else None
    return SolutionMetrics(
        solutions=len(solutions),
        problems=len({s.problem_id for s in solutions}),
        mean_characters=mean,
    )
