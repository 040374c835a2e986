"""Pre-train one embedded base model, from nothing, on generated text alone.

    python -m pretraining.pretrain --out runs/base                            a CPU, some hours
    python -m pretraining.pretrain --out runs/base --device cuda --seconds 150 --batch 65536
    python -m pretraining.pretrain --out runs/try --tiny                      a minute, to try it

Jointly on solving and judging (`documents`). The learning rate comes down to zero at `--tokens` or
at `--seconds`, whichever is earlier. `--out` becomes a model folder, with `curve.jsonl` and
`summary.json` in it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from mathtune.engines import prompts
from pretraining import held_out, text
from pretraining.documents import NOT_ASKED, Rows
from pretraining.muon import Muon

SO_FAR_WEIGHT = 0.5
"""Of the right-so-far loss (mean over its tokens), added to the next-token loss."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The shape of a model and how it is trained. 0 tokens or seconds: no limit of that kind."""

    width: int
    layers: int
    tokens: int = 0
    seconds: float = 0.0
    batch: int = 4096
    lr: float = 4e-3
    seed: int = 0
    device: str = "cpu"
    logs: int = 40
    """Lines of the curve, at most."""

    def done(self, tokens: int, seconds: float) -> float:
        """Return the share of the way, in [0, 1]."""
        shares = [0.0]
        if self.tokens:
            shares.append(tokens / self.tokens)
        if self.seconds:
            shares.append(seconds / self.seconds)
        return min(1.0, max(shares))


@dataclass(frozen=True)
class Batch:
    """Rows on the device. `at` indexes the flattened positions whose next token is learned."""

    tokens: Tensor
    at: Tensor
    weights: Tensor
    asked: Tensor
    so_far: Tensor


def model_of(vocabulary: int, *, width: int, layers: int) -> LlamaForCausalLM:
    """Return a Llama with tied embeddings, 4 heads and 2 key-value heads; random weights."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=width * 11 // 4,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            tie_word_embeddings=True,
            max_position_embeddings=512,
            bos_token_id=None,
            eos_token_id=0,
            pad_token_id=1,
        )
    )


def batch_of(rows: Rows, chosen: Any, device: str) -> Batch:
    """The chosen rows. What is learned where is found on the CPU, so that a GPU never waits."""
    tokens, so_far = rows.tokens[chosen], rows.so_far[chosen].reshape(-1)
    weights = rows.weights[chosen].reshape(-1)
    at, asked = np.flatnonzero(weights), np.flatnonzero(so_far != NOT_ASKED)
    arrays = (
        tokens.astype(np.int64),
        at,
        weights[at].astype(np.float32),
        asked,
        so_far[asked].astype(np.float32),
    )
    tensors = [torch.from_numpy(array) for array in arrays]
    if device == "cuda":
        tensors = [tensor.pin_memory() for tensor in tensors]
    return Batch(*(tensor.to(device, non_blocking=True) for tensor in tensors))


def batches(
    data: Mapping[int, Rows], tokens: int, rng: np.random.Generator, device: str
) -> Iterator[Batch]:
    """One pass over the text in batches of about `tokens` tokens of one width, in random order."""
    parts = []
    for width, rows in data.items():
        order = rng.permutation(len(rows.tokens))
        parts += [(width, part) for part in np.array_split(order, -(-order.size * width // tokens))]
    for index in rng.permutation(len(parts)):
        width, chosen = parts[index]
        yield batch_of(data[width], chosen, device)


def losses(model: LlamaForCausalLM, batch: Batch, labels: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The two losses of a batch: next token (weighted mean), right so far (mean), natural log.

    Right so far is a two-way choice between the tokens of ` correct` and ` incorrect` (`labels`)
    and leaves the other tokens' logits alone.
    """
    with arithmetic(batch.tokens.device.type):
        hidden = model.model(input_ids=batch.tokens, use_cache=False).last_hidden_state
    hidden, weight = hidden.flatten(0, 1).float(), model.lm_head.weight
    logits = hidden.index_select(0, batch.at) @ weight.T
    each = functional.cross_entropy(logits, batch.tokens.flatten()[batch.at + 1], reduction="none")
    odds = hidden.index_select(0, batch.asked) @ (weight[labels[0]] - weight[labels[1]])
    so_far = functional.binary_cross_entropy_with_logits(odds, batch.so_far, reduction="sum")
    return (each * batch.weights).sum() / batch.weights.sum(), so_far / max(1, len(batch.asked))


