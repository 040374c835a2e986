"""The one line that says why: its words for each way of being right, and never a raised error."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mathtune
from mathtune.answers import compare, explain

LINES = [
    (r"36^\circ", "36", "equal: 36° and 36, unit forgiven"),
    ("36", r"36^{\circ}", "equal: 36 and 36°, unit forgiven"),
    ("36", "36", "equal: 36 and 36, the same text"),
    ("0.5", r"\frac12", r"equal: 0.5 and \frac12, the same number"),
    ("1+x", "x+1", "equal: 1+x and x+1, the same expression"),
    ("2,1", "1,2", "equal: 2,1 and 1,2, the same members in any order"),
    ("5 m", "500 cm", "equal: 5 m and 500 cm, the same quantity"),
    ("x=5", "5", "equal: x=5 and 5, label forgiven"),
    (r"25\%", "25", r"equal: 25\% and 25, percent sign forgiven"),
    ("443_6", "443", "equal: 443_6 and 443, base forgiven"),
    (r"2x \text{ for all } x", "2x", r"equal: 2x \text{ for all } x and 2x, qualifier forgiven"),
    ("(C) 42", "42", "equal: (C) 42 and 42, letter of the choice forgiven"),
    ("(C) 42", "C", "equal: (C) 42 and C, the choice by its letter"),
    ("(C) 42", "B", "different: (C) 42 and B, choice C is not choice B"),
    (r"5\$", "5", r"equal: 5\$ and 5, the same number"),
    ("CHF 5", "5", "equal: CHF 5 and 5, unit forgiven"),
    ("It is 12", "12", "equal: It is 12 and 12, the one value in a sentence"),
    ("0.33", r"\frac13", r"different: 0.33 and \frac13, 33/100 is not 1/3"),
    ("5 m", "5 cm", "different: 5 m and 5 cm, the units make it 5 against 1/20"),
    ("5 m", "5 kg", "different: 5 m and 5 kg, the units do not fit together"),
    ("(2,1)", "(1,2)", "different: (2,1) and (1,2), not the same tuple or interval"),
    ("x+1", "5", "different: x+1 and 5, an expression is not a number"),
    ("9^{9^9}", "3", "undecided: 9^{9^9} and 3, beyond the limits of what is computed"),
    ("3", "", "undecided: there is no gold to compare 3 with"),
    (None, "3", "no answer: nothing to compare with 3"),
    (" ", "3", "no answer: nothing to compare with 3"),
]


@pytest.mark.parametrize(("given_answer", "gold", "line"), LINES)
def test_the_line_says_why(given_answer: str | None, gold: str, line: str) -> None:
    assert explain(given_answer, gold) == line


def test_another_grader_is_named() -> None:
    assert explain("1/2", "2/4", grader="prm800k") == "different: 1/2 and 2/4, by prm800k"
    assert mathtune.explain("7", "7") == "equal: 7 and 7, the same text"


def test_control_characters_and_long_texts_are_made_harmless() -> None:
    line = explain("\x1b[31m" + "7" * 500, "x\ny")
    assert "\x1b" not in line
    assert "\n" not in line
    assert len(line) < 250


_WORDS = {"correct": "equal:", "wrong": "different:", "undecided": "undecided:"}


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.text(max_size=30), st.sampled_from([line[0] or "?" for line in LINES])),
    st.one_of(st.text(min_size=1, max_size=30), st.sampled_from([line[1] for line in LINES])),
)
def test_the_first_word_is_the_verdict(answer: str, gold: str) -> None:
    verdict = compare(answer, gold)
    assert explain(answer, gold).startswith(_WORDS.get(verdict.value, "no answer:"))
