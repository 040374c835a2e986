"""Stage `findings`: models of several budgets and seeds, compared at equal and at best budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
from pydantic import BaseModel, Field

from mathtune.errors import InputError
from mathtune.metrics.arrays import Floats
from mathtune.metrics.budgets import Trained, best_of_budget, curve, equal_updates
from mathtune.metrics.measure import rounded
from mathtune.metrics.seeds import row_mean
from mathtune.rows import jsonl
from mathtune.rows.metrics import FindingsMetrics
from mathtune.rows.samples import read_problems
from mathtune.run.names import METRICS
from mathtune.run.progress import say
from mathtune.run.stage import STRICT, File, Stage
from mathtune.stages.measure import read_outcomes

FIRST = "Pass@1"


class Model(BaseModel):
    """A trained and measured model."""

    model_config = STRICT

    label: str
    """The way of training: models of one label differ only in budget and seed."""
    budget: int
    """Its optimizer updates; 0: not trained."""
    seed: int
    """Its training seed."""
    size: int | None = None
    """The number of supervised problems, for models of the data curve."""


class Findings(Stage[Path]):
    """Compare ways of training: at every budget, and each at the budget best on validation.

    Intervals are those of `mathtune compare`, with the seeds. Its fields name the models by one
    name each. Handle: the folder; all results are its metrics.
    """

    revision: ClassVar[int] = 3
    gathers: ClassVar[tuple[str, ...]] = ("models", "compare")

    problems: File
    """The test problems; their families make rows."""
    models: dict[str, Model]
    """The models."""
    test: dict[str, File]
    """The folder of each model's measure step on the test problems."""
    validation: dict[str, File]
    """The folder of each model's measure step on the validation problems."""
    compare: tuple[tuple[str, str], ...] = ()
    """Pairs of labels to compare: ours and theirs."""
    losses: dict[str, File] = Field(default_factory=dict)
    """Label -> the folder of its base's bits step, for the line of best accuracy over loss."""

    def outputs(self, folder: Path) -> Path:
        """Return the folder."""
        return folder

    def run(self, folder: Path) -> FindingsMetrics:  # noqa: ARG002 (all it finds are metrics)
        """Read the outcomes, choose budgets, compare.

        Raises:
            InputError: models of one label lack a seed, or were measured on other problems.
        """
        problems = read_problems(self.problems)
        ids = list(problems)
        labels = list(dict.fromkeys(model.label for model in self.models.values()))
        trained = {label: self._trained(label, ids) for label in labels}
        families: dict[str, list[int]] = {}
        for place, problem in enumerate(problems.values()):
            families.setdefault(problem.subject or "", []).append(place)
        rows = [self._row(label, trained[label], families) for label in labels]
        compared: list[dict[str, Any]] = [
            {
                "ours": ours,
                "theirs": theirs,
                "equal_updates": [asdict(c) for c in equal_updates(trained[ours], trained[theirs])],
                "best_of_budget": asdict(best_of_budget(trained[ours], trained[theirs])),
            }
            for ours, theirs in self.compare
        ]
        for found in compared:
            best = found["best_of_budget"]
            say(f"  {found['ours']} above {found['theirs']}, best of budget: {best['answer']}")
        document = rounded(
            {
                "problems": len(ids),
                "seeds": len({model.seed for model in self.models.values()}),
                "rows": rows,
                "compared": compared,
                "data_curve": self._curves(trained),
                "loss_curve": self._over_loss(trained),
            }
        )
        return msgspec.convert(document, FindingsMetrics)

    def _trained(self, label: str, ids: Sequence[str]) -> Trained:
        test: dict[int, list[Floats]] = {}
        validation: dict[int, list[float]] = {}
        for name, model in sorted(self.models.items(), key=lambda item: item[1].seed):
            if model.label == label:
                test.setdefault(model.budget, []).append(_values(self.test[name], ids))
                held_out = read_outcomes(self.validation[name]).values()
                mean = float(np.mean([row.values[FIRST] for row in held_out]))
                validation.setdefault(model.budget, []).append(mean)
        if len({len(seeds) for seeds in test.values()}) > 1:
            raise InputError(f"findings: {label} does not have the same seeds for every budget.")
        return Trained(
            {budget: np.stack(seeds) for budget, seeds in test.items()},
            {budget: float(np.mean(seeds)) for budget, seeds in validation.items()},
        )

    def _row(self, label: str, trained: Trained, families: dict[str, list[int]]) -> dict[str, Any]:
        best = trained.test[trained.best]
        return {
            "label": label,
            "budgets": {
                str(budget): {
                    "accuracy": asdict(row_mean(values)),
                    "seeds": values.mean(axis=1).tolist(),
                    "validation": trained.validation[budget],
                }
                for budget, values in trained.test.items()
            },
            "best": trained.best,
            "families": {name: float(best[:, at].mean()) for name, at in families.items()},
        }

    def _curves(self, trained: dict[str, Trained]) -> dict[str, Any]:
        """Return a line over the sizes for every budget, and for the best of each size."""
        sizes = {model.label: model.size for model in self.models.values() if model.size}
        ordered = sorted(sizes, key=lambda label: sizes[label] or 0)
        if len(ordered) < 3:
            return {}
        x = [sizes[label] or 0 for label in ordered]
        budgets = sorted(set.intersection(*(set(trained[label].test) for label in ordered)))
        chosen = {str(b): [trained[label].test[b] for label in ordered] for b in budgets}
        chosen["best"] = [trained[label].test[trained[label].best] for label in ordered]
        return {name: asdict(curve(np.log(x).tolist(), values)) for name, values in chosen.items()}

    def _over_loss(self, trained: dict[str, Trained]) -> dict[str, Any]:
        """Fit accuracy to the base's bits per byte, each model at its best budget."""
        losses = {
            label: jsonl.read_json(folder / METRICS)["bits_per_byte"]
            for label, folder in self.losses.items()
        }
        if len(losses) < 3:
            return {"bits_per_byte": losses}
        values = [trained[label].test[trained[label].best] for label in losses]
        found = curve(list(losses.values()), values)
        ordered = sorted(losses, key=lambda label: losses[label])
        ranks = sorted(losses, key=lambda label: -trained[label].test[trained[label].best].mean())
        return {"bits_per_byte": losses, **asdict(found), "by_loss": ordered, "by_accuracy": ranks}


def _values(folder: Path, ids: Sequence[str]) -> Floats:
    """Return which greedy solutions are right, float (P,)."""
    outcomes = read_outcomes(folder)
    if outcomes.keys() != set(ids):
        raise InputError(f"{folder}: measured on other problems; expected the test problems.")
    return np.array([outcomes[problem].values[FIRST] for problem in ids])
