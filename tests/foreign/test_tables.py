"""Tables with a column per model, summaries of runs, and objects with hundreds of names."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from mathtune.errors import InputError
from mathtune.foreign.read import Samples, open_samples
from mathtune.foreign.solution_field import MOST_FIELDS

QUESTIONS = [("1 + 1?", "2"), ("2 + 2?", "4"), ("3 + 3?", "6"), ("4 + 4?", "8")]


def opened(path: Path, content: Any) -> Samples:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return open_samples([path])


def test_a_model_that_is_always_right_is_no_reference(tmp_path: Path) -> None:
    rows = "".join(
        f"{q},{gold},Adding them gives {gold if place else 7}.,Adding them we get {gold}.\n"
        for place, (q, gold) in enumerate(QUESTIONS)
    )
    with pytest.raises(InputError, match="both 'gpt4' and 'llama' may be the solution"):
        opened(tmp_path / "wide.csv", f"question,answer,gpt4,llama\n{rows}")
    samples = opened(tmp_path / "reference.csv", f"question,answer,gpt4,rationale\n{rows}")
    assert samples.read["solution"] == "gpt4"


@pytest.mark.parametrize("kind", ["0 and 1", "booleans", "words", "texts of digits"])
def test_verdicts_of_several_models_are_named(kind: str, tmp_path: Path) -> None:
    said: Any = {
        "0 and 1": int, "booleans": bool, "words": str, "texts of digits": lambda x: str(int(x)),
    }[kind]  # fmt: skip
    rows = [
        {"problem": q, "answer": gold, "gpt-4": said(gold == "2"), "llama": said(True)}
        for q, gold in QUESTIONS
    ]
    with pytest.raises(InputError, match=r"the fields gpt-4, llama hold verdicts .* no field"):
        opened(tmp_path / "verdicts.json", rows)


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ({"results": {"gsm8k": {"alias": "gsm8k", "exact_match,strict-match": 0.5125}},
          "configs": {"gsm8k": {"task": "gsm8k"}}}, "exact_match,strict-match is 0.5125"),
        ({"num_samples": 500, "acc": 74.2, "time_use": "13:32"}, "acc is 74.2"),
        ({"model": "m", "output": "Qwen on gsm8k", "target": "gsm8k", "accuracy": 0.75},
         "accuracy is 0.75"),
        ([{"model": "a", "pass@1": 0.5}, {"model": "b", "pass@1": 0.25}], "pass@1 is 0.5"),
    ],
)  # fmt: skip
def test_the_summary_of_a_run_is_told(document: Any, what: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"is the summary of a run .*{what}"):
        opened(tmp_path / "results.json", document)


def test_one_sample_with_its_verdict_is_no_summary(tmp_path: Path) -> None:
    samples = opened(tmp_path / "one.json", {"response": "It is 7.", "gold": "7", "acc": 1.0})
    assert [one.file_verdict for one in samples] == [True]


def test_hundreds_of_names(tmp_path: Path) -> None:
    texts = {f"name {n}x": [f"It is {n}, since {n} + 0 = {n}."] * 4 for n in range(4 * MOST_FIELDS)}
    began = time.process_time()
    with pytest.raises(InputError, match=r"'name 0x' and 'name 1x' .* and 378 more\) may be"):
        opened(tmp_path / "texts.jsonl", texts)
    assert time.process_time() - began < 2  # each field with every other one: 4 s and more
    rows = {
        f"name {n}x": {"says": f"I think it is {n}.", "label": str(n), "note": "-"}
        for n in range(4 * MOST_FIELDS)
    }
    samples = opened(tmp_path / "rows.json", rows)
    assert samples.read == {"solution": "says", "gold": "label", "problem": "id"}
    assert [one.gold for one in samples] == [str(n) for n in range(4 * MOST_FIELDS)]


def test_ids_with_their_texts_and_ids_with_their_golds(tmp_path: Path) -> None:
    for name, each in (("golds", 1), ("samples", 2)):
        content = {
            f"q{n}": [f"It is {n}.", f"So {n + 1}."] if each == 2 else str(n) for n in range(30)
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    samples = open_samples([tmp_path / "samples.json"], problems=tmp_path / "golds.json")
    assert [(one.problem_id, one.solution, one.gold) for one in samples][:3] == [
        ("q0", "It is 0.", "0"),
        ("q0", "So 1.", "0"),
        ("q1", "It is 1.", "1"),
    ]
    assert samples.problems == 30


def test_likelihoods_of_options_are_no_samples(tmp_path: Path) -> None:
    row = {"doc_id": 0, "doc": {"question": "1 + 1?", "choices": ["2", "3"]}, "target": "0"}
    resps = [[["-1.5", "False"]], [["-inf", "True"]]]
    with pytest.raises(InputError, match="'resps' holds log-likelihoods of options, not texts"):
        opened(tmp_path / "samples.jsonl", {**row, "resps": resps})
    assert opened(tmp_path / "texts.jsonl", {**row, "resps": [["-1.5", "2"]]}).rows == 2
