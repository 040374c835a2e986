"""Samples of foreign files: rows to samples, with what is missing or broken counted."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from mathtune.errors import InputError
from mathtune.foreign.read import Fields, open_samples


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    return path


GOOD = {"generation": "so 3", "expected_answer": "3", "id": 1}


def test_broken_rows_are_reported_with_their_line(tmp_path: Path) -> None:
    rows = [GOOD, "{torn", "[1]", {"generation": "3"}, {**GOOD, "expected_answer": " "},
            {**GOOD, "expected_answer": None}, {**GOOD, "generation": True}, "", GOOD]  # fmt: skip
    path = write(tmp_path / "out.jsonl", rows)
    found: list[str] = []
    assert [one.line for one in open_samples([path], report=found.append)] == [1, 9]
    assert [sentence.split(": ")[0] for sentence in found] == [
        f"{path}, line {number}" for number in (2, 3, 4, 5, 6, 7)
    ]
    with pytest.raises(InputError, match="line 2: not valid JSON"):
        list(open_samples([path]))


NO_TEXT: list[Any] = [
    None,
    "",
    "  \n",
    [],
    [None],
    {"role": "assistant", "content": None, "reasoning_content": "it is 3"},
    [{"role": "user", "content": "q"}, {"role": "assistant", "content": ""}],
    [{"role": "user", "content": "it is 3"}],
    {"role": "assistant", "content": [{"type": "reasoning", "reasoning": "it is 3"}]},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "it is 3"}]},
    float("nan"),
]


@pytest.mark.parametrize("value", NO_TEXT, ids=str)
def test_a_sample_without_text_counts(value: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", [GOOD, {**GOOD, "id": 2, "generation": value}])
    assert [one.solution for one in open_samples([path])] == ["so 3", None]


def test_a_row_without_its_sample_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", [GOOD, {"expected_answer": "3", "id": 2}])
    samples = open_samples([path])
    assert [one.solution for one in samples] == ["so 3", None]
    assert samples.counted["missing"] == 1


def test_what_json_of_python_may_hold(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"generation": "a", "expected_answer": 12345678901234567890.50, "x": NaN}\n'
        b'{"generation": "\xff", "expected_answer": "1"}\n'
        b'{"generation": "\\ud800", "expected_answer": "1"}\n'
    )
    found: list[str] = []
    samples = list(open_samples([path], report=found.append))
    assert [one.line for one in samples] == [1, 3]
    assert samples[0].gold == "12345678901234567890.50"
    assert len(found) == 1


@pytest.mark.parametrize(
    ("gold", "accepted"),
    [
        ("6*3=18\n#### 18", ("18",)),
        ("So $x = \\boxed{18}$.", ("18",)),
        ("It takes 180 days. Therefore, the answer is: 180.", ("180",)),
        ("['18']", ("18",)),
        ('["18", "eighteen"]', ("18", "eighteen")),
        (["18", "eighteen", "18"], ("18", "eighteen")),
        ("[1, 2)", ("[1, 2)",)),
        (18, ("18",)),
        (0.1, ("0.1",)),
        (10**25, (str(10**25),)),
        ({"style": "rule", "ground_truth": "18"}, ("18",)),
    ],
)
def test_golds(gold: Any, accepted: tuple[str, ...], tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", [{"generation": "a", "expected_answer": gold}])
    (found,) = open_samples([path], fields=Fields(gold="expected_answer"))
    assert found.accepted == accepted
    assert found.gold == accepted[0]


@pytest.mark.parametrize("gold", ["", " ", None, [], float("nan"), True, {"a": 1}])
def test_no_golds(gold: Any, tmp_path: Path) -> None:
    rows = [
        {"generation": "a", "expected_answer": "1"},
        {"generation": "a", "expected_answer": gold},
    ]
    found: list[str] = []
    samples = open_samples([write(tmp_path / "f.jsonl", rows)], report=found.append)
    assert [one.line for one in samples] == [1]
    assert len(found) == 1


def test_scores_are_a_number_for_each_sample(tmp_path: Path) -> None:
    base = {"samples": ["a", "b"], "gold_answer": "1"}
    rows = [
        {**base, "problem_id": "a", "scores": [0.25, None]},
        {**base, "problem_id": "b", "scores": [[0.1, 0.5], [0.75]]},  # of steps: the last
        {**base, "problem_id": "c", "scores": [0.5]},
        {**base, "problem_id": "d"},
    ]
    samples = open_samples([write(tmp_path / "f.jsonl", rows)])
    scores = [one.score for one in samples]
    assert scores[0] == 0.25
    assert scores[2:4] == [0.5, 0.75]
    assert all(score is not None and math.isnan(score) for score in [scores[1], *scores[4:]])
    assert samples.counted["without_score"] == 1
    assert samples.counted["unmatched_scores"] == 2


def test_verdicts_are_scores_only_if_named(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", [{**GOOD, "score": True}, {**GOOD, "id": 2, "score": False}])
    assert [one.score for one in open_samples([path])] == [None, None]
    assert [one.score for one in open_samples([path], score="score")] == [1.0, 0.0]


@pytest.mark.parametrize("named", [True, False])
def test_the_harness_logs_a_sample_once_for_each_filter(named: bool, tmp_path: Path) -> None:
    rows = [
        {"doc_id": doc, "target": "#### 18", "resps": [[f"#### {doc}"]], "filtered_resps": [name],
         **({"filter": name} if named else {})}
        for name in ("strict-match", "flexible-extract") for doc in (0, 1)
    ]  # fmt: skip
    samples = open_samples([write(tmp_path / "samples_gsm8k.jsonl", rows)])
    assert [one.solution for one in samples] == ["#### 0", "#### 1"]
    assert samples.counted["filtered"] == 2


def test_repeats_of_the_harness_are_no_copies(tmp_path: Path) -> None:
    rows = [
        {"doc_id": 0, "target": "18", "resps": [[text]], "filtered_resps": [text]}
        for text in ("#### 18", "#### 17", "#### 18")
    ]
    samples = list(open_samples([write(tmp_path / "f.jsonl", rows)]))
    assert [one.solution for one in samples] == ["#### 18", "#### 17"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"level": "Level 5", "type": "Algebra"}, ("Level 5", "Algebra")),
        ({"level": 3, "subject": "Geometry", "type": "text"}, ("3", "Geometry")),
        ({"doc": {"level": "1", "type": "Prealgebra"}}, ("1", "Prealgebra")),
        ({"level": ["a"], "type": {"b": 1}, "subject": ""}, (None, None)),
        ({"level": True, "subject": "x" * 1000}, (None, "x" * 60)),
        ({}, (None, None)),
    ],
)
def test_levels_and_subjects_are_kept(
    labels: dict[str, object], expected: tuple[str | None, str | None], tmp_path: Path
) -> None:
    path = write(tmp_path / "out.jsonl", [{**GOOD, **labels}])
    (found,) = open_samples([path])
    assert (found.level, found.subject) == expected


def test_named_paths_reach_into_lists(tmp_path: Path) -> None:
    row = {"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}], "g": "1"}
    path = write(tmp_path / "f.jsonl", [row])
    for solution, texts in (
        ("choices.0.message.content", ["a"]),
        ("choices.*.message.content", ["a", "b"]),
    ):
        found = open_samples([path], fields=Fields.parse(f"solution={solution},gold=g"))
        assert [one.solution for one in found] == texts


def test_inspect_moves_long_texts_to_attachments(tmp_path: Path) -> None:
    row = {"id": 1, "epoch": 1, "input": "q", "target": "5", "messages": [],
           "output": {"completion": "attachment://abc"},
           "attachments": {"abc": "it is 5"}}  # fmt: skip
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"version": 2, "eval": {"task": "t"}, "samples": [row]}))
    assert [one.solution for one in open_samples([path])] == ["it is 5"]


def test_real_samples(shared_data: Path) -> None:
    path = shared_data / "samples" / "gsm8k_openai_gpt3_n4.jsonl"
    samples = open_samples([path])
    assert (samples.problems, samples.rows) == (1_319, 1_319 * 4)
    found = list(samples)
    assert len(found) == 1_319 * 4
    assert len({sample.problem_id for sample in found}) == 1_319


def test_faults_of_a_line_name_its_encoding_and_the_character(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(
        b'{"generation": "a", "expected_answer": "1"}\n'
        b'{"generation": "\xe9", "expected_answer": "1"}\n'
        b'{"generation": "a", "expected_answer": \n'
    )
    found: list[str] = []
    assert len(list(open_samples([path], report=found.append))) == 1
    assert "line 2: is not UTF-8; convert the file" in found[0]
    assert found[1].endswith("line 3: not valid JSON (Expecting value, at character 41).")


def test_conversations_with_their_answers_are_samples_of_what_was_asked(tmp_path: Path) -> None:
    def row(asked: int, said: int) -> dict[str, object]:
        question = {"role": "user", "content": f"What is {asked} + {asked}?"}
        reply = {"role": "assistant", "content": f"The answer is {said}."}
        return {"messages": [question, reply], "answer": str(2 * asked)}

    path = write(tmp_path / "f.jsonl", [row(1, 2), row(1, 3), row(2, 4), row(2, 4)])
    found = list(open_samples([path]))
    assert [one.problem_id for one in found] == ["What is 1 + 1?"] * 2 + ["What is 2 + 2?"] * 2
    assert [one.solution for one in found][:2] == ["The answer is 2.", "The answer is 3."]


def test_a_row_with_options_has_the_letter_and_the_text_as_golds(tmp_path: Path) -> None:
    path = tmp_path / "aqua.jsonl"
    rows = [
        {
            "Question": f"{n} + 1?",
            "options": [f"A){n}", f"B){n + 1}"],
            "correct": "B",
            "output": "x",
        }
        for n in range(3)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    samples = open_samples([path])
    assert samples.read == {"solution": "output", "gold": "correct", "problem": "Question"}
    assert [one.accepted for one in samples] == [("B", "1"), ("B", "2"), ("B", "3")]
    assert samples.counted["options"] == 3


def test_golds_that_number_the_choices(tmp_path: Path) -> None:
    path = tmp_path / "mmlu.jsonl"
    rows = [
        {"question": f"{n}?", "choices": ["10", "20", "30"], "answer": n % 3, "response": "(A)"}
        for n in range(6)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert [one.accepted for one in open_samples([path])][:3] == [
        ("A", "10"), ("B", "20"), ("C", "30")
    ]  # fmt: skip


def test_a_table_has_scores_as_texts(tmp_path: Path) -> None:
    path = tmp_path / "scored.csv"
    path.write_text('question,answer,response,score,rm\n1 + 1?,2,It is 2.,0.5,"[0.1, 0.75]"\n')
    assert [one.score for one in open_samples([path])] == [0.5]
    assert [one.score for one in open_samples([path], score="rm")] == [0.75]


def test_numbered_columns_with_spaces_and_golds_in_objects(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("Q,GT,Response 1,Response 2,Score 1,Score 2\n1?,2,It is 2.,So 3.,0.5,0.1\n")
    assert open_samples([path]).read["solution"] == "Response *"
    path = tmp_path / "nested.jsonl"
    path.write_text('{"input": "1?", "target": {"value": 2}, "runs": [{"text": "It is 2."}]}')
    assert open_samples([path]).read["gold"] == "target.value"


def test_the_texts_of_options_are_no_samples(tmp_path: Path) -> None:
    path = tmp_path / "arc.jsonl"
    offered = {"text": ["5", "6", "7"], "label": ["A", "B", "C"]}
    rows = [
        {"question": f"{n}?", "choices": offered, "answerKey": "B", "output": f"Answer: {one}"}
        for n in range(3)
        for one in "BC"
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    samples = open_samples([path])
    assert (samples.read["solution"], samples.read["gold"]) == ("output", "answerKey")
    assert next(iter(samples)).accepted == ("B", "6")
