"""How fast, and in how much memory, we train, against TRL's SFTTrainer and RewardTrainer.

    python benchmarks/training.py [--json]                 models/smollm2 on GSM8K, one thread
    python benchmarks/training.py --part sft --rounds 3
    python benchmarks/training.py --device cuda            on a GPU, not run yet

Needs TRL (`pip install -c constraints.txt -e '.[bench]'`) and models/smollm2 (`make smollm2`). Each
contender is a process of its own, with the same weights, texts, batch and float32; it makes three
updates to warm up (a process that still grows is slowed by fresh memory), then updates in turns
with the others (A B A B). Counted are target tokens (for evaluators: pairs) per CPU second, since
other work on the machine takes wall time but hardly any CPU seconds, and the most memory that the
process ever had. On CUDA all compute in bfloat16 with weights in float32; seconds are then those of
the clock, and memory is the most that tensors took on the device.

    ours       our train step
    trl        SFTTrainer, RewardTrainer as they are: activations recomputed, loss in chunks
    trl best   SFTTrainer without gradient checkpointing, as its documentation advises for speed.
               Its packing is left out: without FlashAttention, which no CPU has, packed examples
               see each other, which is another training.
    limit      the matrix products of our step alone: what a step without anything else takes

At batch 8 a race needs some 14 GB of free memory, most of it for TRL.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import torch
import turns
from torch.profiler import profile
from torch.utils.data import SequentialSampler
from transformers import AutoTokenizer, TrainerCallback

from mathtune.data import arithmetic
from mathtune.engines import model_names
from mathtune.engines.transformers import models
from mathtune.rows.records import Example, Pair, Problem
from mathtune.training import fit
from mathtune.training.batches import collate
from mathtune.training.examples import TEXTS, Encoder
from mathtune.training.settings import TrainingSettings
from mathtune.training.trainer import Trainer

WARM = 3
"""Updates before those that count."""
ROUNDS = {"cpu": 2, "cuda": 20}
"""Updates that count, where `--rounds` does not say."""
SOLVER = "Problem: {}\nSolution:\n"
VERDICT = "The above candidate solution is"


def main() -> int:
    """Measure and print; 2 where the model, the data or TRL is not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="models/smollm2", help="embedded or a model folder")
    parser.add_argument("--data", type=Path, default=None, help="the folder of the GSM8K file")
    parser.add_argument("--part", choices=["sft", "evaluator"], help="only this one")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, help="updates of each that count: 2, on CUDA 20")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--profile", action="store_true", help="print where our time goes")
    parser.add_argument("--json", action="store_true", help="print the ratios as JSON, last")
    args = parser.parse_args()
    lack = missing(args)
    if lack:
        print(lack, file=sys.stderr)
        return 2
    args.rounds = args.rounds or ROUNDS[args.device]
    args.liger = False
    count = args.batch * (WARM + args.rounds)
    rows = problems(args.model, data_file(args.data), count)
    ratios: dict[str, float] = {}
    if args.part != "evaluator":
        ratios |= sft(args, rows)
    if args.part != "sft":
        ratios |= evaluator(args, rows)
    return turns.finish(ratios, as_json=args.json)


def missing(args: argparse.Namespace) -> str | None:
    """Say in a sentence what is missing."""
    lack = turns.missing([args.model]) or without_trl()
    file = data_file(args.data)
    if lack is None and args.model != "embedded" and not file.exists():
        return f"{file} is not there; expected GSM8K's training problems (--data)."
    return lack or turns.without(args.device)


def without_trl() -> str | None:
    """Return a sentence where TRL is not there."""
    lack = "TRL is not installed; `pip install -c constraints.txt -e '.[bench]'` brings it."
    return lack if importlib.util.find_spec("trl") is None else None


def data_file(folder: Path | None) -> Path:
    """GSM8K's training problems, one JSON object per line; None: the folder in MATHTUNE_DATA."""
    folder = folder or Path(os.environ.get("MATHTUNE_DATA", "."))
    return folder / "problems" / "gsm8k_train.jsonl.gz"


