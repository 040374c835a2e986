"""Lists in one row: samples, one sample's steps, or whole problems with golds. Under `roles`."""

from __future__ import annotations

import re
from typing import Any

from mathtune.answers import extract
from mathtune.data.files.gold_field import TEXTS_COMPARED
from mathtune.data.files.head import Head
from mathtune.data.files.paths import MISSING, reach
from mathtune.data.files.quoted_list import quoted_list
from mathtune.data.files.texts import golds
from mathtune.errors import InputError

_LIKELIHOOD = re.compile(r"True|False|-?(?:inf|[0-9.]+(?:e-?[0-9]+)?)")
FEWEST_ROWS = 3
MOST = 0.8
"""The rows whose lists tell that they are one sample's steps: their number, and the part of them
whose last member is the first that marks an answer."""


def as_lists(head: Head, path: str) -> str:
    """Return the path of the samples at a path of texts that hold lists, or of lists of steps.

    Tables store a list of samples as one text. Lists of different lengths of which nearly
    always the last member alone marks an answer are samples in steps; so are lists inside a list.

    Example:
        >>> cells = [{"outs": "['a', 'b']"}, {"outs": "['c', 'd']"}]
        >>> as_lists(Head("f", cells), "outs")
        'outs.*'
        >>> row = {"solution": ["2 + 3 = 5", "So \\\\boxed{5}"]}
        >>> as_lists(Head("f", [row, row, {"solution": ["Add.", *row["solution"]]}]), "solution")
        'solution.+'
    """
    values = [value for value in head.column(path) if value not in (MISSING, None, "")]
    if not values:
        return path
    if all(isinstance(value, str) and quoted_list(value) for value in values):
        path = f"{path}.*"
        values = [reach(row, path) for row in head.rows]
    if _are_steps(values):
        return f"{path.removesuffix('.*')}.+"
    inner = [one for value in values if isinstance(value, list) for one in value]
    return f"{path}.*.+" if len(inner) > len(values) and _are_steps(inner) else path


def _are_steps(values: list[Any]) -> bool:
    lists = [
        value
        for value in values[:TEXTS_COMPARED]
        if isinstance(value, list) and all(isinstance(one, str) for one in value)
    ]
    if len(lists) < len(values[:TEXTS_COMPARED]) or len(set(map(len, lists))) == 1:
        return False
    marks = [[extract(one) is not None for one in value] for value in lists if len(value) > 1]
    marked = [row for row in marks if any(row)]
    at_the_end = sum(row.index(True) == len(row) - 1 for row in marked)
    return len(marked) >= max(FEWEST_ROWS, len(marks) / 2) and at_the_end >= MOST * len(marked)


def refuse_likelihoods(head: Head, solution: str) -> None:
    """Refuse the logs of a harness that compared options: `[["-1.5", "False"], ["-2.5", "True"]]`.

    Raises:
        InputError: the samples are log-likelihoods, each with true or false behind it.
    """
    flat = [text for row in head.texts(solution) or [] for text in row if text]
    greedy = sum(text in ("True", "False") for text in flat)
    if greedy and 2 * greedy == len(flat) and all(map(_LIKELIHOOD.fullmatch, flat)):
        raise InputError(
            f"{head.name}: '{solution}' holds log-likelihoods of options, not texts; expected "
            "samples that a model wrote."
        )


def refuse_lists_of_problems(head: Head, solution: str, gold: str) -> None:
    """Refuse rows whose lists hold several problems, each sample with a gold of its own.

    Raises:
        InputError: solution and gold are in one list, and a row's golds differ.
    """
    listed, inside, _ = solution.rpartition(".*.")
    if not inside or not gold.startswith(f"{listed}.*."):
        return
    for number, value in enumerate(head.column(gold), start=1):
        members = value if isinstance(value, list) else []
        if len({golds(one) for one in members if isinstance(one, str | int) and one != ""}) > 1:
            raise InputError(
                f"{head.name}: row {number} holds several problems: the samples of '{listed}' have "
                f"different golds ('{gold}'); expected one row per problem or per sample."
            )
