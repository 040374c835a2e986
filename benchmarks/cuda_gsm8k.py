"""A real model on all of GSM8K: parts `gsm8k` and `rft` of cuda.sh.

    python benchmarks/cuda_gsm8k.py --out OUT --work WORK --model models/smollm2 --steps ssft,greedy

Each step is a stage in a folder of its own under WORK/gsm8k/seed-0 (or `--seed`), and is skipped if
that is complete:

    base-4-shot    the base model's greedy solutions of the test problems, after four exemplars
    ssft           all training problems' gold solutions
    greedy, samples            of the test problems, by ssft
    drafts, grades, paths      of the training problems, by ssft; the distinct right paths
    rft, rft-greedy, rft-samples               gold and paths, from the base model
    control, control-greedy, control-samples   gold alone, as many updates
    both-paths                 the distinct right paths of the drafts of seeds 0 and 1
    union, union-greedy, union-samples         gold and those paths, as many updates
    pairs, evaluator, scores   a judge of ssft's own samples

What is measured of the samples needs no GPU: OUT/gsm8k-SEED.jsonl has the steps' metrics and
seconds, and the rows come back in an archive. Needs GSM8K's files (MATHTUNE_DATA).
"""

from __future__ import annotations

import math
import os
import sys
import time
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import torch
import training
from lines import Lines, arguments, refuse_without

from mathtune.rows import jsonl
from mathtune.rows.records import Problem
from mathtune.run.stage import Stage
from mathtune.stages.collect import Collect
from mathtune.stages.grade import Grade
from mathtune.stages.sample import Sample
from mathtune.stages.score import Score
from mathtune.stages.train import Train

BATCH, EPOCHS, RATE = 64, 3, 3e-4
EVALUATOR = {"objective": "cls-xent", "epochs": 2, "learning_rate": 1e-4, "batch_size": 32}
ROWS = 4096
"""Samples in flight: what runs beside it wants memory, too."""
NEVER = 10**6
"""Updates between checkpoints, each of which would cost as long as some updates. A part that is
ended writes one, and goes on from it when it is called again."""


