"""The scaling study: what fine-tuning on mathematics depends on (Yuan et al. 2023), on any models.

    make ladder && mathtune run scaling --config scaling-small
    mathtune run scaling model=... models=[...] data=gsm8k text=held-out.txt --dry-run

Every base model is measured in bits per byte of held-out text, fine-tuned on {1, 1/2, ..., 1/32} of
the supervised data, and on its own right paths (RFT): for each k, without dedup, and on the union
of all models' paths. All start from the base. `study` then fits the lines and answers the paper's
claims. The runs of several seeds are averaged problem by problem.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from mathtune.metrics.claims import Kind
from mathtune.recipes.parts import (
    Count,
    Drawing,
    RecipeSettings,
    Seeds,
    graded,
    refuse_repeats,
    right_paths,
)
from mathtune.recipes.points import StudyPoints, labels
from mathtune.rows.samples import Columns
from mathtune.run.recipe_run import Run
from mathtune.stages.bits import Bits
from mathtune.stages.collect import Collect
from mathtune.stages.part import Part
from mathtune.stages.prepare import Data
from mathtune.stages.sample import Sample
from mathtune.stages.train import Train


class Scaling(RecipeSettings):
    """Settings of `scaling`."""

    models: tuple[str, ...] = ()
    """Further base models besides `model`; three or more with different losses make a study."""
    text: Path | None = None
    """Held-out text for the pre-training loss: a text file, or JSON Lines with solutions. None: the
    solutions of the validation problems, given the problems."""
    fractions: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (
        1.0,
        0.5,
        0.25,
        0.125,
        0.0625,
        0.03125,
    )
    """Fractions of the training problems, the largest first, from which RFT starts."""
    lengths: tuple[Literal["epochs", "updates"], ...] = ("epochs", "updates")
    """How long the fractions are trained: for as many epochs, or as many updates, as the whole
    data. The paper trains both and reports the better on test; here both are points.
    """
    ks: tuple[Count, ...] = ()
    """Smaller numbers of samples per training problem to make paths of, beside `k`; those that are
    not smaller are left out."""
    k: Count = 100
    """Samples per training problem and model."""
    most: Count | None = None
    """Most paths of a problem in the union; None: all."""
    n: int = Field(default=0, ge=0)
    """Samples per test problem for maj1@n; 0: greedy alone."""
    how: Drawing = Drawing(temperature=0.7, top_p=1.0)
    """Temperature and top-p of all samples."""
    seeds: Seeds = (0,)
    """Seeds of training, sampling and of the draw of the parts."""

    @model_validator(mode="after")
    def _check(self) -> Scaling:
        refuse_repeats(
            models=(self.model, *self.models),
            fractions=self.fractions,
            lengths=self.lengths,
            ks=self.ks,
        )
        if not self.fractions:
            raise ValueError("fractions: empty; expected at least one")
        if max(self.fractions) != self.fractions[0]:
            raise ValueError(
                f"fractions: {self.fractions[0]} is not the largest; expected it first"
            )
        return self


def scaling(run: Run, c: Scaling) -> None:
    """Measure losses, train data fractions and RFT of every base per seed, then fit and judge."""
    data = run("data", c.data)
    bases = labels((c.model, *c.models))
    text = data.validation if c.text is None else c.text.absolute()
    bits = {
        base: run(f"{base}-bits", Bits(model=model, text=text)) for base, model in bases.items()
    }
    points = StudyPoints(data.test, c.n, c.how)
    for base, model in bases.items():
        points.measure(run, f"{base}-base", model, point=(base, "base"))
    for seed in c.seeds:
        seeded = run.within(f"seed-{seed}", seed=seed)
        parts = {
            f: seeded(f"part-{_name(f)}", Part(examples=data.solutions, fraction=f))
            for f in c.fractions
        }
        drafts = {}
        for base, model in bases.items():
            sft = fractions(seeded, c, (base, model), parts, points)
            drafts[base] = drafted(seeded, c, base, sft, data)
        for base, model in bases.items():
            rft(seeded, c, (base, model), drafts, data, points)
    points.study(run, bits)


def fractions(
    run: Run, c: Scaling, base: tuple[str, str], parts: dict[float, Path], points: StudyPoints
) -> str:
    """Run SFT on each fraction of the data; return the model of the first one."""
    label, model = base
    whole = ""
    for fraction, part in parts.items():
        for length in c.lengths if whole else ("epochs",):
            name = f"{label}-sft-{_name(fraction)}" + "-long" * (length == "updates")
            equal = whole if length == "updates" else None
            stage = Train(model=model, objective="mle", examples=part, equal_updates_to=equal)
            trained = run(name, stage)
            kind: Kind = "sft" if length == "epochs" else "sft-long"
            points.measure(run, name, trained, point=(label, kind), made_by=part, fraction=fraction)
            whole = whole or trained
    return whole


def drafted(run: Run, c: Scaling, label: str, sft: str, data: Data) -> Columns:
    """Draw and grade k samples of every training problem."""
    sample = Sample(model=sft, problems=data.train, n=c.k, **dict(c.how))
    return graded(run, f"{label}-drafts", sample)


def rft(
    run: Run,
    c: Scaling,
    base: tuple[str, str],
    drafts: dict[str, Columns],
    data: Data,
    points: StudyPoints,
) -> None:
    """Run RFT for each k, without dedup, on the union, and SFT with the updates of the last k."""
    label, model = base
    of_base = [drafts[label]]
    collected: dict[tuple[str, Kind, int], Collect] = {
        (f"rft-k{k}", "rft", k): right_paths(data, of_base, k=k)
        for k in (*(k for k in c.ks if k < c.k), c.k)
    }
    collected["no-dedup", "no-dedup", c.k] = right_paths(data, of_base, k=c.k, dedup=False)
    if len(drafts) > 1:
        union = right_paths(data, list(drafts.values()), k=c.k, most=c.most)
        collected["union", "union", c.k] = union
    for (name, kind, k), collect in collected.items():
        paths = run(f"{label}-{name}-paths", collect)
        trained = run(f"{label}-{name}", Train(model=model, objective="mle", examples=paths))
        points.measure(run, f"{label}-{name}", trained, point=(label, kind), made_by=paths, k=k)
        if kind == "rft" and k == c.k:
            last = trained
    control = Train(model=model, objective="mle", examples=data.solutions, equal_updates_to=last)
    long = run(f"{label}-control", control)
    points.measure(run, f"{label}-control", long, point=(label, "control"), k=c.k, of="rft")


def _name(fraction: float) -> str:
    """Return the name of a fraction of the problems: `1of8` for 0.125.

    Example:
        >>> _name(0.125), _name(1.0), _name(0.3)
        ('1of8', 'all', '0.3')
    """
    over = round(1 / fraction)
    if over == 1:
        return "all"
    return f"1of{over}" if abs(over * fraction - 1) < 1e-9 else f"{fraction:g}"
