"""The predicted cost of a planned run: FLOPs and hours of every step. For `--dry-run`.

The formulas are those of Yuan et al. 2023, appendix E (`fits.py`); the output
names what is guessed: a problem has 66 tokens, a solution 130, and RFT finds as many distinct
paths in k samples as their LLaMA-7B does (their Table 2).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from mathtune.data.splits import SPLITS
from mathtune.engines import embedded_model
from mathtune.metrics.fits import sampling_flops, training_flops
from mathtune.report.cost import Size, read_size
from mathtune.run.documents import PredictedCost, Prediction
from mathtune.run.recipe_run import Run
from mathtune.stages.collect import Collect
from mathtune.stages.drawn import Drawn
from mathtune.stages.halve import Halve
from mathtune.stages.part import Part
from mathtune.stages.prepare import Prepare
from mathtune.stages.sample import Sample
from mathtune.stages.train import Train

PROBLEM, SOLUTION = 66, 130
"""Tokens, as in the paper."""
KNOWN = {"gsm8k": (7473, 0, 1319), "math": (11000, 1000, 500), "prm800k": (6473, 564, 512)}
"""Problems of the sources with a size of their own: train, validation, test."""
DEFAULT = (1000, 200, 400)
"""The guess for any other source without a limit."""
_K = (1, 3, 6, 12, 25, 50, 100)
_PATHS = (1.17, 1.44, 1.74, 2.20, 2.93, 3.94, 5.25)
_RIGHT = 0.533
"""The part of LLaMA-7B's samples that is right (their Table 1)."""


@dataclass
class Forecast:
    """The expected contents of a plan's files: rows by path, and model sizes by name."""

    rows: dict[Path, float] = field(default_factory=dict)
    sizes: dict[str, Size | None] = field(default_factory=dict)

    def read(self, stage: Any, folder: Path) -> tuple[float, Size | None]:
        """A step's FLOPs and its model's shape; notes what it will write."""
        outputs = stage.outputs(folder)
        if isinstance(stage, Prepare):
            sizes = problems(stage)
            for path, size in zip(
                (outputs.train, outputs.validation, outputs.test), sizes, strict=True
            ):
                self.rows[path] = size
            self.rows[outputs.solutions] = sizes[0]
        elif isinstance(stage, Halve):
            for half in outputs:
                self.rows[half.problems] = self._rows([stage.problems]) / 2
                self.rows[half.solutions] = self._rows([stage.solutions]) / 2
        elif isinstance(stage, Part):
            self.rows[outputs] = max(1, stage.fraction * self._rows([stage.examples]))
        elif isinstance(stage, Collect):
            self.rows[outputs] = self._collected(stage)
        elif isinstance(stage, Drawn):
            self.rows[outputs] = self._rows([stage.like])
        elif isinstance(stage, Sample):
            shape = self._size(stage.model)
            n = 1 if stage.greedy else stage.n
            size = self._rows([stage.problems])
            self.rows[outputs[0]] = n
            return _sampling(shape, size * n), shape
        elif isinstance(stage, Train):
            shape = self._size(stage.model)
            self.sizes[outputs] = shape
            tokens = self._trained(stage, outputs)
            flops = training_flops(shape.parameters, tokens=tokens) if shape else 0.0
            return flops, shape
        return 0.0, None

    def _trained(self, stage: Train, outputs: str) -> float:
        """Tokens over all epochs."""
        rows = stage.epochs * self._rows(stage.examples)
        if stage.updates is not None:
            rows = min(rows, stage.updates * stage.batch_size)
        if stage.equal_updates_to is not None:
            rows = self.rows[Path(stage.equal_updates_to)]
        self.rows[Path(outputs)] = rows
        return rows * (PROBLEM + SOLUTION)

    def _collected(self, stage: Collect) -> float:
        size = self._rows([stage.problems])
        k = float(len(stage.samples) * (stage.k or self._rows([stage.samples[0][0]])))
        paths = float(np.exp(np.interp(np.log(k), np.log(_K), np.log(_PATHS))))
        each = paths if stage.dedup else _RIGHT * k
        if stage.most is not None:
            each = min(each, stage.most)
        return size * (each + stage.gold)

    def _rows(self, paths: Sequence[Path]) -> float:
        return sum(self.rows[path] if path in self.rows else _lines(path) for path in paths)

    def _size(self, model: str) -> Size | None:
        if model not in self.sizes:
            self.sizes[model] = size_of(model)
        return self.sizes[model]


