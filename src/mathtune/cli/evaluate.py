"""`mathtune evaluate MODEL`: the recipe `evaluate` with its options spelt out, and its results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathtune.recipes import Resolved, resolve
from mathtune.recipes.evaluate import Evaluate
from mathtune.recipes.parts import SHORT
from mathtune.run.stage import Stage
from mathtune.stages.grade import Grade
from mathtune.stages.measure import Measure
from mathtune.stages.prepare import Prepare
from mathtune.stages.sample import Sample
from mathtune.stages.score import Score

STAGES: tuple[tuple[type[Stage[Any]], str], ...] = (
    (Sample, "sample"),
    (Score, "score"),
    (Grade, "grade"),
    (Measure, "measure"),
    (Prepare, "data"),
)
STEPS = ("greedy", "samples", "scores", "exemplars", "greedy-grades", "samples-grades")
"""The recipe's steps, under whose names settings may be given, as under those of the stages."""
ENGINE = ("engine", "device", "dtype", "server", "vllm", "ray")
"""Settings of the model that its judge gets too; the judge has another `adapter`, or none."""


@dataclass(frozen=True)
class EvaluateOptions:
    """The options of the command line."""

    model: str
    data: str | None = None
    n: int = 8
    evaluator: str | None = None
    settings: tuple[str, ...] = ()
    config: str | None = None


def resolved(options: EvaluateOptions) -> Resolved:
    """Return the recipe with its settings. `temperature=1` alone reaches the stage that has it.

    Raises:
        InputError: an unknown setting or a wrong value.
    """
    given = [f"model={options.model}", f"n={options.n}"]
    given += [f"sets={options.data}"] if options.data is not None else []
    given += [f"evaluator={options.evaluator}"] if options.evaluator is not None else []
    given += placed(options.settings, judged=options.evaluator is not None)
    return resolve("evaluate", config=options.config, assignments=given)


def placed(settings: Sequence[str], *, judged: bool) -> Iterator[str]:
    """Yield settings under the name of the stage that has them.

    >>> list(placed(["max_tokens=64", "limit=5", "grader=prm800k"], judged=False))
    ['sample.max_tokens=64', 'limit=5', 'grade.grader=prm800k']
    """
    known = {*Evaluate.model_fields, *SHORT, *STEPS, *(stage.kind() for stage, _ in STAGES)}
    for setting in settings:
        head = re.split(r"[.=]", setting, maxsplit=1)[0]
        found = [name for stage, name in STAGES if head in stage.model_fields]
        if head in ("temperature", "top_p"):
            yield f"how.{setting}"
        elif head in known or not found:
            yield setting
        else:
            yield f"{found[0]}.{setting}"
            if judged and head in ENGINE and "score" in found:
                yield f"score.{setting}"


def folder_of(options: EvaluateOptions, out: Path | None) -> Path:
    """Return the run folder: the given one, else runs/evaluate-MODEL."""
    name = re.sub(r"[^\w.-]", "-", Path(options.model.rstrip("/")).name) or "model"
    return (out or Path("runs") / f"evaluate-{name}").absolute()
