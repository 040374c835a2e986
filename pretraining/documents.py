"""The pre-training text: solving and judging in equal parts, from the `pretrain` split only.

A document is a prompt of `engines.prompts` with its continuation, and says for every token what
is to be learned there: the next token, the verdict, and whether the solution is right so far.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from mathtune.data.arithmetic import FAMILIES, draw
from mathtune.data.arithmetic.puzzle import Puzzle, write
from mathtune.engines import prompts
from pretraining.mistakes import Mistaken, plant

HONEST = 0.3  # share of solving documents whose answer is wrong and whose check must say so
VERDICT_WEIGHT = 4.0  # a document has one verdict and some 60 solution tokens


@dataclass(frozen=True, kw_only=True)
class Document:
    """One text. Offsets are characters: `learn` is where the next-token loss begins, `start` and
    `error` where the solution and its wrong part begin; `correct` is the verdict (None: not asked).
    """

    text: str
    learn: int
    start: int
    error: int | None = None
    correct: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Documents of similar length, padded on the right; all of shape (documents, tokens).

    `next_weights[i, t]` weighs the loss of predicting token t + 1; `so_far[i, t]` is 1 where the
    solution is right up to token t, 0 where it is wrong, -1 where nothing is asked.
    """

    tokens: Tensor
    next_weights: Tensor
    so_far: Tensor


def for_prompts(tokenizer: PreTrainedTokenizerFast) -> prompts.ChatTokenizer:
    """The tokenizer as `engines.prompts` types it; transformers types each option by name."""
    return cast(prompts.ChatTokenizer, tokenizer)


def solving(puzzle: Puzzle, rng: random.Random, tokenizer: PreTrainedTokenizerFast) -> Document:
    """A solution in the solver's form. Where the family has a check, some have a wrong answer, and
    only the honest check after it is learned."""
    prompt = prompts.solver(puzzle.text, form="plain", tokenizer=for_prompts(tokenizer))
    learn, text = len(prompt), write(puzzle, rng)
    if puzzle.check is not None and rng.random() < HONEST:
        mistaken = plant(puzzle, rng)
        learn, text = learn + mistaken.check, mistaken.text
    return Document(text=f"{prompt}{text}{tokenizer.eos_token}", learn=learn, start=len(prompt))


def judging(
    problem: str,
    solution: str | Mistaken,
    tokenizer: PreTrainedTokenizerFast,
    *,
    learn: bool = True,
) -> Document:
    """A right solution or one with a mistake, in the evaluator's form, with its verdict."""
    text = solution if isinstance(solution, str) else solution.text
    prompt = prompts.evaluator(problem, text, form="plain", tokenizer=for_prompts(tokenizer))
    start = prompt.index(text, len("Here is a math problem: ") + len(problem))
    end = start + len(text)
    if isinstance(solution, str):
        return Document(
            text=prompt + prompts.CORRECT, learn=start if learn else end, start=start, correct=True
        )
    return Document(
        text=prompt + prompts.INCORRECT,
        learn=start + solution.check if learn else end,
        start=start,
        error=start + solution.error,
        correct=False,
    )


def pool(
    rng: random.Random,
    size: int,
    own: Sequence[tuple[str, str, Mistaken]],
    tokenizer: PreTrainedTokenizerFast,
) -> list[Document]:
    """About `size` documents, half solving, half judging in same-problem pairs.

    `own` holds (problem, right, wrong) that the model wrote itself; where there are any, they are
    half of the judging pairs.
    """
    documents = []
    names = list(FAMILIES)
    for index in range(size // 4):
        documents.append(solving(draw("pretrain", rng.choice(names), rng), rng, tokenizer))
        documents.append(solving(draw("pretrain", rng.choice(names), rng), rng, tokenizer))
        if own and index % 2:
            problem, right, wrong = rng.choice(own)
            documents.append(judging(problem, right, tokenizer, learn=False))
            documents.append(judging(problem, wrong, tokenizer, learn=False))
        else:
            puzzle = draw("pretrain", rng.choice(names), rng)
            documents.append(judging(puzzle.text, write(puzzle, rng), tokenizer))
            documents.append(judging(puzzle.text, plant(puzzle, rng), tokenizer))
    return documents


def batches(
    documents: Sequence[Document],
    tokens: int,
    rng: random.Random,
    tokenizer: PreTrainedTokenizerFast,
) -> Iterator[Batch]:
    """The documents in batches of about `tokens` tokens, similar lengths together, order random."""
    encoded = tokenizer.backend_tokenizer.encode_batch([d.text for d in documents])
    order = sorted(range(len(documents)), key=lambda i: (len(encoded[i].ids), rng.random()))
    groups: list[list[int]] = [[]]
    for i in order:
        if groups[-1] and (len(groups[-1]) + 1) * len(encoded[i].ids) > tokens:
            groups.append([])
        groups[-1].append(i)
    rng.shuffle(groups)
    for group in groups:
        width = max(len(encoded[i].ids) for i in group)
        ids = torch.full((len(group), width), tokenizer.pad_token_id, dtype=torch.long)
        weights = torch.zeros(len(group), width)
        so_far = torch.full((len(group), width), -1.0)
        for row, i in enumerate(group):
            document, length = documents[i], len(encoded[i].ids)
            begins = torch.tensor([begin for begin, _ in encoded[i].offsets])
            ids[row, :length] = torch.tensor(encoded[i].ids)
            weights[row, : length - 1] = (begins[1:] >= document.learn).float()
            if document.correct is None:
                continue
            wrong = len(document.text) if document.error is None else document.error
            so_far[row, :length] = (begins < wrong).float()
            so_far[row, :length][begins < document.start] = -1.0
            so_far[row, length - 1] = -1.0
            weights[row, length - 2] = VERDICT_WEIGHT
        yield Batch(tokens=ids, next_weights=weights, so_far=so_far)
