"""Solve one question in waves: sample, cluster, judge; stop when the lead is sure. Then pick."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from mathtune.answers import cluster, extract
from mathtune.cli.serving.models import Models, Question
from mathtune.cli.serving.settings import Solver
from mathtune.cli.serving.solved import Sampled, Solved, picked
from mathtune.engines.protocol import Draft
from mathtune.errors import InputError
from mathtune.metrics import early_stopping
from mathtune.metrics.baselines import BOTH
from mathtune.paths import calculator

LEAST = 2
"""Samples of a wave after the first: fewer would make more waves for hardly fewer samples."""

OnWave = Callable[[Sampled], None]
"""Called after every wave with all samples so far."""


async def solved(
    question: Question, solver: Solver, models: Models, watch: OnWave | None = None
) -> Solved:
    """Sample waves until the lead is sure or all samples are used; cluster, judge and pick.

    Cancelling it gives up its samples in flight.

    Raises:
        InputError: an empty or too long question.
        FailedError: a model failed.
    """
    if not question.text.strip():
        raise InputError("question: empty; expected a text.")
    found, read, most, stop_at = Sampled(), 0, solver.most, solver.stops_at
    while True:
        clusters = found.clusters
        used = len(clusters.of)
        if used and (why := early_stopping.ended(clusters, most=most, stop_at=stop_at)):
            return picked(question.text, solver, found, why, read)
        many = early_stopping.next_wave(clusters, most=most, stop_at=stop_at, least=LEAST)
        drawn = await models.sample(question, solver.sampling(many), seed=solver.seed, first=used)
        if any(draft.finish_reason == "prompt_too_long" for draft in drawn.drafts):
            raise InputError(
                "question: longer than the generator can read; expected a shorter one."
            )
        read += drawn.read if not used else 0  # a server may read it again: its cache has it
        found, judged = await _joined(question, solver, models, found, drawn.drafts)
        read += judged
        if watch is not None:
            watch(found)


async def _joined(
    question: Question, solver: Solver, models: Models, found: Sampled, drafts: Sequence[Draft]
) -> tuple[Sampled, int]:
    """Add a wave's drafts: their answers, scores and clusters; return the tokens read, too."""
    extracted = (extract(draft.text, rule=solver.rule) for draft in drafts)
    new = [None if one is None else one.text for one in extracted]
    answers = [*found.answers, *new]
    scores, read = await _scores(question, solver, models, drafts, new)
    groups = [list(range(len(answers)))]
    if len(set(answers)) > 1 or answers[0] is None:  # else there is nothing to compare
        groups = await asyncio.to_thread(cluster, answers)
    return Sampled(
        (*found.drafts, *drafts),
        answers,
        None if scores is None else (*(found.scores or ()), *scores),
        groups,
    ), read


async def _scores(
    question: Question,
    solver: Solver,
    models: Models,
    drafts: Sequence[Draft],
    answers: Sequence[str | None],
) -> tuple[list[float | None] | None, int]:
    """Return S of each draft with an answer (None for others), and the tokens that were read."""
    if solver.evaluator is None:
        return None, 0
    texts = [d.text for d, answer in zip(drafts, answers, strict=True) if answer is not None]
    if solver.evaluator == calculator.NAME:
        values, read = [calculator.weight(text) for text in texts], 0
    elif texts:
        judged = await models.judge(question.text, texts)
        # A solution that does not fit the evaluator's context counts 0, as in the stage `score`.
        values = [0.0 if score is None else score for score in judged.scores]
        if solver.picks_by == BOTH:
            values = [s * calculator.weight(text) for s, text in zip(values, texts, strict=True)]
        read = judged.read
    else:
        values, read = [], 0
    left = iter(values)
    return [None if answer is None else next(left) for answer in answers], read
