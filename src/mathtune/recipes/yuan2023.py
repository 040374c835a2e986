"""Rejection-sampling fine-tuning on distinct paths (Yuan et al. 2023), on any model and data.

    mathtune run yuan2023 model=embedded data=arithmetic k=16
    mathtune run yuan2023 model=HuggingFaceTB/SmolLM2-135M data=gsm8k

SFT and RFT always start from the base model. `generators` are further models whose right paths join
the union (U13B-style); each RFT row stands beside SFT with as many updates.
"""

from __future__ import annotations

from mathtune.recipes.parts import Drawing, Settings, row
from mathtune.run import Run
from mathtune.samples import Columns
from mathtune.stages.collect import Collect
from mathtune.stages.grade import Grade
from mathtune.stages.sample import Sample
from mathtune.stages.train import Train


class Yuan2023(Settings):
    """Settings of `yuan2023`."""

    generators: tuple[str, ...] = ()
    """Further base models; each is fine-tuned and sampled too, and its right paths join a union."""
    k: int = 100
    """Samples per training problem and model."""
    ks: tuple[int, ...] = ()
    """Smaller k to fine-tune on as well, each with the first k samples (their Table 2)."""
    n: int = 100
    """Samples per test problem, for maj1@n."""
    how: Drawing = Drawing(temperature=0.7, top_p=1.0)
    """Temperature and top-p of all samples: 0.7 and no top-p in the paper."""


def yuan2023(run: Run, c: Yuan2023) -> None:
    """Baseline, SFT, RFT for each k, and the union over models."""
    data = run("data", c.data)
    row(run, "base", c.model, data.test, n=c.n, how=c.how)

    drafts: list[Columns] = []
    for number, model in enumerate((c.model, *c.generators)):
        name = "sft" if number == 0 else f"sft-{number}"
        sft = run(name, Train(model=model, objective="mle", examples=data.solutions))
        sample = Sample(model=sft, problems=data.train, n=c.k, **dict(c.how))
        samples = run(f"{name}-drafts", sample)
        grade = Grade(problems=data.train, samples=samples)
        drafts.append(run(f"{name}-drafts-grades", grade))
        if number == 0:
            against = {"sft": row(run, "sft", sft, data.test, n=c.n, how=c.how)}

    kinds = {f"rft-k{k}": (drafts[:1], k) for k in (*c.ks, c.k)}
    if c.generators:
        kinds["rft-union"] = (drafts, c.k)
    for name, (sources, k) in kinds.items():
        collect = Collect(problems=data.train, samples=tuple(sources), keep="paths", k=k)
        paths = run(f"{name}-paths", collect)
        rft = run(name, Train(model=c.model, objective="mle", examples=paths))
        control = Train(
            model=c.model, objective="mle", examples=data.solutions, equal_updates_to=rft
        )
        long = run(f"{name}-control", control)
        beside = row(run, f"{name}-control", long, data.test, n=c.n, how=c.how)
        against_both = {**against, "control": beside}
        row(run, name, rft, data.test, n=c.n, how=c.how, against=against_both)
