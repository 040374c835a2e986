"""How fast candidates are scored, beside a forward call each and beside padded batches, in one
process.

    python benchmarks/scoring.py [--json]             embedded and models/smollm2, one thread
    python benchmarks/scoring.py --model embedded

All three give S = p(correct) / (p(correct) + p(incorrect)) for the same candidates (sampled with
the model itself), in turns. Counted are candidates per CPU second of the process, on an accelerator
per second. More than 1 is ours faster; the largest difference between the scores is printed. `of
limit`: the part of the tokens that would be read if the products with the layers' weights, at the
speed of large matrices here, were all there is to do.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import torch
import turns
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from mathtune.engines import prompts
from mathtune.engines.transformers import models
from mathtune.engines.transformers.decode import Sampler, Sampling
from mathtune.engines.transformers.scoring import Scorer

PROBLEMS = {"embedded": 16, "models/smollm2": 1}
"""A few CPU-minutes for each model."""
ON_ACCELERATORS = 32

Scores = list[float]


def main() -> int:
    """Measure and print; 2 where a model is not there."""
    parser = turns.parser(__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int)
    args = parser.parse_args()
    names = args.model or list(turns.MODELS)
    lack = turns.missing(names)
    if lack:
        print(lack, file=sys.stderr)
        return 2
    torch.set_num_threads(args.threads)
    ratios: dict[str, float] = {}
    for name in names:
        ratios |= measured(name, args)
    return turns.finish(ratios, as_json=args.json)


def measured(name: str, args: Namespace) -> dict[str, float]:
    """Return one model's ratios; the embedded one's have no name before them."""
    model, tokenizer = models.load(name, device=args.device)
    size = PROBLEMS["embedded" if name == "embedded" else "models/smollm2"]
    problems = args.problems or (size if model.device.type == "cpu" else ON_ACCELERATORS)
    groups = candidates(model, tokenizer, problems, args.n)
    texts = [text for group in groups for text in group]
    peer, _ = models.load(name, device=args.device)
    scorer = Scorer(model, tokenizer, form="auto")
    found: dict[str, Scores] = {}
    contenders = ways(scorer, peer, groups, found) | {"products": turns.products(model)}
    rates = turns.race(contenders, model.device, args.rounds)
    limit = rates.pop("products") / turns.operations(model, head=False)
    whole = sum(len(tokenizer.encode(text)) for text in texts) / len(texts)
    read = dict.fromkeys(rates, whole) | {"ours": scorer.tokens / args.rounds / len(texts)}
    print(f"{name} on {model.device}, {len(texts)} candidates, {args.threads} thread(s)")
    for who, value in rates.items():
        print(
            f"{who:>10}  {value:>8,.1f} candidates/s  of {read[who]:.0f} tokens "
            f"{value * read[who] / limit:>6.1%} of the limit"
        )
    apart = max(abs(a - b) for a, b in zip(found["ours"], found["batch1"], strict=True))
    print(f"largest difference from batch1: {apart:.1e}", flush=True)
    before = "" if name == "embedded" else f"{Path(name).name} "
    return {
        f"{before}scoring vs batch1": round(rates["ours"] / rates["batch1"], 2),
        f"{before}scoring vs padded": round(rates["ours"] / rates["padded"], 2),
        f"{before}scoring of limit": round(rates["ours"] * read["ours"] / limit, 2),
    }


def ways(
    scorer: Scorer, peer: PreTrainedModel, groups: list[list[str]], found: dict[str, Scores]
) -> dict[str, Callable[[], int]]:
    """Ours and the two plain ways, as contenders; the scores of each are left in `found`."""
    texts = [text for group in groups for text in group]

    def keeping(way: str, score: Callable[[], Scores]) -> Callable[[], int]:
        def run() -> int:
            found[way] = score()
            return len(found[way])

        return run

    def ours() -> Scores:
        return [s or 0.0 for group in scorer.evaluate(groups) for s in group]

    return {
        "batch1": keeping("batch1", lambda: forward(peer, scorer.tokenizer, texts, rows=1)),
        "ours": keeping("ours", ours),
        "padded": keeping("padded", lambda: forward(peer, scorer.tokenizer, texts, rows=32)),
    }


def candidates(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, problems: int, n: int
) -> list[list[str]]:
    """Evaluator prompts of the model's own samples, each problem's made distinct by its number."""
    questions = [turns.question(number) for number in range(problems)]
    asked = [prompts.solver(text, form="auto", tokenizer=tokenizer) for text in questions]
    sampling = Sampling(n=n, temperature=1.0, top_p=1.0, max_tokens=128)
    drafts = Sampler(model, tokenizer, form="auto").sample(asked, sampling, seed=(0, 0))
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
    """Return the plain way: whole prompts, `rows` side by side, logits at every position."""
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


if __name__ == "__main__":
    sys.exit(main())
