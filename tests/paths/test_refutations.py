"""What a text says about its equations: taken back, denied, asked, corrected."""

from __future__ import annotations

import pytest

from mathtune.paths.refutations import is_refuted, sentences, words_after


def test_sentences() -> None:
    assert list(sentences("a = 1. B\n\nc? d")) == ["a = 1.", "B", "c?", "d"]
    assert words_after("3 = 4.\n5 = 6\nThis cannot be true.", 0) == "This cannot be true."
    assert words_after("3 = 4", 5) == ""


@pytest.mark.parametrize(
    ("sentence", "after"),
    [
        ("12 - 5 = 8.", "Wait, that's not right."),
        ("12 - 5 = 8.", "Hmm, let me recompute: 12 - 5 = 7."),
        ("12 - 5 = 8.", "Actually, this is wrong."),
        ("We can't have 3 + 4 = 8.", ""),
        ("One might think that 3 + 4 = 8, but it is 7.", ""),
        ("If 4 + 5 = 10 were true, then 9 = 10.", ""),
        (r"\[ 5 = 3 + 1 \Rightarrow\Leftarrow \]", ""),
        ("5 = 6 (no)", ""),
        ("$3^2 + 1 = 11$ ❌", ""),
    ],
)
def test_taken_back(sentence: str, after: str) -> None:
    assert is_refuted(sentence, after)


@pytest.mark.parametrize(
    ("sentence", "after"),
    [
        ("12 - 5 = 8.", "Wait for the others, who need 9."),
        ("12 - 5 = 8.", "The angle is not right-angled."),
        ("12 - 5 = 8.", "Actually, she needs 9 of them."),
        ("3 + 4 = 8 cans have to be bought.", ""),
        ("3 + 4 = 8 if they were red.", ""),
        ("No doubt, 3 + 4 = 8.", ""),
    ],
)
def test_not_taken_back(sentence: str, after: str) -> None:
    assert not is_refuted(sentence, after)
