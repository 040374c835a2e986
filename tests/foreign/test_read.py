"""Other people's sample files are read as they are; broken lines are named and left out."""

import gzip
import json
from pathlib import Path

import pytest

from mathtune.errors import InputError
from mathtune.foreign.read import Fields, ForeignSample, read_foreign

SHAPES = {
    "nemo": (
        {"generation": "so \\boxed{3}", "expected_answer": "3", "problem": "1+2?", "x": 1},
        [("1+2?", "so \\boxed{3}", "3")],
    ),
    "harness": (
        {
            "doc_id": 7,
            "doc": {"question": "q", "answer": "6*3=18\n#### 18"},
            "target": "6*3=18\n#### 18",
            "resps": [["a #### 18", "b #### 17"]],
            "filtered_resps": ["18"],
        },
        [("7", "a #### 18", "18"), ("7", "b #### 17", "18")],
    ),
    "qwen": (
        {"idx": 0, "question": "q", "gt": "18", "code": ["a", "b"], "pred": ["1", "2"]},
        [("0", "a", "18"), ("0", "b", "18")],
    ),
    "trl": (
        {
            "prompt": [{"role": "user", "content": "q"}],
            "completion": [{"role": "assistant", "content": "\\boxed{2}"}],
            "solution": "$\\boxed{2}$",
        },
        [('[{"role": "user", "content": "q"}]', "\\boxed{2}", "2")],
    ),
    "list": (
        {"problem_id": "p", "samples": ["a", "b"], "gold_answer": 5},
        [("p", "a", "5"), ("p", "b", "5")],
    ),
    "samples": (
        {"problem_id": "p", "index": 0, "sample": "a", "gold_answer": 5, "score": 0.5},
        [("p", "a", "5")],
    ),
    "our rows with golds": (
        {"problem_id": "p", "index": 0, "text": "a", "gold_answer": "5", "score": 0.5},
        [("p", "a", "5")],
    ),
    "responses": (
        {"question": "q", "ground_truth": "5", "outputs": [{"response": "a", "label": 1}]},
        [("q", "a", "5")],
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_known_shapes(name: str, tmp_path: Path) -> None:
    row, expected = SHAPES[name]
    path = tmp_path / "out.jsonl"
    path.write_text("\n" + json.dumps(row) + "\n")
    assert [found[:4] for found in read_foreign(path)] == [(2, *sample) for sample in expected]


def test_the_harness_logs_a_sample_once_for_each_filter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "samples_gsm8k.jsonl"
    rows = [
        {"doc_id": doc, "target": "#### 18", "resps": [[f"#### {doc}"]], "filtered_resps": ["18"],
         "filter": name}
        for name in ("strict-match", "flexible-extract") for doc in (0, 1)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [found.solution for found in read_foreign(path)] == ["#### 0", "#### 1"]
    assert capsys.readouterr().err.count("filter 'flexible-extract'") == 1


def test_named_fields_reach_into_objects(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl.gz"
    row = {"reply": {"text": "4"}, "doc": {"gold": "4", "id": 9}}
    path.write_bytes(gzip.compress(json.dumps(row).encode()))
    fields = Fields.parse("solution=reply.text, gold=doc.gold, problem=doc.id")
    assert list(read_foreign(path, fields=fields)) == [ForeignSample(1, "9", "4", "4")]


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
    path = tmp_path / "out.jsonl"
    path.write_text(json.dumps({"generation": "4", "expected_answer": "4", **labels}) + "\n")
    (found,) = read_foreign(path)
    assert (found.level, found.subject) == expected


def test_broken_lines_are_reported_with_their_number(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    good = json.dumps({"generation": "3", "expected_answer": "3", "id": 1})
    lines = [good, "{torn", "[1]", json.dumps({"generation": None, "expected_answer": "3"}),
             json.dumps({"generation": "3"}), good,
             json.dumps({"generation": "3", "expected_answer": " "})]  # fmt: skip
    path.write_text("\n".join(lines))
    found: list[str] = []
    assert [sample.line for sample in read_foreign(path, report=found.append)] == [1, 6]
    assert [sentence.split(": ")[0] for sentence in found] == [
        f"{path}, line {number}" for number in (2, 3, 4, 5, 7)
    ]
    with pytest.raises(InputError, match="line 2: not valid JSON"):
        list(read_foreign(path))


def test_invalid_bytes_and_lone_surrogates_do_not_stop_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(
        b'{"generation": "\xff", "expected_answer": "1"}\n'
        b'{"generation": "\\ud800", "expected_answer": "1"}\n'
    )
    found: list[str] = []
    assert [sample.line for sample in read_foreign(path, report=found.append)] == [2]
    assert len(found) == 1


def test_unknown_shape_names_the_fields_and_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text('{"foo": 1}\n')
    with pytest.raises(InputError, match=r"line 1: the fields foo .* --fields solution=NAME"):
        list(read_foreign(path, report=print))


@pytest.mark.parametrize("text", ["", "solution=a", "gold=b", "solution=a,gold=b,what=c", "x"])
def test_fields_that_say_too_little(text: str) -> None:
    with pytest.raises(InputError, match="expected solution=NAME,gold=NAME"):
        Fields.parse(text)


def test_real_samples(shared_data: Path) -> None:
    path = shared_data / "samples" / "gsm8k_openai_gpt3_n4.jsonl"
    samples = list(read_foreign(path))
    assert len(samples) == 1_319 * 4
    assert len({sample.problem_id for sample in samples}) == 1_319
