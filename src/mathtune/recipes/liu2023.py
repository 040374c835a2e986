"""Generator, evaluator, re-ranking, generator again (Liu et al. 2023), on any model and data.

    mathtune run liu2023 model=embedded data=arithmetic
    mathtune run liu2023 --config smollm2-gsm8k-small
    mathtune run liu2023-tables               every table of the paper, small, on the embedded model

Rows of their tables, and the settings that turn on those that are not always there:

    Table 1     the data: step `data`
    Table 2     rows `base`, `ssft`; `sources`: SSFT on other solutions too; `few_shot`
    Table 3     rows `ssft-margin`, `ssft-xent`, and `ssft-likelihood` as a baseline
    Table 4     rows `sequential-*` beside `more-ssft`; `joint_losses`: rows `joint-*` (Eq. 11-13)
    Table 5     `few_shot`: rows `few-shot-*`, exemplars from one set of solutions or another
    Table 6     `others`: further models; each evaluator judges each generator's samples
    Table 7     the strategies of every judged row, K from validation; Figure 1: their curves over K
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from mathtune.recipes.parts import (
    Count,
    Judge,
    RecipeSettings,
    Seeds,
    drawn,
    each_seed,
    greedy,
    judged,
    row,
)
from mathtune.rows.samples import Columns
from mathtune.run.recipe_run import Run
from mathtune.stages.collect import Collect
from mathtune.stages.exemplars import Exemplars
from mathtune.stages.halve import Halve
from mathtune.stages.measure import Measure
from mathtune.stages.prepare import Data
from mathtune.stages.train import Train

Loss = Literal["cls-margin", "cls-xent"]
Joint = Literal["ctr", "mul-margin", "mul-xent"]


class Liu2023(RecipeSettings):
    """Settings of `liu2023`."""

    n: Count = 64
    """Samples per problem, on validation and test."""
    n_train: Count = 64
    """Samples per training problem, from which the evaluator's examples are drawn."""
    evaluator_losses: tuple[Loss, ...] = ("cls-margin", "cls-xent")
    """One evaluator and one sequential generator for each (Eq. 8, Eq. 9)."""
    evaluator_from: Literal["generator", "base"] = "generator"
    """The model that the evaluator starts from; the paper names both (its sections 1 and 3.2)."""
    evaluator_data: Literal["train", "held-out"] = "train"
    """The generator whose samples of the training problems teach the evaluator. train: the
    generator's own, as in the paper. Beware: it has memorised these problems, so its samples of
    them are right more often, and their mistakes differ from those on new problems. held-out: of
    two generators, each trained on one half of the problems and sampled on the other; this costs
    two more SSFT trainings.
    """
    right_from: Literal["samples", "gold"] = "samples"
    """`gold`: the gold solution serves as the right one if no sample is right; these are counted.
    """
    joint_losses: tuple[Joint, ...] = ()
    """Train generators on Eq. 11, 12 or 13 too, to test that they are hard to balance (Table 4)."""
    sources: tuple[str, ...] = ()
    """SSFT on other solutions too (Table 2): math, prm800k, both, or files of examples."""
    few_shot: tuple[str, ...] = ()
    """Sets that few-shot exemplars are drawn from (Table 5): data (its own) or of `sources`."""
    few_shot_form: Literal["minerva", "plain"] = "minerva"
    """How exemplars are laid out; Minerva's as in the paper."""
    others: tuple[str, ...] = ()
    """Further base models, each with its own generator and evaluator (Table 6)."""
    choose: Literal["last", "loss", "accuracy"] = "last"
    """The epoch whose weights every training keeps: the last, or the best by validation loss, or
    for evaluators by accuracy on validation pairs (generators, which have none, then by loss). The
    paper chooses by validation performance; its models peaked within two epochs.
    """
    seeds: Seeds = (0,)
    """Seeds of training and sampling; the problems stay the same. Several: a folder for each."""
    likelihood: bool = True
    """Also rank by the generator's own log-probability, the baseline that needs no evaluator."""

    @model_validator(mode="after")
    def _check(self) -> Liu2023:
        names = [source_name(source) for source in self.sources]
        if len({"data", *names}) <= len(names):
            raise ValueError(f"sources: found {names}; expected different names, not data")
        unknown = [name for name in self.few_shot if name not in ("data", *names)]
        if unknown:
            raise ValueError(f"few_shot: no set {unknown[0]!r}; there are data, {', '.join(names)}")
        if not self.evaluator_losses:
            raise ValueError("evaluator_losses: empty; expected cls-margin, cls-xent or both")
        return self


