"""How fast, and in how much memory, we train, beside TRL's SFTTrainer and RewardTrainer.

    python benchmarks/training.py [--json]                 models/smollm2 on GSM8K, one thread
    python benchmarks/training.py --part sft --rounds 3

Needs TRL (`pip install '.[bench]'`) and models/smollm2 (`make smollm2`). Every contender is a
process of its own, with the same weights, texts, batch and float32; it makes one update to warm up,
then rounds of updates in turns with the others (A B A B). Counted are target tokens (for evaluators:
pairs) per CPU second, since other work on the machine takes wall time and no CPU seconds, and the
most memory that the process ever had.

    ours          our train step
    trl           SFTTrainer, RewardTrainer as they are
    trl best      SFTTrainer without gradient checkpointing, with loss_type=chunked_nll
    limit         the matrix products of our step alone: what a step without anything else takes
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

SYSTEM = "Problem: {}\nSolution:\n"


def main() -> int:
    """Measure and print; 2 where the model, the data or TRL is not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="models/smollm2", help="a model folder")
    parser.add_argument("--data", type=Path, default=None, help="the folder of the GSM8K file")
    parser.add_argument("--part", choices=["sft", "evaluator"], help="only this one")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2, help="updates of each, after a first one")
    parser.add_argument("--profile", action="store_true", help="print where our time goes")
    parser.add_argument("--json", action="store_true", help="print the ratios as JSON, last")
    args = parser.parse_args()
    lack = missing(args)
    if lack:
        print(lack, file=sys.stderr)
        return 2
    rows = problems(args)
    ratios: dict[str, float] = {}
    if args.part != "evaluator":
        ratios |= sft(args, rows)
    if args.part != "sft":
        ratios |= evaluator(args, rows)
    print(*(f"{name}: {value}" for name, value in ratios.items()), sep="\n")
    if args.json:
        print(json.dumps({"ratios": ratios}))
    return 0


def missing(args: argparse.Namespace) -> str | None:
    """What is not there, in a sentence."""
    import importlib.util

    if not (Path(args.model) / "config.json").exists():
        return f"{args.model} is not there; `make smollm2` makes it."
    if importlib.util.find_spec("trl") is None:
        return "TRL is not installed; `pip install '.[bench]'` brings it."
    if not data_file(args).exists():
        return f"{data_file(args)} is not there; expected GSM8K's training problems (--data)."
    return None


def data_file(args: argparse.Namespace) -> Path:
    """GSM8K's training problems, one JSON object a line."""
    folder = args.data or Path(os.environ.get("MATHTUNE_SHARED_DATA", "../shared/data"))
    return folder / "problems" / "gsm8k_train.jsonl.gz"


def problems(args: argparse.Namespace) -> list[dict[str, str]]:
    """A batch of problems for every update and the one before."""
    with gzip.open(data_file(args), "rt", encoding="utf-8") as stream:
        return [json.loads(next(stream)) for _ in range(args.batch * (args.rounds + 1))]


def sft(args: argparse.Namespace, rows: list[dict[str, str]]) -> dict[str, float]:
    """Solutions: ours, TRL as it is, TRL at its best, the limit."""
    texts = [(SYSTEM.format(row["problem"]), row["solution"]) for row in rows]
    found = race(
        {"ours": ours_sft, "trl": trl_sft, "trl best": trl_sft_best, "limit": limit}, args, texts
    )
    name = Path(args.model).name
    table("target tokens", found)
    flops = found["ours"]["flops"]
    rate = flops / found["ours"]["seconds"] / 1e9
    peak = found["limit"]["peak"] / 1e9
    print(
        f"our step makes {rate:.0f} of the {peak:.0f} GFLOP/s that the largest products reach: "
        f"MFU {rate / peak:.0%}"
    )
    ours = found["ours"]
    return {
        f"sft vs trl, {name} cpu": ratio(ours, found["trl"]),
        f"sft vs trl best, {name} cpu": ratio(ours, found["trl best"]),
        f"sft of limit, {name} cpu": ratio(ours, found["limit"]),
        f"sft memory vs trl, {name} cpu": memory(ours, found["trl"]),
        f"sft memory vs trl best, {name} cpu": memory(ours, found["trl best"]),
    }


def evaluator(args: argparse.Namespace, rows: list[dict[str, str]]) -> dict[str, float]:
    """Pairs of a right and a wrong solution: ours with the margin loss, TRL's reward model."""
    texts = [
        (row["problem"], row["solution"], other["solution"])
        for row, other in zip(rows, [*rows[1:], rows[0]], strict=True)
    ]
    found = race({"ours": ours_evaluator, "trl": trl_reward}, args, texts)
    table("pairs", found)
    return {
        "evaluator vs trl reward": ratio(found["ours"], found["trl"]),
        "evaluator memory vs trl reward": memory(found["ours"], found["trl"]),
    }


