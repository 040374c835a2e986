"""The predicted cost of a planned run: FLOPs and time of every step. For `--dry-run`.

The formulas are those of Yuan et al. 2023, appendix E (`fits.py`); the output names the guesses:
the lengths of problems and solutions, the distinct paths that RFT finds in k samples (those of
their LLaMA-7B, Table 2), and the fraction of the device's speed that a stage reaches.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from mathtune.cli.device import Device
from mathtune.data import declared
from mathtune.data.splits import SPLITS, Split, usual_size
from mathtune.engines import embedded_model
from mathtune.engines.settings import EngineSettings
from mathtune.errors import InputError
from mathtune.metrics.fits import reading_flops, sampling_flops, training_flops
from mathtune.report.cost import Size, read_size
from mathtune.run.documents import PredictedCost, Prediction
from mathtune.run.progress import duration
from mathtune.run.recipe_run import Run
from mathtune.run.stage import Stage
from mathtune.stages.collect import Collect
from mathtune.stages.drawn import Drawn
from mathtune.stages.grade import Grade
from mathtune.stages.halve import Halve
from mathtune.stages.measure import Measure
from mathtune.stages.part import Part
from mathtune.stages.prepare import FEWEST, Prepare, generated
from mathtune.stages.sample import Sample
from mathtune.stages.score import Score
from mathtune.stages.train import Train

PROBLEM, SOLUTION = 66, 130
"""Tokens per problem and per solution, as in the paper."""
LENGTHS = {"arithmetic": (45, 49)}
"""Tokens per problem and per solution of sources that are known to differ."""
NAMED = 3
"""The number of steps of unknown cost that are named."""
GRADED, MEASURED = 5000, 1.0
"""The samples that a core grades per second, and the seconds in which it measures a row."""
SIZES: dict[str, dict[Split, int]] = {
    "math": {"train": 12000, "test": 500},
    "prm800k": {"train": 6473, "validation": 564, "test": 512},
}
"""The problems of each split of the sources whose files are split anew."""
DEFAULT: dict[Split, int] = {"train": 1000, "validation": 200, "test": 400}
"""The guess for sources of unknown size."""
_K = (1, 3, 6, 12, 25, 50, 100)
_PATHS = (1.17, 1.44, 1.74, 2.20, 2.93, 3.94, 5.25)
_RIGHT = 0.533
"""The fraction of LLaMA-7B's samples that is right (their Table 1)."""


@dataclass(frozen=True)
class Cost:
    """The expected cost of a step. `seconds`: of one core, or of the accelerator; None: unknown.

    `wide`: the cores that it keeps busy.
    """

    flops: float = 0.0
    size: Size | None = None
    seconds: float | None = 0.0
    wide: int = 1


@dataclass
class Forecast:
    """The expected contents of a plan's files: rows by path, and model sizes by name."""

    rows: dict[Path, float] = field(default_factory=dict)
    sizes: dict[str, Size | None] = field(default_factory=dict)
    lengths: tuple[int, int] = (PROBLEM, SOLUTION)

    def read(self, stage: Any, folder: Path) -> tuple[float, Size | None]:
        """Return a step's FLOPs and its model's shape; note what it will write."""
        outputs = stage.outputs(folder)
        if isinstance(stage, Prepare):
            self.lengths = LENGTHS.get(stage.source, self.lengths)
            sizes = problems(stage)
            files = (outputs.train, outputs.validation, outputs.test)
            self.rows |= dict(zip(files, sizes, strict=True))
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
            self.rows[outputs[0]] = 1 if stage.greedy else stage.n
            return self._sampled(stage, outputs[0])
        elif isinstance(stage, Score) and stage.model is not None:
            size = self._size(stage.model)
            tokens = self.samples(stage) * sum(self.lengths)
            return reading_flops(size.parameters, tokens=tokens) if size else 0.0, size
        elif isinstance(stage, Train):
            size = self._size(stage.model)
            self.sizes[outputs] = size
            tokens = self._trained(stage, outputs)
            flops = training_flops(size.parameters, tokens=tokens) if size else 0.0
            return flops, size
        return 0.0, None

    def samples(self, stage: Score | Grade) -> float:
        """Return the number of samples that a step reads: a file's rows, else as planned."""
        path = stage.samples[0]
        if path not in self.rows:
            return _lines(path)
        return self._rows([stage.problems]) * self.rows[path]

    def reads_nothing(self, stage: Train) -> bool:
        """Return whether a training would have no examples."""
        return self._rows(stage.examples) == 0

    def _sampled(self, stage: Sample, path: Path) -> tuple[float, Size | None]:
        size = self._size(stage.model)
        if size is None:
            return 0.0, None
        problem, solution = self.lengths
        flops = sampling_flops(
            size.parameters,
            layers=size.layers,
            width=size.width,
            prompt=problem,
            solution=solution,
            samples=self._rows([stage.problems]) * self.rows[path],
        )
        return flops, size

    def _trained(self, stage: Train, outputs: str) -> float:
        """Return tokens over all epochs."""
        rows = stage.epochs * self._rows(stage.examples)
        if stage.updates is not None:
            rows = min(rows, stage.updates * stage.batch_size)
        if stage.equal_updates_to is not None:
            rows = self.rows[Path(stage.equal_updates_to)]
        self.rows[Path(outputs)] = rows
        return rows * sum(self.lengths)

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


