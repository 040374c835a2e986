"""Solve one question: sample, cluster, judge, pick. What `mathtune solve` does, and its table.

>>> found = solve("How many nuts are 3 bags of 12 nuts?", Solver())  # doctest: +SKIP
>>> found.answer, found.clusters[0].votes, found.sure.votes           # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mathtune.answers import cluster, extract
from mathtune.answers.extract import ExtractRule
from mathtune.cli.run_models import model_in
from mathtune.engines import prompts
from mathtune.engines.model_names import refuse_absent
from mathtune.errors import InputError
from mathtune.metrics import strategies
from mathtune.metrics.strategies import Clusters, Strategy
from mathtune.paths import calculator
from mathtune.run.progress import visible
from mathtune.stages.grade import remedy

if TYPE_CHECKING:
    from mathtune.engines.transformers.decode import Draft


@dataclass(frozen=True, kw_only=True)
class Solver:
    """The settings of solving a question. Defaults: Liu et al. 2023, with fewer samples."""

    generator: str = "embedded"
    """The model that writes solutions: `embedded`, a hub id, a folder (a train step's or a run's).
    """
    evaluator: str | None = None
    """The model that judges them, or `calculator`; None: nothing is judged, votes decide."""
    n: int = 16
    strategy: Strategy | None = None
    """The way to pick; None: W.RR with an evaluator, Maj1 without."""
    k: int = 8
    """The K of RR.MajK and W.RR.MajK, and the N of Maj1.TopN."""
    temperature: float = 0.6
    top_p: float = 0.95
    max_tokens: int = 512
    seed: int = 0
    rule: ExtractRule = "explicit"
    form: prompts.Form = "auto"
    system: str | None = None
    instruction: str | None = None
    device: str = "auto"


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


@dataclass(frozen=True)
class Sure:
    """The confidence in the pick, each a part of 1; `votes` and `scores` are of its cluster.

    votes: of all n samples, those without an answer included. scores: of all summed scores.
    pick: S of the picked solution itself. None where nothing was judged.
    """

    votes: float
    scores: float | None
    pick: float | None


@dataclass(frozen=True)
class Solved:
    """A question's clusters, most votes first, and the pick.

    `answer`, `solution` and `sure` are None where no sample ends in an answer.
    """

    question: str
    answer: str | None
    solution: str | None
    strategy: Strategy
    sure: Sure | None
    clusters: tuple[Answered, ...]
    n: int
    no_answer: int
    cut_off: int
    tokens: int
    generator: str
    evaluator: str | None

    def document(self) -> dict[str, Any]:
        """Return the document that `--json` prints."""
        return asdict(self)


def solve(question: str, solver: Solver) -> Solved:
    """Sample `n` solutions, cluster their answers, judge them once each, and pick.

    Raises:
        InputError: an empty or too long question, a setting out of range, a strategy that needs an
            evaluator, or a model that cannot be used.
    """
    strategy = _checked(question, solver)
    name = model_in(solver.generator)
    judge = None if solver.evaluator in (None, calculator.NAME) else solver.evaluator
    judge = None if judge is None else model_in(judge, "evaluator")
    for needed in filter(None, (name, judge)):
        refuse_absent(needed)
    from mathtune.engines.transformers import models
    from mathtune.engines.transformers.decode import Sampler, Sampling
    from mathtune.engines.transformers.scoring import Scorer

    wording = prompts.Wording(solver.form, solver.system, solver.instruction)
    model, tokenizer = models.load(name, device=solver.device)
    prompt = prompts.solver(question, form=wording, tokenizer=tokenizer)
    sampling = Sampling(
        n=solver.n,
        temperature=solver.temperature,
        top_p=solver.top_p,
        max_tokens=solver.max_tokens,
    )
    sampler = Sampler(model, tokenizer, form=wording)
    (drafts,) = sampler.sample([prompt], sampling, seed=(solver.seed, 0))
    if drafts[0].finish_reason == "prompt_too_long":
        raise InputError(
            f"question: longer than the {sampler.context} tokens that {solver.generator!r} can "
            "read; expected a shorter one."
        )
    answers = [extract(draft.text, rule=solver.rule) for draft in drafts]
    texts = [None if answer is None else answer.text for answer in answers]
    scores = None
    if solver.evaluator == calculator.NAME:
        weights = [calculator.weight(draft.text) for draft in drafts]
        scores = np.array(
            [0.0 if text is None else w for text, w in zip(texts, weights, strict=True)]
        )
    elif judge is not None and any(text is not None for text in texts):
        if judge != name:
            model, tokenizer = models.load(judge, device=solver.device)
        candidates = [
            prompts.evaluator(question, draft.text, form=wording, tokenizer=tokenizer)
            for draft, text in zip(drafts, texts, strict=True)
            if text is not None
        ]
        shared = sampler.forward if judge == name else None
        judging = Scorer(model, tokenizer, form=wording, forward=shared)
        (read,) = judging.evaluate([candidates])
        # A solution that does not fit the evaluator's context counts 0, as in the stage `score`.
        values = iter(0.0 if score is None else score for score in read)
        scores = np.array([0.0 if text is None else next(values) for text in texts])
    return _picked(question, solver, strategy, drafts, texts, scores)


def _checked(question: str, solver: Solver) -> Strategy:
    """The strategy; what cannot be meant is refused before a model is loaded."""
    if not question.strip():
        raise InputError("question: empty; expected a text.")
    for name, value, least in (
        ("n", solver.n, 1),
        ("k", solver.k, 1),
        ("max-tokens", solver.max_tokens, 1),
        ("seed", solver.seed, 0),
        ("temperature", solver.temperature, 0),
    ):
        if value < least:
            raise InputError(f"--{name}: found {value}; expected at least {least}.")
    if not 0 < solver.top_p <= 1:
        raise InputError(f"--top-p: found {solver.top_p}; expected above 0 and at most 1.")
    if solver.rule not in get_args(ExtractRule):
        known = " or ".join(get_args(ExtractRule))
        raise InputError(f"--extract {solver.rule}: no such rule; expected {known}.")
    if solver.strategy is None:
        return "Maj1" if solver.evaluator is None else "W.RR"
    if solver.strategy not in get_args(Strategy):
        known = ", ".join(get_args(Strategy))
        raise InputError(f"--strategy {solver.strategy}: no such strategy; expected {known}.")
    if solver.evaluator is None and solver.strategy != "Maj1":
        raise InputError(
            f"--strategy {solver.strategy}: reads scores; expected a model with --evaluator, or "
            "--evaluator calculator."
        )
    return solver.strategy


def _picked(
    question: str,
    solver: Solver,
    strategy: Strategy,
    drafts: Sequence[Draft],
    texts: Sequence[str | None],
    scores: np.ndarray | None,
) -> Solved:
    groups = cluster(texts)
    of = np.full(len(texts), -1)
    for number, members in enumerate(groups):
        of[members] = number
    # Nothing is known to be right here; ranking only needs the verdicts for its oracles.
    clusters = Clusters(of, np.zeros(len(groups), dtype=bool), scores)
    position = strategies.pick(clusters, strategy, k=solver.k)
    order = sorted(groups, key=lambda members: (-len(members), members[0]))
    found = [_answered(members, drafts, texts, scores) for members in order]
    sure = None
    if position is not None:
        members = groups[of[position]]
        sure = Sure(
            votes=len(members) / len(texts),
            scores=None if scores is None else _part(scores[members].sum(), scores.sum()),
            pick=None if scores is None else float(scores[position]),
        )
    return Solved(
        question=question,
        answer=None if position is None else texts[position],
        solution=None if position is None else drafts[position].text,
        strategy=strategy,
        sure=sure,
        clusters=tuple(found),
        n=len(texts),
        no_answer=sum(text is None for text in texts),
        cut_off=sum(draft.finish_reason == "length" for draft in drafts),
        tokens=sum(draft.tokens for draft in drafts),
        generator=solver.generator,
        evaluator=solver.evaluator,
    )


def _answered(
    members: list[int],
    drafts: Sequence[Draft],
    texts: Sequence[str | None],
    scores: np.ndarray | None,
) -> Answered:
    best = members[0] if scores is None else max(members, key=lambda i: (scores[i], -i))
    return Answered(
        answer=str(texts[members[0]]),
        votes=len(members),
        score=None if scores is None else float(scores[members].sum()),
        best_score=None if scores is None else float(scores[best]),
        solution=drafts[best].text,
    )


def _part(value: float, total: float) -> float:
    return float(value / total) if total > 0 else 0.0


def view(found: Solved) -> RenderableType:
    """Show the clusters, the pick, its solution and its confidence in the terminal."""
    table = Table("answer", "votes", "summed score", "best score")
    for one in found.clusters:
        score = "" if one.score is None else f"{one.score:.2f}"
        best = "" if one.best_score is None else f"{one.best_score:.2f}"
        table.add_row(Text(visible(one.answer)), str(one.votes), score, best)
    if found.answer is None or found.sure is None or found.solution is None:
        return Text(
            f"None of the {found.n} samples ends in an answer: "
            f"{remedy(found.n, found.cut_off)}; more samples (-n) may help."
        )
    table.caption = (
        f"{found.n} samples, {found.no_answer} without an answer, {found.cut_off} cut off"
    )
    sure = f"{found.sure.votes:.0%} of the votes"
    if found.sure.scores is not None and found.sure.pick is not None:
        sure += f", {found.sure.scores:.0%} of the scores; its solution is judged "
        sure += f"{found.sure.pick:.2f}"
    head = Text(f"{visible(found.answer)}", style="bold")
    return Group(
        table,
        Text("answer: ") + head + Text(f"   ({found.strategy}; {sure})\n"),
        Text(visible(found.solution)),
    )
