"""A solved question: its clusters, the pick, and how sure it is. Pure, above the strategies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mathtune.cli.serving.settings import Solver
from mathtune.engines.protocol import Draft
from mathtune.metrics import strategies
from mathtune.metrics.early_stopping import Ending
from mathtune.metrics.strategies import Clusters, Strategy


@dataclass(frozen=True)
class Answered:
    """A cluster: its answer, votes, summed score, and its best-scored (else earliest) solution.

    `score` and `best_score` are None where nothing was judged; scores are S in [0, 1].
    """

    answer: str
    votes: int
    score: float | None
    best_score: float | None
    solution: str
    finish_reason: str = "stop"
    number: int = -1


@dataclass(frozen=True)
class Sure:
    """The confidence in the pick, each a part of 1; `votes` and `scores` are of its cluster.

    votes: of all samples, those without an answer included. scores: of all summed scores.
    pick: S of the picked solution itself. None where nothing was judged.
    """

    votes: float
    scores: float | None
    pick: float | None


@dataclass(frozen=True)
class Solved:
    """A question's clusters, most votes first, and the pick.

    `answer`, `solution` and `sure` are None if no sample ends in an answer. `scores`: S of each
    sample, None for those without an answer; None where nothing was judged. `stopped`: why sampling
    ended. `read`: tokens that the models read, `tokens`: tokens that they wrote.
    """

    question: str
    answer: str | None
    solution: str | None
    strategy: Strategy
    sure: Sure | None
    clusters: tuple[Answered, ...]
    scores: tuple[float | None, ...] | None
    n: int
    samples_used: int
    stopped: Ending
    no_answer: int
    cut_off: int
    tokens: int
    read: int
    generator: str
    evaluator: str | None
    first: Draft
    """The earliest sample: all there is if no sample ends in an answer."""
    picked: Answered | None
    """The picked cluster, with the picked solution."""

    def choices(self, n: int) -> list[Answered]:
        """Return up to n clusters: the pick's, then the others by summed score, else by votes.

        If no sample ends in an answer, the earliest sample is returned as a cluster without votes.
        """
        if self.picked is None:
            return [Answered("", 0, None, None, self.first.text, self.first.finish_reason)]
        others = [one for one in self.clusters if one.number != self.picked.number]
        others.sort(key=lambda one: -(one.votes if one.score is None else one.score))
        return [self.picked, *others][:n]

    def document(self) -> dict[str, Any]:
        """Return the document that `--json` prints."""
        document = asdict(self)
        for name in ("first", "picked", "read"):
            del document[name]
        for one in document["clusters"]:
            del one["finish_reason"], one["number"]
        return document


@dataclass(frozen=True)
class Sampled:
    """What has been drawn of a question: drafts, the answer in each, S of each, and clusters."""

    drafts: Sequence[Draft] = ()
    answers: Sequence[str | None] = ()
    scores: Sequence[float | None] | None = None
    groups: Sequence[Sequence[int]] = ()

    @property
    def clusters(self) -> Clusters:
        """The clusters as strategies read them. Nothing is known to be right: no verdicts."""
        of = np.full(len(self.answers), -1)
        for number, members in enumerate(self.groups):
            of[list(members)] = number
        scores = None
        if self.scores is not None:
            scores = np.array([0.0 if one is None else one for one in self.scores])
        return Clusters(of, np.zeros(len(self.groups), dtype=bool), scores)

    def answered(self) -> tuple[Answered, ...]:
        """Return the clusters, most votes first, equal votes by their earliest sample."""
        numbers = range(len(self.groups))
        order = sorted(numbers, key=lambda at: (-len(self.groups[at]), self.groups[at][0]))
        return tuple(self._answered(number) for number in order)

    def _answered(self, number: int) -> Answered:
        members, scores = self.groups[number], self.clusters.scores
        best = members[0] if scores is None else max(members, key=lambda i: (scores[i], -i))
        return Answered(
            answer=str(self.answers[members[0]]),
            votes=len(members),
            score=None if scores is None else float(scores[list(members)].sum()),
            best_score=None if scores is None else float(scores[best]),
            solution=self.drafts[best].text,
            finish_reason=self.drafts[best].finish_reason,
            number=number,
        )


def picked(question: str, solver: Solver, found: Sampled, stopped: Ending, read: int) -> Solved:
    """Pick among all that was sampled."""
    clusters, scores = found.clusters, found.clusters.scores
    position = strategies.pick(clusters, solver.picks_by, k=solver.k)
    answered, sure, pick = found.answered(), None, None
    if position is not None:
        number, draft = int(clusters.of[position]), found.drafts[position]
        members = list(found.groups[number])
        pick = replace(
            next(one for one in answered if one.number == number),
            answer=str(found.answers[position]),
            solution=draft.text,
            finish_reason=draft.finish_reason,
        )
        sure = Sure(
            votes=len(members) / len(found.answers),
            scores=None if scores is None else _part(scores[members].sum(), scores.sum()),
            pick=None if scores is None else float(scores[position]),
        )
    return Solved(
        question=question,
        answer=None if pick is None else pick.answer,
        solution=None if pick is None else pick.solution,
        strategy=solver.picks_by,
        sure=sure,
        clusters=answered,
        scores=None if found.scores is None else tuple(found.scores),
        n=solver.n,
        samples_used=len(found.answers),
        stopped=stopped,
        no_answer=sum(text is None for text in found.answers),
        cut_off=sum(draft.finish_reason == "length" for draft in found.drafts),
        tokens=sum(draft.tokens for draft in found.drafts),
        read=read,
        generator=solver.generator,
        evaluator=solver.evaluator,
        first=found.drafts[0],
        picked=pick,
    )


def _part(value: float, total: float) -> float:
    return float(value / total) if total > 0 else 0.0
