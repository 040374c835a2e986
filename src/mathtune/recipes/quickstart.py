"""Both papers on the embedded model and problems: every stage, one table, in minutes on two cores.

    mathtune run quickstart             one seed; at most 5 minutes on two CPU cores
    mathtune run quickstart-full        three seeds and larger N; not yet timed

The base model solves and judges a little. SSFT teaches it the problems (Liu et al. 2023, 3.1); its
own graded samples teach an evaluator (3.2), which re-ranks; the evaluator is trained to solve again
(3.3); and the distinct right paths among the samples train the base again (Yuan et al. 2023, 3.3).
The last two each have a control with as many updates.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mathtune.recipes.parts import (
    Count,
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
from mathtune.run.recipe_run import Run
from mathtune.stages.collect import Collect
from mathtune.stages.measure import Measure
from mathtune.stages.prepare import Data, Prepare
from mathtune.stages.sample import Sample
from mathtune.stages.train import Train


class Quickstart(RecipeSettings):
    """Settings of `quickstart`."""

    model: str = "embedded"
    data: Prepare = Prepare()
    n: Count = 32
    """Samples per problem of the SSFT generator, on test and validation."""
    n_rows: Count = 8
    """Samples per problem for every other row of the table."""
    n_train: Count = 16
    """Samples per training problem, for the evaluator's pairs and the paths."""
    evaluator_loss: Literal["cls-margin", "cls-xent"] = "cls-margin"
    """The evaluator's objective (Eq. 8 or 9)."""
    compare_judges: bool = False
    """Let the base's own judging and the SSFT model's likelihood re-rank the test samples, too,
    each in its own row; on validation they always do. The calculator always has a row.
    """
    seeds: Seeds = (0,)
    """Seeds of training and sampling; the problems stay the same. Several: a folder for each."""


def quickstart(run: Run, c: Quickstart) -> None:
    """Run the baseline, then per seed SSFT, evaluator, re-ranking, sequential, RFT, controls."""
    data = run("data", c.data)
    for number, seeded in enumerate(each_seed(run, c.seeds)):
        ssft = seeded("ssft", Train(model=c.model, objective="mle", examples=data.solutions))
        if number == 0:  # during the first generator's training, if it leaves cores free
            row(run, "base", c.model, data.test, n=c.n_rows, how=c.how)
        both(seeded, c, data, ssft)


def both(run: Run, c: Quickstart, data: Data, ssft: str) -> None:
    """Run both papers once on prepared data; trainings come first, so sampling may overlap."""
    # Liu et al. 2023: an evaluator of the generator's samples; the generator again, from the
    # evaluator's weights, and a control that continues from SSFT's
    drafts = graded(run, "drafts", Sample(model=ssft, problems=data.train, n=c.n_train))
    pairs = run("pairs", Collect(problems=data.train, samples=drafts, keep="pairs"))
    evaluator = run("evaluator", Train(model=ssft, objective=c.evaluator_loss, examples=pairs))
    again = run("sequential", Train(model=evaluator, objective="mle", examples=data.solutions))
    more = run(
        "more-ssft",
        Train(model=ssft, objective="mle", examples=data.solutions, equal_updates_to=again),
    )

    # Yuan et al. 2023: the base model anew, on gold and distinct right paths; its control
    paths = run("paths", Collect(problems=data.train, samples=drafts, keep="paths"))
    rft = run("rft", Train(model=c.model, objective="mle", examples=paths))
    long = run(
        "long-ssft",
        Train(model=c.model, objective="mle", examples=data.solutions, equal_updates_to=rft),
    )

    # judges of the same samples: the calculator, the trained one, the base zero-shot, likelihood
    judges = {
        "calculator": Judge(None, "calculator"),
        "evaluator": Judge(evaluator),
        "base": Judge(c.model),
        "likelihood": Judge(ssft, "likelihood"),
    }
    validation = drawn(run, "validation", ssft, data.validation, n=c.n, how=c.how)
    measure = Measure(problems=data.validation, samples=validation)
    choices = {
        name: judged(run, f"validation-{name}", judge, measure) for name, judge in judges.items()
    }

    first = greedy(run, "ssft", ssft, data.test)
    samples = drawn(run, "ssft", ssft, data.test, n=c.n, how=c.how)
    rows: dict[str, Path] = {}
    for name in judges if c.compare_judges else ("calculator", "evaluator"):
        step = "ssft" if name == "evaluator" else f"ssft-{name}"
        measure = Measure(
            problems=data.test, samples=samples, greedy=first, choose_on=choices[name], against=rows
        )
        rows = {**rows, step: judged(run, step, judges[name], measure)}

    control = row(run, "more-ssft", more, data.test, n=c.n_rows, how=c.how)
    row(run, "sequential", again, data.test, n=c.n_rows, how=c.how, against={"more-ssft": control})
    control = row(run, "long-ssft", long, data.test, n=c.n_rows, how=c.how)
    against = {"long-ssft": control, "ssft": rows["ssft"]}
    row(run, "rft", rft, data.test, n=c.n_rows, how=c.how, against=against)
