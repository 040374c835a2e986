"""Prepare: files to four files, splits apart, and settings refused before any work."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mathtune.data import local
from mathtune.data.rows import normalized
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.metrics import PrepareMetrics
from mathtune.rows.records import Example, Problem
from mathtune.stages.prepare import Prepare


def write(path: Path, count: int, *, start: int = 0, **extra: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"id": f"{n}", "problem": f"What is {n} + 1?", "answer": f"{n + 1}", **extra}
        for n in range(start, start + count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def prepared(folder: Path, **config: Any) -> tuple[dict[str, list[Problem]], PrepareMetrics]:
    folder.mkdir(parents=True, exist_ok=True)
    stage = Prepare(**config)
    metrics = stage.run(folder)
    data = stage.outputs(folder)
    read = {name: list(jsonl.read(getattr(data, name), Problem)) for name in ("train", "test")}
    read["validation"] = list(jsonl.read(data.validation, Problem))
    return read, metrics


def test_one_file_is_split_three_ways(tmp_path: Path) -> None:
    source = write(tmp_path / "all.jsonl", 100, solution="s")
    found, metrics = prepared(tmp_path / "out", source=str(source))
    assert {split: len(rows) for split, rows in found.items()} == {
        "train": 81, "validation": 9, "test": 10,
    }  # fmt: skip
    ids = [p.id for rows in found.values() for p in rows]
    assert len(set(ids)) == 100
    examples = list(jsonl.read(tmp_path / "out" / "solutions.jsonl", Example))
    assert [e.problem_id for e in examples] == [p.id for p in found["train"]]
    assert metrics.train.problems == metrics.solutions.solutions == 81


def test_same_seed_same_files(tmp_path: Path) -> None:
    source = write(tmp_path / "all.jsonl", 60)
    same = [prepared(tmp_path / name, source=str(source), seed=3)[0] for name in "ab"]
    other, _ = prepared(tmp_path / "c", source=str(source), seed=4)
    assert same[0] == same[1]
    assert same[0]["test"] != other["test"]


def test_a_folder_has_its_own_splits_under_other_peoples_names(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write(folder / "train.jsonl", 20)
    write(folder / "val.jsonl", 5, start=18)  # shares 18 and 19 with train
    write(folder / "test.jsonl", 5, start=22)  # shares 22 with val
    found, metrics = prepared(tmp_path / "out", source=str(folder))
    assert [p.id for p in found["train"]] == [f"{n}" for n in range(18)]
    assert [p.id for p in found["validation"]] == ["18", "19", "20", "21"]
    assert [p.id for p in found["test"]] == ["22", "23", "24", "25", "26"]
    assert metrics.shared_problems_dropped == {"train": 2, "validation": 1}


def test_one_split_of_a_folder_feeds_all_three(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write(folder / "extra.jsonl", 30)
    write(folder / "train.jsonl", 5, start=100)
    found, _ = prepared(tmp_path / "out", source=str(folder), split="extra", validation=4, test=6)
    assert {split: len(rows) for split, rows in found.items()} == {
        "train": 20, "validation": 4, "test": 6,
    }  # fmt: skip


def test_limit_is_for_all_splits_or_for_each(tmp_path: Path) -> None:
    source = write(tmp_path / "all.jsonl", 100)
    found, _ = prepared(tmp_path / "a", source=str(source), limit=7)
    assert {len(rows) for rows in found.values()} == {7}
    found, _ = prepared(tmp_path / "b", source=str(source), limit={"train": 12})
    assert (len(found["train"]), len(found["test"])) == (12, 10)


def test_a_parquet_folder_goes_through_datasets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [{"question": f"{n}?", "answer": n} for n in range(30)]
    datasets.Dataset.from_list(rows).to_parquet(folder / "train.parquet")
    found, _ = prepared(tmp_path / "out", source=str(folder), fields={"problem": "question"})
    assert len(found["train"]) + len(found["validation"]) + len(found["test"]) == 30
    with pytest.raises(InputError, match=r"data train, row 1, field 'problem': missing"):
        prepared(tmp_path / "bad", source=str(folder))


def test_a_split_that_does_not_exist_names_those_that_do(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write(folder / "easy.jsonl", 5)
    write(folder / "hard.jsonl", 5)
    with pytest.raises(InputError, match="no split 'medium'; there are easy, hard"):
        prepared(tmp_path / "out", source=str(folder), split="medium")
    with pytest.raises(InputError, match="no split 'train'; there are easy, hard"):
        prepared(tmp_path / "out", source=str(folder))


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"source": "math", "split": "lightman"}, "no split 'lightman'; there are original, prm8"),
        ({"source": "gsm8k", "split": "main"}, "split: gsm8k has one split; found 'main'"),
        ({"source": "none.jsonl"}, "none.jsonl: no such file; expected problems"),
        ({"source": "gsm9k"}, "source: found 'gsm9k', which is no file or folder"),
        ({"source": "gsm8k", "solutions": "both"}, "solutions: found 'both' with source 'gsm8k'"),
        ({"source": "gsm8k", "fields": {"id": "x"}}, "fields: gsm8k has known fields"),
        ({"source": "a/b", "fields": {"gold": "x"}}, "fields.gold: no such field"),
        ({"source": "a/b", "fields": "problem"}, "fields: found 'problem'; expected names as in"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_work(
    config: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError) as error:
        Prepare(**config)
    assert sentence in str(error.value)


def test_fields_are_named_on_the_command_line_as_in_a_file() -> None:
    given = Prepare.model_validate({"source": "a/b", "fields": "problem=question, answer=target"})
    assert given.fields == {"problem": "question", "answer": "target"}


@pytest.mark.parametrize("limit", [-1, {"dev": 3}, {"train": -1}])
def test_a_limit_is_a_count_for_a_known_split(limit: Any) -> None:
    with pytest.raises(ValidationError):
        Prepare(limit=limit)


def test_a_file_has_no_splits_and_few_problems_are_not_split(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text('{"problem": "1?", "answer": "1"}\n')
    with pytest.raises(InputError, match=r"split: .*a\.jsonl is one file, without splits"):
        Prepare(source=str(source), split="dev")
    with pytest.raises(InputError, match="subset: found 'main' with source 'arithmetic'"):
        Prepare(subset="main")
    with pytest.raises(InputError, match="1 problems, a tenth of which would be for test"):
        prepared(tmp_path / "out", source=str(source))
    (tmp_path / "whole").mkdir()
    found = Prepare(source=str(source), test=0, validation=0).run(tmp_path / "whole")
    assert [found.train.problems, found.validation.problems, found.test.problems] == [1, 0, 0]


def test_nothing_is_written_when_the_source_is_bad(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text('{"problem": "1?", "answer": "1"}\n{"problem": "2?"}\n')
    out = tmp_path / "out"
    with pytest.raises(InputError, match="line 2, field 'answer'"):
        prepared(out, source=str(source))
    assert list(out.iterdir()) == []


def test_math_as_in_the_paper(
    tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """11,000 / 1,000 / 500, and the solutions of Liu et al. 2023, Table 2."""
    monkeypatch.setenv(local.VARIABLE, str(shared_data))
    found, metrics = prepared(tmp_path / "out", source="math", solutions="both")
    sizes = [len(found[split]) for split in ("train", "validation", "test")]
    assert sizes == [11000, 1000, 500]
    keys = [{normalized(p.problem) for p in rows} for rows in found.values()]
    assert not keys[0] & keys[1]
    assert not keys[0] & keys[2]
    examples = list(jsonl.read(tmp_path / "out" / "solutions.jsonl", Example))
    train = {p.id for p in found["train"]}
    assert {e.problem_id for e in examples} == train
    assert sum(e.source == "gold" for e in examples) == 11000
    assert 500 < sum(e.source == "prm800k" for e in examples) < 942
    assert metrics.prm800k_records is not None
    assert metrics.prm800k_records["kept"] > 700
