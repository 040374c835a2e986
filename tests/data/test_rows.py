"""Rows of any file -> problems: ids, answers, fields, each fault named by file, line and field."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from mathtune.data import local
from mathtune.data.counts import Counts
from mathtune.data.folders import splits_of
from mathtune.data.problems import RowOptions, to_problems
from mathtune.data.rows import Row, normalized, read_rows, stable_id
from mathtune.errors import InputError


def write(path: Path, *lines: str | dict[str, object]) -> Path:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def test_fields_say_where_values_stand(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"uid": "x", "question": "1 + 1?", "gold": 2, "other": [1]})
    fields = {"id": "uid", "problem": "question", "answer": "gold"}
    (problem,) = to_problems(read_rows(path), RowOptions(fields=fields, strict=True))
    assert (problem.id, problem.problem, problem.answer) == ("x", "1 + 1?", "2")


def test_answer_comes_from_the_solution_where_it_is_absent(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        {"problem": "a", "solution": "So it is $\\boxed{\\frac{1}{2}}$."},
        {"problem": "b", "solution": "2 * 12 = 24\n#### 24", "answer": None},
        {"problem": "c", "solution": "#### 24", "answer": "25"},
    )
    answers = [problem.answer for problem in to_problems(read_rows(path), RowOptions(strict=True))]
    assert answers == ["\\frac{1}{2}", "24", "25"]


def test_made_ids_do_not_depend_on_position(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"problem": f"{n}?", "answer": n} for n in range(3)]
    before = to_problems(read_rows(write(tmp_path / "a.jsonl", *rows)))
    after = to_problems(read_rows(write(tmp_path / "b.jsonl", *rows[1:])))
    assert [p.id for p in before[1:]] == [p.id for p in after]
    assert before[0].id == stable_id("0?")


def test_made_ids_of_one_text_differ(tmp_path: Path) -> None:
    row: dict[str, object] = {"problem": "1?", "answer": 1}
    ids = [p.id for p in to_problems(read_rows(write(tmp_path / "a.jsonl", row, row)))]
    assert ids == [stable_id("1?"), stable_id("1?") + "-2"]


def test_gzip_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"problem": "1?", "answer": "1"}\n'))
    assert [p.answer for p in to_problems(read_rows(path), RowOptions(strict=True))] == ["1"]
    assert splits_of(tmp_path) == {"a": [path]}


@pytest.mark.parametrize(
    ("lines", "fields", "sentence"),
    [
        (["{broken"], {}, "a.jsonl: begins as JSON but is not valid"),
        (['{"problem": "1?", "answer": 1}', "[1]"], {}, "a.jsonl, line 2: "),
        (['{"problem": "1?", "answer": "\\ud800"}'], {}, "line 1, field 'answer': half of a "),
        ([{"answer": 1}], {}, "line 1, field 'problem': missing or empty; the row has 'answer'"),
        ([{"q": "", "answer": 1}], {"problem": "q"}, "line 1, field 'q': missing or empty"),
        ([{"problem": "1?"}], {}, "line 1, field 'answer': missing or empty"),
        ([{"problem": "1?", "answer": " "}], {}, "line 1, field 'answer': missing or empty"),
        ([{"problem": "1?", "solution": "It is 1."}], {}, "line 1, field 'answer': missing"),
        ([{"problem": "1?", "answer": True}], {}, "field 'answer': the gold is the boolean"),
        ([{"problem": "1?", "answer": 1}], {"gold": "a"}, "fields.gold: no such field; fields are"),
        ([], {}, "a.jsonl: the file is empty"),
    ],
)
def test_a_fault_is_named(
    tmp_path: Path, lines: list[str], fields: dict[str, str], sentence: str
) -> None:
    path = write(tmp_path / "a.jsonl", *lines)
    with pytest.raises(InputError) as error:
        to_problems(read_rows(path), RowOptions(fields=fields, strict=True))
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_an_id_that_stands_twice_names_both_lines(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"id": name, "problem": f"{n}?", "answer": n} for n, name in enumerate("aba")
    ]
    path = write(tmp_path / "a.jsonl", *rows)
    with pytest.raises(InputError, match=r"line 3, field 'id': 'a' .*a\.jsonl, line 1;"):
        to_problems(read_rows(path), RowOptions(strict=True))


def test_broken_utf8_is_a_broken_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"problem": "1?", "answer": "\xff"}\n')
    with pytest.raises(InputError, match="line 1: "):
        to_problems(read_rows(path), RowOptions(strict=True))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl: no such file"):
        list(read_rows(tmp_path / "none.jsonl"))


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def test_a_git_lfs_pointer_is_told_from_data(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", POINTER)
    with pytest.raises(InputError, match=r"train\.jsonl: is a Git-LFS pointer.*git lfs pull"):
        list(read_rows(path))
    with pytest.raises(InputError, match="Git-LFS pointer"):
        local.find(tmp_path, "train.jsonl")


def test_find_looks_one_folder_down_and_for_gz(tmp_path: Path) -> None:
    (tmp_path / "problems").mkdir()
    plain = write(tmp_path / "a_train.jsonl", "{}")
    packed = tmp_path / "problems" / "b_train.jsonl.gz"
    packed.write_bytes(gzip.compress(b"{}"))
    assert local.find(tmp_path, "a_train.jsonl", "b_train.jsonl") == [plain, packed]
    assert local.find(None, "a_train.jsonl") == []


def test_root_is_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(local.VARIABLE, str(tmp_path))
    assert local.root() == tmp_path
    monkeypatch.setenv(local.VARIABLE, str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"MATHTUNE_DATA: .* is no folder"):
        local.root()


def test_no_folder_is_read_that_nobody_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(local.VARIABLE, raising=False)
    (tmp_path / "shared/data").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert local.root() is None


def test_local_copies_are_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plain = write(tmp_path / "a_train.jsonl", "{}")
    local.find(tmp_path, "a_train.jsonl")
    assert f"local copy: {plain}" in capfd.readouterr().err.replace("\n", "")


@pytest.mark.parametrize("other", ["What is\n 1 + 1?", "WHAT IS 1 + 1?", "What is １ + 1?"])
def test_normalized_text_is_the_same_problem(other: str) -> None:
    assert normalized(other) == normalized("What is 1 + 1?")
    assert normalized(other) != normalized("What is 1 + 2?")


def test_ids_of_ones_own_survive_under_their_usual_names() -> None:
    rows = [
        Row(f"line {n}", {"problem_id": name, "problem": f"{n} + 1?", "answer": n + 1})
        for n, name in enumerate(["mine-a", "mine-b", "mine-a", 7])
    ]
    counts = Counts()
    found = to_problems(rows, RowOptions(), counts)
    assert [problem.id for problem in found] == ["mine-a", "mine-b", "mine-a-2", "7"]
    assert counts.roles["id"] == "problem_id"  # and it is said


def test_columns_that_hold_json_as_text_are_read_as_what_they_hold(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "So #### 2"}]
    with (tmp_path / "a.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["messages", "extra_info", "set"])
        writer.writerow([json.dumps(chat), json.dumps({"answer": 2, "index": 7}), "{1, 2}"])
    fields = {
        "problem": "messages", "solution": "messages", "answer": "extra_info.answer",
        "id": "extra_info.index", "subject": "set",
    }  # fmt: skip
    (problem,) = to_problems(read_rows(tmp_path / "a.csv"), RowOptions(fields=fields, strict=True))
    assert (problem.id, problem.problem, problem.answer) == ("7", "1 + 1?", "2")
    assert (problem.solution, problem.subject) == ("So #### 2", "{1, 2}")


def test_a_gold_of_another_name_is_read_of_parquet_as_of_lines(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    row: dict[str, object] = {
        "q": "1 + 1?", "s": "One and one.", "ground_truth": "2", "other": "x",
    }  # fmt: skip
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    write(tmp_path / "a.jsonl", row)
    reading = RowOptions(fields={"problem": "q", "solution": "s"}, strict=True)
    for name in ("a.parquet", "a.jsonl"):
        rows = read_rows(tmp_path / name, columns=reading.columns)
        (problem,) = to_problems(rows, reading)
        assert (problem.answer, problem.solution) == ("2", "One and one.")
    assert {"q", "s"} <= (RowOptions(fields={"problem": "q", "answer": "s"}).columns or set())
    assert "other" not in (
        RowOptions(fields={"problem": "q", "solution": "answer"}).columns or ["other"]
    )
