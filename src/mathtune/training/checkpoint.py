"""Checkpoints of an interrupted training: weights, optimizer, schedule, random state.

    checkpoints/checkpoint-200/
      weights.safetensors     every parameter that is trained, by name
      optimizer.safetensors   AdamW's state, "<index>.<name>"
      random-0.safetensors    torch's generators, of each process (the order of the examples has
                              its own: see batches)
      schedule.json           learning rates and the schedule's position
      trainer_state.json      written by transformers: updates done

Nothing is pickled. A folder is filled under another name and renamed: its existence means complete.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.run.names import CHECKPOINT

WEIGHTS = "weights.safetensors"
OPTIMIZER = "optimizer.safetensors"
RANDOM = "random-{}.safetensors"
SCHEDULE = "schedule.json"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Explain a failure to write `path`, mostly a full disk.

    Raises:
        InputError: something inside the block could not be written.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: cannot be written ({error}); earlier complete files are untouched, and the "
            f"same command continues from there."
        ) from OSError(str(error))  # safetensors may have wrapped it


def name_of(update: int) -> str:
    """Return the folder's name after this many updates."""
    return f"{CHECKPOINT}{update}"


def update_of(folder: Path) -> int:
    """Return the number of updates after which the checkpoint was written."""
    return int(folder.name.rpartition("-")[2])


def newest(folder: Path) -> Path | None:
    """Return the complete checkpoint in `folder` with the most updates."""
    found = [
        path
        for path in folder.glob(f"{CHECKPOINT}*")
        if path.name.removeprefix(CHECKPOINT).isdecimal()
    ]
    return max(found, key=update_of, default=None)


def complete(partial: Path) -> Path:
    """Give a filled folder its final name, and remove the checkpoints before it."""
    flush(partial)
    final = partial.with_suffix("")
    if final.exists():
        shutil.rmtree(final)
    partial.rename(final)
    for other in final.parent.iterdir():
        if other != final:
            shutil.rmtree(other)
    return final


def save_weights(model: nn.Module, folder: Path) -> None:
    """Write the parameters that are trained."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: p.detach().contiguous() for name, p in _trained(model)}, folder / WEIGHTS)


def load_weights(model: nn.Module, folder: Path) -> None:
    """Load the weights that `save_weights` wrote into the same model."""
    saved = load_file(folder / WEIGHTS)
    with torch.no_grad():
        for name, parameter in _trained(model):
            parameter.copy_(saved[name])


def save_optimizer(optimizer: torch.optim.Optimizer, schedule: Any, folder: Path) -> None:
    """Write the optimizer's state and the position in the schedule (a LambdaLR)."""
    state = optimizer.state_dict()
    tensors = {
        f"{index}.{name}": torch.as_tensor(value).contiguous()
        for index, values in state["state"].items()
        for name, value in _flat(values)
    }
    first = {tensor.data_ptr(): name for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        if first[tensor.data_ptr()] != name:  # bitsandbytes shares its tables
            tensors[name] = tensor.clone()
    save_file(tensors, folder / OPTIMIZER)
    rates = [group["lr"] for group in state["param_groups"]]
    jsonl.write_json(folder / SCHEDULE, {"rates": rates, "schedule": schedule.state_dict()})


def load_optimizer(optimizer: torch.optim.Optimizer, schedule: Any, folder: Path) -> None:
    """Load the state that `save_optimizer` wrote into a fresh optimizer and schedule."""
    saved: dict[int, dict[str, Any]] = {}
    for key, value in load_file(folder / OPTIMIZER).items():
        index, *groups, name = key.split(".")
        inner: dict[str, Any] = saved.setdefault(int(index), {})
        for group in groups:
            inner = inner.setdefault(group, {})
        # AdamW counts its updates in a tensor, bitsandbytes' in a number.
        inner[name] = int(value) if value.dtype == torch.int64 and not value.dim() else value
    written: dict[str, Any] = dict(jsonl.read_json(folder / SCHEDULE))
    state = optimizer.state_dict()
    for group, rate in zip(state["param_groups"], written["rates"], strict=True):
        group["lr"] = rate
    optimizer.load_state_dict({"state": saved, "param_groups": state["param_groups"]})
    schedule.load_state_dict(written["schedule"])


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield an optimizer's values with dotted names: bitsandbytes keeps some in a group."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def save_random(folder: Path, process: int) -> None:
    """Write the state of torch's generators, which dropout draws from."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    save_file(states, folder / RANDOM.format(process))


def load_random(folder: Path, process: int) -> None:
    """Load the state that `save_random` wrote."""
    states = load_file(folder / RANDOM.format(process))
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def _trained(model: nn.Module) -> Iterable[tuple[str, nn.Parameter]]:
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)


def flush(folder: Path) -> None:
    """Flush the files to the disk before the rename marks them as complete."""
    if os.name == "nt":  # it does so for no folder, and for no file that is open to be read
        return
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
