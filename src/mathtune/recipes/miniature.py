"""Both papers' claims on a base that was at school and never saw the tasks: docs/miniature.md.

    mathtune run miniature                       three seeds; an hour on two CPU cores
    mathtune run miniature seeds=[0] parts=[data]

Parts: `data` (SSFT on more and more problems), `bases` (SSFT of other bases, over their
pre-training loss), `judge` (calculator, evaluators, zero-shot, likelihood), `long` (an evaluator
trained for longer, on fresh problems), `sequential` (the evaluator trained to solve again, and its
control), `transfer` (evaluators that never saw a family, on it), `rft` (distinct right paths of one
generator), `union` (of several). Every training has a
number of updates, its *budget*; `findings` compares at equal and at best budget. Folders of
different seeds and parts may be made on different machines and put into one run folder: the recipe
then skips what exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mathtune.recipes.miniature_settings import DRAFTED, Long, Miniature
from mathtune.recipes.parts import Drawing, Judge, drawn, greedy, judged, right_paths
from mathtune.recipes.points import labels
from mathtune.rows.samples import Columns
from mathtune.run.recipe_run import Run
from mathtune.stages.bits import Bits
from mathtune.stages.collect import Collect
from mathtune.stages.findings import Findings, Model
from mathtune.stages.measure import Measure
from mathtune.stages.prepare import Data
from mathtune.stages.train import Train

MANY = 1e6
"""Epochs: the number of updates ends a training."""


@dataclass
class Found:
    """The inputs of `findings`, gathered model by model."""

    models: dict[str, Model] = field(default_factory=dict)
    test: dict[str, Path] = field(default_factory=dict)
    validation: dict[str, Path] = field(default_factory=dict)
    waiting: list[tuple[Run, str, str, Model]] = field(default_factory=list)

    def later(self, run: Run, name: str, model: str, about: Model) -> None:
        """Measure a model once all trainings of its seed have been requested."""
        self.waiting.append((run, name, model, about))

    def measure_waiting(self, data: Data) -> None:
        """Measure the models that wait."""
        for run, name, model, about in self.waiting:
            self.measure(run, name, model, data, about)
        self.waiting.clear()

    def measure(self, run: Run, name: str, model: str, data: Data, about: Model) -> None:
        """Measure a model's greedy solutions of validation and test: `<name>-row` on test."""
        for split, problems in (("validation", data.validation), ("test", data.test)):
            step = name if split == "test" else f"{name}-{split}"
            solutions = greedy(run, step, model, problems)
            row = run(
                f"{step}-row", Measure(problems=problems, samples=solutions, greedy=solutions)
            )
            key = (
                row.relative_to(run.folder)
                .as_posix()
                .removesuffix("-row")
                .removesuffix("-validation")
            )
            self.models[key] = about
            getattr(self, split)[key] = row


@dataclass(frozen=True)
class Seed:
    """One training seed: the place of its steps, and their inputs."""

    run: Run
    seed: int
    c: Miniature
    sets: dict[int, Data]
    found: Found
    fresh: Data | None
    """Problems that no other training has seen, for part `long`."""
    made: dict[str, str] = field(default_factory=dict)
    """SSFT models of the recipe's base by step."""

    @property
    def whole(self) -> Data:
        """The largest training set; validation and test are the same in all."""
        return self.sets[self.c.sizes[-1]]

    def generator(self, size: int) -> str:
        """Return SSFT on `size` problems with the largest budget, of part `data` or made here."""
        name = f"ssft-{size}-u{self.c.budgets[-1]}"
        if name not in self.made:
            examples = self.sets[size].solutions
            train = ssft(self.c, self.c.model, examples, self.c.budgets[-1])
            self.made[name] = self.run(name, train)
        return self.made[name]


