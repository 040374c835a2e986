"""GSM8K (Cobbe et al. 2021): 7,473 train and 1,319 test problems; validation is drawn from train.

{"question": "Natalia sold clips to 48 of her friends in April, ...",
 "answer": "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\\n...\\n#### 72"}
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mathtune.data import declared, hub, local
from mathtune.data.problems import to_problems
from mathtune.data.rows import Row, read_rows, required
from mathtune.errors import InputError
from mathtune.rows.records import Problem

MARK = "####"


def load(folder: Path | None) -> dict[str, list[Problem]]:
    """Train and test problems: gsm8k_train.jsonl and gsm8k_test.jsonl of `folder`, else the hub."""
    found = {split: local.find(folder, f"gsm8k_{split}.jsonl") for split in ("train", "test")}
    if all(found.values()):
        return {split: to_gsm8k(read_rows(files[0]), split) for split, files in found.items()}
    here = declared.shipped()["gsm8k"]
    rows = hub.load(here.source, subset=here.subset)
    return {split: to_gsm8k(rows[split], split) for split in ("train", "test")}


def to_gsm8k(rows: Iterable[Row], split: str) -> list[Problem]:
    """Return problems of rows in the hub's shape (question, answer) or ours (problem, solution).

    The answer is the text after `####`, without thousands separators.

    Raises:
        InputError: a solution has no `####`.
    """
    return to_problems(_plain(row, split, n) for n, row in enumerate(rows))


def _plain(row: Row, split: str, number: int) -> Row:
    theirs = "question" in row.values
    problem, solution = ("question", "answer") if theirs else ("problem", "solution")
    text = required(row, solution)
    _, mark, answer = text.rpartition(MARK)
    if not mark or not answer.strip():
        raise InputError(f"{row.where}, field '{solution}': no answer after {MARK}.")
    return Row(
        row.where,
        {
            "id": f"gsm8k/{split}/{number}" if theirs else required(row, "id"),
            "problem": required(row, problem),
            "solution": text,
            "answer": answer.strip().replace(",", ""),
        },
    )
