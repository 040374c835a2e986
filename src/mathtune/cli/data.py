"""`mathtune data [NAME]`: the data sets that have a name, and a row of one in our reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import yaml
from rich.table import Table

from mathtune.data import declared, gsm8k, local, math
from mathtune.data.counts import Counts
from mathtune.data.declared import Declared, NamedSet
from mathtune.data.load import SourceRequest, rows_of
from mathtune.data.problems import to_problems
from mathtune.data.rows import Row, read_rows
from mathtune.data.sets import overlaps, problems_of, read_set
from mathtune.data.splits import SPLITS
from mathtune.errors import InputError
from mathtune.rows.records import Problem

BY_SPLIT: Mapping[str, Callable[[Row], list[Problem]]] = {
    "gsm8k": lambda row: gsm8k.to_gsm8k([row], "train"),
    "math": lambda row: math.to_math([row]),
}
"""Sets whose local copies are files such as `gsm8k_train.jsonl`, and their readers of rows."""
LOOKED_AT = 200
"""The number of rows that are read to show the first usable one."""


def listed() -> Table:
    """Return all sets: problems by split, licence, and whether a local copy is there."""
    table = Table(box=None, pad_edge=False)
    for title in ("name", "train", "validation", "test", "licence", "from", "what it is"):
        table.add_column(title, justify="right" if title in SPLITS else "left")
    root = local.root()
    for name, one in declared.shipped().items():
        copy = _copy(NamedSet(name, one), root)
        sizes = [f"{one.rows[split]:,}" if split in one.rows else "-" for split in SPLITS]
        table.add_row(name, *sizes, one.licence, str(copy) if copy else one.id, one.about)
    return table


def document(name: str, folder: Path | None) -> dict[str, Any]:
    """Return a set's declaration, the source of its rows, and its first usable row, as read.

    Raises:
        InputError: no set has that name.
    """
    found = declared.find(name)
    if found is None:
        raise InputError(
            f"data {name}: no such data set; there are {', '.join(declared.shipped())}, and a YAML "
            "file that declares others."
        )
    copy = _copy(found, folder or local.root())
    shown: dict[str, Any] = {
        "name": found.name,
        "from": str(copy) if copy else found.set.source,
        "declaration": msgspec.to_builtins(found.set),
    }
    try:
        row, problem, counts = _first(found, copy)
    except InputError as error:
        return {**shown, "row": None, "problem": None, "why": str(error)}
    gold = counts.first[1] if counts.first else None
    return {
        **shown,
        "row": {key: _short(value) for key, value in row.values.items()},
        "problem": msgspec.to_builtins(problem),
        "gold": None if gold is None else {"rule": gold.rule, "text": _short(gold.text)},
    }


def overlap_document(name: str, others: Sequence[str], folder: Path | None) -> dict[str, Any]:
    """Return the overlap of other sets with a set's training problems, else with all of them."""
    train = problems_of(read_set(name, folder), "train")
    found = overlaps(train, others, folder)
    return {"name": name, "problems": len(train), "against": msgspec.to_builtins(found)}


def as_text(found: dict[str, Any]) -> str:
    """Return the document in YAML, in the form of declarations: without defaults."""
    if "declaration" in found:
        usual = msgspec.to_builtins(Declared(id="", splits={}))
        given = found["declaration"].items()
        changed = {key: value for key, value in given if value != usual[key]}
        found = {**found, "declaration": changed}
    return str(yaml.safe_dump(_plain(found), sort_keys=False, allow_unicode=True, width=100))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items() if member not in (None, {})}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    return value if isinstance(value, str | int | float) or value is None else str(value)


def _copy(found: NamedSet, folder: Path | None) -> Path | None:
    copy = declared.local_copy(found, folder)
    if copy is None and found.name in BY_SPLIT:
        return next(iter(local.matching(folder, f"{found.name}_train.jsonl")), None)
    return copy


def _first(found: NamedSet, copy: Path | None) -> tuple[Row, Problem, Counts]:
    if copy is not None and copy.name.startswith(f"{found.name}_train."):
        row = next(read_rows(copy))
        return row, BY_SPLIT[found.name](row)[0], Counts()
    source = str(copy) if copy is not None else found.set.source
    subset = None if copy is not None else found.set.subset
    reading = found.set.reading()
    request = SourceRequest(source, subset=subset, reading=reading, declared=found.set, stream=True)
    rows = rows_of(request)
    name = next(iter(declared.ours(found.set, rows).values()), next(iter(rows)))
    counts = Counts()
    seen: list[Row] = []

    def remembered() -> Iterator[Row]:
        for row in islice(rows[name], LOOKED_AT):
            seen.append(row)
            yield row

    (problem,) = to_problems(remembered(), reading, counts, enough=First())
    return seen[-1], problem, counts


class First:
    """Stop at the first problem."""

    def after(self, row: Row, found: int) -> bool:
        """Return whether there is a problem."""
        del row
        return found > 0


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else str(value)
    return value if len(text) <= 300 else f"{text[:200]} ... {text[-80:]}"