def miniature(run: Run, c: Miniature) -> None:
    """Run the base, then the parts for each seed, then the steps over all seeds."""
    sets = {
        size: run(f"data-{size}", c.data.replaced({"train": size}, where="data"))
        for size in c.sizes
    }
    whole, found = sets[c.sizes[-1]], Found()
    fresh = None
    if "long" in c.parts:
        only = {"train": c.long.problems, "seed": c.data.seed + 1}
        fresh = run("data-fresh", c.data.replaced(only, where="data"))
    found.measure(run, "base", c.model, whole, Model(label="base", budget=0, seed=0))
    for seed in c.seeds:
        one = Seed(run.within(f"seed-{seed}", seed=seed), seed, c, sets, found, fresh)
        if "data" in c.parts:
            for size in c.sizes:
                trained(one, f"ssft-{size}", sets[size].solutions, size=size)
        if "bases" in c.parts:
            for name, base in labels(c.bases).items():
                trained(one, f"ssft-of-{name}", sets[c.rft_size].solutions, model=base)
        if {*DRAFTED, "long"} & set(c.parts):
            judge(one)
        if "rft" in c.parts or "union" in c.parts:
            rft(one)
        found.measure_waiting(whole)
    losses: dict[str, Path] = {}
    if "bases" in c.parts and c.text is not None:
        others = {f"ssft-of-{name}": base for name, base in labels(c.bases).items()}
        for label, model in {f"ssft-{c.rft_size}": c.model, **others}.items():
            losses[label] = run(f"{label}-bits", Bits(model=model, text=c.text.absolute()))
    made = {model.label for model in found.models.values()}
    gold = f"ssft-{c.rft_size}"
    wanted = (("rft", gold), ("union", gold), ("union", "rft"), ("sequential", "more-ssft"))
    run(
        "findings",
        Findings(
            problems=whole.test,
            models=found.models,
            test=found.test,
            validation=found.validation,
            compare=tuple(pair for pair in wanted if set(pair) <= made),
            losses={label: folder for label, folder in losses.items() if label in made},
        ),
    )


def trained(
    one: Seed, label: str, examples: Path, *, size: int | None = None, model: str | None = None
) -> None:
    """Train a base (None: the recipe's) by SSFT with every budget, and measure each."""
    for budget in one.c.budgets:
        name = f"{label}-u{budget}"
        made = one.run(name, ssft(one.c, model or one.c.model, examples, budget))
        one.made[name] = made
        about = Model(label=label, budget=budget, seed=one.seed, size=size)
        one.found.later(one.run, name, made, about)


def ssft(c: Miniature, model: str, examples: Path, updates: int) -> Train:
    """Train a generator with so many updates (Eq. 3)."""
    return Train(
        model=model,
        objective="mle",
        examples=examples,
        epochs=MANY,
        updates=updates,
        batch_size=c.batch_size,
        learning_rate=c.rate,
    )


def evaluator(c: Miniature, model: str, pairs: Path, *, long: Long | None = None) -> Train:
    """Train a model to judge, on pairs read once or as `long` says (Eq. 9)."""
    return Train(
        model=model,
        objective="cls-xent",
        examples=pairs,
        epochs=1 if long is None else long.epochs,
        batch_size=c.batch_size if long is None else long.batch_size,
        micro_batch_size=None if long is None else long.batch_size,
        learning_rate=c.judge_rate,
    )


def rft(one: Seed) -> None:
    """Train by RFT on the paths of one generator, and of a union (Yuan et al. 2023, 3.3)."""
    c, data, drafts = one.c, one.sets[one.c.rft_size], list[Columns]()
    how = Drawing(temperature=0.7, top_p=1.0)
    for number in range(c.generators if "union" in c.parts else 1):
        inner = one.run.within(f"generator-{number}", seed=100 * (one.seed + 1) + number)
        if number:
            generator = inner("ssft", ssft(c, c.model, data.solutions, c.budgets[-1]))
        else:
            generator = one.generator(c.rft_size)
        drafts.append(drawn(inner, "drafts", generator, data.train, n=c.k, how=how))
    for label, sources in (("rft", drafts[:1]), ("union", drafts)):
        if label in c.parts:
            paths = one.run(f"{label}-paths", right_paths(data, sources, k=c.k))
            trained(one, label, paths)


def judge(one: Seed) -> None:
    """Train evaluators on the best SSFT model's samples; compare judges of its further samples."""
    c = one.c
    run = one.run.within("judge", seed=one.seed)
    generator = one.generator(c.sizes[-1])
    judges = {"calculator": Judge(None, "calculator")}
    if set(DRAFTED) & set(c.parts):
        judges |= short_judges(one, run, generator)
    if one.fresh is not None:
        judges["long"] = Judge(long_judge(one, run, generator, one.fresh))
    if {"judge", "long"} & set(c.parts):
        compared(run, c, one.whole, generator, judges)