Update = Callable[[int], dict[str, float]]
"""Makes the update with this number; says what it counted."""


def race(
    contenders: dict[str, Callable[[Any, Any], Update]], args: Any, texts: Any
) -> dict[str, dict[str, float]]:
    """Every contender's counts, CPU seconds and memory, each in its own process, in turns."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    processes = []
    for name, make in contenders.items():
        here, there = context.Pipe()
        process = context.Process(target=work, args=(make, args, texts, there))
        process.start()
        pipes[name], processes = here, [*processes, process]
    found: dict[str, dict[str, float]] = {name: {} for name in contenders}
    for number in range(args.rounds + 1):
        for name, pipe in pipes.items():
            pipe.send(number)
            counted = pipe.recv()
            if number:  # the first one warms up
                for key, value in counted.items():
                    found[name][key] = found[name].get(key, 0.0) + value
    for name, pipe in pipes.items():
        pipe.send(None)
        found[name] |= pipe.recv()
    for process in processes:
        process.join()
    return found


def work(make: Callable[[Any, Any], Update], args: Any, texts: Any, pipe: Connection) -> None:
    """A contender's process."""
    import torch

    torch.set_num_threads(1)
    update = make(args, texts)
    while (number := pipe.recv()) is not None:
        start = time.process_time()
        counted = update(number)
        counted.setdefault("seconds", time.process_time() - start)
        pipe.send(counted)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipe.send({"memory": peak / 2**20, "peak": getattr(update, "peak", 0.0)})


def batch_of(args: Any, texts: Any, number: int) -> Any:
    """The texts of an update."""
    return texts[number * args.batch : (number + 1) * args.batch]


def ours_sft(args: Any, texts: Any) -> Update:
    """Our trainer on solutions."""
    from mathtune.records import Example

    rows = [Example(problem_id=str(n), problem=p, solution=s) for n, (p, s) in enumerate(texts)]
    plain = [
        Example(problem_id=r.problem_id, problem=strip(r.problem), solution=r.solution)
        for r in rows
    ]
    return ours(args, plain, "mle")


def strip(prompt: str) -> str:
    """The problem inside a prompt."""
    before, after = SYSTEM.split("{}")
    return prompt[len(before) : -len(after)]


def ours_evaluator(args: Any, texts: Any) -> Update:
    """Our trainer on pairs."""
    from mathtune.records import Pair

    rows = [
        Pair(problem_id=str(n), problem=p, right=r, wrong=w) for n, (p, r, w) in enumerate(texts)
    ]
    return ours(args, rows, "cls-margin")


def ours(args: Any, rows: list[Any], objective: Any) -> Update:
    """Our Trainer, its updates made one by one on the batches of the others."""
    import tempfile

    from mathtune.engines import models
    from mathtune.training import fit
    from mathtune.training.examples import Encoder
    from mathtune.training.settings import Settings

    model, tokenizer = models.load(args.model, device="cpu", dtype="float32")
    settings = Settings(
        objective=objective,
        batch_size=args.batch,
        micro_batch_size=args.batch,
        max_length=1024,
        prompt="plain",
        schedule="constant",
        warmup=0,
        epochs=1,
    )
    named = [(str(n), row) for n, row in enumerate(rows)]
    items = Encoder(tokenizer, "plain", settings.max_length).items(named, objective)
    plan = fit.planned(
        settings, items, equal_to=None, vocabulary=model.config.vocab_size, bfloat16=False
    )
    folder = Path(tempfile.mkdtemp())
    trainer = fit.prepared(model, items, [], settings=settings, plan=plan, folder=folder)
    body = sum(p.numel() for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n)
    head = model.get_output_embeddings().weight.numel()

    def update(number: int) -> dict[str, float]:
        chosen = batch_of(args, items, number)
        if args.profile and number == args.rounds:
            profiled(lambda: trainer.update(chosen))
        start = time.process_time()
        trainer.update(chosen)
        seconds = time.process_time() - start
        batch = trainer.data_collator(chosen)
        tokens, targets = batch["input_ids"].numel(), len(batch["tokens"])
        return {
            "count": float(targets if objective == "mle" else len(chosen)),
            "seconds": seconds,
            "flops": 6.0 * (tokens * body + targets * head),
        }

    return update
