"""The settings of the recipe `miniature`. Under `miniature.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, Field, PositiveInt, model_validator

from mathtune.recipes.parts import Count, RecipeSettings, Seeds, refuse_repeats
from mathtune.run.stage import STRICT
from mathtune.stages.prepare import Prepare

Part = Literal["data", "bases", "rft", "union", "judge", "long", "sequential", "transfer"]
DRAFTED: tuple[Part, ...] = ("judge", "sequential", "transfer")
"""The parts that need samples of `judge_size` training problems."""


class Long(BaseModel):
    """The evaluator of part `long`. Shorter trainings end on a plateau: the loss of guessing."""

    model_config = STRICT
    problems: Count = 8000
    """Fresh problems, of which only the answers are used."""
    n: Count = 8
    """Samples per fresh problem."""
    pairs: Count = 8
    """Most pairs of a right and a wrong solution per problem."""
    epochs: Count = 6
    """How often it reads its pairs."""
    batch_size: Count = 64
    """Pairs per update."""


class Miniature(RecipeSettings):
    """Settings of `miniature`."""

    model: str = "embedded"
    data: Prepare = Prepare()
    bases: tuple[str, ...] = ()
    """Further base models, for part `bases`."""
    text: Path | None = None
    """Held-out schooling text on which the bases' losses are measured, for part `bases`."""
    sizes: tuple[PositiveInt, ...] = (250, 500, 1000, 2000, 4000)
    """Training problems of the data curve, in ascending order; a size holds the smaller ones."""
    budgets: tuple[PositiveInt, ...] = (200, 600)
    """Optimizer updates of every SSFT and RFT, in ascending order."""
    batch_size: Count = 16
    """Examples per update of all trainings but `long`'s."""
    rft_size: PositiveInt = 1000
    """Training problems of RFT, one of `sizes`."""
    generators: Count = 2
    """Generators of the union, which differ in their seed."""
    k: Count = 8
    """Samples per training problem and generator, for paths."""
    judge_size: PositiveInt = 2000
    """Training problems whose samples teach the evaluator, one of `sizes`."""
    judges_from: tuple[Literal["generator", "base"], ...] = ("generator", "base")
    """The models that evaluators start from; the sequential generator starts from the first."""
    n_train: Count = 6
    """Samples per training problem, for the evaluator's pairs."""
    n: Count = 24
    """Samples per problem that are judged, on validation and test."""
    pairs: Count = 2
    """Most pairs of a right and a wrong solution per problem, for the evaluator."""
    rate: float = Field(default=4e-3, gt=0)
    """Peak learning rate of generators."""
    judge_rate: float = Field(default=2e-3, gt=0)
    """Peak learning rate of evaluators; they read their pairs once."""
    long: Long = Long()
    """The evaluator of part `long`."""
    further: tuple[PositiveInt, ...] = (100, 200)
    """Updates of the sequential generator's last stage, and of its control."""
    left_out: tuple[str, ...] = ("travel", "bus")
    """Families of `transfer`: each is left out of an evaluator's pairs, and judged by it."""
    parts: tuple[Part, ...] = get_args(Part)
    """The parts to run."""
    seeds: Seeds = (0, 1, 2)
    """Seeds of training and sampling; the problems stay the same."""

    @model_validator(mode="after")
    def _check(self) -> Miniature:
        refuse_repeats(
            sizes=self.sizes,
            budgets=self.budgets,
            seeds=self.seeds,
            parts=self.parts,
            judges_from=self.judges_from,
        )
        if not self.judges_from:
            raise ValueError("judges_from: empty; expected generator, base or both")
        for name in ("sizes", "budgets"):
            values = getattr(self, name)
            if not values or list(values) != sorted(values):
                raise ValueError(f"{name}: found {list(values)}; expected ascending numbers")
        needed = dict.fromkeys(("bases", "rft", "union"), "rft_size")
        needed |= dict.fromkeys(DRAFTED, "judge_size")
        for name in {needed[part] for part in self.parts if part in needed}:
            if getattr(self, name) not in self.sizes:
                raise ValueError(f"{name}: found {getattr(self, name)}; expected one of sizes")
        if self.bases and "bases" in self.parts and self.text is None:
            raise ValueError("text: missing; expected a held-out text with bases")
        return self
