"""What the benchmarks of engines and trainings share: models, questions, turns, the limit that the
machine sets, and how they end.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import PreTrainedModel

MODELS = ("embedded", "models/smollm2")
PEOPLE = ("Tom", "Lena", "Ada", "Ravi", "Mei")
THINGS = ("apples", "books", "stamps", "marbles", "tickets")


def parser(description: str) -> argparse.ArgumentParser:
    """Return the options of sampling.py and scoring.py."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument(
        "--model", action="append", help="embedded or a model folder; may be repeated"
    )
    made.add_argument("-n", type=int, default=32, help="samples a problem")
    made.add_argument("--rounds", type=int, default=2, help="turns of each contender")
    made.add_argument("--threads", type=int, default=1)
    made.add_argument("--device", default="auto")
    made.add_argument("--json", action="store_true", help="print the ratios as JSON, last")
    return made


def missing(names: list[str]) -> str | None:
    """Name the missing model in a sentence; None: all are there."""
    for name in names:
        if name != "embedded" and not (Path(name) / "config.json").exists():
            return f"{name} is not there; `make smollm2` makes models/smollm2."
    return None


def without(device: str) -> str | None:
    """Return a sentence where the device is not there."""
    here = device == "cpu" or torch.cuda.is_available()
    return None if here else f"--device {device}: torch finds none on this machine."


def question(number: int) -> str:
    """Return a word problem of the length of the embedded ones; each number has its own."""
    draw = random.Random(number)
    name, thing = draw.choice(PEOPLE), draw.choice(THINGS)
    a, b, c = (draw.randrange(3, 90) for _ in range(3))
    return (
        f"{name} has {a} {thing} and buys {b} more each day for {c} days. "
        f"Then {name} gives {a // 2} of the {thing} away. How many {thing} does {name} have now?"
    )


def race(
    contenders: dict[str, Callable[[], int]], device: torch.device, rounds: int
) -> dict[str, float]:
    """Measure what each makes per CPU second of this process, on an accelerator per second.

    Each says how much it made. They take turns (A B C A B C), so that other work on the machine
    meets all of them; a contender's best turn counts.
    """
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    best = dict.fromkeys(contenders, 0.0)
    for _ in range(rounds):
        for name, run in contenders.items():
            start = clock()
            made = run()
            best[name] = max(best[name], made / (clock() - start))
    return best


def products(model: PreTrainedModel, rows: int = 512) -> Callable[[], int]:
    """A contender that makes floating-point operations of matrix products and nothing else, on
    matrices as wide as the model's.
    """
    width = model.config.get_text_config().hidden_size
    weight = torch.randn(4 * width, width, device=model.device, dtype=model.dtype)
    hidden = torch.randn(rows, width, device=model.device, dtype=model.dtype)
    each = 2 * rows * weight.numel()
    times = max(1, int(4e10 / each))

    @torch.inference_mode()
    def run() -> int:
        for _ in range(times):
            result = hidden @ weight.T
        result.sum().item()  # an accelerator is waited for
        return times * each

    return run


def operations(model: PreTrainedModel, *, head: bool) -> int:
    """Floating-point operations of a token's products with the weights, the head's or not."""
    output = model.get_output_embeddings()
    layers = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    return 2 * sum(layer.weight.numel() for layer in layers if head or layer is not output)


def finish(ratios: dict[str, float], *, as_json: bool) -> int:
    """Print the ratios, as JSON in the last line if that is asked for."""
    print(*(f"{key}: {value}" for key, value in ratios.items()), sep="\n")
    if as_json:
        print(json.dumps({"ratios": ratios}))
    return 0