def expected(run: Run, device: Device) -> dict[str, Cost]:
    """Return the cost of every step of a planned run.

    Raises:
        InputError: a training would have no examples.
    """
    forecast = Forecast()
    found = {}
    for name, step in run.steps.items():
        if isinstance(step.stage, Train) and forecast.reads_nothing(step.stage):
            _refuse(run, name)
        flops, size = forecast.read(step.stage, run.folder / name)
        found[name] = _cost(step.stage, flops, size, forecast, device)
    return found


def _refuse(run: Run, name: str) -> None:
    """Say why a training would have no examples: a faulty file of problems, or too few of them."""
    for step in run.steps.values():
        if isinstance(step.stage, Prepare) and Path(step.stage.source).is_file():
            step.stage.read()
    raise InputError(
        f"step {name!r} would have no examples to learn from. A file of fewer than {FEWEST} "
        "problems has test problems only, unless data.validation=NUMBER and data.test=NUMBER are "
        "set; data.limit may leave none, too."
    )


def _cost(
    stage: Stage[Any], flops: float, size: Size | None, forecast: Forecast, device: Device
) -> Cost:
    if isinstance(stage, Grade):
        return Cost(seconds=forecast.samples(stage) / GRADED)
    if isinstance(stage, Measure):
        return Cost(seconds=MEASURED)
    if not _has_model(stage):
        return Cost()
    if size is None or (isinstance(stage, EngineSettings) and stage.engine == "openai"):
        return Cost(flops, size, None)  # a server's speed is not known either
    seconds = device.core_seconds(stage.kind(), flops)
    return Cost(flops, size, seconds, min(device.cores, _width(stage, device.cores)))


def _has_model(stage: Stage[Any]) -> bool:
    """Return whether a step reads a model; the calculator does without."""
    return isinstance(stage, Train | Sample) or (isinstance(stage, Score) and stage.on_device)


def _width(stage: Stage[Any], cores: int) -> int:
    """Return the cores that a step with a model keeps busy on a CPU."""
    if isinstance(stage, Train):
        return stage.threads or cores
    assert isinstance(stage, Sample | Score)
    return stage.workers * stage.threads if stage.workers else cores


def shares(costs: dict[str, Cost], device: Device) -> dict[str, float | None]:
    """Return the seconds each step adds to the run; one that leaves cores free overlaps others."""
    return {
        name: None if cost.seconds is None else cost.seconds / device.cores
        for name, cost in costs.items()
    }


def seconds(costs: dict[str, Cost], device: Device) -> float:
    """Return the seconds of all steps of known cost."""
    return sum(share or 0.0 for share in shares(costs, device).values())


def document(costs: dict[str, Cost], device: Device) -> Prediction:
    """Return `forecast.json`: what the steps of models of known size will cost."""
    steps = {
        name: PredictedCost(flops=cost.flops, hours=cost.seconds / cost.wide / 3600)
        for name, cost in costs.items()
        if cost.size is not None and cost.seconds is not None
    }
    return Prediction(speed=device.speed("train") * device.cores, steps=steps)


