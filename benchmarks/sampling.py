"""How fast the embedded engine samples, beside `model.generate`, in one process.

    python benchmarks/sampling.py --model embedded [--json]
    python benchmarks/sampling.py --model models/smollm2 --problems 2

Both draw N samples a problem from the same prompts at temperature 1, one thread each. Counted are
useful tokens (up to each sample's end) per CPU second of the process, on an accelerator per second.
The ratio is ours over theirs. Also printed: the fraction of the limit that this core's matrix
products set.
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
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from mathtune import prompts
from mathtune.engines import models
from mathtune.engines.embedded import Embedded, Sampling

PEOPLE = ("Tom", "Lena", "Ada", "Ravi", "Mei")
THINGS = ("apples", "books", "stamps", "marbles", "tickets")


def main() -> int:
    """Measure and print; 2 where the model is not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded", help="embedded, or a model folder")
    parser.add_argument("--problems", type=int, default=32, help="problems that we sample")
    parser.add_argument("--their-problems", type=int, default=4, help="of these, for generate")
    parser.add_argument("-n", type=int, default=32, help="samples a problem")
    parser.add_argument("--max-tokens", type=int, default=160)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", action="store_true", help="print the ratios as JSON, last")
    args = parser.parse_args()
    if args.model == "models/smollm2" and not Path(args.model).exists():
        print("models/smollm2 is not there; `make smollm2` makes it.", file=sys.stderr)
        return 2
    torch.set_num_threads(args.threads)
    sampling = Sampling(n=args.n, temperature=1.0, top_p=1.0, max_tokens=args.max_tokens)
    questions = [question(random.Random(number)) for number in range(args.problems)]
    model, tokenizer = models.load(args.model, device=args.device)
    texts = [prompts.solver(q, form="auto", tokenizer=tokenizer) for q in questions]

    # The engine replaces its model's attention, so the peer gets a model of its own.
    peer, _ = models.load(args.model, device=args.device)
    theirs = generate(peer, tokenizer, texts[: args.their_problems], sampling)
    engine = Embedded(model, tokenizer, form="auto")

    def ours() -> int:
        drafts = engine.sample(texts, sampling, seed=(0, 0))
        return sum(draft.tokens for group in drafts for draft in group)

    rates = {"generate": rate(theirs, model), "embedded": rate(ours, model)}
    limit = product_limit(model)
    print(f"{args.model} on {model.device}, N={args.n}, {args.threads} thread(s)")
    for name, value in rates.items():
        print(f"{name:>10}  {value:>10,.0f} tokens/s  {value / limit:>6.1%} of the products' limit")
    name = Path(args.model).name
    ratios = {f"{name} vs generate": round(rates["embedded"] / rates["generate"], 2)}
    print(*(f"{key}: {value}" for key, value in ratios.items()), sep="\n")
    if args.json:
        print(json.dumps({"ratios": ratios}))
    return 0


def question(draw: random.Random) -> str:
    """A word problem of the length of the embedded ones."""
    name, thing = draw.choice(PEOPLE), draw.choice(THINGS)
    a, b, c = (draw.randrange(3, 90) for _ in range(3))
    return (
        f"{name} has {a} {thing} and buys {b} more each day for {c} days. "
        f"Then {name} gives {a // 2} of the {thing} away. How many {thing} does {name} have now?"
    )


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str],
    sampling: Sampling,
) -> Callable[[], int]:
    """Transformers' own way: one call a problem, with `num_return_sequences`."""
    ends = set(models.end_tokens(model, tokenizer))

    @torch.inference_mode()
    def run() -> int:
        useful = 0
        for text in texts:
            ids = torch.tensor([prompts.encode(text, form="auto", tokenizer=tokenizer)])
            rows = model.generate(
                ids.to(model.device),
                attention_mask=torch.ones_like(ids).to(model.device),
                do_sample=True,
                temperature=sampling.temperature,
                top_k=0,
                num_return_sequences=sampling.n,
                max_new_tokens=sampling.max_tokens,
                pad_token_id=min(ends),
            )[:, ids.shape[1] :]
            for row in rows.tolist():
                useful += next((at for at, token in enumerate(row) if token in ends), len(row))
        return useful

    return run


def rate(run: Callable[[], int], model: PreTrainedModel, times: int = 3) -> float:
    """Tokens per CPU second, or per second on an accelerator; the best of a few calls."""
    clock = time.process_time if model.device.type == "cpu" else time.perf_counter
    best = 0.0
    for _ in range(times):
        start = clock()
        tokens = run()
        best = max(best, tokens / (clock() - start))
    return best


def product_limit(model: PreTrainedModel, rows: int = 512) -> float:
    """Tokens per second if a token cost one product with each weight matrix, and nothing else."""
    width = model.config.get_text_config().hidden_size
    weight = torch.randn(4 * width, width, device=model.device, dtype=model.dtype)
    hidden = torch.randn(rows, width, device=model.device, dtype=model.dtype)

    def run() -> int:
        for _ in range(50):
            result = hidden @ weight.T
        result.sum().item()
        return 50 * rows

    weights = sum(p.numel() for p in model.parameters() if p.ndim == 2)
    return rate(run, model) * weight.numel() / weights


if __name__ == "__main__":
    sys.exit(main())
