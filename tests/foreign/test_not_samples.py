"""Fields that stand beside the samples in other people's result files, each kind in small rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mathtune.data.files.head import Head
from mathtune.errors import InputError
from mathtune.foreign import Request, measure_file
from mathtune.foreign.roles import Fields, decide

TEXTS = [f"We add them and then we halve the sum, twice, which is why we get \\boxed{{{n}}}"
         for n in (3, 5, 7, 9)]  # fmt: skip
GOLDS = ["3", "6", "8", "10"]
ASKED = [f"How many nuts are in {n} bags?" for n in range(4)]


def rows(**columns: list[Any]) -> list[dict[str, Any]]:
    base = {"question": ASKED, "ground_truth": GOLDS}
    return [{name: column[n] for name, column in {**base, **columns}.items()} for n in range(4)]


def solution(found: list[dict[str, Any]]) -> str:
    return decide(Head("f", found), Fields()).solution


LONG = [f"{text} {'and so on ' * 12}\\boxed{{{gold}}}" for text, gold in
        zip(TEXTS, GOLDS, strict=True)]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("model_input", [f"<|user|>\n{text}\n<|assistant|>\n" for text in ASKED]),
        ("variant_problem", [f"{text} Hint: 12" for text in ASKED]),
        ("ground_truth_completions", [f"2 + {gold} #### {gold}" for gold in GOLDS]),
        ("options", [["A) 3", "B) 6", "C) 8", "D) 10"]] * 4),
        ("choices", [["3", "6", "8", "10"]] * 4),
        ("attempts", [1, 2, 1, 3]),
        ("tokens_generated", [204, 138, 99, 77]),
        ("candidate_cosine", ["0.125", "0.5", "-0.25", "0.75"]),
        ("student_id_mapped", ["46e81f4a69db455182ea1f4fdfb7e3c1", "6008c53be1894ead933c44a8af53c6",
                               "10010_6eddbd7627434826a6f711150808d362_2", "07aed84a3c8c43a38"]),
        ("output_image", [f"images/{n}.png" for n in range(4)]),
    ],
)  # fmt: skip
def test_what_is_no_sample(name: str, column: list[Any]) -> None:
    assert solution(rows(**{name: column}, full_response=LONG)) == "full_response"
    with pytest.raises(InputError, match="is known to hold solutions"):
        solution(rows(**{name: column}))


@pytest.mark.parametrize("cut", ["", "...", " …"])
def test_the_beginning_of_a_sample_is_no_sample(cut: str) -> None:
    found = rows(response_preview=[text[:100] + cut for text in LONG], full_response=LONG)
    assert solution(found) == "full_response"


def test_numbers_are_answers_under_the_name_of_one() -> None:
    assert solution(rows(model_output=[3, 5, 7, 9])) == "model_output"


def test_the_answers_of_several_samples_give_way_to_their_texts() -> None:
    lists = [[text, text] for text in TEXTS]
    own = [["three", "three"], ["five", "five"], ["7.0", "7.0"], ["nine", "nine"]]
    assert solution(rows(all_answers=own, all_solutions_text=lists)) == "all_solutions_text"


def test_the_extracted_answer_tells_which_of_two_texts_was_sampled() -> None:
    """The reference shows the gold where the extracted answer is wrong, the sample shows it."""
    other = [f"First we look at the bags in general: \\boxed{{{gold}}}" for gold in GOLDS]
    found = rows(
        generated_first_thing=other, final_solution=TEXTS, final_answer=["3", "5", "7", "9"]
    )
    assert solution(found) == "final_solution"
    both = rows(generated_first_thing=other, model_text=TEXTS, pred=["3", "5", "7", "9"])
    assert solution(both) == "model_text"
    with pytest.raises(InputError, match="'generated_first_thing' and 'model_text'"):
        solution(rows(generated_first_thing=other, model_text=TEXTS, pred=GOLDS))


def test_a_data_sets_own_answer_does_not_choose_its_reference() -> None:
    """`final_answer` beside a weak gold may be the data set's own, in another form."""
    found = [
        {"question": q, "answer": "ABCD"[n], "final_answer": gold, "response": text,
         "solution": f"In all, as we see, it is \\boxed{{{gold}}}"}
        for n, (q, gold, text) in enumerate(zip(ASKED, GOLDS, TEXTS, strict=True))
    ]  # fmt: skip
    with pytest.raises(InputError, match="may be the gold"):
        solution(found)
    assert decide(Head("f", found), Fields(gold="final_answer")).solution == "response"


def test_a_long_answer_is_the_sample_of_a_short_one() -> None:
    raw = [f"Q: {text} {'so ' * 60} #### {n}" for n, text in enumerate(TEXTS)]
    found = rows(model_answer=["3.0", "five", "7", "9"], model_answer_raw=raw)
    assert solution(found) == "model_answer_raw"


@pytest.mark.parametrize("name", ["gtruth_answer", "groung_truth", "reference_completion"])
def test_names_of_golds(name: str) -> None:
    found = [{"question": q, "response": text, name: gold}
             for q, text, gold in zip(ASKED, TEXTS, GOLDS, strict=True)]  # fmt: skip
    assert decide(Head("f", found), Fields()).gold == name


def test_variants_of_a_problem_are_problems(tmp_path: Path) -> None:
    """An id whose rows ask differently, in a field such as `variant_problem`, names no problem."""
    found = [
        {"id": f"EXT-{n}", "variant": kind, "variant_problem": f"{q} {kind}", "gold": gold,
         "run": run, "raw_response": f"{run}: {text}"}
        for n, (q, gold, text) in enumerate(zip(ASKED, GOLDS, TEXTS, strict=True))
        for kind in ("original", "with a hint")
        for run in range(3)
    ]  # fmt: skip
    path = tmp_path / "variants.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    measured = measure_file(Request.parse(path))
    assert measured["read"]["problem"] == "variant_problem"
    assert (measured["problems"], measured["n"]) == (8, 3)
    assert measured["metrics"]["mean"]["value"] == 0.25


def test_options_in_one_long_text_are_no_samples() -> None:
    """A data set of questions with options is no file of samples, however long the options are."""
    offered = " ".join(f"{one}) the number of apples that are left over, {k}" for k, one in
                       enumerate("ABCD"))  # fmt: skip
    rows_ = [{"id": k, "question": f"{k}?", "options": offered, "Answer": "A"} for k in range(4)]
    assert len(offered) > 80
    with pytest.raises(InputError, match="no field is a gold among id, question, options, Answer"):
        solution(rows_)


@pytest.mark.parametrize("name", ["extracted_groundtruth", "parsed_gold", "gold_extracted"])
def test_a_gold_that_was_extracted_is_no_sample(name: str) -> None:
    own = [{"problem": f"{k}?", "solution": f"So {k}.0", name: float(k)} for k in range(3)]
    found = decide(Head("f", own), Fields())
    assert (found.solution, found.gold) == ("solution", name)