def expected(run: Run) -> dict[str, tuple[float, Size | None]]:
    """FLOPs and the model's shape of every train and sample step of a planned run."""
    forecast = Forecast()
    found = {}
    for name, step in run.steps.items():
        cost = forecast.read(step.stage, run.folder / name)
        if isinstance(step.stage, Train | Sample):
            found[name] = cost
    return found


def document(run: Run, *, speed: float) -> Prediction:
    """`forecast.json`: what the steps of models of known size will cost, for the report."""
    steps = {
        name: PredictedCost(flops=flops, hours=flops / speed / 3600)
        for name, (flops, shape) in expected(run).items()
        if shape is not None
    }
    return Prediction(speed=speed, steps=steps)


def table(run: Run, *, speed: float) -> Table:
    """The bill of a planned run: a line for every train and sample step, and the sum."""
    shown = Table("step", "parameters", "FLOPs", "hours", title="Predicted bill")
    total = unknown = 0.0
    for name, (flops, shape) in expected(run).items():
        total += flops
        unknown += shape is None
        size = f"{shape.parameters:.3g}" if shape else "?"
        shown.add_row(name, size, f"{flops:.2g}", f"{flops / speed / 3600:.2g}")
    shown.add_row("all", "", f"{total:.3g}", f"{total / speed / 3600:.3g}")
    shown.caption = (
        f"At {speed:.3g} FLOP/s (setting `speed`), by appendix E of Yuan et al. 2023: parameters "
        f"without embeddings, {PROBLEM} tokens per problem, {SOLUTION} per solution, as many "
        "distinct paths as LLaMA-7B finds."
        + f" {unknown:.0f} steps of models of unknown size."
        * (unknown > 0)
    )
    return shown


def problems(stage: Prepare) -> tuple[float, float, float]:
    """Training, validation and test problems that a prepare step will write, as far as is known."""
    known: tuple[float, float, float] = KNOWN.get(stage.source, DEFAULT)
    if stage.source == "arithmetic":
        held_out = 200 if stage.validation is None else stage.validation
        known = stage.train, held_out, stage.test if isinstance(stage.test, int) else 400
    if stage.limit is None:
        return known
    if isinstance(stage.limit, int):
        limits = dict.fromkeys(SPLITS, stage.limit)
    else:
        limits = dict(stage.limit)
    train, validation, test = (
        min(size or DEFAULT[0], limits[split]) if split in limits else size
        for split, size in zip(SPLITS, known, strict=True)
    )
    return train, validation, test


def size_of(model: str) -> Size | None:
    """From a local folder, else from a size in the name ("-135M", "7b"); None: unknown.

    Example:
        >>> size_of("HuggingFaceTB/SmolLM2-135M")
        Size(parameters=135000000, layers=0, width=0)
    """
    folder = embedded_model.path() if model == "embedded" else Path(model).expanduser()
    if folder.is_dir():
        return read_size(folder)
    found = re.search(r"(\d+(?:\.\d+)?)([mb])(?![a-z])", Path(model).name.lower())
    if found is None or model.count("/") > 1:
        return None
    return Size(round(float(found[1]) * {"m": 1e6, "b": 1e9}[found[2]]), 0, 0)


def _sampling(shape: Size | None, samples: float) -> float:
    if shape is None:
        return 0.0
    return sampling_flops(
        shape.parameters,
        layers=shape.layers,
        width=shape.width,
        prompt=PROBLEM,
        solution=SOLUTION,
        samples=samples,
    )


def _lines(path: Path) -> float:
    """Rows of a file from outside the run."""
    with path.open("rb") as stream:
        return sum(1 for _ in stream)