@dataclass(frozen=True)
class Generator:
    """An SSFT model, number `number` of the recipe's, with its graded solutions."""

    number: int
    base: str
    model: str
    greedy: Columns
    validation: Columns
    test: Columns

    @property
    def name(self) -> str:
        """Its row's name."""
        return f"ssft{suffix(self.number)}"


def liu2023(run: Run, c: Liu2023) -> None:
    """Run baselines, then for each seed SSFT, evaluators, re-ranking, sequential generators."""
    data = run("data", c.data)
    row(run, "base", c.model, data.test, n=c.n, how=c.how)
    sets = solution_sets(run, c, data)
    for name in c.few_shot:
        form = c.few_shot_form
        shown = run(f"exemplars-{name}", Exemplars(solutions=sets[name], form=form))
        asked = run.within(None, few_shot=shown, prompt=form)
        row(asked, f"few-shot-{name}", c.model, data.test, n=c.n, how=c.how)
    for seeded in each_seed(run, c.seeds):
        for name, solutions in sets.items():
            if name != "data":
                ssft = seeded(f"ssft-{name}", solver(c, data, c.model, solutions))
                row(seeded, f"ssft-{name}", ssft, data.test, n=c.n, how=c.how)
        trained(seeded, c, data)


def solution_sets(run: Run, c: Liu2023, data: Data) -> dict[str, Path]:
    """Return the data's own solutions, and those of `sources` (Table 2), by name."""
    sets = {"data": data.solutions}
    for source in c.sources:
        name = source_name(source)
        sets[name] = Path(source)
        if source in ("math", "prm800k", "both"):
            prepare = c.data.replaced({"solutions": source}, where="data")
            sets[name] = run(f"data-{name}", prepare).solutions
    return sets


def trained(run: Run, c: Liu2023, data: Data) -> None:
    """Run one seed: SSFT, and per loss an evaluator, re-ranking and a sequential generator."""
    first = generator(run, c, data, 1, c.model)
    learned = pairs(run, c, data, first)
    held_out = validation_pairs(run, c, data, first)
    start = first.model if c.evaluator_from == "generator" else c.model
    evaluators: dict[str, str] = {}
    measured: dict[str, Path] = {}
    for loss in c.evaluator_losses:
        train = Train(model=start, objective=loss, examples=learned, **chosen(c, held_out))
        evaluators[loss] = run(f"evaluator-{kind(loss)}", train)
        measured[loss] = reranked(run, data, first, kind(loss), Judge(evaluators[loss]))
    if c.likelihood:
        reranked(run, data, first, "likelihood", Judge(first.model, "likelihood"))
    sequential(run, c, data, first, evaluators)

    against = {"ssft": measured[c.evaluator_losses[0]]}
    for joint in c.joint_losses:
        train = Train(model=start, objective=joint, examples=learned, **chosen(c, held_out))
        model = run(f"joint-{joint}", train)
        row(run, f"joint-{joint}", model, data.test, n=c.n, how=c.how, against=against)
        if joint != "ctr":
            reranked(run, data, first, joint, Judge(model))
    if c.others:
        transfer(run, c, data, first, evaluators[c.evaluator_losses[0]])


def generator(run: Run, c: Liu2023, data: Data, number: int, base: str) -> Generator:
    """Train a base model by SSFT, and draw and grade its samples of validation and test."""
    name, validation = f"ssft{suffix(number)}", f"validation{suffix(number)}"
    model = run(name, solver(c, data, base, data.solutions))
    return Generator(
        number,
        base,
        model,
        greedy=greedy(run, name, model, data.test),
        validation=drawn(run, validation, model, data.validation, n=c.n, how=c.how),
        test=drawn(run, name, model, data.test, n=c.n, how=c.how),
    )


def pairs(run: Run, c: Liu2023, data: Data, g: Generator) -> Path:
    """Return pairs for the evaluator, from samples of the training problems."""
    after, graded = suffix(g.number), []
    if c.evaluator_data == "train":
        graded.append(drawn(run, f"drafts{after}", g.model, data.train, n=c.n_train, how=c.how))
    else:
        halves = run(f"halves{after}", Halve(problems=data.train, solutions=data.solutions))
        for part, (learned, asked) in enumerate((halves, halves[::-1]), start=1):
            half = run(f"{g.name}-half-{part}", solver(c, data, g.base, learned.solutions))
            name = f"drafts{after}-half-{part}"
            graded.append(drawn(run, name, half, asked.problems, n=c.n_train, how=c.how))
    collect = Collect(
        problems=data.train, samples=tuple(graded), keep="pairs", right_from=c.right_from
    )
    return run(f"pairs{after}", collect)