def problems(model: str, file: Path, count: int) -> list[Problem]:
    """Return the file's first problems; for the embedded model the embedded ones."""
    if model == "embedded":
        return arithmetic.generate("train", count, seed=0)
    with gzip.open(file) as stream:
        return [msgspec.json.decode(next(stream), type=Problem) for _ in range(count)]


def sft(args: argparse.Namespace, problems: list[Problem]) -> dict[str, float]:
    """Solutions: ours beside the products' limit and TRL as it is, then beside TRL at its best."""
    rows = solutions(problems)
    items, settings, model = encoded(args, rows)
    tokens, targets = sizes(items[WARM * args.batch :], settings)
    first = race({"ours": ours_trainer, "limit": limit, "trl": trl_sft}, args, rows)
    second = race({"ours": ours_trainer, "trl best": trl_sft_best}, args, rows)
    table("target tokens", targets, {"first race": first, "second race": second}, args.device)
    head = model.get_output_embeddings().weight.numel()
    body = sum(p.numel() for layer in model.model.layers for p in layer.parameters())
    flops = 6.0 * (tokens * body + targets * head)
    ours, products = first["ours"]["seconds"], first["limit"]["seconds"]
    print(
        f"our updates: {flops / ours / 1e9:.0f} GFLOP/s, their matrix products alone "
        f"{flops / products / 1e9:.0f} (MFU {products / ours:.0%})"
    )
    name = f"{Path(args.model).name} {args.device}"
    return {
        f"sft vs trl, {name}": share(first["trl"], first["ours"], "seconds"),
        f"sft vs trl best, {name}": share(second["trl best"], second["ours"], "seconds"),
        f"sft of limit, {name}": share(first["limit"], first["ours"], "seconds"),
        f"sft memory of trl, {name}": share(first["ours"], first["trl"], "memory"),
        f"sft memory of trl best, {name}": share(second["ours"], second["trl best"], "memory"),
    }


def evaluator(args: argparse.Namespace, problems: list[Problem]) -> dict[str, float]:
    """Pairs of a right and a wrong solution: ours with the margin loss, TRL's reward model."""
    rows = pairs(problems)
    found = race({"ours": ours_trainer, "trl reward": trl_reward}, args, rows)
    table("pairs", args.batch * args.rounds, {"evaluators": found}, args.device)
    where = "" if args.device == "cpu" else f", {Path(args.model).name} {args.device}"
    ours, peer = found["ours"], found["trl reward"]
    return {
        f"evaluator vs trl reward{where}": share(peer, ours, "seconds"),
        f"evaluator memory of trl reward{where}": share(ours, peer, "memory"),
    }


def solutions(problems: list[Problem]) -> list[Example]:
    """Return the examples of a solver: each problem's gold solution."""
    return [
        Example(problem_id=problem.id, problem=problem.problem, solution=gold(problem))
        for problem in problems
    ]


def pairs(problems: list[Problem]) -> list[Pair]:
    """Return the pairs of an evaluator: each problem's gold solution above the next one's."""
    return [
        Pair(
            problem_id=problem.id, problem=problem.problem, right=gold(problem), wrong=gold(another)
        )
        for problem, another in zip(problems, [*problems[1:], problems[0]], strict=True)
    ]


def gold(problem: Problem) -> str:
    """Return its gold solution, which training problems have."""
    assert problem.solution is not None, problem.id
    return problem.solution


def table(
    unit: str, count: int, races: dict[str, dict[str, dict[str, float]]], device: str
) -> None:
    """Print rates and memory."""
    second = "CPU s" if device == "cpu" else "s"
    print(f"{'':>24}{f'{unit}/{second}':>22}{'peak GiB':>10}")
    for name, found in races.items():
        print(name)
        for contender, counted in found.items():
            print(f"{contender:>24}{count / counted['seconds']:>22.1f}{counted['memory']:>10.1f}")