def short_judges(one: Seed, run: Run, generator: str) -> dict[str, Judge]:
    """Train evaluators that read their pairs once, and what starts from them; return all judges."""
    c, asked = one.c, one.sets[one.c.judge_size]
    drafts = drawn(run, "drafts", generator, asked.train, n=c.n_train, how=c.how)
    judges: dict[str, Judge] = {}
    if "judge" in c.parts or "sequential" in c.parts:
        collect = Collect(problems=asked.train, samples=drafts, keep="pairs", per_problem=c.pairs)
        pairs = run("pairs", collect)
        starts = {"generator": generator, "base": c.model}
        trained_from = {
            start: run(f"evaluator-from-{start}", evaluator(c, starts[start], pairs))
            for start in c.judges_from
        }
        if "judge" in c.parts:
            judges = {f"from-{start}": Judge(model) for start, model in trained_from.items()}
            judges["zero-shot"] = Judge(c.model)
            judges["likelihood"] = Judge(generator, "likelihood")
        if "sequential" in c.parts:
            start = trained_from[c.judges_from[0]]
            sequential(run, one, {"sequential": start, "more-ssft": generator})
    for family in c.left_out if "transfer" in c.parts else ():
        inner = one.run.within(f"judge-without-{family}", seed=one.seed)
        transfer(inner, c, family, generator, (drafts, asked))
    return judges


def long_judge(one: Seed, run: Run, generator: str, fresh: Data) -> str:
    """Train an evaluator for long, on samples of fresh problems."""
    c = one.c
    drafts = drawn(run, "fresh", generator, fresh.train, n=c.long.n, how=c.how)
    collect = Collect(
        problems=fresh.train,
        test=one.whole.test,
        samples=drafts,
        keep="pairs",
        per_problem=c.long.pairs,
    )
    return run("evaluator-long", evaluator(c, generator, run("long-pairs", collect), long=c.long))


def compared(run: Run, c: Miniature, data: Data, generator: str, judges: dict[str, Judge]) -> None:
    """Score a generator's samples of validation and test by every judge, K from validation."""
    first = greedy(run, "test", generator, data.test)
    held_out = drawn(run, "validation", generator, data.validation, n=c.n, how=c.how)
    samples = drawn(run, "test", generator, data.test, n=c.n, how=c.how)
    rows: dict[str, Path] = {}
    for name, by in judges.items():
        validation = Measure(problems=data.validation, samples=held_out)
        choice = judged(run, f"validation-{name}", by, validation)
        test = Measure(
            problems=data.test, samples=samples, greedy=first, choose_on=choice, against=rows
        )
        rows = {**rows, name: judged(run, f"test-{name}", by, test)}


def sequential(run: Run, one: Seed, starts: Mapping[str, str]) -> None:
    """Train the evaluator to solve again, and its control: as many updates from the generator."""
    for label, start in starts.items():
        for updates in one.c.further:
            name = f"{label}-u{updates}"
            model = run(name, ssft(one.c, start, one.whole.solutions, updates))
            about = Model(label=label, budget=updates, seed=one.seed)
            one.found.later(run, name, model, about)


def transfer(
    run: Run, c: Miniature, family: str, generator: str, drafts: tuple[Columns, Data]
) -> None:
    """Train an evaluator whose pairs lack a family; judge problems of that family."""
    samples, asked = drafts
    collect = Collect(
        problems=asked.train,
        samples=samples,
        keep="pairs",
        per_problem=c.pairs,
        leave_out=(family,),
    )
    judge = run("evaluator", evaluator(c, generator, run("pairs", collect)))
    only = {"families": (family,), "train": 12, "validation": 0, "test": 100}
    data = run("data", c.data.replaced(only, where="data"))
    drawn_there = drawn(run, "test", generator, data.test, n=c.n, how=c.how)
    rows: dict[str, Path] = {}
    for name, by in {"calculator": Judge(None, "calculator"), "evaluator": Judge(judge)}.items():
        measure = Measure(problems=data.test, samples=drawn_there, against=rows)
        rows = {**rows, name: judged(run, name, by, measure)}
