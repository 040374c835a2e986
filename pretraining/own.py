"""The model's own solutions as right-wrong pairs, for the judging part of pre-training.

Planted mistakes are not the model's own: samples on fresh `pretrain` problems are, and a right and
a wrong one of the same problem leave a judge no help from the problem's difficulty.
"""

from __future__ import annotations

import random
import re

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from mathtune.data.arithmetic import FAMILIES, draw
from mathtune.data.arithmetic.puzzle import Puzzle, follow
from mathtune.engines import prompts
from pretraining.documents import for_prompts
from pretraining.mistakes import Mistaken

EQUATION = re.compile(r"<<(-?\d+)([-+*/])(-?\d+)=(-?\d+)>>")
ANSWER = re.compile(r"#### (-?\d+)")


@torch.no_grad()
def sample(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    texts: list[str],
    *,
    copies: int,
    limit: int = 130,
) -> list[list[str]]:
    """`copies` sampled solutions a problem at temperature 0.8, problems in blocks of one length."""
    encoded = {text: tokenizer.encode(text) for text in texts}
    found: dict[str, list[str]] = {}
    by_length: dict[int, list[str]] = {}
    for text, ids in encoded.items():
        by_length.setdefault(len(ids), []).append(text)
    for same in by_length.values():
        for first in range(0, len(same), 32):
            block = same[first : first + 32]
            prompt = torch.tensor([encoded[text] for text in block for _ in range(copies)])
            made = model.generate(  # type: ignore[misc]
                prompt,
                attention_mask=torch.ones_like(prompt),
                do_sample=True,
                temperature=0.8,
                top_k=0,
                max_new_tokens=limit,
            )[:, prompt.shape[1] :]
            written = tokenizer.batch_decode(made, skip_special_tokens=True)
            for place, text in enumerate(block):
                found[text] = written[place * copies : (place + 1) * copies]
    return [found[text] for text in texts]


def own_pairs(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    *,
    seed: str,
    problems: int = 1500,
    copies: int = 8,
) -> list[tuple[str, str, Mistaken]]:
    """(problem, right solution, wrong solution with its first error), up to 4 a problem."""
    rng = random.Random(f"own-{seed}")
    names = list(FAMILIES)
    puzzles = {}
    for _ in range(problems):
        puzzle = draw("pretrain", rng.choice(names), rng)
        prompt = prompts.solver(puzzle.text, form="plain", tokenizer=for_prompts(tokenizer))
        puzzles[prompt] = puzzle
    torch.manual_seed(rng.getrandbits(63))
    written = sample(model, tokenizer, list(puzzles), copies=copies)
    pairs = []
    for puzzle, solutions in zip(puzzles.values(), written, strict=True):
        right, wrong = [], []
        for text in dict.fromkeys(solutions):
            answer = ANSWER.search(text)
            if answer is not None and int(answer[1]) == puzzle.answer:
                right.append(text)
            elif answer is not None:
                wrong.append(Mistaken(text=text, error=first_error(puzzle, text), check=len(text)))
        rng.shuffle(right)
        rng.shuffle(wrong)
        for index in range(min(4, max(len(right), len(wrong))) if right and wrong else 0):
            pairs.append((puzzle.text, right[index % len(right)], wrong[index % len(wrong)]))
    return pairs


def first_error(puzzle: Puzzle, text: str) -> int:
    """The offset of the first step that no plan of the puzzle has; else of the answer.

    In a puzzle solved by trying, the guess itself is the error.
    """
    if not puzzle.plans:
        return len(text.partition("\n")[0].rpartition(" ")[0]) + 1
    valid = set()
    for plan in puzzle.plans:
        for line in follow(plan, random.Random(0)):
            valid.add((line.left, line.op, line.right, line.value))
            if line.op in "+*":
                valid.add((line.right, line.op, line.left, line.value))
    offset = 0
    for written in text.split("\n"):
        equation = EQUATION.search(written)
        if equation is not None:
            left, op, right, value = equation.groups()
            if (int(left), op, int(right), int(value)) not in valid:
                return offset + equation.start() + 2
        elif written.startswith(("Check", "####")):
            return offset
        offset += len(written) + 1
    return len(text)