def share(one: dict[str, float], other: dict[str, float], key: str) -> float:
    """One's seconds or memory over the other's."""
    return round(one[key] / other[key], 2)


class Pace(TrainerCallback):
    """Makes a Trainer wait for its turn before every update, and counts what the update took."""

    def __init__(self, pipe: Connection, device: str) -> None:
        self.pipe, self.device, self.start = pipe, device, 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.pipe.recv()
        self.start = self.now()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.pipe.send(self.now() - self.start)

    def now(self) -> float:
        """CPU seconds; on an accelerator, when it has done all it was told to do."""
        if self.device == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    def memory(self) -> float:
        """GiB at most so far: of the process, or of tensors on the accelerator."""
        if self.device == "cpu":
            unit = 1 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
        return torch.cuda.max_memory_allocated() / 2**30


Contender = Callable[[Any, Any, Pace], None]
"""Trains on the texts with these arguments, taking turns."""


def race(contenders: dict[str, Contender], args: Any, texts: Any) -> dict[str, dict[str, float]]:
    """Seconds and peak memory (GiB) of every contender, each in its own process, in turns.

    One that fails prints its error and is left out.
    """
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    for name, train in contenders.items():
        pipes[name], there = context.Pipe()
        context.Process(target=work, args=(train, args, texts, there), daemon=True).start()
        there.close()  # or the end of a process that fails would never be seen
    found = {name: {"seconds": 0.0} for name in contenders}
    for number in range(WARM + args.rounds):
        for name, pipe in list(pipes.items()):
            try:
                pipe.send(number)
                seconds = pipe.recv()
            except (EOFError, BrokenPipeError):
                print(f"{name} failed", file=sys.stderr)
                del pipes[name], found[name]
                continue
            found[name]["seconds"] += seconds if number >= WARM else 0.0
    for name, pipe in pipes.items():
        found[name] |= pipe.recv()
    return found


def work(train: Contender, args: Any, texts: Any, pipe: Connection) -> None:
    """A contender's process."""
    torch.set_num_threads(1)
    pace = Pace(pipe, args.device)
    train(args, texts, pace)
    pipe.send({"memory": pace.memory()})


def ours_trainer(args: Any, rows: list[Any], pace: Pace) -> None:
    """Our Trainer on rows of their own kind."""
    items, settings, model = encoded(args, rows)
    words, half = model.config.vocab_size, args.device == "cuda"
    plan = fit.planned(settings, items, equal_to=None, vocabulary=words, bfloat16=half)
    form = fit.batch_form(model, settings, plan)
    with tempfile.TemporaryDirectory() as folder, fit.installed(model, form):
        trainer = Trainer(
            model,
            fit.arguments(settings, plan, Path(folder), model=model, validate=False),
            settings=settings,
            items=items,
            validation=[],
            callbacks=[pace],
            form=form,
        )
        in_order(trainer)
        if args.profile:
            with profile() as seen:
                trainer.train()
            order = f"self_{args.device}_time_total"
            print(seen.key_averages().table(sort_by=order, row_limit=20))
        else:
            trainer.train()


def encoded(args: Any, rows: list[Any]) -> tuple[list[Any], TrainingSettings, Any]:
    """Return items, settings and the model, for rows of either kind."""
    objective = "mle" if isinstance(rows[0], Example) else "cls-margin"
    settings = TrainingSettings(
        objective=objective,
        batch_size=args.batch,
        micro_batch_size=args.batch,
        max_length=1024,
        prompt="plain",
        schedule="constant",
        warmup=0,
        epochs=1,
        liger=args.liger,
    )
    model, tokenizer = models.load(args.model, device=args.device, dtype="float32")
    named = [(row.problem_id, row) for row in rows]
    return Encoder(tokenizer, "plain", 1024).items(named, objective), settings, model


def trl_sft(args: Any, rows: list[Any], pace: Pace, **more: Any) -> None:
    """TRL's SFTTrainer as it is, on the same texts."""
    from trl import SFTConfig, SFTTrainer

    texts = {
        "prompt": [SOLVER.format(row.problem) for row in rows],
        "completion": [row.solution for row in rows],
    }
    peer(SFTTrainer, SFTConfig, args, texts, pace, more)


