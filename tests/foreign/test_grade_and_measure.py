"""Other people's samples: graded and measured as they are, against values worked out by hand."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mathtune.cli import main
from mathtune.errors import InputError
from mathtune.foreign import Request, grade_file, measure_file
from mathtune.foreign import grade as grading
from mathtune.foreign.measure import Options
from mathtune.foreign.measure_table import table
from mathtune.report.cells import grid
from mathtune.rows import jsonl
from mathtune.rows.records import Graded

LISTS = [
    {"problem_id": "a", "gold_answer": "7", "samples": ["#### 7", "#### 8", "#### 8", "none"],
     "scores": [0.9, 0.3, 0.4, 0.1], "problem": "What is 3 + 4?"},
    {"problem_id": "b", "gold_answer": "1/2", "samples": ["#### 0.5", "#### 0.5", "#### 1", "so 2"],
     "scores": [0.2, 0.3, 0.6, 0.9], "problem": "What is half of 1?"},
]  # fmt: skip


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    return path


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    return write(tmp_path / "lists.jsonl", LISTS)


def one_a_line(order: Iterator[tuple[int, int]]) -> list[dict[str, Any]]:
    return [
        {
            "problem_id": LISTS[p]["problem_id"],
            "gold_answer": LISTS[p]["gold_answer"],
            "samples": LISTS[p]["samples"][i],
            "score": LISTS[p]["scores"][i],
        }
        for p, i in order
    ]


def test_grades_are_counted_by_hand(lists: Path) -> None:
    found = grade_file(Request.parse(lists, grader="math,prm800k"))
    assert (found["samples"], found["broken_lines"], found["extract"]) == (8, 0, "auto")
    assert (found["problems"], found["size"]) == (2, "2 problems x 4 samples")
    assert found["rules"] == {"hashes": 6, "last-number": 1}
    math = found["graders"]["math"]
    assert (math["correct"], math["wrong"], math["no_answer"], math["undecided"]) == (3, 4, 1, 0)
    assert math["accuracy"] == 3 / 8
    assert math["version"]
    assert math["disagreements"] == [
        {"count": 2, "gold": "7", "answer": "8", "verdict": "wrong", "first_line": 1},
        {"count": 1, "gold": "1/2", "answer": "1", "verdict": "wrong", "first_line": 2},
        {"count": 1, "gold": "1/2", "answer": "2", "verdict": "wrong", "first_line": 2},
    ]


def test_where_graders_differ(tmp_path: Path) -> None:
    # The prm800k grader accepts 2.0000000001 for 2; mathematically it is another number.
    rows = [{"generation": "\\boxed{2.0000000001}", "expected_answer": "2"}] * 3
    found = grade_file(Request.parse(write(tmp_path / "f.jsonl", rows), grader="math,prm800k"))
    between = found["between_graders"]
    assert between["samples"] == 3
    assert between["disagreements"] == [
        {"count": 3, "gold": "2", "answer": "2.0000000001", "math": "wrong",
         "prm800k": "correct", "first_line": 1}
    ]  # fmt: skip
    assert [table.rows != [] for table in grading.tables(found)] == [True, True, True]
    assert all(grid(table) for table in grading.tables(found))


SHAPES = {
    "NeMo-Skills": {"generation": "\\boxed{3}", "expected_answer": "3", "problem": "1+2?"},
    "harness": {"doc_id": 0, "doc": {"question": "q"}, "target": "#### 3", "resps": [["#### 3"]]},
    "Qwen2.5-Math": {"idx": 0, "question": "q", "gt": "3", "code": ["\\boxed{3}"], "score": [True]},
    "TRL": {"prompt": [], "completion": [{"content": "\\boxed{3}"}], "solution": "\\boxed{3}"},
    "lists": {"problem_id": "a", "samples": ["#### 3"], "gold_answer": "3", "scores": [0.5]},
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_graded_and_measured(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", [SHAPES[name]])
    assert grade_file(Request.parse(path))["graders"]["math"]["accuracy"] == 1.0
    found = measure_file(Request.parse(path))
    assert found["metrics"]["mean"]["value"] == 1.0
    # Qwen2.5-Math's own `score` holds verdicts: re-ranking by them would be an oracle.
    assert ("RR.All" in found["metrics"]) == (name == "lists")


def test_golds_of_many_words_are_warned_of(tmp_path: Path) -> None:
    text = "First we add three and four, then we double it, and so there are fourteen in all"
    row = {"question": "a?", "response": "\\boxed{14}"}
    rows = [
        {**row, "solution": text},
        {**row, "question": "b?", "solution": f"{text}: \\boxed{{14}}"},
    ]
    found = grade_file(Request.parse(write(tmp_path / "f.jsonl", rows)))
    assert found["graders"]["math"]["correct"] == 1
    assert [one for one in found["warnings"] if "1 of 2 samples has a gold of many words" in one]


def test_broken_lines_are_named_and_the_rest_is_graded(tmp_path: Path) -> None:
    good = {"generation": "\\boxed{3}", "expected_answer": "3"}
    path = write(tmp_path / "f.jsonl", [good, "{torn", {"generation": "x"}, good])
    found = grade_file(Request.parse(path))
    assert (found["samples"], found["broken_lines"]) == (2, 2)
    (said,) = [one for one in found["warnings"] if "broken" in one]
    assert "2 broken lines are left out" in said
    assert "line 2: not valid JSON" in said
    assert "line 3: field 'expected_answer': missing" in said
    with pytest.raises(InputError, match="line 2"):
        grade_file(Request.parse(path, strict=True), out=tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["f.jsonl"]


def test_a_file_without_a_good_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no line can be used; 2 lines are broken"):
        grade_file(Request.parse(write(tmp_path / "f.jsonl", ["{torn", "{"])))
    with pytest.raises(InputError, match="the file is empty"):
        grade_file(Request.parse(write(tmp_path / "g.jsonl", [])))


@pytest.mark.parametrize("mixed", [False, True])
def test_grades_stand_together_problem_by_problem(mixed: bool, tmp_path: Path) -> None:
    order = [(p, i) for i in range(4) for p in range(2)]
    rows = one_a_line(iter(order if mixed else sorted(order)))
    grade_file(Request.parse(write(tmp_path / "f.jsonl", rows)), out=tmp_path / "out")
    found = list(jsonl.read(tmp_path / "out" / "grades.jsonl", Graded))
    assert [(row.problem_id, row.index, row.answer, row.cluster) for row in found] == [
        ("a", 0, "7", 0), ("a", 1, "8", 1), ("a", 2, "8", 1), ("a", 3, None, None),
        ("b", 0, "0.5", 0), ("b", 1, "0.5", 0), ("b", 2, "1", 1), ("b", 3, "2", 2),
    ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.jsonl", "out"]
    assert jsonl.read_json(tmp_path / "out" / "metrics.json")["samples"] == 8


def test_a_folder_is_not_overwritten_unasked(lists: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    grade_file(Request.parse(lists, grader="math,prm800k"), out=out)
    names = {path.name for path in out.iterdir()}
    assert names == {"grades-math.jsonl", "grades-prm800k.jsonl", "metrics.json"}
    with pytest.raises(InputError, match="--redo"):
        grade_file(Request.parse(lists), out=out)
    grade_file(Request.parse(lists), out=out, redo=True)
    assert {path.name for path in out.iterdir()} == {"grades.jsonl", "metrics.json"}
    (out / "thesis.tex").write_text("all of it")
    with pytest.raises(InputError, match="thesis"):
        grade_file(Request.parse(lists), out=out, redo=True)
    assert (out / "thesis.tex").exists()


def test_what_no_file_can_hold_is_replaced(tmp_path: Path) -> None:
    rows = ['{"generation": "\\\\boxed{\\ud800\\u001b[31m}", "expected_answer": "1"}']
    found = grade_file(Request.parse(write(tmp_path / "f.jsonl", rows)), out=tmp_path / "out")
    assert found["graders"]["math"]["wrong"] == 1
    cells = [cell for table in grading.tables(found) for row in table.rows for cell in row]
    assert not any("\x1b" in cell for cell in cells)


def test_memory_does_not_grow_with_the_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mathtune.foreign.judged.SAMPLES_AT_ONCE", 64)
    monkeypatch.setattr(grading, "KEPT", 50)

    def peak(lines: int) -> int:
        rows = [
            {"id": n, "generation": "word " * 200 + f"\\boxed{{{n}}}", "expected_answer": "x"}
            for n in range(lines)
        ]
        path = write(tmp_path / f"{lines}.jsonl", rows)
        del rows
        tracemalloc.start()
        found = grade_file(Request.parse(path))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found["graders"]["math"]["wrong"] == lines
        assert not found["graders"]["math"]["disagreements_exact"]
        return size

    peak(100)
    assert peak(2_000) < 2 * peak(500)


def test_measured_by_hand(lists: Path) -> None:
    found = measure_file(Request.parse(lists, rule="explicit"))
    assert (found["problems"], found["n"], found["grader"]) == (2, 4, "math")
    values = {name: part["value"] for name, part in found["metrics"].items()}
    assert values == pytest.approx(
        {
            "mean": (1 / 4 + 2 / 4) / 2,
            "Pass@4": 1.0,
            "Maj1@4": 0.5,  # a: 8 has two votes; b: 0.5 has two
            "Maj8@4": 1.0,
            "RR.All": 0.5,  # a: 7 at 0.9; b: 1 at 0.6, for "so 2" has no answer
            "RR.Maj8": 0.5,
            "W.RR": 0.5,  # a: 0.9 over 0.7; b: 0.5 under 0.6
            "W.RR.Maj8": 0.5,
            "Maj1.Top8": 0.5,
            "cost.Maj8": 3 / 4,
            "calculator": 0.5,  # no equation in them: as Maj1
            "shortness": 0.5,
            "form": 0.5,
            "W.RR.calculator": 0.5,  # as W.RR
        }
    )
    assert found["metrics"]["mean"]["low"] <= 0.375 <= found["metrics"]["mean"]["high"]


def test_the_calculator_judges_a_file_without_scores(lists: Path, tmp_path: Path) -> None:
    rows = [{"problem_id": "a", "gold_answer": "8", "samples": SLIPS}]
    rows.append({"problem_id": "b", "gold_answer": "8", "samples": ["#### 8"] * 3})
    path = write(tmp_path / "slips.jsonl", rows)
    found = measure_file(Request.parse(path, score="calculator"))
    assert found["scorer"] == "calculator"
    assert found["metrics"]["Maj1@3"]["value"] == 0.5
    assert found["metrics"]["W.RR"]["value"] == found["metrics"]["calculator"]["value"] == 1.0
    assert found["over_calculator"]["W.RR"]["difference"] == 0.0
    # The scores in the file are not read: all weigh 1, and the earliest sample is picked.
    again = measure_file(Request.parse(lists, score="calculator", rule="explicit"))
    assert again["metrics"]["RR.All"]["value"] == 1.0
    assert again["read"]["score"] == "calculator"
    assert measure_file(Request.parse(lists))["scorer"] is None
    shown = table(found)
    assert shown.header[-1] == "minus calculator"
    assert "W.RR by calculator alone" in [row[0] for row in shown.rows]
    silent = {**rows[1], "samples": ["#### 8", "#### 8", None]}  # without a text, without a score
    again = measure_file(Request.parse(write(path, [rows[0], silent]), score="calculator"))
    assert "W.RR.calculator" not in again["metrics"]


SLIPS = ["5 + 4 = 7\n#### 7", "5 + 4 = 7, so\n#### 7", "5 + 3 = 8\n#### 8"]


def test_k_is_in_the_names(lists: Path) -> None:
    names = set(measure_file(Request.parse(lists), options=Options(k=1))["metrics"])
    assert {"Maj1@4", "RR.Maj1", "W.RR.Maj1", "Maj1.Top1"} <= names
    assert not any("8" in name for name in names)


def test_other_numbers_of_samples_are_expected_values(tmp_path: Path) -> None:
    fewer = {**LISTS[1], "samples": LISTS[1]["samples"][:2], "scores": [0.5, 0.1]}
    path = write(tmp_path / "f.jsonl", [LISTS[0], fewer])
    found = measure_file(Request.parse(path))
    assert (found["n"], found["samples_per_problem"]) == (2, {"fewest": 2, "most": 4})
    assert "Maj1@2" in found["metrics"]
    assert "2 to 4 samples" in table(found).note


def test_outcomes_are_written_for_others(lists: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = measure_file(Request.parse(lists), options=Options(out=out))
    rows = [json.loads(line) for line in (out / "outcomes.jsonl").read_text().splitlines()]
    assert [row["problem_id"] for row in rows] == [one["problem_id"] for one in LISTS]
    mean = sum(row["values"]["Maj1@4"] for row in rows) / len(rows)
    assert mean == pytest.approx(found["metrics"]["Maj1@4"]["value"])
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = parquet.read_table(out / "outcomes.parquet").to_pydict()
    assert columns["Maj1@4"] == [row["values"]["Maj1@4"] for row in rows]


def test_problems_that_were_drawn_together_are_one_draw(tmp_path: Path) -> None:
    rows = [
        {
            "problem_id": f"{passage}-{i}",
            "passage": passage,
            "gold_answer": "1",
            "samples": ["#### 1" if passage < 4 else "#### 2"],
        }
        for passage in range(8)
        for i in range(5)
    ]
    path = write(tmp_path / "f.jsonl", rows)
    alone = measure_file(Request.parse(path))["metrics"]["mean"]
    document = measure_file(Request.parse(path, cluster_by="passage"))
    together = document["metrics"]["mean"]
    assert document["clusters"] == 8
    assert together["value"] == alone["value"] == 0.5
    assert together["high"] - together["low"] > 1.8 * (alone["high"] - alone["low"])
    assert "over 8 clusters" in table(document).note


def test_lines_in_any_order_measure_the_same(lists: Path, tmp_path: Path) -> None:
    order = [(p, i) for i in range(4) for p in range(2)]
    path = write(tmp_path / "mixed.jsonl", one_a_line(iter(order)))
    assert (
        measure_file(Request.parse(path))["metrics"]
        == measure_file(Request.parse(lists))["metrics"]
    )


@pytest.mark.parametrize(
    ("change", "score", "sentence"),
    [
        (
            {**LISTS[0], "gold_answer": "9"},
            None,
            "line 2: problem 'What is 3 + 4?' has the gold '9' and, on line 1, '7'",
        ),
        (
            {},
            "score",
            "--score names the field 'score', which no row has; the fields are problem_id",
        ),
        ({}, "problem", "the field 'problem' holds no numbers"),
    ],
)
def test_what_cannot_be_measured(
    change: dict[str, Any], score: str | None, sentence: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "f.jsonl", [LISTS[0], {**LISTS[1], **change}])
    with pytest.raises(InputError, match="jsonl") as error:
        measure_file(Request.parse(path, score=score))
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("scores", "missing"),
    [
        ([0.1, 0.2], 4),
        ([0.1, 0.2, 0.3, "high"], 1),
        ([0.1, 0.2, 0.3, True], 1),
        ([1, 2, 3, 10**400], 1),
        ([1, 2, 3, float("nan")], 1),
        ([1, None, 3, None], 2),
        (None, 4),
    ],
)
def test_a_missing_score_is_counted_and_ranks_last(
    scores: Any, missing: int, tmp_path: Path
) -> None:
    path = write(tmp_path / "f.jsonl", [LISTS[0], {**LISTS[1], "scores": scores}])
    found = measure_file(Request.parse(path))
    assert (found["problems"], found["n"]) == (2, 4)
    assert found["evaluator"]["without_score"] == missing
    assert any(
        f"{missing} of 8 samples ha{'s' if missing == 1 else 've'} no score" in one
        for one in found["warnings"]
    )


def call(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["mathtune", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main.main()
    code = stopped.value.code
    return code if isinstance(code, int) else 0


def test_the_commands(
    lists: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = str(lists)
    assert call(["grade", file, "--grader", "math,prm800k", "--out", f"{file}-g"], monkeypatch) == 0
    assert "37.5 %" in capsys.readouterr().out
    assert call(["measure", file, "--json", "--score", "scores"], monkeypatch) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("{")
    assert json.loads(shown)["metrics"]["Maj1@4"]["value"] == 0.5
    assert call(["measure", file], monkeypatch) == 0
    assert "RR.All" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["grade", "none.jsonl"], "none.jsonl: no such file"),
        (["grade", "FILE", "--grader", "maths"], "no grader 'maths'"),
        (["grade", "FILE", "--extract", "guess"], "expected explicit or auto or last-number"),
        (["grade", "FILE", "--fields", "solution"], "--fields 'solution'"),
        (
            ["grade", "FILE", "--fields", "solution=samplez"],
            "the fields are problem_id, gold_answer",
        ),
        (["grade", "FILE", "problems=FILE", "--strict"], "--strict: only for a file alone"),
        (["measure", "FILE", "--weights", "sum"], "--weights sum: no such rule"),
        (["grade", "FILE", "--config", "x.yaml"], "x.yaml"),
        (["measure", "FILE", "--grader", "math,prm800k"], "several graders"),
        (["measure", "FILE", "--redo"], "--redo goes with problems=FILE"),
        (["measure", "FILE", "--ties", "first"], "--ties first: no such way"),
        (["measure", "FILE", "--n", "9"], "no problem has 9 samples; the most are 4"),
        (["measure", "FILE", "--cluster-by", "passage"], "--cluster-by names the field 'passage'"),
        (["measure", "problems=FILE", "--json"], "--json: only for a file alone"),
        (["measure", "FILE", "problems=none.jsonl", "--out", "x"], "none.jsonl"),
    ],
)
def test_faults_of_the_user_end_with_2(
    arguments: list[str],
    sentence: str,
    lists: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(lists.parent)
    named = [part.replace("FILE", lists.name) for part in arguments]
    assert call(named, monkeypatch) == 2
    assert sentence in capsys.readouterr().err
    assert [path.name for path in lists.parent.iterdir()] == [lists.name]


def test_with_problems_it_is_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "p.jsonl", [{"id": "a", "problem": "3 + 4?", "answer": "7"}])
    texts = ("#### 7", "#### 7", "it is 8")
    key = {"problem_id": "a", "finish_reason": "stop", "tokens": 3}
    write(tmp_path / "s.jsonl", [{**key, "index": i, "text": t} for i, t in enumerate(texts)])
    grade = ["grade", "s.jsonl", "problems=p.jsonl", "--grader", "prm800k"]
    assert call([*grade, "--extract", "last-number", "--out", "g"], monkeypatch) == 0
    metrics = jsonl.read_json(tmp_path / "g" / "metrics.json")
    assert (metrics["grader"], metrics["extract"]) == ("prm800k", "last-number")
    assert metrics["verdicts"]["wrong"] == 1
    measure = ["measure", "samples=s.jsonl,g/grades.jsonl", "problems=p.jsonl", "--out", "m"]
    assert call(measure, monkeypatch) == 0
    assert jsonl.read_json(tmp_path / "m" / "metrics.json")["metrics"]["Pass@3"]["value"] == 1.0


def test_the_page(lists: Path, tmp_path: Path) -> None:
    packed = tmp_path / "their.jsonl.gz"
    packed.write_bytes(gzip.compress(lists.read_bytes()))
    measure_file(Request.parse(packed), page=tmp_path / "pages" / "their.html")
    assert "their" in (tmp_path / "pages" / "their.html").read_text()


@pytest.mark.slow
def test_real_scored_samples(shared_data: Path) -> None:
    """16,000 samples of Qwen2.5-7B-Instruct with the scores of a process reward model."""
    path = shared_data / "samples" / "gsm8k_qwen_n32_prm.jsonl.gz"
    found = measure_file(Request.parse(path, grader="prm800k", rule="last-number"))
    assert (found["problems"], found["n"], found["grader"]) == (500, 32, "prm800k")
    percent = {name: round(100 * part["value"], 1) for name, part in found["metrics"].items()}
    expected = {
        "mean": 87.0,
        "Pass@32": 97.4,
        "Maj1@32": 88.8,
        "RR.All": 92.4,
        "RR.Maj8": 92.4,
        "W.RR": 90.4,
    }
    assert {name: percent[name] for name in expected} == expected
    assert all(part["low"] < part["value"] < part["high"] for part in found["metrics"].values())
