"""Rejection-sampling fine-tuning on distinct paths (Yuan et al. 2023), on any model and data.

    mathtune run yuan2023 model=embedded data=arithmetic k=16
    mathtune run yuan2023 model=HuggingFaceTB/SmolLM2-135M data=gsm8k
    mathtune run yuan2023 --config yuan2023-small     the embedded model, two CPU cores

Everything is trained from the base model: SFT, RFT for each k, RFT without dedup, and RFT on unions
(U13B-style) of the paths of several generators, which are further models or further seeds. Each RFT
row has a control: SFT with as many updates. `study` makes the paper's tables and figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, NonNegativeInt, model_validator

from mathtune.metrics.claims import Kind
from mathtune.recipes.parts import (
    Count,
    Drawing,
    RecipeSettings,
    Seeds,
    each_seed,
    graded,
    refuse_repeats,
    right_paths,
)
from mathtune.recipes.points import StudyPoints, labels
from mathtune.rows.samples import Columns
from mathtune.run.recipe_run import Run
from mathtune.stages.bits import Bits
from mathtune.stages.collect import Collect
from mathtune.stages.prepare import Data
from mathtune.stages.sample import Sample
from mathtune.stages.train import Train


class Yuan2023(RecipeSettings):
    """Settings of `yuan2023`."""

    seeds: Seeds = (0,)
    """Seeds of training and sampling; the problems stay the same. Several: a folder for each."""
    generators: tuple[str, ...] = ()
    """Further base models; each is fine-tuned and sampled too, and its right paths join unions."""
    generator_seeds: tuple[NonNegativeInt, ...] = ()
    """Further seeds of the base model's own SFT and samples, which join unions as generators do.
    They are trained once, for all `seeds`."""
    unions: tuple[Annotated[int, Field(ge=2)], ...] = ()
    """Numbers of generators to unite, the base model's own first; none: all of them."""
    k: Count = 100
    """Samples per training problem and generator."""
    ks: tuple[Count, ...] = ()
    """Smaller k to fine-tune on as well, each with the first k samples (their Table 2). Values not
    below `k` are left out.
    """
    dedup_control: bool = True
    """Also train on all right samples of k, including repeated paths (their "no dedup")."""
    shots: int = Field(default=8, ge=0)
    """The number of exemplars of the few-shot baseline, the first training problems; 0: no such
    row.
    """
    n: Count = 100
    """Samples per test problem, for maj1@n."""
    how: Drawing = Drawing(temperature=0.7, top_p=1.0)
    """Temperature and top-p of all samples: 0.7 and no top-p in the paper."""

    @model_validator(mode="after")
    def _check(self) -> Yuan2023:
        refuse_repeats(
            generators=(self.model, *self.generators),
            generator_seeds=self.generator_seeds,
            unions=self.unions,
            ks=self.ks,
        )
        for seed in self.generator_seeds:
            if seed in self.seeds:
                raise ValueError(
                    f"generator_seeds: {seed} is the seed of the base model's own samples"
                )
        generators = 1 + len(self.generators) + len(self.generator_seeds)
        if max(self.unions, default=0) > generators:
            raise ValueError(
                f"unions: {max(self.unions)} of {generators} generators (the base model, "
                "generators and generator_seeds); expected at most all of them"
            )
        return self


def yuan2023(run: Run, c: Yuan2023) -> None:
    """Run baselines, SFT, RFT for each k, without dedup and on unions, each with its control."""
    data = run("data", c.data)
    (base,) = labels([c.model])
    points = StudyPoints(data.test, c.n, c.how)
    bits = {base: run(f"{base}-bits", Bits(model=c.model, text=data.validation))}
    points.measure(run, "base", c.model, point=(base, "base"))
    if c.shots:
        shown = run.within("few-shot", few_shot=data.solutions, shots=c.shots)
        points.measure(shown, f"{c.shots}-shot", c.model, point=(base, "few-shot"))

    others = []
    for seed in c.generator_seeds:
        seeded = run.within(f"generator-seed-{seed}", seed=seed)
        others.append(generated(seeded, f"sft-seed-{seed}", c.model, c, data)[1])
    for seeded in each_seed(run, c.seeds):
        trained(seeded, c, data, points, others)
    points.study(run, bits)


def trained(
    run: Run, c: Yuan2023, data: Data, points: StudyPoints, others: Sequence[Columns]
) -> None:
    """Run one seed: SFT, then RFT on every collection, each with its control.

    `others`: drafts of further seeds, which join unions last.
    """
    (base,) = labels([c.model])
    sft, graded_samples = generated(run, "sft", c.model, c, data)
    against = {"sft": points.measure(run, "sft", sft, point=(base, "sft"))}
    drafts = [graded_samples]
    for number, model in enumerate(c.generators, start=2):
        drafts.append(generated(run, f"sft-{number}", model, c, data)[1])
    drafts += others

    for name, kind, k, collect in collections(c, drafts, data):
        paths = run(f"{name}-paths", collect)
        rft = run(name, Train(model=c.model, objective="mle", examples=paths))
        control = Train(
            model=c.model, objective="mle", examples=data.solutions, equal_updates_to=rft
        )
        long = run(f"{name}-control", control)
        of_control = points.measure(
            run, f"{name}-control", long, point=(base, "control"), k=k, of=kind
        )
        points.measure(
            run,
            name,
            rft,
            point=(base, kind),
            made_by=paths,
            against={**against, "control": of_control},
            k=k,
        )


def generated(run: Run, name: str, model: str, c: Yuan2023, data: Data) -> tuple[str, Columns]:
    """Run SFT of a base model, and grade its k samples of every training problem."""
    sft = run(name, Train(model=model, objective="mle", examples=data.solutions))
    sample = Sample(model=sft, problems=data.train, n=c.k, **dict(c.how))
    return sft, graded(run, f"{name}-drafts", sample)


def collections(
    c: Yuan2023, drafts: Sequence[Columns], data: Data
) -> list[tuple[str, Kind, int, Collect]]:
    """Return the sets to fine-tune on: name, kind, k, and the step that makes it."""
    first = drafts[:1]
    found: list[tuple[str, Kind, int, Collect]] = [
        (f"rft-k{k}", "rft", k, right_paths(data, first, k=k))
        for k in (*(k for k in c.ks if k < c.k), c.k)
    ]
    if c.dedup_control:
        found.append(
            ("rft-no-dedup", "no-dedup", c.k, right_paths(data, first, k=c.k, dedup=False))
        )
    sizes = c.unions or ((len(drafts),) if len(drafts) > 1 else ())
    for size in sizes:
        union = right_paths(data, drafts[:size], k=c.k)
        found.append((f"rft-union-{size}", "union", size * c.k, union))
    return found
