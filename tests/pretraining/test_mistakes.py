"""Planted mistakes: a wrong answer, the error where it is said to be, the rest honest."""

from __future__ import annotations

import random
import re

import pytest

from pretraining.documents import JUDGED
from pretraining.mistakes import plant
from pretraining.schooling import draw

EQUATION = re.compile(r"<<(\d+)([-+*/])(\d+)=(\d+)>>")


@pytest.mark.parametrize("family", JUDGED)
def test_the_answer_is_wrong_and_the_last_line_says_it(family: str) -> None:
    rng = random.Random(0)
    for _ in range(60):
        puzzle = draw("pretrain", family, rng)
        mistaken = plant(puzzle, rng)
        answer = re.fullmatch(r"#### (\d+)", mistaken.text.split("\n")[-1])
        assert answer is not None
        assert int(answer[1]) != puzzle.answer
        assert 0 <= mistaken.error < len(mistaken.text)


@pytest.mark.parametrize("family", JUDGED)
def test_at_most_one_equation_is_false_and_it_holds_the_error(family: str) -> None:
    rng = random.Random(1)
    with_false = 0
    for _ in range(200):
        mistaken = plant(draw("pretrain", family, rng), rng)
        false = []
        for match in EQUATION.finditer(mistaken.text):
            left, right, value = int(match[1]), int(match[3]), int(match[4])
            true = {"+": left + right, "-": left - right, "*": left * right}.get(match[2])
            if true is None:
                true = left // right if left % right == 0 else -1
            if true != value:
                false.append(match)
        assert len(false) <= 1
        with_false += len(false)
        for match in false:
            assert match.start() < mistaken.error < match.end()
    assert 0 < with_false < 100  # most mistakes are none that a calculator sees
