"""Expert iteration in rounds: sample, grade, select, train anew from the base; with its controls.

    mathtune run rounds                          the embedded model and problems
    mathtune run rounds model=MODEL data=gsm8k rounds=3

A round samples the training problems with the last round's generator, unites its right distinct
paths with those of the rounds before, and trains generator and judge from the base (ReST-EM, Singh
et al. 2023; V-STaR, Hosseini et al. 2024). Each round has two controls: gold solutions alone with
as many updates, and as many samples drawn without regard to their verdicts. `best` names the round
that validation chooses. A run with more rounds continues one with fewer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mathtune.recipes.parts import (
    Count,
    Drawing,
    Judge,
    RecipeSettings,
    Seeds,
    drawn,
    each_seed,
    graded,
    greedy,
    judged,
    row,
)
from mathtune.rows.samples import Columns
from mathtune.run.recipe_run import Run
from mathtune.stages.best import Best
from mathtune.stages.collect import Collect
from mathtune.stages.drawn import Drawn
from mathtune.stages.measure import Measure
from mathtune.stages.prepare import Data, Prepare
from mathtune.stages.sample import Sample
from mathtune.stages.train import Train


class Rounds(RecipeSettings):
    """Settings of `rounds`."""

    model: str = "embedded"
    data: Prepare = Prepare()
    rounds: Count = 2
    """Turns of sample, select and train, after supervised fine-tuning (round 0)."""
    k: Count = 8
    """Samples per training problem and round."""
    n: Count = 8
    """Samples per validation and test problem."""
    evaluator_loss: Literal["cls-margin", "cls-xent"] = "cls-xent"
    """The judge's objective (Eq. 8 or 9)."""
    sampling: Drawing = Drawing(temperature=0.7, top_p=1.0)
    """Temperature and top-p of the samples to learn from."""
    seeds: Seeds = (0,)
    """Seeds of training and sampling; the problems stay the same."""


def rounds(run: Run, c: Rounds) -> None:
    """Run round 0 (SFT), then each round with its judge and its two controls."""
    data = run("data", c.data)
    for seeded in each_seed(run, c.seeds):
        _rounds(seeded, c, data)


def _rounds(run: Run, c: Rounds, data: Data) -> None:
    generator = run("round-0", Train(model=c.model, objective="mle", examples=data.solutions))
    rows = {"round-0": row(run, "round-0", generator, data.test, n=c.n, how=c.how)}
    validated = {"round-0": _validated(run, c, "round-0", generator, data)}
    drafts: list[Columns] = []
    for number in range(1, c.rounds + 1):
        name = f"round-{number}"
        sample = Sample(model=generator, problems=data.train, n=c.k, **dict(c.sampling))
        drafts.append(graded(run, f"{name}-drafts", sample))
        generator = _round(run, c, name, drafts, data, rows)
        validated[name] = _validated(run, c, name, generator, data)
    run("best", Best(rows=validated))


def _round(
    run: Run, c: Rounds, name: str, drafts: list[Columns], data: Data, rows: dict[str, Path]
) -> str:
    """Train the round's generator and judge from the base, and its controls; measure them all."""
    known = {"problems": data.train, "samples": tuple(drafts)}
    paths = run(f"{name}-paths", Collect(**known, test=data.test, keep="paths"))
    pairs = run(f"{name}-pairs", Collect(**known, keep="pairs"))
    random = run(f"{name}-random-paths", Drawn(**known, like=paths))
    generator = run(name, Train(model=c.model, objective="mle", examples=paths))
    judge = run(f"{name}-judge", Train(model=c.model, objective=c.evaluator_loss, examples=pairs))
    trained = {
        f"{name}-gold": Train(
            model=c.model, objective="mle", examples=data.solutions, equal_updates_to=generator
        ),
        f"{name}-random": Train(
            model=c.model, objective="mle", examples=random, equal_updates_to=generator
        ),
    }
    against: dict[str, Path] = {"round-0": rows["round-0"]}
    for control, train in trained.items():
        against[control] = row(run, control, run(control, train), data.test, n=c.n, how=c.how)
    first = greedy(run, name, generator, data.test)
    samples = drawn(run, name, generator, data.test, n=c.n, how=c.how)
    measure = Measure(problems=data.test, samples=samples, greedy=first, against=against)
    rows[name] = judged(run, name, Judge(judge), measure)
    return generator


def _validated(run: Run, c: Rounds, name: str, generator: str, data: Data) -> Path:
    samples = drawn(run, f"{name}-validation", generator, data.validation, n=c.n, how=c.how)
    measure = Measure(problems=data.validation, samples=samples)
    return run(f"{name}-validation-row", measure)
