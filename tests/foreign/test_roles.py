"""Which field is the solution and which the gold: decided by the rows, else refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mathtune.data.files.head import Head
from mathtune.data.files.paths import leaves, reach
from mathtune.errors import InputError
from mathtune.foreign import Request, grade_file
from mathtune.foreign.grade import brief
from mathtune.foreign.roles import Fields, decide

MATH_500: list[dict[str, Any]] = [
    {"problem": "Nuts in 3 bags of 6?", "solution": "so \\boxed{18}", "answer": "18",
     "subject": "Algebra", "level": 1, "unique_id": "test/0.json"},
    {"problem": "Tom pays 5 and 7; total?", "solution": "so \\boxed{12}", "answer": "12",
     "subject": "Algebra", "level": 1, "unique_id": "test/1.json"},
]  # fmt: skip
SAMPLES = [
    "responses", "response", "outputs", "generation", "completions", "predictions", "preds",
    "samples", "model_output", "model_answers", "generated_text", "gens", "outs", "hyps",
    "rollouts", "candidates", "attempts", "trajectories", "llm_response", "replies", "texts",
    "resps", "solutions", "cot", "qwen_7b", "my_samples", "student_answer", "reply", "assistant",
    "trial", "beams", "decoded",
]  # fmt: skip
WRONG: dict[str, list[str | None]] = {
    "sentences": ["I add them. So it is \\boxed{99}", "I think that it must be \\boxed{98}"],
    "boxes": ["\\boxed{99}", "\\boxed{98}"],
    "bare": ["99", "98"],
    "cut off": ["99 nuts", None],
}


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def solution_and_gold(rows: list[dict[str, Any]]) -> tuple[str, str | None] | str:
    """The two fields, or the sentence that refuses."""
    try:
        found = decide(Head("f", rows), Fields())
    except InputError as error:
        return str(error)
    return found.solution, found.gold


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("name", SAMPLES)
def test_a_reference_solution_is_never_taken_for_samples(name: str, kind: str) -> None:
    wrong = WRONG[kind]
    assert solution_and_gold([{**row, name: wrong} for row in MATH_500]) == (name, "answer")
    nested = [{**row, "run": {name: [{"text": w} for w in wrong]}} for row in MATH_500]
    assert solution_and_gold(nested) == (f"run.{name}.*.text", "answer")
    found = solution_and_gold([{name: w, **row} for row, w in zip(MATH_500, wrong, strict=True)])
    refused = isinstance(found, str) and f"'solution' and '{name}'" in found
    assert refused or found == (name, "answer")


@pytest.mark.parametrize("gold", ["ground_truth", "gold", "target", "expected_answer", "label",
                                  "reference_answer", "correct_answer", "gt"])  # fmt: skip
@pytest.mark.parametrize("own", ["answer", "extracted_answer", "pred", "predicted_answer",
                                 "model_answer", "final_answer", "parsed"])  # fmt: skip
def test_a_samples_own_answer_is_no_gold(own: str, gold: str) -> None:
    base = [("p0", "I get \\boxed{99}", "99", "18"), ("p1", "I get \\boxed{98}", "98", "12")]
    for order in (1, -1):
        rows = [
            dict([("problem", p), ("response", r), (own, o), (gold, g)][::order])
            for p, r, o, g in base
        ]
        assert solution_and_gold(rows) == ("response", gold)


def test_two_golds_that_differ_are_refused_by_name(tmp_path: Path) -> None:
    rows = [
        {"problem": "p0", "response": "I get \\boxed{99}", "answer": "99", "solution": "18"},
        {"problem": "p1", "response": "I get \\boxed{98}", "answer": "98", "solution": "12"},
    ]
    path = write(tmp_path / "f.jsonl", rows)
    with pytest.raises(InputError, match="both 'answer' and 'solution' may be the gold") as error:
        grade_file(Request.parse(path))
    assert "'answer' is always the sample's own answer" in str(error.value)
    # The hint works when followed, with the other roles found as before.
    for gold, correct in (("answer", 2), ("solution", 0)):
        assert f"--fields gold={gold}" in str(error.value)
        found = brief(grade_file(Request.parse(path, fields=f"gold={gold}")))
        assert found["read"] == {"solution": "response", "gold": gold, "problem": "problem"}
        assert found["graders"]["math"]["correct"] == correct


def test_instruction_data_is_not_its_own_sample() -> None:
    rows = [
        {"instruction": "q0", "output": "It is 18. #### 18", "answer": "18", "my_run": "It is 3."},
        {"instruction": "q1", "output": "It is 12. #### 12", "answer": "12", "my_run": "It is 4."},
    ]
    with pytest.raises(InputError, match="both 'output' and 'my_run' may be the solution"):
        decide(Head("f", rows), Fields())


ROLES: list[tuple[dict[str, Any], str, str]] = [
    ({"question": "q", "answer": "Long words, so 5. #### 5", "gold_answer": "5"}, "answer",
     "gold_answer"),
    ({"input": "q", "target": "5", "prediction": "so 5"}, "prediction", "target"),
    ({"query": "q", "response": "it is 5", "answer": "5", "messages": [
        {"role": "user", "content": "q"}, {"role": "assistant", "content": "it is 5"}]},
     "response", "answer"),
    ({"prompt": "Q: q A:", "text": "Q: q A: it is 5", "response": "it is 5", "label": "5"},
     "response", "label"),
    ({"generation": "it is 5", "reasoning_content": "5?", "expected_answer": "5", "pred": "5"},
     "generation", "expected_answer"),
    ({"problem": "q", "answer": "5", "outputs": [{"gen": "a 5"}, {"gen": "b 5"}]},
     "outputs.*.gen", "answer"),
    ({"problem": "q", "answer": "5", "r_0": "a 5", "r_1": "b 6"}, "r_*", "answer"),
    ({"problem": "q", "answer": "5", "model_outputs": ["a 5", "b 6"], "model_answers": ["5", "6"]},
     "model_outputs", "answer"),
    ({"problem": "q", "solution": "so 5, \\boxed{5}", "answer": "5"}, "solution", "answer"),
    ({"example": {"problem": "q", "answer": "5"}, "completion": ["x", "y"]}, "completion",
     "example.answer"),
    ({"question": "q", "response": "5", "answer": 5, "label": 1}, "response", "answer"),
    ({"problem": "q", "pred": "5", "gold": "5"}, "pred", "gold"),
    # Steps are one solution, and give way to a text that holds them.
    ({"problem": "q", "gold": "5", "steps": ["2 + 3 is 5", "So 5 it is"]}, "steps.+", "gold"),
    ({"problem": "q", "gold": "5",
      "reasoning_steps": [{"text": "2 + 3 is 5"}, {"text": "So 5 it is"}]},
     "reasoning_steps.+.text", "gold"),
    ({"problem": "q", "gold": "5", "steps": [{"text": "2 + 3 = 5"}, {"text": "So 5"}],
      "raw_text": "user q\n\n1. 2 + 3 = 5\n\nSo 5"}, "raw_text", "gold"),
    ({"problem": "q", "gold": "5", "candidates": [
        {"steps": [{"text": "2 + 3 = 5"}, {"text": "So 5"}]}, {"steps": [{"text": "It is 6"}]}]},
     "candidates.*.steps.+.text", "gold"),
    ({"problem": "q", "gold": "5", "solution": "so 5", "step_scores": [0.5, 1.0], "steps": 2},
     "solution", "gold"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "solution", "gold"), ROLES)
def test_roles_of_other_rows(row: dict[str, Any], solution: str, gold: str) -> None:
    found = decide(Head("f", [row]), Fields())
    assert (found.solution, found.gold) == (solution, gold)


def test_named_steps_are_one_solution() -> None:
    row = {"problem": "q", "gold": "5", "steps": ["2 + 3 = 5", "So 5"], "response": "it is 6"}
    found = decide(Head("f", [row]), Fields(solution="steps"))
    assert found.solution == "steps.+"
    assert reach(row, found.solution) == "2 + 3 = 5\nSo 5"
    assert found.read()["solution"] == "steps[] (steps, joined)"
    candidates = [{"steps": [{"text": "a"}, {"text": "b"}]}, {"steps": []}, {}]
    nested = dict(leaves({"candidates": candidates}))
    assert nested["candidates.*.steps.+.text"] == ["a\nb", None, None]
    assert reach({"candidates": candidates}, "candidates.*.steps.+.text") == ["a\nb", None, None]


def test_a_field_that_is_equal_in_all_samples_of_a_problem_is_no_sample() -> None:
    rows = [
        {"question": q, "gold": "5", "first_output": f"{q}: it is 5", "second_output": f"no, {i}"}
        for q in "ab"
        for i in range(3)
    ]
    assert decide(Head("f", rows), Fields()).solution == "second_output"


@pytest.mark.parametrize("text", ["", "solution=", "x", "what=c", "solution=a,what=c"])
def test_fields_that_say_too_little(text: str) -> None:
    with pytest.raises(InputError, match="expected parts such as solution=NAME,gold=NAME"):
        Fields.parse(text)


def test_a_misspelt_field_lists_those_that_exist() -> None:
    head = Head("f.jsonl", [{"reply": {"text": "4"}, "doc": {"gold": "4"}}])
    with pytest.raises(InputError, match=r"field 'reply.txt', .* are reply.text, doc.gold\."):
        decide(head, Fields.parse("solution=reply.txt"))


def test_no_field_is_a_gold_or_a_solution() -> None:
    with pytest.raises(InputError, match=r"no field is a gold among response; .*--problems FILE"):
        decide(Head("f", [{"response": "it is 5"}]), Fields())
    with pytest.raises(InputError, match=r"none of the fields foo .*--fields solution=NAME"):
        decide(Head("f", [{"foo": 1}]), Fields())


@pytest.mark.parametrize("fields", ["", "gold=answer,solution=response"])
def test_booleans_are_refused_as_golds_with_the_reason(fields: str, tmp_path: Path) -> None:
    rows = [{"question": "Is 4 even?", "answer": True, "response": "The answer is yes."}]
    path = tmp_path / "f.jsonl"
    path.write_text(json.dumps(rows[0]) + "\n")
    with pytest.raises(InputError, match=r'boolean.* which may mean yes or true; .* such as "yes"'):
        grade_file(Request.parse(path, **({"fields": fields} if fields else {})))
    path.write_text(json.dumps({**rows[0], "answer": "Yes"}) + "\n")
    assert grade_file(Request.parse(path))["graders"]["math"]["correct"] == 1


def test_seconds_of_samples_are_not_the_samples(tmp_path: Path) -> None:
    outputs = [{"model_output": f"so \\boxed{{{n}}}", "seconds": n + 0.5} for n in (12, 18)]
    rows = [{**row, "model_outputs": outputs, "all_seconds": 31.5} for row in MATH_500]
    found = brief(grade_file(Request.parse(write(tmp_path / "a.jsonl", rows))))
    assert found["read"]["solution"] == "model_outputs[].model_output"


def test_several_models_samples_in_one_row() -> None:
    """The user chooses a model; the other models' samples are no golds."""
    rows = [
        {
            "question": "Nuts in 3 bags?",
            "ground_truth": f"We multiply and get it.\nA: {n}",
            **{
                model: {
                    "solution": f"As {model} I say, surely: \\boxed{{{n + place}}}",
                    "predicted_answer": str(n + place),
                }
                for place, model in enumerate(("small", "large", "verified"), 1)
            },
        }
        for n in range(4)
    ]
    refused = solution_and_gold(rows)
    assert "'small.solution' and 'large.solution' (and verified.solution)" in refused
    found = decide(Head("f", rows), Fields(solution="large.solution"))
    assert found.gold == "ground_truth"


def test_scores_of_samples_that_the_file_lacks() -> None:
    def scores(lengths: list[int]) -> str | None:
        rows = [
            {
                "question": f"{n}?",
                "gold": "7",
                "prediction": "so \\boxed{7}",
                "scores": [0.5] * length,
            }
            for n, length in enumerate(lengths)
        ]
        return decide(Head("f", rows), Fields()).score

    assert scores([10] * 6) is None
    assert scores([3, 4, 3, 6, 2, 5]) == "scores"  # of steps
    assert scores([1] * 6) == "scores"


def test_what_all_rows_ask_alike_is_no_question() -> None:
    rows = [
        {"few_shot_prompt": "Q: 1 + 1? A: 2", "asked_problem": f"{n} + 1?", "gold": str(n),
         "response": f"so \\boxed{{{n}}}"}
        for n in range(3)
    ]  # fmt: skip
    assert decide(Head("f", rows), Fields()).questions == ("asked_problem",)