def optimizers(model: LlamaForCausalLM, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for the embedding and the norms."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    others = [p for n, p in model.named_parameters() if p.ndim == 1 or "embed" in n]
    return [
        Muon(matrices, lr=lr, momentum=0.95, decay=0.01),
        torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]


def rate(done: float) -> float:
    """The share of the peak learning rate at `done` in [0, 1]: warm-up, then linear to zero."""
    return min(1.0, done / 0.01 + 0.02) * (1.0 - done)


def arithmetic(device: str) -> AbstractContextManager[Any]:
    """bfloat16 on a GPU, float32 on a CPU; the weights stay float32."""
    return torch.autocast("cuda", torch.bfloat16) if device == "cuda" else nullcontext()


def pretrain(
    out: Path, plan: Plan, data: Mapping[int, Rows], tokenizer: PreTrainedTokenizerFast
) -> dict[str, Any]:
    """Train as planned, write the model and the curve; return the summary."""
    torch.manual_seed(plan.seed)
    torch.set_num_threads(1)
    if plan.device == "cuda":
        torch.set_float32_matmul_precision("high")
    out.mkdir(parents=True, exist_ok=True)
    labels = (tokenizer.encode(prompts.CORRECT)[0], tokenizer.encode(prompts.INCORRECT)[0])
    model = model_of(len(tokenizer), width=plan.width, layers=plan.layers).to(plan.device)
    steps = optimizers(model, plan.lr)
    rng = np.random.default_rng(plan.seed)
    test = held_out.text(tokenizer)
    row: dict[str, float] = {}
    seen = updates = since = 0
    sums = torch.zeros(2, device=plan.device)
    began, logged, done = time.monotonic(), 0.0, 0.0
    feed = passes(data, plan.batch, rng, plan.device)
    with (out / "curve.jsonl").open("w") as curve:
        while done < 1.0:
            batch = next(feed)
            sums += update(model, steps, batch, labels, lr=plan.lr * rate(done))
            seen, updates, since = seen + batch.tokens.numel(), updates + 1, since + 1
            if plan.device == "cuda" and updates % 8 == 0:
                torch.cuda.synchronize()  # or the clock below would run ahead of the work
            done = plan.done(seen, time.monotonic() - began)
            if done >= logged + 1 / plan.logs or done >= 1.0:
                means = (sums / since).tolist()
                row = {"tokens": seen, "updates": updates, "next": means[0], "so_far": means[1]}
                row |= held_out.measured(model, test, labels)
                row["seconds"] = time.monotonic() - began
                line = json.dumps({k: round(v, 4) for k, v in row.items()})
                print(line, file=curve, flush=True)
                typer.echo(f"{out.name} {line}")
                logged, since = done, 0
                sums.zero_()
    save(model, tokenizer, out)
    summary = {**asdict(plan), **row, "parameters": sum(p.numel() for p in model.parameters())}
    (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    return summary


def passes(
    data: Mapping[int, Rows], tokens: int, rng: np.random.Generator, device: str
) -> Iterator[Batch]:
    """Pass after pass over the text, without end."""
    while True:
        yield from batches(data, tokens, rng, device)


def update(
    model: LlamaForCausalLM,
    steps: list[torch.optim.Optimizer],
    batch: Batch,
    labels: tuple[int, int],
    *,
    lr: float,
) -> Tensor:
    """Update every weight once; return the two losses, float (2,)."""
    for step in steps:
        for group in step.param_groups:
            group["lr"] = lr
    next_loss, so_far = losses(model, batch, labels)
    (next_loss + SO_FAR_WEIGHT * so_far).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for step in steps:
        step.step()
        step.zero_grad()
    return torch.stack([next_loss.detach(), so_far.detach()])


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the model in half precision and the tokenizer, for `from_pretrained`."""
    half = LlamaForCausalLM(model.config).half()
    half.load_state_dict({name: value.half().cpu() for name, value in model.state_dict().items()})
    half.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main(
    out: Annotated[Path, typer.Option(help="Folder of the model and of the curve.")],
    width: Annotated[int, typer.Option(help="Hidden size.")] = 128,
    layers: Annotated[int, typer.Option(help="Number of layers.")] = 6,
    tokens: Annotated[int, typer.Option(help="Tokens to train on, padding included.")] = 0,
    seconds: Annotated[float, typer.Option(help="Seconds to train for; 0: no limit.")] = 0.0,
    batch: Annotated[int, typer.Option(help="Tokens per update.")] = 4096,
    lr: Annotated[float, typer.Option(help="Peak learning rate.")] = 4e-3,
    seed: Annotated[int, typer.Option(help="Seed of weights, text and order.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    unique: Annotated[int, typer.Option(help="Tokens of text; read several times.")] = 40_000_000,
    processes: Annotated[int, typer.Option(help="Processes that make the text.")] = 1,
    source: Annotated[Path | None, typer.Option(help="Text made before (.npz).")] = None,
    tiny: Annotated[bool, typer.Option(help="200,000 tokens, a very small model.")] = False,
) -> None:
    """Pre-train one embedded base model."""
    if tiny:
        width, layers, unique, tokens = 32, 2, 100_000, 200_000
    if not tokens and not seconds:
        tokens = 300_000_000
    plan = Plan(
        width=width, layers=layers, tokens=tokens, seconds=seconds, batch=batch, lr=lr, seed=seed,
        device=device,
    )  # fmt: skip
    data = text.load(source) if source else text.make(unique, seed=seed, processes=processes)
    typer.echo(json.dumps(pretrain(out, plan, data, text.build_tokenizer())))


if __name__ == "__main__":
    typer.run(main)
