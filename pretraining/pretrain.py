"""Pre-train the embedded base model, from nothing, on generated text alone.

    python -m pretraining.pretrain --out runs/base --seed 0

Jointly, and in about equal parts, on solving and on judging (`documents`); from `own_from` of the
way on, half of the judging pairs are the model's own samples on fresh problems (`own`). One core
and one thread; `--out` holds checkpoints, and the same command continues from the last one.
"""

from __future__ import annotations

import json
import random
import shutil
import time
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from mathtune.data.arithmetic import FAMILIES, draw
from mathtune.data.arithmetic.puzzle import write
from mathtune.engines import prompts
from pretraining import tokenizer as words
from pretraining.documents import Batch, batches, judging, pool, solving
from pretraining.mistakes import Mistaken, plant
from pretraining.muon import Muon
from pretraining.own import own_pairs

POOL = 1024  # documents drawn together, so that batches hold similar lengths
SO_FAR_WEIGHT = 0.5  # of the right-so-far loss (mean over its tokens) beside the next-token loss


def model_of(vocabulary: int, *, width: int, layers: int) -> LlamaForCausalLM:
    """A Llama with tied embeddings, 4 heads and 2 key-value heads; random weights."""
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


def loss_of(
    model: LlamaForCausalLM, batch: Batch, labels: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """The two losses of a batch: next token (weighted mean), right so far (mean), natural log.

    Right so far is a two-way choice between the tokens of ` correct` and ` incorrect` (`labels`)
    and leaves the other tokens' logits alone.
    """
    hidden = model.model(input_ids=batch.tokens, use_cache=False).last_hidden_state
    weight = model.lm_head.weight
    rows, columns = torch.nonzero(batch.next_weights, as_tuple=True)
    logits = hidden[rows, columns] @ weight.T
    each = functional.cross_entropy(logits, batch.tokens[rows, columns + 1], reduction="none")
    weights = batch.next_weights[rows, columns]
    asked = batch.so_far >= 0
    odds = hidden[asked] @ (weight[labels[0]] - weight[labels[1]])
    so_far = functional.binary_cross_entropy_with_logits(odds, batch.so_far[asked], reduction="sum")
    return (each * weights).sum() / weights.sum(), so_far / max(1, len(odds))


def optimizers(model: LlamaForCausalLM, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for the embedding and the norms."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    others = [p for n, p in model.named_parameters() if p.ndim == 1 or "embed" in n]
    return [
        Muon(matrices, lr=lr, momentum=0.95, decay=0.01),
        torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]


def rate(done: float) -> float:
    """The share of the peak learning rate at `done` in [0, 1]: warm-up, then linear to 2 %."""
    return min(1.0, done / 0.01 + 0.02) * max(0.02, 1.0 - done)


def batch_tokens(done: float) -> int:
    """Tokens a batch: small ones early, when every update helps, larger ones later."""
    return 2048 if done < 0.1 else 4096


@torch.no_grad()
def held_out(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, labels: tuple[int, int]
) -> dict[str, float]:
    """Next-token loss and accuracy on planted mistakes, on 128 validation problems."""
    rng = random.Random("held out")
    names = list(FAMILIES)
    solve, judge = [], []
    for index in range(128):
        puzzle = draw("validation", names[index % len(names)], rng)
        solve.append(solving(puzzle, rng, tokenizer))
        judge.append(judging(puzzle.text, write(puzzle, rng), tokenizer))
        judge.append(judging(puzzle.text, plant(puzzle, rng), tokenizer))
    total = right = count = 0.0
    for batch in batches(solve, 8192, rng, tokenizer):
        total += loss_of(model, batch, labels)[0].item() * len(batch.tokens)
    for batch in batches(judge, 8192, rng, tokenizer):
        hidden = model.model(input_ids=batch.tokens, use_cache=False).last_hidden_state
        place = batch.next_weights.argmax(dim=1)
        at = torch.arange(len(place))
        odds = hidden[at, place] @ (
            model.lm_head.weight[labels[0]] - model.lm_head.weight[labels[1]]
        )
        truth = batch.tokens[at, place + 1] == labels[0]
        right += float(((odds > 0) == truth).sum())
        count += len(place)
    return {"loss": total / len(solve), "verdicts": right / count}


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer for the generator's words; always the same."""
    rng = random.Random("tokenizer")
    texts = ["Problem:", "Solution:", *words.SIGNS]
    for index in range(8000):
        name = list(FAMILIES)[index % len(FAMILIES)]
        puzzle = FAMILIES[name](rng, ("a", "b", "c"))
        if puzzle is not None:
            texts += [puzzle.text, write(puzzle, rng)]
    for line in ("Here is a math problem:", "Here is a candidate solution:"):
        texts += [line] * 3
    texts += ["The above candidate solution is" + prompts.CORRECT + prompts.INCORRECT] * 3
    return words.build(texts)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the model in half precision and the tokenizer, for `from_pretrained`."""
    half = LlamaForCausalLM(model.config).half()
    half.load_state_dict(model.state_dict())
    half.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def pretrain(
    out: Path, *, seed: int, tokens: int, lr: float, shape: tuple[int, int], own_from: float
) -> None:
    """Train until `tokens` tokens were seen, from `out/checkpoint.pt` on; make `out/model`."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer()
    labels = tuple(tokenizer.encode(w)[0] for w in (prompts.CORRECT, prompts.INCORRECT))
    model = model_of(len(tokenizer), width=shape[0], layers=shape[1])
    steps = optimizers(model, lr)
    state: dict[str, Any] = {"pool": 0, "seen": 0, "seconds": 0.0, "round": (tokens, 0)}
    own: list[tuple[str, str, Mistaken]] = []
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=False)
        model.load_state_dict(saved["model"])
        for step, of_step in zip(steps, saved["optimizers"], strict=True):
            step.load_state_dict(of_step)
        state, own = saved["state"], saved["own"]
    began, sums, updates = time.monotonic() - state["seconds"], torch.zeros(2), 0
    while state["seen"] < tokens:
        done = state["seen"] / tokens
        number = (done >= own_from) + (done >= (1 + own_from) / 2)
        if number and state["round"] != (tokens, number):
            own = own_pairs(model, tokenizer, seed=f"{seed}-{tokens}-{number}")
            state["round"] = (tokens, number)
        rng = random.Random(f"{seed}-{state['pool']}")
        for batch in batches(pool(rng, POOL, own, tokenizer), batch_tokens(done), rng, tokenizer):
            for step in steps:
                for group in step.param_groups:
                    group["lr"] = lr * rate(state["seen"] / tokens)
            next_loss, so_far = loss_of(model, batch, labels)
            (next_loss + SO_FAR_WEIGHT * so_far).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for step in steps:
                step.step()
                step.zero_grad()
            state["seen"] += batch.tokens.numel()
            sums += torch.tensor([next_loss.item(), so_far.item()])
            updates += 1
        state["pool"] += 1
        state["seconds"] = time.monotonic() - began
        if state["pool"] % 4 == 0 or state["seen"] >= tokens:
            row = {
                "tokens": state["seen"],
                "seconds": round(state["seconds"], 1),
                "next": round(float(sums[0]) / updates, 4),
                "so_far": round(float(sums[1]) / updates, 4),
                **{k: round(v, 4) for k, v in held_out(model, tokenizer, labels).items()},
            }
            sums, updates = torch.zeros(2), 0
            with (out / "curve.jsonl").open("a") as curve:
                curve.write(json.dumps(row) + "\n")
            typer.echo(json.dumps(row))
        if state["pool"] % 4 == 0 or state["seen"] >= tokens:
            whole = {
                "model": model.state_dict(),
                "optimizers": [step.state_dict() for step in steps],
                "state": state,
                "own": own,
            }
            torch.save(whole, checkpoint.with_suffix(".part"))
            shutil.move(checkpoint.with_suffix(".part"), checkpoint)
            save(model, tokenizer, out / "model")


def main(
    out: Annotated[Path, typer.Option(help="Folder of the checkpoints and of the model.")],
    seed: Annotated[int, typer.Option(help="Weights, text and samples hang on it.")] = 0,
    tokens: Annotated[int, typer.Option(help="Tokens to train on, padding included.")] = 15_000_000,
    lr: Annotated[float, typer.Option(help="Peak learning rate.")] = 4e-3,
    width: Annotated[int, typer.Option(help="Hidden size.")] = 128,
    layers: Annotated[int, typer.Option(help="Number of layers.")] = 8,
    own_from: Annotated[float, typer.Option(help="When own samples come in; 1: never.")] = 0.45,
) -> None:
    """Pre-train the embedded base model; continues where it was interrupted."""
    pretrain(out, seed=seed, tokens=tokens, lr=lr, shape=(width, layers), own_from=own_from)


if __name__ == "__main__":
    typer.run(main)
