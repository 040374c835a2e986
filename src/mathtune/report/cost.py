"""The bill: tokens, seconds, device-hours and FLOPs of each step, and their sums."""

from __future__ import annotations

import re
import struct
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import msgspec

from mathtune.engines import embedded_model
from mathtune.errors import many
from mathtune.metrics.fits import reading_flops, sampling_flops, training_flops
from mathtune.report.cells import NONE, Table
from mathtune.report.results import Results
from mathtune.report.steps import StepRecord
from mathtune.rows import jsonl
from mathtune.rows.metrics import SampleMetrics
from mathtune.run.documents import Prediction

COUNTED = ("wall_s", "cpu_s")
DEVICE_H, FLOPS, TOKENS = "device_h", "flops", "tokens"
EXPECTED_FLOPS, EXPECTED_H = "expected_flops", "expected_h"
SHOWN = 0.1
"""The CPU-seconds from which a brief bill has a line for a step."""
WITH_MODEL = ("train", "sample", "score")
"""The stages that hold a device; they have `model` in their config."""

NOTE = (
    "Device-hours of the steps that hold a model: wall time on an accelerator, core time on CPU. "
    "FLOPs by the formulas of Yuan et al. 2023, appendix E, for parameters that are no embeddings; "
    "the reading of prompts before sampling is not in them."
)

_EMBEDDING = re.compile(r"embed|\bwte\b|\bwpe\b|lm_head")
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers")
_WIDTH = ("hidden_size", "n_embd", "d_model")


@dataclass(frozen=True)
class Size:
    """A model's parameters without embeddings, its layers and their width."""

    parameters: int
    layers: int
    width: int


def table(results: Results, *, by_stage: bool = False, brief: bool = False) -> Table:
    """Return the bill: one line per step, and the sum; for several seeds, one line for all.

    `by_stage`: one line for all steps of a stage. `brief`: for a terminal, only steps of a tenth of
    a CPU-second or more.
    """
    steps = [step for step in results.steps if step.finished]
    bills: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    total: Counter[str] = Counter()
    foreseen: Counter[str] = Counter()
    for step, full in zip(steps, bills_of(steps, results.forecast), strict=True):
        name = step.name.rpartition("/")[2]
        bills[(step.stage,) if by_stage else (name, step.stage)].update(full)
        total.update(full)
        if EXPECTED_FLOPS in full:
            foreseen.update(full)
    seeds = len(bills) < len(steps)
    if brief:
        bills = {names: bill for names, bill in bills.items() if bill["cpu_s"] >= SHOWN}
    tokens = sorted(total.keys() - {*COUNTED, DEVICE_H, FLOPS, TOKENS, EXPECTED_FLOPS, EXPECTED_H})
    keys = (*COUNTED, TOKENS) if brief else (*COUNTED, DEVICE_H, *tokens, FLOPS)
    keys = (*keys, *([EXPECTED_FLOPS, EXPECTED_H] if results.forecast and not brief else []))
    body = [(*names, *(amount(bill, key) for key in keys)) for names, bill in bills.items()]
    body.append((*(("all",) if by_stage else ("all", "")), *(amount(total, key) for key in keys)))
    titles = {
        "wall_s": "wall s",
        "cpu_s": "CPU s",
        DEVICE_H: "device-hours",
        FLOPS: "FLOPs",
        EXPECTED_FLOPS: "predicted FLOPs",
        EXPECTED_H: "predicted hours",
    }
    header = [titles.get(key) or key.replace("_", " ") for key in keys]
    notes = [NOTE]
    if results.forecast is not None and foreseen:
        notes.append(
            f"Predicted before the run at {results.forecast.speed:.3g} FLOP/s, the reading of "
            f"prompts included: {amount(foreseen, EXPECTED_FLOPS)} FLOPs and "
            f"{amount(foreseen, EXPECTED_H)} hours for the finished train and sample steps; they "
            f"took {amount(foreseen, FLOPS)} FLOPs and {amount(foreseen, DEVICE_H)} device-hours."
        )
    waiting = len(results.steps) - len(steps)
    notes += [f"{many(waiting, 'step is', 'steps are')} not finished."] * bool(waiting)
    if by_stage:
        return Table("Cost of each stage", ("stage", *header), body, " ".join(notes))
    notes = notes[1:] if brief else []
    notes += ["Sums over the seeds."] * seeds
    return Table("Cost of each step", ("step", "stage", *header), body, " ".join(notes))


