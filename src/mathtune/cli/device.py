"""The device of this machine and its speed, measured in a fraction of a second. For the bill."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np

from mathtune.run.cores import usable_cores

ON_A_CORE = {"train": 0.15, "sample": 0.16, "score": 0.4}
"""The fraction of a matrix product's speed that each stage of the quickstart reached on a CPU core,
by formulas that count the prompt for every sample; we read it once.
"""
ON_AN_ACCELERATOR = {"train": 0.26, "sample": 0.03, "score": 0.26}
"""The same on an accelerator. Training: an A100 in Table 4 of Yuan et al. 2023 (8e13 of 3.12e14
FLOP/s). Sampling reads all weights for every token; its fraction is a guess."""
SIDE_ON_A_CORE, SIDE_ON_AN_ACCELERATOR = 64, 8192
"""The number of rows of the matrices. On a CPU so few that one thread multiplies them: threads that
wait for each other use CPU time too, ten times as much as the product on a busy machine."""
AT_ONCE = 100
"""The number of products of the small matrices per try."""
TRIES = 10
BUSY = 0.75
"""The load per core from which the machine counts as busy."""


@dataclass(frozen=True)
class Device:
    """The hardware of the steps: `peak` FLOP/s of a matrix product on each of its `cores`.

    `reached`: the fraction of it that a stage reaches; 1 for stages not named. `start`: core
    seconds until a step's model is ready. `load`: programs per core that want to compute, if the
    machine is busy.
    """

    name: str
    peak: float
    cores: int = 1
    reached: Mapping[str, float] = field(default_factory=dict)
    start: float = 0.0
    load: float | None = None

    def core_seconds(self, stage: str, flops: float) -> float:
        """Return the seconds of one core (or the accelerator) that a stage needs for its FLOPs."""
        return flops / self.speed(stage) + self.start

    def speed(self, stage: str) -> float:
        """Return the FLOP/s of a stage on one core."""
        return self.peak * self.reached.get(stage, 1.0)


def device(speed: float | None) -> Device:
    """Return the device of a recipe's steps; `speed`: the user's FLOP/s for all stages.

    Imports torch, if it is installed, to ask for an accelerator.
    """
    if speed is not None:
        return Device(f"a device of {speed:.3g} FLOP/s (setting `speed`)", speed)
    if find_spec("torch") is not None:
        import torch

        if torch.accelerator.is_available():
            return _accelerator(torch)
    matrix = np.ones((SIDE_ON_A_CORE, SIDE_ON_A_CORE), dtype=np.float32)
    cores = usable_cores()

    def multiply() -> None:
        for _ in range(AT_ONCE):
            matrix @ matrix

    peak = AT_ONCE * _speed(multiply, SIDE_ON_A_CORE, time.thread_time)
    named = f"{cores} CPU core{'s' * (cores > 1)}, {peak:.2g} FLOP/s each in a matrix product"
    return Device(named, peak, cores, ON_A_CORE, start=1.5, load=_load())


def _load() -> float | None:
    """Return the programs per core that wanted to compute in the last minute, if many did."""
    if not hasattr(os, "getloadavg"):  # as on Windows
        return None
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return load if load >= BUSY else None


def _accelerator(torch: Any) -> Device:
    kind = torch.accelerator.current_accelerator().type
    name = torch.cuda.get_device_name() if kind == "cuda" else kind
    dtype = torch.bfloat16 if kind == "cuda" else torch.float32
    side = SIDE_ON_AN_ACCELERATOR if kind == "cuda" else SIDE_ON_AN_ACCELERATOR // 4
    matrix = torch.ones((side, side), dtype=dtype, device=kind)

    def multiply() -> None:
        torch.mm(matrix, matrix)
        torch.accelerator.synchronize()

    peak = _speed(multiply, side, time.perf_counter)
    named = f"{name}, {peak:.2g} FLOP/s in a matrix product"
    return Device(named, peak, 1, ON_AN_ACCELERATOR, start=10.0)


def _speed(multiply: Callable[[], object], side: int, clock: Callable[[], float]) -> float:
    """Return the FLOP/s of the fastest of a few products of square matrices, after a warm-up."""
    multiply()
    best = float("inf")
    for _ in range(TRIES):
        start = clock()
        multiply()
        best = min(best, clock() - start)
    return 2.0 * side**3 / max(best, 1e-9)
