"""GSM8K and MATH: rows in both shapes, then the real sets: sizes, answers, no shared problem."""

from pathlib import Path

import pytest

from mathtune.answers import compare, extract
from mathtune.data import gsm8k, math
from mathtune.data.rows import Row, normalized
from mathtune.errors import InputError

SOLUTION = "48/2 = <<48/2=24>>24\n1,000 + 80 = 1,080\n#### 1,080"


def test_gsm8k_rows_of_the_hub_and_ours() -> None:
    theirs = Row("hub", {"question": "How many?", "answer": SOLUTION})
    ours = Row("file", {"id": "x", "problem": "How many?", "solution": SOLUTION, "answer": "?"})
    (a,) = gsm8k.to_gsm8k([theirs], "train")
    (b,) = gsm8k.to_gsm8k([ours], "train")
    assert (a.id, b.id) == ("gsm8k/train/0", "x")
    assert a.answer == b.answer == "1080"
    assert a.solution == b.solution == SOLUTION


@pytest.mark.parametrize("solution", ["24", "#### ", "24 ####"])
def test_gsm8k_without_an_answer_is_named(solution: str) -> None:
    row = Row("hub train, row 7", {"question": "How many?", "answer": solution})
    with pytest.raises(InputError, match="hub train, row 7, field 'answer': no answer after ####"):
        gsm8k.to_gsm8k([row], "train")


def test_math_takes_the_answer_from_the_box() -> None:
    row = Row("x", {"id": "a", "problem": "?", "solution": "It is $\\boxed{\\frac{1}{2}}$."})
    assert math.to_math([row])[0].answer == "\\frac{1}{2}"


def test_real_gsm8k(shared_data: Path) -> None:
    found = gsm8k.load(shared_data)
    assert [len(found[split]) for split in ("train", "test")] == [7473, 1319]
    assert found["test"][0].answer == "18"
    assert all("," not in p.answer for rows in found.values() for p in rows)


def test_real_math_original(shared_data: Path) -> None:
    found = math.load(shared_data, split="original")
    assert [len(found[split]) for split in ("train", "test")] == [7500, 5000]
    by_id = {p.id: p for p in found["train"]}
    for number in (7115, 7117):  # an empty box in the original; choice (A), 0, in both
        mended = by_id[f"train/number_theory/{number}"]
        assert mended.answer == "0"
        assert "\\boxed{0}" in (mended.solution or "")
    assert all(p.answer for p in by_id.values())


def test_real_math_split_of_prm800k(shared_data: Path) -> None:
    found = math.load(shared_data, split="prm800k")
    assert [len(found[split]) for split in ("train", "test")] == [12000, 500]
    train = {normalized(p.problem) for p in found["train"]}
    assert not train & {normalized(p.problem) for p in found["test"]}
    # Gold answers agree with what the grader reads in their own solutions, here on the test set.
    for problem in found["test"][:50]:
        answer = extract(problem.solution or "")
        assert answer is not None
        assert compare(answer.text, problem.answer) == "correct"
