"""Prepare: files to four files, splits apart, and settings refused before any work."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mathtune.data import local
from mathtune.data.problems import Enough
from mathtune.data.rows import normalized
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.metrics import PrepareMetrics
from mathtune.rows.records import Example, Problem
from mathtune.stages.prepare import Prepare


def write(path: Path, count: int, *, start: int = 0, **extra: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_rows(
        path,
        *(
            {"id": f"{n}", "problem": f"What is {n} + 1?", "answer": f"{n + 1}", **extra}
            for n in range(start, start + count)
        ),
    )


def write_rows(path: Path, *values: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in values))
    return path


def prepared(folder: Path, **config: Any) -> tuple[dict[str, list[Problem]], PrepareMetrics]:
    folder.mkdir(parents=True, exist_ok=True)
    stage = Prepare(**config)
    metrics = stage.run(folder)
    data = stage.outputs(folder)
    files = {name: getattr(data, name) for name in ("train", "test", "validation")}
    return {name: rows(file) for name, file in files.items()}, metrics


def rows(path: Path) -> list[Problem]:
    return list(jsonl.read(path, Problem)) if path.stat().st_size else []


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
    source = write(tmp_path / "all.jsonl", 120)
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


def test_a_parquet_folder_is_read(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [{"asked": f"{n}?", "answer": n} for n in range(130)]
    datasets.Dataset.from_list(rows).to_parquet(folder / "train.parquet")
    found, _ = prepared(tmp_path / "out", source=str(folder), fields={"problem": "asked"})
    assert [len(found[split]) for split in ("train", "validation", "test")] == [106, 11, 13]
    with pytest.raises(InputError, match=r"train\.parquet, row 1, field 'problem': missing"):
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


def test_a_file_has_no_splits_unless_numbers_are_to_be_drawn(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text('{"problem": "1?", "answer": "1"}\n')
    with pytest.raises(InputError, match=r"split: .*a\.jsonl is one file, without splits"):
        Prepare(source=str(source), split="dev")
    with pytest.raises(InputError, match="subset: found 'main' with source 'arithmetic'"):
        Prepare(subset="main")
    (tmp_path / "whole").mkdir()
    found = Prepare(source=str(source), test=0, validation=0).run(tmp_path / "whole")
    assert [found.train.problems, found.validation.problems, found.test.problems] == [1, 0, 0]


def test_nothing_is_written_when_the_source_is_bad(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text('{"problem": "1?", "answer": "1"}\n{"problem": "2?"}\n')
    out = tmp_path / "out"
    with pytest.raises(InputError, match="line 2, field 'answer'"):
        prepared(out, source=str(source), strict=True)
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


GSM8K = {
    "question": "I had 0 hats and got {n}. How many?",
    "answer": "It is <<0+{n}={n}>>{n}.\n#### {n}",
}


def gsm8k_rows(count: int) -> list[dict[str, str]]:
    return [{k: v.replace("{n}", str(n)) for k, v in GSM8K.items()} for n in range(1, count + 1)]


@pytest.mark.parametrize(
    "fields", [{"problem": "question", "solution": "answer"}, {"problem": "question"}, {}]
)
def test_a_gold_that_is_a_solution_is_reduced_to_its_answer(
    tmp_path: Path, fields: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_rows(tmp_path / "mine.jsonl", *gsm8k_rows(110))
    found, metrics = prepared(tmp_path / "out", source=str(source), fields=fields)
    every = [p for split in found.values() for p in split]
    assert {p.answer for p in every} == {str(n) for n in range(1, 111)}
    assert metrics.rows is not None
    assert metrics.rows.golds_reduced == 110
    assert metrics.rows.first_gold is not None
    assert (metrics.rows.first_gold.gold, metrics.rows.first_gold.rule) == ("1", "hashes")
    said = capsys.readouterr().err
    assert "the first gold is '1'" in said
    assert "(hashes)" in said
    assert metrics.solutions.solutions == len(found["train"]) == 90


def test_a_column_named_for_one_role_has_no_other(tmp_path: Path) -> None:
    values = [{"prompt": f"What is {n} + 1?", "solution": f"{n + 1}"} for n in range(120)]
    source = write_rows(tmp_path / "mine.jsonl", *values)
    found, metrics = prepared(
        tmp_path / "out", source=str(source), fields="problem=prompt,answer=solution"
    )
    assert found["train"]
    assert metrics.solutions.solutions == 0
    assert (tmp_path / "out" / "solutions.jsonl").read_bytes() == b""


def test_a_solution_that_is_only_its_answer_is_not_learned_from(tmp_path: Path) -> None:
    values = [
        {"problem": f"{n}?", "solution": f"$\\boxed{{{n}}}$", "answer": f"{n}"} for n in range(120)
    ]
    _, metrics = prepared(
        tmp_path / "out", source=str(write_rows(tmp_path / "mine.jsonl", *values))
    )
    assert metrics.rows is not None
    assert (metrics.rows.bare_solutions, metrics.solutions.solutions) == (120, 0)


NUMINA: list[dict[str, Any]] = [
    {"problem": "Show a.", "answer": "proof", "question_type": "proof", "level": "Level 2"},
    {"problem": "Find b.", "answer": "notfound", "question_type": "math-word-problem"},
    {"problem": "Find c.", "answer": "3", "question_type": "math-word-problem", "level": "Level 4"},
    {"problem": "Pick d.", "answer": "A", "question_type": "MCQ", "level": "Level 5"},
    {"problem": "Find e.", "answer": None, "question_type": "math-word-problem"},
    {"problem": "", "answer": "5", "question_type": "math-word-problem"},
]


def test_unusable_golds_and_rows_are_dropped_named_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_rows(tmp_path / "mine.jsonl", *NUMINA)
    found, metrics = prepared(tmp_path / "out", source=str(source))
    assert [p.problem for p in found["test"]] == ["Find c.", "Pick d."]
    assert metrics.rows is not None
    assert metrics.rows.read == 6
    assert metrics.rows.dropped == {
        "gold says 'proof'": 1, "gold says 'notfound'": 1, "gold is missing": 1, "no problem": 1
    }  # fmt: skip
    said = capsys.readouterr().err
    assert "4 of 6 rows dropped, 3 without a usable gold" in said
    assert "mine.jsonl, line 5" in said


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("question_type!=proof", ["Find c.", "Pick d."]),
        ("question_type!=proof|MCQ", ["Find c."]),
        ("level>=5", ["Pick d."]),
        ("level=Level 4", ["Find c."]),
        ("question_type=MCQ,level<5", []),
        ("length(problem)<7", []),
        (["length(problem)<=7", "level<5"], ["Find c."]),
    ],
)
def test_conditions_choose_rows(tmp_path: Path, where: Any, kept: list[str]) -> None:
    source = write_rows(tmp_path / "mine.jsonl", *NUMINA)
    if not kept:
        with pytest.raises(InputError, match=r"does not hold|missing or empty"):
            prepared(tmp_path / "out", source=str(source), where=where)
        return
    found, _ = prepared(tmp_path / "out", source=str(source), where=where)
    assert [p.problem for p in found["test"]] == kept


def test_a_condition_on_no_field_is_refused(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "mine.jsonl", *NUMINA)
    with pytest.raises(InputError, match="where: no row has the field 'kind'; the fields are"):
        prepared(tmp_path / "out", source=str(source), where="kind!=proof")
    for bad in ("question_type", "level>=hard", ">=3"):
        with pytest.raises(InputError, match="where: found"):
            Prepare(source=str(source), where=bad)


def test_conditions_choose_among_the_problems_of_named_sources(tmp_path: Path) -> None:
    _, metrics = prepared(
        tmp_path / "out", source="arithmetic", where="length(problem)<=200", train=60, test=20
    )
    assert metrics.rows is not None
    (count,) = metrics.rows.dropped.values()
    assert metrics.rows.read == 280
    kept = metrics.train.problems + metrics.validation.problems + metrics.test.problems
    shared = sum(metrics.shared_problems_dropped.values())
    assert kept + count + shared == 280
    assert 0 < count < 280


@pytest.mark.parametrize("gold", ["Proof.", "$\\text{notfound}$", "Not Found", "None", "N/A"])
def test_a_gold_that_says_there_is_none_in_other_spellings(tmp_path: Path, gold: str) -> None:
    rows = [{"problem": "a?", "answer": gold}, {"problem": "b?", "answer": "none"}]
    source = write_rows(tmp_path / "mine.jsonl", *rows)
    found, _ = prepared(tmp_path / "out", source=str(source))
    assert [problem.answer for problem in found["test"]] == ["none"]
    kept, _ = prepared(tmp_path / "kept", source=str(source), unusable="nothing")
    assert len(kept["test"]) == 2


def test_strict_ends_at_the_first_unusable_row(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "mine.jsonl", *NUMINA)
    with pytest.raises(InputError, match=r"mine\.jsonl, line 1: the gold is 'proof'"):
        prepared(tmp_path / "out", source=str(source), strict=True)


def test_a_benchmark_is_a_test_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    aime = write(tmp_path / "aime.jsonl", 30)
    found, _ = prepared(tmp_path / "a", source=str(aime))
    assert {split: len(p) for split, p in found.items()} == {
        "train": 0,
        "validation": 0,
        "test": 30,
    }
    assert "all of them are test problems" in capsys.readouterr().err
    folder = tmp_path / "bench"
    write(folder / "test.jsonl", 150)
    found, _ = prepared(tmp_path / "b", source=str(folder))
    assert {split: len(p) for split, p in found.items()} == {
        "train": 0,
        "validation": 0,
        "test": 150,
    }
    found, _ = prepared(tmp_path / "c", source=str(folder / "test.jsonl"))
    assert len(found["test"]) == 150
    found, _ = prepared(tmp_path / "d", source=str(aime), test=5, validation=5)
    assert {split: len(p) for split, p in found.items()} == {
        "train": 20,
        "validation": 5,
        "test": 5,
    }
    found, _ = prepared(tmp_path / "e", source=str(folder), split="test", test=30)
    assert (len(found["train"]), len(found["validation"])) == (108, 12)


def test_nested_columns_lists_and_conversations(tmp_path: Path) -> None:
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is 1 + 1?"},
        {"role": "assistant", "content": "<think>one, two</think>\n\nIt is \\boxed{2}."},
    ]
    row: dict[str, Any] = {
        "messages": chat,
        "extra_info": {"answer": 2, "index": 7},
        "domain": ["Algebra", "Counting"],
        "difficulty": 1.5,
    }
    source = write_rows(tmp_path / "mine.jsonl", row)
    fields = (
        "problem=messages,solution=messages,answer=extra_info.answer,id=extra_info.index,"
        "subject=domain,level=difficulty"
    )
    for thoughts, solution in (
        ("keep", "<think>one, two</think>\n\nIt is \\boxed{2}."),
        ("drop", "It is \\boxed{2}."),
    ):
        found, _ = prepared(
            tmp_path / thoughts, source=str(source), fields=fields, thoughts=thoughts
        )
        (problem,) = found["test"]
        assert problem == Problem(
            id="7",
            problem="What is 1 + 1?",
            answer="2",
            solution=solution,
            level="1.5",
            subject="Algebra, Counting",
        )


def test_a_thought_that_stands_apart_is_kept_or_dropped(tmp_path: Path) -> None:
    reply = {"role": "assistant", "content": "It is 2.", "reasoning_content": "one, two"}
    chat = [{"role": "user", "content": "What is 1 + 1?"}, reply]
    source = write_rows(tmp_path / "mine.jsonl", {"messages": chat, "answer": 2})
    fields = {"problem": "messages", "solution": "messages"}
    kept, _ = prepared(tmp_path / "a", source=str(source), fields=fields)
    assert kept["test"][0].solution == "<think>\none, two\n</think>\n\nIt is 2."
    dropped, _ = prepared(tmp_path / "b", source=str(source), fields=fields, thoughts="drop")
    assert dropped["test"][0].solution == "It is 2."


def test_every_gold_of_a_list_is_accepted(tmp_path: Path) -> None:
    source = write_rows(
        tmp_path / "mine.jsonl", {"problem": "x?", "answer": ["1/2", "0.5", "half"]}
    )
    found, _ = prepared(tmp_path / "out", source=str(source))
    assert found["test"][0].golds == ("1/2", "0.5", "half")


def test_a_limit_stops_reading_a_large_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Enough, "CHARACTERS", 10_000)
    source = write(tmp_path / "large.jsonl", 3_000)
    with source.open("a") as stream:
        stream.write("not JSON: nobody reads as far as this\n")
    found, metrics = prepared(tmp_path / "out", source=str(source), limit=10, strict=True)
    assert {len(problems) for problems in found.values()} == {10}
    assert metrics.rows is not None
    assert 200 <= metrics.rows.read < 400
    assert "the limit is drawn from them" in capsys.readouterr().err
