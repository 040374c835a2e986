"""The parts of recipes: the settings they share, and the steps behind a row of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    NonNegativeInt,
    model_validator,
)

from mathtune.rows.samples import Columns
from mathtune.run import trackers
from mathtune.run.recipe_run import Run
from mathtune.run.stage import STRICT
from mathtune.stages.collect import Collect
from mathtune.stages.grade import Grade
from mathtune.stages.measure import Measure
from mathtune.stages.prepare import Data, Prepare
from mathtune.stages.sample import Sample
from mathtune.stages.score import Score

SHORT = ("split", "fields", "limit")
"""Settings of `data` that may omit its name: `limit=50` for `data.limit=50`."""


Count = Annotated[int, Field(ge=1)]


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


def _different(seeds: tuple[int, ...]) -> tuple[int, ...]:
    refuse_repeats(seeds=seeds)
    return seeds


Seeds = Annotated[
    tuple[NonNegativeInt, ...],
    Field(min_length=1),
    BeforeValidator(_one_or_many),
    AfterValidator(_different),
]
"""One seed or several, of training and sampling."""


def each_seed(run: Run, seeds: Sequence[int]) -> Iterator[Run]:
    """Yield the run once per seed, its steps seeded; with several seeds, in a folder for each."""
    for seed in seeds:
        yield run.within(f"seed-{seed}" if len(seeds) > 1 else None, seed=seed)


def refuse_repeats(**lists: Sequence[object]) -> None:
    """Refuse repetitions in lists whose every entry makes steps.

    Raises:
        ValueError: names the list and the repeated entry.
    """
    for name, values in lists.items():
        repeated = [value for at, value in enumerate(values) if value in values[:at]]
        if repeated:
            raise ValueError(f"{name}: {repeated[0]!r} is there twice; expected each once")


class Drawing(BaseModel):
    """How solutions are drawn. The fields become those of the sample steps."""

    model_config = STRICT
    temperature: float = Field(default=0.6, gt=0)
    """Divides the logits; 0.6 in Liu et al., 0.7 in Yuan et al."""
    top_p: float = Field(default=0.95, gt=0, le=1)
    """Draw only the likeliest tokens that together have this probability; 1: all."""


class RecipeSettings(BaseModel):
    """The settings of every recipe. Its steps' own settings are given under their names."""

    model_config = STRICT

    model: str
    """The base model: `embedded`, a hub id, a local folder or a .gguf file."""
    data: Prepare
    """The problems: a source (`arithmetic`, `gsm8k`, `math`, ..., a JSONL file), or all of
    prepare's settings: `data=gsm8k data.test=100`. `split`, `fields` and `limit` are short for
    `data.split` and so on. A source on the command line discards the file's settings of `data`."""
    how: Drawing = Drawing()
    """Temperature and top-p on validation and test; 0.6 and 0.95 in Liu et al."""
    report_to: trackers.Names = ()
    """Trackers (tensorboard, wandb, trackio) that get every training's losses and, when the recipe
    ends, its metrics and tables: docs/read_the_report.md.
    """
    speed: float | None = Field(default=None, gt=0)
    """FLOP/s that the device reaches, for the time that `--dry-run` predicts. None: this machine's,
    measured in a second. An A100 reaches 8e13 in Table 4 of Yuan et al. 2023 (SFT of 7B parameters:
    1.7e17 FLOPs in 0.6 hours)."""

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(values)
        data = given.pop("data", {})
        short = {name: given.pop(name) for name in SHORT if name in given}
        if isinstance(data, str):
            data = {"source": data}
        return {**given, "data": {**data, **short} if isinstance(data, Mapping) else data}


def graded(run: Run, name: str, sample: Sample) -> Columns:
    """Add steps `<name>` and `<name>-grades`: samples and their verdicts."""
    samples = run(name, sample)
    return run(f"{name}-grades", Grade(problems=sample.problems, samples=samples))


def drawn(run: Run, name: str, model: str, problems: Path, *, n: int, how: Drawing) -> Columns:
    """Add steps `<name>-samples` and `<name>-grades`: n graded samples of every problem."""
    samples = run(f"{name}-samples", Sample(model=model, problems=problems, n=n, **dict(how)))
    return run(f"{name}-grades", Grade(problems=problems, samples=samples))


def greedy(run: Run, name: str, model: str, problems: Path) -> Columns:
    """Add steps `<name>-greedy` and `<name>-greedy-grades`: each problem solved once, graded."""
    return graded(run, f"{name}-greedy", Sample(model=model, problems=problems, greedy=True))


def row(
    run: Run,
    name: str,
    model: str,
    problems: Path,
    *,
    n: int,
    how: Drawing,
    against: Mapping[str, Path] | None = None,
) -> Path:
    """Add all of a row's steps; return the folder of the last one, `<name>-row`."""
    first = greedy(run, name, model, problems)
    samples = drawn(run, name, model, problems, n=n, how=how)
    measure = Measure(problems=problems, samples=samples, greedy=first, against=against or {})
    return run(f"{name}-row", measure)


@dataclass(frozen=True)
class Judge:
    """A scorer of samples: a model (the calculator has none), and how it scores."""

    model: str | None
    scorer: Literal["evaluator", "likelihood", "calculator"] = "evaluator"


def judged(run: Run, name: str, judge: Judge, measure: Measure) -> Path:
    """Add steps `<name>-scores` and `<name>-row`; return the folder of the last one.

    `measure`: the second step, given the samples that the judge has yet to score.
    """
    problems, samples = measure.problems, measure.samples
    score = Score(model=judge.model, scorer=judge.scorer, problems=problems, samples=samples)
    scored = run(f"{name}-scores", score)
    return run(f"{name}-row", measure.model_copy(update={"samples": scored}))


def right_paths(
    data: Data,
    samples: Sequence[Columns],
    *,
    k: int,
    dedup: bool = True,
    most: int | None = None,
) -> Collect:
    """Collect gold and one right solution per path from k samples of each training problem."""
    return Collect(
        problems=data.train,
        test=data.test,
        samples=tuple(samples),
        keep="paths",
        k=k,
        dedup=dedup,
        most=most,
    )
