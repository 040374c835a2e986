"""How fast candidates are scored, beside a forward call each and beside padded batches, in one
process.

    python benchmarks/scoring.py --model embedded [--json]
    python benchmarks/scoring.py --model models/smollm2 --problems 1

All three give S = p(correct) / (p(correct) + p(incorrect)) for the same candidates (sampled with
the model itself), one thread each. Counted are candidates per CPU second of the process, on an
accelerator per second. The ratios are ours over theirs; the largest difference between the scores
is printed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from sampling import product_limit, question
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from mathtune import prompts
from mathtune.engines import models
from mathtune.engines.embedded import Embedded, Sampling
from mathtune.engines.scoring import Scorer

Scores = list[float]


def main() -> int:
    """Measure and print; 2 where the model is not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded", help="embedded, or a model folder")
    parser.add_argument("--problems", type=int, default=16)
    parser.add_argument("-n", type=int, default=32, help="candidates a problem")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", action="store_true", help="print the ratios as JSON, last")
    args = parser.parse_args()
    if args.model == "models/smollm2" and not Path(args.model).exists():
        print("models/smollm2 is not there; `make smollm2` makes it.", file=sys.stderr)
        return 2
    torch.set_num_threads(args.threads)
    model, tokenizer = models.load(args.model, device=args.device)
    groups = candidates(model, tokenizer, args.problems, args.n)
    texts = [text for group in groups for text in group]
    peer, _ = models.load(args.model, device=args.device)
    scorer = Scorer(model, tokenizer, form="auto")
    ways: dict[str, Callable[[], Scores]] = {
        "scoring": lambda: [s or 0.0 for group in scorer.evaluate(groups) for s in group],
        "batch1": lambda: forward(peer, tokenizer, texts, rows=1),
        "padded": lambda: forward(peer, tokenizer, texts, rows=32),
    }
    found, rates = {}, {}
    for name, way in ways.items():
        found[name], rates[name] = timed(way, model)
    print(f"{args.model} on {model.device}, {len(texts)} candidates, {args.threads} thread(s)")
    for name, value in rates.items():
        print(f"{name:>10}  {value:>10,.1f} candidates/s")
    pairs = zip(found["scoring"], found["batch1"], strict=True)
    print(f"largest difference from batch1: {max(abs(a - b) for a, b in pairs):.1e}")
    tokens = sum(len(tokenizer.encode(text)) for text in texts) / len(texts)
    fraction = rates["batch1"] * tokens / product_limit(model)
    print(f"batch1 reaches {fraction:.1%} of the products' limit at {tokens:.0f} tokens each")
    ratios = {
        f"scoring vs {name}": round(rates["scoring"] / rates[name], 2)
        for name in ("batch1", "padded")
    }
    print(*(f"{key}: {value}" for key, value in ratios.items()), sep="\n")
    if args.json:
        print(json.dumps({"ratios": ratios}))
    return 0


def candidates(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, problems: int, n: int
) -> list[list[str]]:
    """Evaluator prompts of the model's own samples, each problem's made distinct by its number."""
    questions = [question(random.Random(number)) for number in range(problems)]
    asked = [prompts.solver(text, form="auto", tokenizer=tokenizer) for text in questions]
    sampling = Sampling(n=n, temperature=1.0, top_p=1.0, max_tokens=160)
    drafts = Embedded(model, tokenizer, form="auto").sample(asked, sampling, seed=(0, 0))
    return [
        [
            prompts.evaluator(text, f"{draft.text} {index}", form="auto", tokenizer=tokenizer)
            for index, draft in enumerate(group)
        ]
        for text, group in zip(questions, drafts, strict=True)
    ]


@torch.inference_mode()
def forward(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str], *, rows: int
) -> Scores:
    """The plain way: whole prompts, `rows` side by side, logits at every position."""
    words = [
        tokenizer.encode(word, add_special_tokens=False)[0]
        for word in (prompts.CORRECT, prompts.INCORRECT)
    ]
    scores = []
    for start in range(0, len(texts), rows):
        encoded = [
            prompts.encode(text, form="auto", tokenizer=tokenizer)
            for text in texts[start : start + rows]
        ]
        longest = max(map(len, encoded))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in encoded])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in encoded])
        logits = model(
            input_ids=ids.to(model.device),
            attention_mask=None if rows == 1 else mask.to(model.device),
        ).logits
        last = torch.tensor([len(row) - 1 for row in encoded], device=model.device)
        final = logits[torch.arange(len(last), device=model.device), last][:, words]
        scores += final.float().softmax(-1)[:, 0].tolist()
    return scores


def timed(
    way: Callable[[], Scores], model: PreTrainedModel, times: int = 2
) -> tuple[Scores, float]:
    """What it gives, and candidates per CPU second (on an accelerator: per second), best of few."""
    clock = time.process_time if model.device.type == "cpu" else time.perf_counter
    best = 0.0
    for _ in range(times):
        start = clock()
        scores = way()
        best = max(best, len(scores) / (clock() - start))
    return scores, best


if __name__ == "__main__":
    sys.exit(main())
