# ruff: noqa: F722 (jaxtyping's dimension names)
"""From log p of texts to an objective's loss and accuracy. Between objectives and trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mathtune.metrics import calibration
from mathtune.training import objectives
from mathtune.training.settings import Objective, TrainingSettings

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


@dataclass(frozen=True)
class Read:
    """The model's log p of a micro-batch of I items with K texts each.

    `log_p[i, k]` is the log p of a text, `lengths[i, k]` its tokens. `items` and `tokens` count the
    whole accumulated batch, `correct` is each item's label."""

    log_p: Float[Tensor, "I K"]
    lengths: Float[Tensor, "I K"]
    correct: Bool[Tensor, " I"]
    items: Tensor
    tokens: Tensor


def _mle(read: Read, _: TrainingSettings) -> Tensor:
    return objectives.mle(read.log_p[:, 0], tokens=read.tokens)


def _cls_margin(read: Read, settings: TrainingSettings) -> Tensor:
    right = objectives.log_score(read.log_p[:, 0], read.log_p[:, 1])
    wrong = objectives.log_score(read.log_p[:, 2], read.log_p[:, 3])
    return objectives.cls_margin(right, wrong, margin=settings.margin, pairs=read.items)


def _cls_xent(read: Read, _: TrainingSettings) -> Tensor:
    return objectives.cls_xent(
        read.log_p[:, 0], read.log_p[:, 1], read.correct, labelled=read.items
    )


def _ctr(read: Read, settings: TrainingSettings) -> Tensor:
    compared = read.log_p / read.lengths if settings.per_token else read.log_p
    loss = objectives.ctr_margin(
        compared[:, 0], compared[:, 1], margin=settings.margin, pairs=read.items
    )
    mle = objectives.mle(read.log_p[:, 0], tokens=read.tokens)
    return objectives.joint(loss, mle, alpha=settings.alpha)


def _mul_margin(read: Read, settings: TrainingSettings) -> Tensor:
    mle = objectives.mle(read.log_p[:, 4], tokens=read.tokens)
    return objectives.joint(_cls_margin(read, settings), mle, alpha=settings.alpha)


def _mul_xent(read: Read, settings: TrainingSettings) -> Tensor:
    # A batch may hold no correct solution: its mle term is then 0 / 1.
    mle = objectives.mle(read.log_p[:, 2], tokens=read.tokens.clamp(min=1))
    return objectives.joint(_cls_xent(read, settings), mle, alpha=settings.alpha)


LOSSES: dict[Objective, Callable[[Read, TrainingSettings], Tensor]] = {
    "mle": _mle,
    "cls-margin": _cls_margin,
    "cls-xent": _cls_xent,
    "ctr": _ctr,
    "mul-margin": _mul_margin,
    "mul-xent": _mul_xent,
}
"""The functions that return a micro-batch's share of the accumulated batch's loss."""


def _right_above_wrong(log_p: Tensor, _: Tensor) -> Tensor:
    right = objectives.log_score(log_p[:, 0], log_p[:, 1])
    wrong = objectives.log_score(log_p[:, 2], log_p[:, 3])
    return (right > wrong).float().mean()


def _label_found(log_p: Tensor, correct: Tensor) -> Tensor:
    return ((log_p[:, 0] > log_p[:, 1]) == correct).float().mean()


ACCURACIES: dict[Objective, Callable[[Tensor, Tensor], Tensor | None]] = {
    "mle": lambda *_: None,  # a generator's is measured on its samples
    "cls-margin": _right_above_wrong,
    "cls-xent": _label_found,
    "ctr": lambda log_p, _: (log_p[:, 0] > log_p[:, 1]).float().mean(),
    "mul-margin": _right_above_wrong,
    "mul-xent": _label_found,
}
"""The functions that return the share of items judged correctly, from their log p and labels.

A pair is if its right solution scores higher; another item is if the likelier label word is true.
"""


def scores(log_p: Tensor, correct: Tensor) -> list[list[tuple[float, bool]]]:
    """Return log S of each item's candidates and whether they are right; K texts as in `TEXTS`.

    A pair has two candidates, a labelled solution one; a generator's texts have none.
    """
    if log_p.shape[1] < 2:
        return [[] for _ in log_p]
    found = [objectives.log_score(log_p[:, 0], log_p[:, 1])]
    if pairs := log_p.shape[1] >= 4:
        found.append(objectives.log_score(log_p[:, 2], log_p[:, 3]))
    labels = [[True, False] if pairs else [right] for right in correct.tolist()]
    both = torch.stack(found, 1).tolist()
    return [list(zip(*item, strict=True)) for item in zip(both, labels, strict=True)]


def auc_within_problems(judged: Sequence[tuple[str, float, bool]]) -> float | None:
    """Return the mean over problems of the AUC inside each, from (problem, log S, right).

    None: no problem has both a right and a wrong solution.

    Example:
        >>> auc_within_problems([("a", -1.0, True), ("a", -2.0, False), ("b", -0.1, False)])
        1.0
    """
    numbers = {problem: number for number, problem in enumerate({one[0]: None for one in judged})}
    found = calibration.within_auc(
        np.array([score for _, score, _ in judged], dtype=float),
        np.array([right for *_, right in judged], dtype=bool),
        np.array([numbers[problem] for problem, *_ in judged], dtype=int),
    )
    return float(np.mean(list(found.values()))) if found else None
