"""A real model on a CUDA device, through the commands: part `smoke` of cuda.sh.

    python benchmarks/cuda_smoke.py --out OUT --work WORK --model models/smollm2 [--tiny]

Greedy tokens beside `generate` and scores beside the CPU, then the commands sample, grade, train
and score, each a process of its own. Each check is a line of OUT/smoke.jsonl.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import training
from cuda_correct import DTYPES, Bench
from lines import Lines, arguments, refuse_without
from transformers import PreTrainedModel

from mathtune.engines import prompts
from mathtune.engines.transformers import models
from mathtune.rows import jsonl


def main() -> int:
    """Run all checks; 1 if any failed."""
    args = arguments(__doc__.splitlines()[0]).parse_args()
    refuse_without(args.device)
    lines = Lines(args.out / "smoke.jsonl")
    commands = Commands(args)
    bench = Real(args)
    name = Path(args.model).name
    for which in DTYPES:
        lines.check(f"greedy, {name}, {which}", partial(bench.greedy, name, which))
        lines.check(f"scores, {name}, {which}", partial(bench.scores, name, which))
    lines.check("the commands", commands.finish)
    return lines.finish()


class Real(Bench):
    """The checks of tiny models, with a real one and its prompts."""

    def __init__(self, args: Namespace) -> None:
        super().__init__(args, models.load_tokenizer(args.model), 0)
        self.name = args.model
        rows = training.problems(args.model, training.data_file(None), len(self.texts))
        self.texts = [
            prompts.solver(row.problem, form="plain", tokenizer=self.tokenizer) for row in rows
        ]

    def model(self, family: str, dtype: str = "float32", device: str = "") -> PreTrainedModel:  # noqa: ARG002
        return models.load(self.name, device=device or self.device, dtype=dtype)[0]  # type: ignore[arg-type]


class Commands:
    """The commands of a small run, one after the other, beside the checks."""

    def __init__(self, args: Namespace) -> None:
        work = args.work / "smoke"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        few = 4 if args.tiny else 32
        rows = training.problems(args.model, training.data_file(None), few)
        jsonl.write(work / "problems.jsonl", rows)
        jsonl.write(work / "solutions.jsonl", training.solutions(rows))
        jsonl.write(work / "pairs.jsonl", training.pairs(rows))
        model, device = f"model={Path(args.model).absolute()}", f"device={args.device}"
        if args.model == "embedded":
            model = "model=embedded"
        short = f"max_tokens={24 if args.tiny else 160}"
        small = "batch_size=4 epochs=20 updates=5 learning_rate=1e-4"
        script = f"""
            mathtune sample problems.jsonl {model} {device} n=8 {short} prompt=plain --out samples
            mathtune grade samples/samples.jsonl problems=problems.jsonl --out grades
            mathtune train solutions.jsonl {model} {device} {small} prompt=plain --out sft
            mathtune train pairs.jsonl model=sft/model {device} {small} objective=cls-xent \
                prompt=plain --out judge
            mathtune score samples/samples.jsonl problems=problems.jsonl model=judge/model \
                {device} prompt=plain --out scores
            mathtune score samples/samples.jsonl problems=problems.jsonl model=sft/model \
                {device} prompt=plain scorer=likelihood --out likelihood
            mathtune sample problems.jsonl model=sft/model {device} greedy=true {short} \
                prompt=plain --out greedy
        """.replace("mathtune ", f"{sys.executable} -m mathtune ")
        self.process = subprocess.Popen(
            ["bash", "-ec", script],
            cwd=work,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.work = work

    def finish(self) -> dict[str, Any]:
        """Wait for the last one; what each step wrote."""
        said, _ = self.process.communicate()
        found = {
            path.parent.name: jsonl.read_json(path)
            for path in sorted(self.work.glob("*/metrics.json"))
        }
        sizes = {name: len(str(metrics)) for name, metrics in found.items()}
        ended = self.process.returncode == 0
        return {
            "ok": ended,
            "steps": sizes,
            "samples": found.get("samples"),
            "sft": found.get("sft"),
            "judge": found.get("judge"),
            "scores": found.get("scores"),
            "said": said.splitlines()[-30:] if not ended else said.splitlines()[-3:],
        }


if __name__ == "__main__":
    torch.set_num_threads(8)
    sys.exit(main())