def validation_pairs(run: Run, c: Liu2023, data: Data, g: Generator) -> Path | None:
    """Return pairs of validation problems, if they choose the evaluators' checkpoints."""
    if c.choose == "last":
        return None
    collect = Collect(
        problems=data.validation, samples=g.validation, keep="pairs", right_from=c.right_from
    )
    return run(f"validation{suffix(g.number)}-pairs", collect)


def solver(
    c: Liu2023, data: Data, model: str, solutions: Path, *, equal_updates_to: str | None = None
) -> Train:
    """Train a generator on solutions (Eq. 3)."""
    by = {} if c.choose == "last" else {"validation": data.validation_solutions, "choose": "loss"}
    return Train(
        model=model,
        objective="mle",
        examples=solutions,
        equal_updates_to=equal_updates_to,
        **by,
    )


def chosen(c: Liu2023, held_out: Path | None) -> dict[str, Any]:
    """Return the settings that choose an evaluator's checkpoint."""
    return {} if held_out is None else {"validation": held_out, "choose": c.choose}


def reranked(run: Run, data: Data, g: Generator, label: str, judge: Judge) -> Path:
    """Score and measure a generator's samples; K and N from validation. Return the row's handle.

    Steps `<generator>-<label>-scores` and `-row`, the same of `validation` before them.
    """
    validation = Measure(problems=data.validation, samples=g.validation)
    choice = judged(run, f"validation{suffix(g.number)}-{label}", judge, validation)
    test = Measure(problems=data.test, samples=g.test, greedy=g.greedy, choose_on=choice)
    return judged(run, f"{g.name}-{label}", judge, test)


def sequential(
    run: Run, c: Liu2023, data: Data, g: Generator, evaluators: Mapping[str, str]
) -> None:
    """Train each evaluator to solve again, and SSFT for as many more updates (Table 4)."""
    controls: dict[str, Path] = {}
    for loss, evaluator in evaluators.items():
        name = f"sequential-{kind(loss)}"
        again = run(name, solver(c, data, evaluator, data.solutions))
        if not controls:  # every sequential generator makes as many updates: one control serves all
            control = solver(c, data, g.model, data.solutions, equal_updates_to=again)
            more = run("more-ssft", control)
            controls["more-ssft"] = row(run, "more-ssft", more, data.test, n=c.n, how=c.how)
        row(run, name, again, data.test, n=c.n, how=c.how, against=controls)


def transfer(run: Run, c: Liu2023, data: Data, first: Generator, evaluator: str) -> None:
    """Add further generators and evaluators, each judging the samples of all (Table 6).

    Row `ssft-2-by-1`: samples of the second generator, judged by the first evaluator.
    """
    loss = c.evaluator_losses[0]
    generators, judges = [first], {1: evaluator}
    for number, base in enumerate(c.others, start=2):
        g = generator(run, c, data, number, base)
        start = g.model if c.evaluator_from == "generator" else base
        learned, held_out = pairs(run, c, data, g), validation_pairs(run, c, data, g)
        train = Train(model=start, objective=loss, examples=learned, **chosen(c, held_out))
        judges[number] = run(f"evaluator{suffix(number)}", train)
        generators.append(g)
    for g in generators:
        for number, judge in judges.items():
            if (g.number, number) != (1, 1):  # already measured
                reranked(run, data, g, f"by-{number}", Judge(judge))


def suffix(number: int) -> str:
    """Return the suffix that distinguishes the models' steps: nothing, -2, -3, ..."""
    return "" if number == 1 else f"-{number}"


def kind(loss: str) -> str:
    """Return the evaluator's short name: margin, xent."""
    return loss.removeprefix("cls-")


def source_name(source: str) -> str:
    """Return the name of a set of solutions: its own, or that of its file.

    Example:
        >>> source_name("prm800k"), source_name("own/worked.jsonl")
        ('prm800k', 'worked')
    """
    return Path(source).name.removesuffix(".gz").removesuffix(".jsonl")