def main() -> int:
    """Run the steps; 1 if one failed."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--steps", required=True, help="names, in order, with commas between")
    parser.add_argument("--k", type=int, default=8, help="samples of each training problem")
    parser.add_argument("--seed", type=int, default=0, help="of trainings and samples")
    args = parser.parse_args()
    refuse_without(args.device)
    torch.set_num_threads(4)
    study = Study(args)
    steps = args.steps.split(",")
    lines = Lines(args.out / f"gsm8k-{args.seed}.jsonl")
    for name in steps:
        lines.check(name, partial(study.run, name))
    return lines.finish()


class Study:
    """The steps, by name."""

    def __init__(self, args: Namespace) -> None:
        self.args, self.work = args, args.work / "gsm8k" / f"seed-{args.seed}"
        self.work.mkdir(parents=True, exist_ok=True)
        for name, most in (("train", 24), ("test", 6)):
            if not self.file(name).exists():
                rows = list(problems(name))[: most if args.tiny else None]
                jsonl.write(self.file(name), rows)
                jsonl.write(self.work / f"{name}-solutions.jsonl", training.solutions(rows))

    def run(self, name: str) -> dict[str, Any]:
        """Run one step, unless its folder is complete; its metrics and seconds."""
        folder = self.work / name
        if (folder / "metrics.json").exists():
            return {"note": "complete before", **jsonl.read_json(folder / "metrics.json")}
        folder.mkdir(exist_ok=True)  # what is there of an unfinished step, the stage goes on from
        start = time.monotonic()
        metrics = msgspec.to_builtins(self.stage(name).run(folder))
        jsonl.write_json(folder / "metrics.json", metrics)
        seconds = time.monotonic() - start
        tokens = metrics.get("tokens") or metrics.get("target_tokens")
        rate = None if tokens is None else round(tokens / seconds)
        return {"seconds": round(seconds, 1), "tokens_per_second": rate, **metrics}

    def stage(self, name: str) -> Stage[Any]:
        """Return the stage of a step whose inputs exist."""
        by_name: dict[str, Any] = {
            "base-4-shot": lambda: self.sample(self.args.model, "greedy", few_shot=True),
            "ssft": lambda: self.train(),
            "drafts": lambda: self.sample(self.model("ssft"), "drafts"),
            "grades": lambda: Grade(problems=self.file("train"), samples=(self.rows("drafts"),)),
            "paths": lambda: self.collect("paths", self.drafts(self.work)),
            "both-paths": lambda: self.collect("paths", *map(self.drafts, self.both())),
            "rft": lambda: self.train(self.work / "paths" / "examples.jsonl"),
            "union": lambda: self.train(
                self.work / "both-paths" / "examples.jsonl", updates=self.updates()
            ),
            "control": lambda: self.train(updates=self.updates()),
            "pairs": lambda: self.collect("pairs", self.drafts(self.work), per_problem=2),
            "evaluator": self.evaluator,
            "scores": self.scores,
        }
        if name in by_name:
            return by_name[name]()
        of, _, kind = name.rpartition("-")
        return self.sample(self.model(of or "ssft"), kind)

    def model(self, step: str) -> str:
        return str(self.work / step / "model")

    def file(self, split: str) -> Path:
        return self.work / f"{split}.jsonl"

    def rows(self, step: str) -> Path:
        return self.work / step / "samples.jsonl"

    def sample(self, model: str, kind: str, *, few_shot: bool = False) -> Sample:
        """Greedy solutions or 16 samples of the test problems, or drafts of the training ones."""
        shown = {"few_shot": self.work / "train-solutions.jsonl"} if few_shot else {}
        return Sample(
            model=model,
            problems=self.file("train" if kind == "drafts" else "test"),
            n={"greedy": 1, "samples": 16, "drafts": self.args.k}[kind],
            greedy=kind == "greedy",
            temperature=0.7,
            max_tokens=16 if self.args.tiny else 256,
            prompt="plain",
            device=self.args.device,
            workers=1,
            rows=ROWS,
            seed=self.args.seed,
            **shown,
        )

    def train(self, *more: Path, updates: int | None = None) -> Train:
        """From the base model, on the gold solutions or on a file that holds them, too."""
        return Train(
            model=self.args.model,
            examples=more or (self.work / "train-solutions.jsonl",),
            epochs=EPOCHS if updates is None else NEVER,
            updates=updates,
            batch_size=8 if self.args.tiny else BATCH,
            micro_batch_size=8 if self.args.tiny else BATCH,
            learning_rate=RATE,
            max_length=640,
            prompt="plain",
            save_every=NEVER,
            seed=self.args.seed,
            device=self.args.device,
        )

    def updates(self) -> int:
        """As many updates as rft makes of its rows."""
        rows = sum(1 for _ in jsonl.lines(self.work / "paths" / "examples.jsonl"))
        return EPOCHS * math.ceil(rows / (8 if self.args.tiny else BATCH))

    def both(self) -> tuple[Path, Path]:
        """Return the folders of the two seeds whose drafts a union holds."""
        return self.work.with_name("seed-0"), self.work.with_name("seed-1")

    def drafts(self, folder: Path) -> tuple[Path, Path]:
        """Return a seed's drafts and their grades."""
        return folder / "drafts" / "samples.jsonl", folder / "grades" / "grades.jsonl"

    def collect(self, keep: Any, *samples: tuple[Path, Path], **more: Any) -> Collect:
        problems = self.file("train")
        return Collect(problems=problems, samples=samples, keep=keep, seed=self.args.seed, **more)

    def evaluator(self) -> Train:
        """Train a judge from ssft."""
        return Train(
            model=self.model("ssft"),
            examples=(self.work / "pairs" / "pairs.jsonl",),
            micro_batch_size=EVALUATOR["batch_size"],
            prompt="plain",
            save_every=NEVER,
            seed=self.args.seed,
            device=self.args.device,
            **EVALUATOR,
        )

    def scores(self) -> Score:
        """Return the judge's scores of ssft's samples of the test problems."""
        return Score(
            model=self.model("evaluator"),
            problems=self.file("test"),
            samples=(self.rows("samples"),),
            prompt="plain",
            device=self.args.device,
            workers=1,
            block_size=256,
        )


def problems(split: str) -> list[Problem]:
    """GSM8K's problems of a split."""
    folder = Path(os.environ.get("MATHTUNE_DATA", "../shared/data")) / "problems"
    found = next(
        path
        for path in (folder / f"gsm8k_{split}.jsonl", folder / f"gsm8k_{split}.jsonl.gz")
        if path.exists()
    )
    with jsonl.open_bytes(found) as stream:
        return [msgspec.json.decode(line, type=Problem) for line in stream]


if __name__ == "__main__":
    sys.exit(main())