def bills_of(steps: Sequence[StepRecord], forecast: Prediction | None) -> list[Counter[str]]:
    """Return each finished step's bill: counts, tokens in all, device-hours, FLOPs, forecasts."""
    sizes = model_sizes(steps)
    found = []
    for step in steps:
        tokens_of = (count for key, count in step.bill.items() if key not in COUNTED)
        full = {**step.bill, **_device(step), **_flops(step, sizes), TOKENS: sum(tokens_of)}
        found.append(Counter({**full, **_expected(step, forecast)}))
    return found


def model_sizes(steps: Sequence[StepRecord]) -> dict[str, Size]:
    """Return the size of every model that the steps name, if a folder shows it.

    A model from the hub has the size of what this run trained from it.
    """
    found: dict[str, Size] = {}
    trained = [step for step in steps if step.stage == "train"]
    for step in trained:
        size = read_size(step.folder / "model")
        if size is not None:
            found[f"{step.name}/model"] = size
            found.setdefault(step.config["model"], size)
    for step in steps:
        if _reads_a_model(step) and step.config["model"] not in found:
            name = step.config["model"]
            size = read_size(embedded_model.path() if name == "embedded" else Path(name))
            if size is not None:
                found[name] = size
    return found


def read_size(folder: Path) -> Size | None:
    """Read a model folder's size from config.json and the heads of its safetensors files.

    None if the folder or one of these is missing, or the config names no layers or width.

    Example:
        >>> read_size(embedded_model.path()).layers
        4
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files or not (folder / "config.json").exists():
        return None
    config = jsonl.read_json(folder / "config.json")
    config = {**config, **config.get("text_config", {})}  # a model that also reads images
    layers = next((config[name] for name in _LAYERS if name in config), None)
    width = next((config[name] for name in _WIDTH if name in config), None)
    if layers is None or width is None:
        return None
    shapes = {name: shape for path in files for name, shape in _shapes(path).items()}
    counted = (prod(shape) for name, shape in shapes.items() if not _EMBEDDING.search(name))
    return Size(sum(counted), layers, width)


def _shapes(path: Path) -> dict[str, list[int]]:
    """Return tensor name -> shape from a safetensors file's JSON head."""
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        head = msgspec.json.decode(stream.read(length))
    return {name: tensor["shape"] for name, tensor in head.items() if name != "__metadata__"}


def _reads_a_model(step: StepRecord) -> bool:
    """Return whether a step trains or reads a model; the scorer `calculator` has none."""
    return step.stage in WITH_MODEL and step.config["model"] is not None


def _device(step: StepRecord) -> dict[str, float]:
    if not _reads_a_model(step):
        return {}
    spent = "cpu_s" if step.made_with["device"] == "cpu" else "wall_s"
    return {DEVICE_H: step.bill[spent] / 3600}


def _flops(step: StepRecord, sizes: Mapping[str, Size]) -> dict[str, float]:
    size = sizes.get(step.config["model"]) if _reads_a_model(step) else None
    if size is None:
        return {}
    if "trained_tokens" in step.bill:
        return {FLOPS: training_flops(size.parameters, tokens=step.bill["trained_tokens"])}
    if "read_tokens" in step.bill:
        return {FLOPS: reading_flops(size.parameters, tokens=step.bill["read_tokens"])}
    if step.stage == "sample" and "sampled_tokens" in step.bill:
        samples = step.read(SampleMetrics).samples
        written = sampling_flops(
            size.parameters,
            layers=size.layers,
            width=size.width,
            prompt=0,
            solution=step.bill["sampled_tokens"] / samples,
            samples=samples,
        )
        return {FLOPS: written}
    return {}


def _expected(step: StepRecord, forecast: Prediction | None) -> dict[str, float]:
    if forecast is None or step.name not in forecast.steps:
        return {}
    expected = forecast.steps[step.name]
    return {EXPECTED_FLOPS: expected.flops, EXPECTED_H: expected.hours}


def amount(bill: Mapping[str, float], key: str) -> str:
    """Return a cell: hours to four places below one, FLOPs as 1.2e17; a dash if unknown."""
    if key not in bill:
        return NONE
    if key in (FLOPS, EXPECTED_FLOPS):
        return f"{bill[key]:.1e}".replace("e+", "e")
    if key in (DEVICE_H, EXPECTED_H):
        return f"{bill[key]:.4f}" if bill[key] < 1 else f"{bill[key]:,.1f}"
    return f"{bill[key]:,.1f}" if key.endswith("_s") else f"{bill[key]:,.0f}"
