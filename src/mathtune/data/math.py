"""MATH (Hendrycks et al. 2021), in its original split and PRM800K's (Lightman et al. 2023).

original   7,500 train, 5,000 test
prm800k    500 of the test problems (MATH-500) are the test set, the other 12,000 train

    {"problem": "...", "solution": "... \\\\boxed{0}.", "level": "Level 5", "type": "Algebra"}
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mathtune.data import declared, hub, local
from mathtune.data.problems import to_problems
from mathtune.data.rows import Row, normalized, read_rows, required
from mathtune.rows.records import Problem

SUBJECTS = (
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
)
SPLITS = ("original", "prm800k")

EMPTY_BOXES = ("primes in that range", "is not prime for any $n$, so the answer is")
"""A text from each of the two solutions whose box is empty in the original; both answers are 0."""


def load(folder: Path | None, *, split: str) -> dict[str, list[Problem]]:
    """Train and test problems of a split, from `math_train.jsonl`, `math_test.jsonl` and
    `math500.jsonl` in `folder` or from the hub.
    """
    train, test = _all(folder)
    if split == "original":
        return {"train": train, "test": test}
    held_out = {normalized(text) for text in _math500(folder)}
    return {
        "train": [p for p in train + test if normalized(p.problem) not in held_out],
        "test": [p for p in test if normalized(p.problem) in held_out],
    }


def to_math(rows: Iterable[Row]) -> list[Problem]:
    """Return problems of rows in the hub's shape (answers inside the solutions) or ours.

    The two solutions whose `\\\\boxed{}` is empty get their answer, 0.
    """
    return to_problems(_mended(row) for row in rows)


def _all(folder: Path | None) -> tuple[list[Problem], list[Problem]]:
    train, test = (local.find(folder, f"math_{split}.jsonl") for split in ("train", "test"))
    if train and test:
        return to_math(read_rows(train[0])), to_math(read_rows(test[0]))
    rows: dict[str, list[Row]] = {"train": [], "test": []}
    for subject in SUBJECTS:
        loaded = hub.load(declared.shipped()["math"].source, subset=subject)
        for split, found in rows.items():
            found += [
                Row(row.where, _ours(row, f"{split}/{subject}/{n}"))
                for n, row in enumerate(loaded[split])
            ]
    return to_math(rows["train"]), to_math(rows["test"])


def _ours(row: Row, name: str) -> dict[str, str]:
    theirs = {"problem": "problem", "solution": "solution", "level": "level", "subject": "type"}
    return {"id": name} | {ours: required(row, field) for ours, field in theirs.items()}


def _math500(folder: Path | None) -> list[str]:
    found = local.find(folder, "math500.jsonl")
    source = declared.shipped()["math500"].source
    rows = read_rows(found[0]) if found else hub.load(source)["test"]
    return [required(row, "problem") for row in rows]


def _mended(row: Row) -> Row:
    solution = required(row, "solution")
    if "\\boxed{}" in solution and any(words in solution for words in EMPTY_BOXES):
        mended = solution.replace("\\boxed{}", "\\boxed{0}")
        return Row(row.where, {**row.values, "solution": mended, "answer": "0"})
    return row
