r"""Extraction: each rule by hand, what must not match, and the gold solutions of MATH and GSM8K."""

import gzip
import json
from pathlib import Path

import pytest

from mathtune.answers import Answer, extract

FOUND = [
    (r"so \boxed{\frac{1}{2}}.", r"\frac{1}{2}", "boxed"),
    (r"first \boxed{1}, then $\boxed{2}$", "2", "boxed"),
    (r"\boxed{\boxed{5}}", r"\boxed{5}", "boxed"),
    (r"\fbox{7}", "7", "boxed"),
    (r"$\boxed 2$ is it", "2", "boxed"),
    (r"$\boxed 12$", "12", "boxed"),
    (r"$\boxed \frac{1}{2}$", r"\frac{1}{2}", "boxed"),
    (r"so \boxed\frac{1}{2} it is", r"\frac{1}{2}", "boxed"),
    (r"\boxed5", "5", "boxed"),
    (r"\boxed{\left\{1, 2\right\}}", r"\left\{1, 2\right\}", "boxed"),
    (r"\boxed{3} and then \boxed{4", "3", "boxed"),
    (r"\boxed{}, so \boxed{ 6 }", "6", "boxed"),
    (r"\boxed {8}", "8", "boxed"),
    (r"#### 5, no: \boxed{9}", "9", "boxed"),
    ("3 + 4 = 7\n#### 7", "7", "hashes"),
    ("#### $1,200\n", "$1,200", "hashes"),
    ("#### 7\n\nQuestion: what next?", "7", "hashes"),
    ("It is so.\n\n# Answer\n\n468", "468", "section"),
    ("Steps.\r\n\r\n# Answer\r\n\r\n468\r\n", "468", "section"),
    ("Steps.\n\n## Final Answer:\n\nx = 3\n\nThat is all.", "x = 3", "section"),
    ("Final Answer: The final answer is $\\frac{1}{2}$. I hope it is correct.", r"\frac{1}{2}",
     "minerva"),
    ("Final Answer: The final answer is 3.5. I hope it is correct.", "3.5", "minerva"),
    ("The answer is 42.", "42", "phrase"),
    ("The answer is 3.14.", "3.14", "phrase"),
    ("so the final answer is: **$12$**.", "12", "phrase"),
    ("The answer is 5. The answer is 6, because it is.", "6", "phrase"),
    ("The answer is 5 because 2 + 3 = 5.", "5", "phrase"),
    ("The answers are 3 and 4.", "3 and 4", "phrase"),
    ("Answer: $x^2$", "x^2", "phrase"),
    ("**Answer:** 10", "10", "phrase"),
    ("The answer to the question is \\(7\\).", "7", "phrase"),
    ("He has 26.\nA: 26", "26", "label"),
    ("A: 3\nA: 4", "4", "label"),
]  # fmt: skip


@pytest.mark.parametrize(("solution", "text", "rule"), FOUND)
def test_finds_the_marked_answer(solution: str, text: str, rule: str) -> None:
    assert extract(solution) == Answer(text, rule)


@pytest.mark.parametrize(
    "solution",
    [
        "",
        "I count 7 of them.",
        r"\boxed{",
        r"so the answer is \boxed{}",
        "#### Step 2: add\nthen 5 more",
        "### 5 more\nand on",
        "A: apples\nB: pears\nC: plums",
        "The answer is not 5",
        "answers are hard to find",
    ],
)
def test_never_guesses(solution: str) -> None:
    assert extract(solution) is None


@pytest.mark.parametrize(
    ("solution", "number"),
    [
        ("He pays $1,234.50 in all.", "1,234.50"),
        ("3 - 5 = -2", "-2"),
        ("from 10-12", "12"),
        ("so x=−4.", "−4"),
        ("it is .5", ".5"),
        ("In 5 days (or 6).", "6"),
        ("from 7 to ٣", "7"),
        ("word " * 100 + "9 " + "word " * 100, "9"),
    ],
)
def test_last_number_only_where_asked_for(solution: str, number: str) -> None:
    assert extract(solution) is None
    assert extract(solution, rule="last-number") == Answer(number, "last-number")


def test_explicit_answer_comes_before_the_last_number() -> None:
    assert extract(r"\boxed{2} of 3", rule="last-number") == Answer("2", "boxed")


def test_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of"):
        extract("5", rule="first")  # type: ignore[arg-type]


def test_gold_solutions_of_math(shared_data: Path) -> None:
    """The two that find nothing have an empty box in the original."""
    missing = []
    for split in ("train", "test"):
        with gzip.open(shared_data / "problems" / f"math_{split}.jsonl.gz", "rt") as stream:
            for line in stream:
                row = json.loads(line)
                answer = extract(row["solution"])
                if answer is None:
                    missing.append(row["id"])
                else:
                    assert answer == Answer(row["answer"].strip(), "boxed"), row["id"]
    assert missing == ["train/number_theory/7115", "train/number_theory/7117"]


def test_gold_solutions_of_gsm8k(shared_data: Path) -> None:
    with (shared_data / "problems" / "gsm8k_test.jsonl").open(encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            answer = extract(row["solution"])
            assert answer is not None
            assert answer.rule == "hashes"
            assert answer.text.replace(",", "") == row["answer"], row["id"]
