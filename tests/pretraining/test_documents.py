"""Pre-training documents: what is learned where, and that only schooling is read."""

from __future__ import annotations

import random
import re
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("transformers")

from transformers import PreTrainedTokenizerFast

from mathtune.data.arithmetic.chain_phrases import SETTINGS
from mathtune.data.arithmetic.puzzle import write
from mathtune.engines import prompts
from pretraining.documents import (
    NOT_ASKED,
    SOLVED,
    STEP,
    VERDICT_WEIGHT,
    dictation,
    judging,
    pool,
    rows_of,
    solving,
)
from pretraining.mistakes import plant
from pretraining.schooling import SCHOOLING, draw
from pretraining.text import build_tokenizer, known_words


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer()


def learned(tokens: np.ndarray, weights: np.ndarray) -> list[int]:
    """The tokens whose prediction is learned."""
    return [int(tokens[at + 1]) for at in np.flatnonzero(weights)]


def test_only_the_solution_of_a_solving_document_is_learned(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    rng = random.Random(0)
    puzzle = draw("pretrain", "pay", rng)
    document = solving(puzzle, rng, str(tokenizer.eos_token))
    ((width, rows),) = rows_of([document], tokenizer).items()
    assert width % STEP == 0
    text = tokenizer.decode(learned(rows.tokens[0], rows.weights[0]))
    assert document.text == prompts.FIXED["plain"].replace("{problem}", puzzle.text) + text
    assert text.endswith(f"#### {puzzle.answer}<|end|>")
    assert set(rows.so_far[0].tolist()) == {NOT_ASKED}


def test_a_judging_document_labels_every_token_from_the_mistake_on(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    rng = random.Random(0)
    for _ in range(40):
        puzzle = draw("pretrain", "bakery", rng)
        mistaken = plant(puzzle, rng)
        ((_, rows),) = rows_of([judging(puzzle.text, mistaken, tokenizer)], tokenizer).items()
        tokens, asked = rows.tokens[0], rows.so_far[0]
        wrong = tokenizer.decode(tokens[asked == 0])
        assert wrong == mistaken.text[mistaken.error :] + "\nThe above candidate solution is"
        right = str(tokenizer.decode(tokens[asked == 1])).strip()
        assert mistaken.text[: mistaken.error].strip().endswith(right)
        assert learned(tokens, rows.weights[0])[-1] == tokenizer.encode(prompts.INCORRECT)[0]
        assert rows.weights[0].max() == VERDICT_WEIGHT == rows.weights[0].sum() - 6  # "\nThe..is"


def test_a_right_solution_is_right_to_its_end(tokenizer: PreTrainedTokenizerFast) -> None:
    rng = random.Random(0)
    puzzle = draw("pretrain", "compare", rng)
    solution = write(puzzle, rng)
    ((_, rows),) = rows_of([judging(puzzle.text, solution, tokenizer)], tokenizer).items()
    assert not np.any(rows.so_far == 0)
    asked = str(tokenizer.decode(rows.tokens[0][rows.so_far[0] == 1]))
    assert solution.partition(" ")[2] in asked  # the first word's token begins with a space


def test_a_pool_has_its_shares_and_no_task(tokenizer: PreTrainedTokenizerFast) -> None:
    documents = list(pool(random.Random(0), 2000, known_words(tokenizer), tokenizer))
    verdicts = Counter(document.correct for document in documents)
    assert verdicts[True] == verdicts[False]
    assert 0.35 < 2 * verdicts[True] / len(documents) < 0.45
    copied = sum(": Copy: " in document.text for document in documents)
    assert 0.03 < copied / len(documents) < 0.07
    questions = [question for setting in SETTINGS.values() for question in setting.questions]
    patterns = [re.escape(q).replace(r"\{x\}", ".*").replace(r"\{who\}", ".*") for q in questions]
    for document in documents:
        assert not any(re.search(pattern, document.text) for pattern in patterns)


def test_every_schooling_family_is_solved() -> None:
    assert set(SOLVED) == set(SCHOOLING)


def test_a_dictation_is_copied() -> None:
    document = dictation(["tank", "riders"], random.Random(0), "<|end|>")
    asked, _, written = document.text.partition("\nSolution:\n")
    words, _, count = written.removesuffix("<|end|>").partition("\n#### ")
    assert asked == f"Problem: Copy: {words}"
    assert int(count) == len(words.split())
    assert document.learn == len(asked) + len("\nSolution:\n")
