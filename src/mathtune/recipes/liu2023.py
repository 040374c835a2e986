"""Generator, evaluator, re-ranking, generator again (Liu et al. 2023), on any model and data.

    mathtune run liu2023 model=embedded data=arithmetic
    mathtune run liu2023 --config smollm2-gsm8k-small

Rows of their tables: few-shot and SSFT (Table 2), re-ranking with either loss (Tables 3 and 7,
Figure 1), the sequential generator beside its equal-updates control (Table 4).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mathtune.recipes.parts import Settings, drawn, greedy, row
from mathtune.run import Run
from mathtune.stages.collect import Collect
from mathtune.stages.grade import Grade
from mathtune.stages.measure import Measure
from mathtune.stages.sample import Sample
from mathtune.stages.score import Score
from mathtune.stages.train import Train

Loss = Literal["cls-margin", "cls-xent"]


class Liu2023(Settings):
    """Settings of `liu2023`."""

    n: int = 64
    """Samples per problem, on validation and test."""
    n_train: int = 64
    """Samples per training problem, from which the evaluator's examples are drawn."""
    evaluator_losses: tuple[Loss, ...] = ("cls-margin", "cls-xent")
    """One evaluator and one sequential generator for each (Eq. 8, Eq. 9)."""
    evaluator_from: Literal["generator", "base"] = "generator"
    """What the evaluator starts from; the paper says both (its sections 1 and 3.2)."""
    right_from: Literal["samples", "gold"] = "samples"
    """`gold`: the gold solution stands as the right one where no sample is right; counted."""


def liu2023(run: Run, c: Liu2023) -> None:
    """Baseline, SSFT, and for each loss an evaluator, re-ranking and a sequential generator."""
    data = run("data", c.data)
    row(run, "base", c.model, data.test, n=c.n, how=c.how)

    ssft = run("ssft", Train(model=c.model, objective="mle", examples=data.solutions))
    drafts = run("drafts", Sample(model=ssft, problems=data.train, n=c.n_train))
    graded = run("drafts-grades", Grade(problems=data.train, samples=drafts))
    collect = Collect(problems=data.train, samples=graded, keep="pairs", right_from=c.right_from)
    pairs = run("pairs", collect)

    validation = drawn(run, "validation", ssft, data.validation, n=c.n, how=c.how)
    first = greedy(run, "ssft", ssft, data.test)
    test = drawn(run, "ssft", ssft, data.test, n=c.n, how=c.how)
    start = ssft if c.evaluator_from == "generator" else c.model
    controls: dict[str, Path] = {}
    for loss in c.evaluator_losses:
        kind = loss.removeprefix("cls-")
        evaluator = run(f"evaluator-{kind}", Train(model=start, objective=loss, examples=pairs))
        scores = Score(model=evaluator, problems=data.validation, samples=validation)
        scored = run(f"validation-{kind}-scores", scores)
        chosen = run(f"validation-{kind}-row", Measure(problems=data.validation, samples=scored))
        scores = Score(model=evaluator, problems=data.test, samples=test)
        scored = run(f"ssft-{kind}-scores", scores)
        measure = Measure(problems=data.test, samples=scored, greedy=first, choose_on=chosen)
        run(f"ssft-{kind}-row", measure)

        again = Train(model=evaluator, objective="mle", examples=data.solutions)
        sequential = run(f"sequential-{kind}", again)
        if not controls:  # every sequential generator makes as many updates: one control serves all
            control = Train(
                model=ssft, objective="mle", examples=data.solutions, equal_updates_to=sequential
            )
            more = run("more-ssft", control)
            controls["more-ssft"] = row(run, "more-ssft", more, data.test, n=c.n, how=c.how)
        row(run, f"sequential-{kind}", sequential, data.test, n=c.n, how=c.how, against=controls)
