"""The pre-training text: solving, judging and dictation, on schooling families alone.

A document is a prompt of `mathtune.engines.prompts` with its continuation, and says for every
token what is to be learned there: the next token, the verdict, and whether the solution is right
so far.

    solving    a problem and one of its solutions
    judging    a pair: a right solution of a problem and one with a planted mistake, with verdicts
    dictation  random words to copy, those of the tasks among them: the base knows the words by
               sight, and nothing of what they mean
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from mathtune.data.arithmetic.puzzle import Puzzle, write
from mathtune.engines import prompts
from pretraining.mistakes import Mistaken, plant
from pretraining.schooling import SCHOOLING, draw

VERDICT_WEIGHT = 4  # a document has one verdict and some 40 solution tokens
NOT_ASKED = 2  # in `so_far`; 1: right so far, 0: wrong
STEP = 16  # widths of batches are multiples of it
SOLVED = {"drill": 3, "lesson": 4, "pay": 1, "sharing": 1, "compare": 1, "bakery": 1}
"""How often each family is solved."""
JUDGED = {"lesson": 4, "pay": 1, "sharing": 1, "compare": 1, "bakery": 1}
"""How often each family is judged."""
assert set(SOLVED) == set(SCHOOLING)


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


@dataclass(frozen=True)
class Rows:
    """Documents of one width, padded on the right; all of shape (documents, tokens).

    `weights[i, t]` weighs the loss of predicting token t + 1; `so_far[i, t]` is 1 if the solution
    is right up to token t, 0 if it is wrong, `NOT_ASKED` elsewhere.
    """

    tokens: NDArray[np.uint16]
    weights: NDArray[np.uint8]
    so_far: NDArray[np.uint8]


def for_prompts(tokenizer: PreTrainedTokenizerFast) -> prompts.ChatTokenizer:
    """The tokenizer as `engines.prompts` types it; transformers types each option by name."""
    return cast(prompts.ChatTokenizer, tokenizer)


def solving(puzzle: Puzzle, rng: random.Random, end: str) -> Document:
    """Return a solution in the solver's form."""
    prompt = prompts.FIXED["plain"].replace("{problem}", puzzle.text)
    text = f"{prompt}{write(puzzle, rng)}{end}"
    return Document(text=text, learn=len(prompt), start=len(prompt))


def judging(problem: str, solution: str | Mistaken, tokenizer: PreTrainedTokenizerFast) -> Document:
    """Return a right solution or one with a mistake, in the evaluator's form, with its verdict."""
    text = solution if isinstance(solution, str) else solution.text
    prompt = prompts.evaluator(problem, text, form="plain", tokenizer=for_prompts(tokenizer))
    start = prompt.index(text, len("Here is a math problem: ") + len(problem))
    if isinstance(solution, str):
        return Document(text=prompt + prompts.CORRECT, learn=start, start=start, correct=True)
    return Document(
        text=prompt + prompts.INCORRECT,
        learn=start + len(text),
        start=start,
        error=start + solution.error,
        correct=False,
    )


def dictation(words: Sequence[str], rng: random.Random, end: str) -> Document:
    """Return words and numbers in random order, to be copied."""
    drawn = [
        rng.choice(words) if rng.random() < 0.8 else str(rng.randint(1, 999))
        for _ in range(rng.randint(3, 12))
    ]
    prompt = prompts.FIXED["plain"].replace("{problem}", f"Copy: {' '.join(drawn)}")
    text = f"{prompt}{' '.join(drawn)}\n#### {len(drawn)}{end}"
    return Document(text=text, learn=len(prompt), start=len(prompt))


def pool(
    rng: random.Random,
    size: int,
    words: Sequence[str],
    tokenizer: PreTrainedTokenizerFast,
    *,
    judged: float = 0.4,
) -> Iterator[Document]:
    """About `size` documents: judging pairs (share `judged`), a twentieth dictation, solving."""
    end = str(tokenizer.eos_token)
    solved, asked = tuple(SOLVED), tuple(JUDGED)
    for _ in range(size // 2):
        if rng.random() < judged:
            puzzle = draw("pretrain", rng.choices(asked, tuple(JUDGED.values()))[0], rng)
            yield judging(puzzle.text, write(puzzle, rng), tokenizer)
            yield judging(puzzle.text, plant(puzzle, rng), tokenizer)
            continue
        for _ in range(2):
            if rng.random() < 0.05 / (1 - judged):
                yield dictation(words, rng, end)
                continue
            family = rng.choices(solved, tuple(SOLVED.values()))[0]
            yield solving(draw("pretrain", family, rng), rng, end)


def rows_of(
    documents: Sequence[Document], tokenizer: PreTrainedTokenizerFast, *, longest: int = 512
) -> dict[int, Rows]:
    """The documents as arrays, by width: the least multiple of `STEP` that holds a document."""
    encoded = tokenizer.backend_tokenizer.encode_batch([d.text for d in documents])
    by_width: dict[int, list[int]] = {}
    for index, code in enumerate(encoded):
        width = -(-len(code.ids) // STEP) * STEP
        if width <= longest:
            by_width.setdefault(width, []).append(index)
    found = {}
    for width, indices in sorted(by_width.items()):
        shape = (len(indices), width)
        tokens = np.full(shape, tokenizer.pad_token_id, np.uint16)
        weights, so_far = np.zeros(shape, np.uint8), np.full(shape, NOT_ASKED, np.uint8)
        for row, index in enumerate(indices):
            document, length = documents[index], len(encoded[index].ids)
            begins = np.array([begin for begin, _ in encoded[index].offsets])
            tokens[row, :length] = encoded[index].ids
            weights[row, : length - 1] = begins[1:] >= document.learn
            if document.correct is None:
                continue
            wrong = len(document.text) if document.error is None else document.error
            asked = begins[: length - 1] >= document.start
            so_far[row, : length - 1][asked] = begins[: length - 1][asked] < wrong
            weights[row, length - 2] = VERDICT_WEIGHT
        found[width] = Rows(tokens, weights, so_far)
    return found