def trl_sft_best(args: Any, rows: list[Any], pace: Pace) -> None:
    """SFTTrainer without recomputing activations, as its documentation advises for speed."""
    trl_sft(args, rows, pace, gradient_checkpointing=False)


def trl_reward(args: Any, rows: list[Any], pace: Pace) -> None:
    """TRL's RewardTrainer as it is, on the same pairs."""
    from trl import RewardConfig, RewardTrainer

    texts = {
        "prompt": [f"Here is a math problem: {row.problem}\n" for row in rows],
        "chosen": [f"Here is a candidate solution: {row.right}\n{VERDICT}" for row in rows],
        "rejected": [f"Here is a candidate solution: {row.wrong}\n{VERDICT}" for row in rows],
    }
    peer(RewardTrainer, RewardConfig, args, texts, pace, {})


def peer(trainer: Any, config: Any, args: Any, texts: Any, pace: Pace, more: Any) -> None:
    """One of TRL's trainers, with the same weights, batch, precision and order."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    kind = AutoModelForSequenceClassification if "chosen" in texts else AutoModelForCausalLM
    options = {"num_labels": 1} if "chosen" in texts else {}
    source, _ = model_names.source(args.model)
    model = kind.from_pretrained(source, dtype=torch.float32, **options)
    tokenizer = AutoTokenizer.from_pretrained(source)
    with tempfile.TemporaryDirectory() as folder:
        settings = config(
            output_dir=folder,
            per_device_train_batch_size=args.batch,
            max_length=1024,
            max_steps=WARM + args.rounds,
            bf16=args.device == "cuda",
            use_cpu=args.device == "cpu",
            report_to="none",
            save_strategy="no",
            use_liger_kernel=args.liger,
            disable_tqdm=True,
            dataloader_pin_memory=False,
            **more,
        )
        made = trainer(
            model=model,
            args=settings,
            train_dataset=Dataset.from_dict(texts),
            processing_class=tokenizer,
            callbacks=[pace],
        )
        in_order(made)
        made.train()


def in_order(trainer: Any) -> None:
    """Let a Trainer meet the examples as they stand."""
    trainer._get_train_sampler = lambda *_: SequentialSampler(trainer.train_dataset)


def limit(args: Any, rows: list[Any], pace: Pace) -> None:
    """The matrix products of our step and nothing else: forward, and both gradients."""
    items, settings, model = encoded(args, rows)
    head = model.get_output_embeddings().weight.detach()
    body = [p.detach() for layer in model.model.layers for p in layer.parameters() if p.ndim == 2]
    if args.device == "cuda":
        body, head = [weight.bfloat16() for weight in body], head.bfloat16()
    gradients = [torch.empty_like(weight) for weight in (*body, head)]
    for number in range(WARM + args.rounds):
        tokens, targets = sizes(items[number * args.batch :][: args.batch], settings)
        counts = [*([tokens] * len(body)), targets]
        shapes = {(n, d) for n, w in zip(counts, (*body, head), strict=True) for d in w.shape}
        tensors = {(n, d): (torch.randn(n, d) / d).to(head) for n, d in shapes}
        pace.on_step_begin()
        for n, weight, gradient in zip(counts, (*body, head), gradients, strict=True):
            above, below = tensors[n, weight.shape[0]], tensors[n, weight.shape[1]]
            torch.mm(below, weight.T, out=above)
            torch.mm(above, weight, out=below)
            torch.mm(above.T, below, out=gradient)
        pace.on_step_end()


def sizes(items: list[Any], settings: TrainingSettings) -> tuple[int, int]:
    """Return tokens that pass through the layers, and target tokens, of a batch."""
    batch = collate(items, texts=TEXTS[settings.objective], packed=True, idle=items[0])
    return batch["input_ids"].numel(), len(batch["tokens"])


if __name__ == "__main__":
    sys.exit(main())