def total(costs: dict[str, Cost], device: Device) -> str:
    """Return the bill in one line: `about 4.5 minutes on 2 CPU cores`, what is unknown, and
    whether the machine is busy.
    """
    unknown = [name for name, cost in costs.items() if cost.seconds is None]
    if len(unknown) == sum(cost.seconds != 0.0 for cost in costs.values()):
        known = "unknown"
    else:
        known = f"{'at least' if unknown else 'about'} {duration(seconds(costs, device))}"
    others = f" and {len(unknown) - NAMED} more steps" if len(unknown) > NAMED else ""
    more = f"; unknown for {', '.join(unknown[:NAMED])}{others}" if unknown else ""
    busy = device.load is not None and known != "unknown"
    later = f"; {device.load:.1f} programs per core are running, so expect longer" if busy else ""
    return f"{known} on {device.name}{more}{later}"


def table(run: Run, costs: dict[str, Cost], device: Device) -> Table:
    """Return the plan with its bill: the total, then a line for every step."""
    shown = Table("step", "stage", "reads", title=str(run.folder))
    for name in ("parameters", "FLOPs", "time"):
        shown.add_column(name, justify="right")
    flops = sum(cost.flops for cost in costs.values())
    known = all(cost.seconds is not None for cost in costs.values())
    whole = duration(seconds(costs, device)) if known else "unknown"
    shown.add_row("all", "", "", "", f"{flops:.2g}" if flops else "", whole, end_section=True)
    for name, step in run.steps.items():
        cost = costs[name]
        size = flops_shown = ""
        if _has_model(step.stage):
            size = f"{cost.size.parameters:.3g}" if cost.size else "unknown"
            flops_shown = f"{cost.flops:.2g}" if cost.size else "unknown"
        time = "unknown" if cost.seconds is None else _short(cost.seconds / cost.wide)
        reads = ", ".join(step.reads)
        shown.add_row(name, step.stage.kind(), reads, size, flops_shown, time)
    shown.caption = (
        "By appendix E of Yuan et al. 2023: parameters without embeddings, "
        f"{PROBLEM} tokens per problem and {SOLUTION} per solution (generated problems: "
        f"{' and '.join(map(str, LENGTHS['arithmetic']))}), as many distinct paths as LLaMA-7B "
        "finds. Expect the true time within a factor of two."
    )
    return shown


def _short(seconds: float) -> str:
    return duration(seconds) if seconds else ""


def problems(stage: Prepare) -> tuple[int, int, int]:
    """Return how many training, validation and test problems a prepare step will likely write."""
    sizes = generated(stage) if stage.source == "arithmetic" else _drawn(_found(stage), stage)
    limits = stage.limit if isinstance(stage.limit, dict) else dict.fromkeys(SPLITS, stage.limit)
    train, validation, test = (
        sizes[split] if (most := limits.get(split)) is None else min(sizes[split], most)
        for split in SPLITS
    )
    return train, validation, test


def _found(stage: Prepare) -> Mapping[Split, int]:
    """Return the problems of each split that a source has."""
    if stage.source.endswith((".jsonl", ".jsonl.gz")) and Path(stage.source).is_file():
        return {"train": _lines(Path(stage.source))}
    if stage.split is None and stage.source in SIZES:
        return SIZES[stage.source]
    found = declared.find(stage.source)
    return (found is not None and found.set.rows) or DEFAULT


def _drawn(found: Mapping[Split, int], stage: Prepare) -> dict[Split, int]:
    """Return the splits with those that the source lacks, drawn from train as prepare does."""
    sizes: dict[Split, int] = {split: found.get(split, 0) for split in SPLITS}
    left = sizes["train"]
    if "train" not in found or (stage.test == "all" and "test" in found):
        return sizes
    few = len(found) == 1 and left < FEWEST and stage.test is None and stage.validation is None
    if few or stage.test == "all":
        return {"train": 0, "validation": 0, "test": left}
    draws: dict[Split, Any] = {"test": stage.test, "validation": stage.validation}
    for split, asked in draws.items():
        if split not in found:
            number = usual_size(stage.source, split, of=left) if asked is None else asked
            sizes[split], left = number, left - number
    return {**sizes, "train": left}


def size_of(model: str) -> Size | None:
    """Return a model's size from its local folder, else from its name ("-135M", "7b"), or None.

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


def _lines(path: Path) -> int:
    """Return the number of rows of a file from outside the run."""
    with path.open("rb") as stream:
        return sum(1 for _ in stream)
