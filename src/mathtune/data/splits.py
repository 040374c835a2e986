"""Train, validation and test that never share a problem. Between sources and the prepare stage."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from mathtune.data.rows import normalized
from mathtune.errors import InputError
from mathtune.rows.records import Problem

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Splits:
    """Three lists of problems without a common problem, and the number dropped to achieve that."""

    train: list[Problem]
    validation: list[Problem]
    test: list[Problem]
    dropped: Mapping[str, int]
    had_train: bool = True
    """True if the source has problems to train on; False: it is a test set."""


def apart(
    train: Sequence[Problem],
    validation: Sequence[Problem],
    test: Sequence[Problem],
    *,
    had_train: bool = True,
) -> Splits:
    """Drop from train the problems in validation or test, and from validation those in test.

    Problems are the same when their normalised texts are. The test set is never touched.
    """
    in_test = {normalized(problem.problem) for problem in test}
    kept_validation = [p for p in validation if normalized(p.problem) not in in_test]
    taken = in_test | {normalized(problem.problem) for problem in kept_validation}
    kept_train = [p for p in train if normalized(p.problem) not in taken]
    dropped = {
        "train": len(train) - len(kept_train),
        "validation": len(validation) - len(kept_validation),
    }
    return Splits(kept_train, kept_validation, list(test), dropped, had_train)


def draw_out(
    problems: Sequence[Problem], count: int, *, seed: int, what: str
) -> tuple[list[Problem], list[Problem]]:
    """Split problems into (the rest, `count` drawn at random), both in their order.

    Problems with the same text go the same way, so that the two never share one.

    Raises:
        InputError: fewer than `count` + 1 problems are there; `what` names what is drawn.
    """
    if count >= len(problems) and count > 0:
        raise InputError(
            f"{what}: {count} problems were to be drawn from {len(problems)}; expected fewer."
        )
    groups: dict[str, list[int]] = {}
    for position, problem in enumerate(problems):
        groups.setdefault(normalized(problem.problem), []).append(position)
    order = list(groups.values())
    random.Random(f"{what} {seed}").shuffle(order)
    drawn: set[int] = set()
    for group in order:
        if len(drawn) + len(group) <= count:
            drawn.update(group)
    stay = [p for position, p in enumerate(problems) if position not in drawn]
    return stay, [p for position, p in enumerate(problems) if position in drawn]


def usual_size(source: str, split: str, *, of: int) -> int:
    """Return how many of the training problems are drawn for another split if no number is set.

    >>> usual_size("math", "validation", of=12_000), usual_size("mine.jsonl", "test", of=90)
    (1000, 9)
    """
    return 1000 if (source, split) == ("math", "validation") else min(500, of // 10)


def limited(problems: Sequence[Problem], limit: int | None, *, seed: int) -> list[Problem]:
    """Return at most `limit` problems, drawn at random, in their order.

    A smaller limit with the same seed takes a part of a larger one's draw.
    """
    if limit is None or limit >= len(problems):
        return list(problems)
    order = random.Random(f"limit {seed}").sample(range(len(problems)), len(problems))
    return [problems[position] for position in sorted(order[:limit])]
