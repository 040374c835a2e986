"""How fast the transformers engine samples, beside `model.generate`, in one process.

    python benchmarks/sampling.py [--json]            embedded and models/smollm2, one thread
    python benchmarks/sampling.py --model embedded
    python benchmarks/sampling.py --model models/smollm2 -n 64 --problems 32 --their-problems 4
    python benchmarks/sampling.py --part peers        SmolLM2 beside vLLM and llama.cpp alone

Both draw N samples per problem from the same prompts at temperature 1, in turns. Counted are useful
tokens (up to each sample's end) per CPU second of the process, on an accelerator per second. More
than 1 is ours faster. `of limit`: the part of the tokens that would be made if the products with
the weights, at the speed of large matrices here, were all there is to do. On a CPU, SmolLM2 is then
sampled by what a user would pick instead, where that is installed (see peers.py).
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import peers
import torch
import turns
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from mathtune.engines import prompts
from mathtune.engines.transformers import models
from mathtune.engines.transformers.decode import Sampler, Sampling

SIZES = {"embedded": (32, 32, 160), "models/smollm2": (6, 1, 128)}
"""Problems of ours, of these for generate, and most tokens: a few CPU-minutes for each model. Of
SmolLM2 as many as fill the samples in flight. Of the embedded model all, since a call of `generate`
takes as long whether its samples end early or late: its rate depends on the problem (3,700 to 5,900
tokens/s), and that of the first four is above the mean.
"""
ON_ACCELERATORS = (128, 4, 256)
SMALL = "models/smollm2"
PEERS_PROBLEMS = 4


def main() -> int:
    """Measure and print; 2 where a model is not there."""
    parser = turns.parser(__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, help="problems that we sample")
    parser.add_argument("--their-problems", type=int, help="of these, for generate")
    parser.add_argument("--max-tokens", type=int)
    parser.add_argument("--part", choices=["generate", "peers"], help="only this one")
    args = parser.parse_args()
    names = args.model or ([SMALL] if args.part == "peers" else list(turns.MODELS))
    lack = turns.missing(names)
    if lack:
        print(lack, file=sys.stderr)
        return 2
    torch.set_num_threads(args.threads)
    ratios: dict[str, float] = {}
    for name in names:
        if args.part != "peers":
            ratios |= measured(name, args)
        if args.part != "generate" and name == SMALL and args.device in ("auto", "cpu"):
            ratios |= beside_peers(name, args)
    return turns.finish(ratios, as_json=args.json)


def measured(name: str, args: Namespace) -> dict[str, float]:
    """Return one model's ratios."""
    model, tokenizer = models.load(name, device=args.device)
    size = SIZES["embedded" if name == "embedded" else "models/smollm2"]
    size = size if model.device.type == "cpu" else ON_ACCELERATORS
    asked = (args.problems, args.their_problems, args.max_tokens)
    problems, theirs, most = (a or s for a, s in zip(asked, size, strict=True))
    sampling = Sampling(n=args.n, temperature=1.0, top_p=1.0, max_tokens=most)
    texts = [
        prompts.solver(turns.question(number), form="auto", tokenizer=tokenizer)
        for number in range(problems)
    ]
    # The engine replaces its model's attention, so the peer gets a model of its own.
    peer, _ = models.load(name, device=args.device)
    engine = Sampler(model, tokenizer, form="auto")

    def ours() -> int:
        drafts = engine.sample(texts, sampling, seed=(0, 0))
        return sum(draft.tokens for group in drafts for draft in group)

    contenders = {
        "generate": generate(peer, tokenizer, texts[:theirs], sampling),
        "ours": ours,
        "products": turns.products(model),
    }
    rates = turns.race(contenders, model.device, args.rounds)
    limit = rates.pop("products") / turns.operations(model, head=True)
    print(f"{name} on {model.device}, N={args.n}, up to {most} tokens, {args.threads} thread(s)")
    for who, value in rates.items():
        print(f"{who:>10}  {value:>10,.0f} tokens/s  {value / limit:>6.1%} of the limit")
    print(f"{'limit':>10}  {limit:>10,.0f} tokens/s", flush=True)
    short = Path(name).name
    return {
        f"{short} vs generate": round(rates["ours"] / rates["generate"], 2),
        f"{short} of limit": round(rates["ours"] / limit, 2),
    }


def beside_peers(name: str, args: Namespace) -> dict[str, float]:
    """SmolLM2's ratios to what a user would pick instead, in tokens per CPU second."""
    most = args.max_tokens or SIZES[name][2]
    tokenizer = models.load_tokenizer(name)
    texts = tuple(
        prompts.solver(turns.question(number), form="auto", tokenizer=tokenizer)
        for number in range(args.problems or PEERS_PROBLEMS)
    )
    sampling = Sampling(n=args.n, temperature=1.0, top_p=1.0, max_tokens=most)
    print(f"{name}, {len(texts)} problems, N={args.n}, up to {most} tokens, 1 thread each")
    found = peers.measured(peers.Job(name, texts, sampling))
    rates = {who: one.tokens / one.cpu for who, one in found.items()}
    return {
        f"smollm2 vs {who}": round(rates["ours"] / rate, 2)
        for who, rate in rates.items()
        if who != "ours"
    }


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
        torch.manual_seed(0)
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


if __name__ == "__main__":
    sys.exit(main())
