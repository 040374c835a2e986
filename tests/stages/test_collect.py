"""The stage collect: draws, paths, unions, counts, refusals, whatever the order of files."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from mathtune.cli.main import app
from mathtune.data.exports import Completion
from mathtune.errors import InputError
from mathtune.paths.example_rows import Counted
from mathtune.rows import jsonl
from mathtune.rows.metrics import SourceMetrics
from mathtune.rows.records import Example, Graded, Labelled, Pair, Problem, Row, Sample, Verdict
from mathtune.run.stage import Columns
from mathtune.stages.collect import Collect

Texts = dict[str, list[tuple[str, str]]]
"""Per problem: (text, answer) of each sample; "8" is right, "" no answer, "?" undecided."""

PROBLEMS = [
    Problem(id="a", problem="A?", answer="8", solution="Gold: <<4+4=8>>"),
    Problem(id="b", problem="B?", answer="8", solution="Gold: <<4+4=9>>"),
    Problem(id="c", problem="C?", answer="8"),
]


def write(folder: Path, texts: Texts) -> Columns:
    folder.mkdir()
    samples, grades = [], []
    for name, rows in texts.items():
        numbers: dict[str, int] = {}
        for index, (text, answer) in enumerate(rows):
            verdict = {"8": "correct", "": "no_answer", "?": "undecided"}.get(answer, "wrong")
            samples.append(
                Sample(problem_id=name, index=index, text=text, finish_reason="stop", tokens=3)
            )
            grades.append(
                Graded(
                    problem_id=name,
                    index=index,
                    answer=answer or None,
                    rule=None,
                    verdict=Verdict(verdict),
                    cluster=numbers.setdefault(answer, len(numbers)) if answer else None,
                )
            )
    jsonl.write(folder / "samples.jsonl", samples)
    jsonl.write(folder / "grades.jsonl", grades)
    return (folder / "samples.jsonl", folder / "grades.jsonl")


def collect(
    folder: Path, kind: type[Row], texts: Texts | tuple[Columns, ...], **config: Any
) -> tuple[list[Any], Any]:
    folder.mkdir()
    jsonl.write(folder / "problems.jsonl", config.pop("problems", PROBLEMS))
    samples = (write(folder / "drafts", texts),) if isinstance(texts, dict) else texts
    stage = Collect(problems=folder / "problems.jsonl", samples=samples, **config)
    metrics = stage.run(folder)
    return list(jsonl.read(stage.outputs(folder), kind)), metrics


MANY: Texts = {
    "a": [(f"right {i % 6}", "8") for i in range(12)] + [(f"wrong {i}", "7") for i in range(4)],
    "b": [("right", "8")] * 3 + [("silent", ""), ("slow", "?")],
    "c": [("wrong", "7"), ("worse", "6")],
}


def test_pairs_are_drawn_without_replacement_and_everything_dropped_is_counted(
    tmp_path: Path,
) -> None:
    rows, counts = collect(tmp_path / "x", Pair, MANY, keep="pairs")
    assert {row.problem_id for row in rows} == {"a"}
    assert len(rows) == 4  # as many as there are distinct wrong texts
    assert len({row.right for row in rows}) == len({row.wrong for row in rows}) == 4
    assert all(row.right.startswith("right") and row.wrong.startswith("wrong") for row in rows)
    assert rows[0].problem == "A?"
    assert msgspec.to_builtins(counts) == {
        "problems": 3,
        "samples": 23,
        "no_answer_dropped": 1,
        "undecided_dropped": 1,
        "duplicate_texts_dropped": 8,
        "only_right": 1,
        "only_wrong": 1,
        "problems_used": 1,
        "rows": 4,
    }
    few, _ = collect(tmp_path / "y", Pair, MANY, keep="pairs", per_problem=2)
    assert len(few) == 2


def test_labelled_is_balanced(tmp_path: Path) -> None:
    rows, counts = collect(tmp_path / "x", Labelled, MANY, keep="labelled")
    assert [row.correct for row in rows] == [True, False] * 4
    assert len({row.solution for row in rows}) == 8
    assert counts.rows == 8


def test_gold_stands_in_where_no_sample_is_right(tmp_path: Path) -> None:
    texts: Texts = {"a": [("wrong", "7")], "c": [("wrong", "7")]}
    rows, counts = collect(tmp_path / "x", Pair, texts, keep="pairs", right_from="gold")
    assert [(row.problem_id, row.right) for row in rows] == [("a", "Gold: <<4+4=8>>")]
    assert counts.gold_stands_in == 1
    assert counts.only_wrong == 1  # c has no gold solution
    with pytest.raises(InputError, match="no problem has both a right and a wrong solution"):
        collect(tmp_path / "y", Pair, texts, keep="pairs")


def test_hard_negatives_are_of_the_most_frequent_wrong_answers(tmp_path: Path) -> None:
    rare = [(f"rare {i}", f"1{i}") for i in range(20)]
    texts: Texts = {"a": [*rare, *((f"often {i}", "7") for i in range(4)), *MANY["a"][:6]]}
    rows, _ = collect(
        tmp_path / "x", Pair, texts, keep="pairs", per_problem=4, wrong_from="frequent"
    )
    assert {row.wrong for row in rows} == {f"often {i}" for i in range(4)}
    others, _ = collect(tmp_path / "y", Pair, texts, keep="pairs", per_problem=4)
    assert {row.wrong for row in others} != {row.wrong for row in rows}


def test_labels_after_every_step_are_balanced(tmp_path: Path) -> None:
    right = "<<1+1=2>>2\n<<2+6=8>>8\n#### 8"
    wrong = "<<1+1=3>>3\n<<3+4=7>>7\n<<7-0=7>>7\n#### 7"
    lost = "<<1+1=2>>2\n<<2+5=7>>7\n#### 7"  # all its equations hold: only its whole is wrong
    texts: Texts = {"a": [(right, "8"), (wrong, "7"), (lost, "7"), ("8 it is", "8")]}
    rows, counts = collect(tmp_path / "x", Labelled, texts, keep="labelled", steps=True)
    labels = {row.solution: row.correct for row in rows}
    assert labels == {
        right: True,
        "8 it is": True,
        wrong: False,
        lost: False,
        "<<1+1=2>>2": True,
        "<<1+1=2>>2\n<<2+6=8>>8": True,
        **{text: False for text in labels if text.startswith("<<1+1=3>>3") and text != wrong},
    }
    assert len(rows) == 8 == counts.rows
    assert (counts.beginnings, counts.wrong_beginnings_left) == (2, 1)


@pytest.mark.parametrize("keep", ["pairs", "labelled", "paths"])
def test_rows_do_not_depend_on_the_order_of_files_and_rows(tmp_path: Path, keep: str) -> None:
    rng = random.Random(0)
    one: Texts = {
        p: [(f"{p} {i} <<{i}+1={i + 1}>>", "8" if i % 2 else "7") for i in range(9)] for p in "abc"
    }
    two: Texts = {
        p: [(f"{p}, {i}: <<{i}+1={i + 1}>>", "8" if i % 2 else "7") for i in range(9)]
        for p in "cab"
    }
    shuffled = {p: rng.sample(one[p], len(one[p])) for p in "cab"}
    kinds: dict[str, type[Row]] = {"pairs": Pair, "labelled": Labelled, "paths": Example}
    found = []
    for number, (first, reverse) in enumerate(((one, False), (shuffled, True))):
        place = tmp_path / str(number)
        place.mkdir()
        columns = (write(place / "m7", first), write(place / "m13", two))
        samples = columns[::-1] if reverse else columns
        rows, metrics = collect(place / "x", kinds[keep], samples, keep=keep, per_problem=3)
        found.append((rows, msgspec.to_builtins(metrics)))
    assert found[0][0] == found[1][0]
    assert found[0][1] == found[1][1]


def test_the_seed_changes_the_draw_of_every_problem_alone(tmp_path: Path) -> None:
    one, _ = collect(tmp_path / "x", Pair, MANY, keep="pairs", per_problem=2)
    other, _ = collect(tmp_path / "y", Pair, MANY, keep="pairs", per_problem=2, seed=1)
    alone, _ = collect(tmp_path / "z", Pair, {"a": MANY["a"]}, keep="pairs", per_problem=2)
    assert one != other
    assert one == alone


PATHS: Texts = {
    "a": [
        ("x <<4+4=8>>", "8"),
        ("a longer x <<4+4=8>>", "8"),
        ("<<2*4=8>>", "8"),
        ("<<2*4=9>>", "8"),
        ("<<1+1=2>>", "2"),
        ("eight", "8"),
    ],
    "b": [("<<3+5=8>>", "8"), ("<<3+5=8>>", "8")],
}


def test_paths_are_gold_and_one_solution_for_each_path(tmp_path: Path) -> None:
    rows, counts = collect(tmp_path / "x", Example, PATHS, keep="paths")
    assert [(row.problem_id, row.solution, row.source) for row in rows] == [
        ("a", "Gold: <<4+4=8>>", "gold"),
        ("a", "<<2*4=8>>", "drafts"),
        ("a", "a longer x <<4+4=8>>", "drafts"),
        ("a", "eight", "drafts"),
        ("b", "Gold: <<4+4=9>>", "gold"),
        ("b", "<<3+5=8>>", "drafts"),
    ]
    assert counts.correct == 7
    assert counts.false_equation_dropped == 1
    assert counts.repeated_path_dropped == 2
    assert counts.without_equations == 1
    assert counts.gold == 2
    assert counts.gold_with_false_equation == 1
    assert counts.without_gold_solution == 1
    assert counts.rows == 6
    assert counts.histogram == {"0": 1, "1": 1, "3": 1}
    assert counts.paths_per_problem == pytest.approx(4 / 3, abs=1e-6)
    assert counts.correct_per_problem == pytest.approx(7 / 3, abs=1e-6)


def test_ablations_of_paths(tmp_path: Path) -> None:
    rows, _ = collect(tmp_path / "x", Example, PATHS, keep="paths", dedup=False, gold=False)
    assert len(rows) == 6  # all correct ones whose equations hold
    first, _ = collect(tmp_path / "y", Example, PATHS, keep="paths", k=1, gold=False)
    assert [row.solution for row in first] == ["x <<4+4=8>>", "<<3+5=8>>"]
    capped, counts = collect(tmp_path / "z", Example, PATHS, keep="paths", most=1, gold=False)
    assert [row.problem_id for row in capped] == ["a", "b"]
    assert counts.over_most_dropped == 2


def test_families_are_left_out(tmp_path: Path) -> None:
    """Problems of a subject that is left out give no pairs."""
    problems = [msgspec.structs.replace(PROBLEMS[0], id=name, subject=name) for name in "ab"]
    texts: Texts = {name: [("right", "8"), ("wrong", "7")] for name in "ab"}
    rows, counts = collect(
        tmp_path / "x", Pair, texts, keep="pairs", problems=problems, leave_out=("b",)
    )
    assert [row.problem_id for row in rows] == ["a"]
    assert (counts.left_out, counts.problems) == (1, 1)


def test_correct_samples_and_paths_are_counted_problem_by_problem(tmp_path: Path) -> None:
    texts: Texts = {
        "a": [("<<1+7=8>>", "8"), ("<<2+6=8>>", "8"), ("<<2+6=8>>", "8"), ("wrong", "7")],
        "b": [("<<3+5=8>>", "8"), ("wrong", "7")],
    }
    rows, counts = collect(tmp_path / "x", Counted, texts, keep="counts", problems=PROBLEMS[:2])
    assert [(row.problem_id, row.samples, row.correct, row.paths) for row in rows] == [
        ("a", 4, 3, 2),
        ("b", 2, 1, 1),
    ]
    assert (counts.problems, counts.distinct_paths, counts.paths_per_problem) == (2, 3, 1.5)


def test_a_union_is_deduplicated_together_and_remembers_its_sources(tmp_path: Path) -> None:
    small = write(
        tmp_path / "small",
        {"a": [("s <<4+4=8>>", "8"), ("s <<2*4=8>>", "8")], "b": [("none", "7")]},
    )
    large = write(tmp_path / "large", {"a": [("l <<4+4=8>>", "8")], "b": [("l <<9-1=8>>", "8")]})
    rows, counts = collect(tmp_path / "x", Example, (small, large), keep="paths", gold=False)
    assert len(rows) == 3
    assert {row.source for row in rows} <= {"small", "large"}
    assert counts.sources == {
        "small": SourceMetrics(correct=2, paths=2, exclusive_paths=1),
        "large": SourceMetrics(correct=2, paths=2, exclusive_paths=1),
    }


def test_completions_for_other_trainers(tmp_path: Path) -> None:
    rows, _ = collect(tmp_path / "x", Example, PATHS, keep="paths", format="trl")
    found = list(jsonl.read(tmp_path / "x" / "trl.jsonl", Completion))
    assert [row.completion for row in found] == [row.solution for row in rows]
    assert found[0].prompt == "Problem: A?\nSolution:\n"


PREFERENCES = {"a": [("right", "8"), ("wrong", "7")]}


@pytest.mark.parametrize(
    ("form", "keep", "first"),
    [
        ("kto", "labelled", {"prompt": "Problem: A?\nSolution:\n", "completion": "right",
                             "label": True}),
        ("dpo", "pairs", {"prompt": "Problem: A?\nSolution:\n", "chosen": "right",
                          "rejected": "wrong"}),
        ("verl", "paths", {"data_source": "mathtune",
                           "prompt": [{"role": "user", "content": "A?"}], "ability": "math",
                           "reward_model": {"style": "rule", "ground_truth": "8"},
                           "extra_info": {"index": 0, "id": "a"}}),
        ("llama-factory", "pairs", {"conversations": [{"from": "human", "value": "A?"}],
                                    "chosen": {"from": "gpt", "value": "right"},
                                    "rejected": {"from": "gpt", "value": "wrong"}}),
        ("llama-factory", "paths", {"messages": [{"role": "user", "content": "A?"},
                                    {"role": "assistant", "content": "Gold: <<4+4=8>>"}]}),
    ],
)  # fmt: skip
def test_rows_in_the_form_of_other_trainers(
    tmp_path: Path, form: str, keep: str, first: dict[str, Any]
) -> None:
    kinds: dict[str, type[Row]] = {"labelled": Labelled, "pairs": Pair, "paths": Example}
    collect(tmp_path / "x", kinds[keep], PREFERENCES, keep=keep, format=form)
    lines = (tmp_path / "x" / f"{form}.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == first
    if form == "llama-factory":
        info = json.loads((tmp_path / "x" / "dataset_info.json").read_text())["mathtune"]
        assert info["file_name"] == "llama-factory.jsonl"
        assert set(info["columns"].values()) == first.keys()
        assert info.get("ranking", False) == (keep == "pairs")


def test_a_form_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="format: 'dpo' is of pairs; found keep 'paths'"):
        Collect(problems="p.jsonl", samples="s.jsonl", keep="paths", format="dpo")


def test_bad_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 problem that is not in the problem file, 'z'"):
        collect(tmp_path / "x", Pair, {**MANY, "z": MANY["a"]}, keep="pairs")
    with pytest.raises(InputError, match="problem 'a' has 6 samples; expected at least k = 7"):
        collect(tmp_path / "y", Example, PATHS, keep="paths", k=7)
    other = write(tmp_path / "other", {"a": PATHS["a"]})
    same = write(tmp_path / "same", PATHS)
    with pytest.raises(InputError, match="expected sets of the same problems, or of parts"):
        collect(tmp_path / "v", Example, (same, other), keep="paths")
    jsonl.write(tmp_path / "test.jsonl", [Problem(id="t", problem=" b? ", answer="8")])
    with pytest.raises(InputError, match="1 training problems are test problems, 'b' for one"):
        collect(tmp_path / "u", Example, PATHS, keep="paths", test=tmp_path / "test.jsonl")
    ungraded = (write(tmp_path / "w", PATHS)[0],)
    with pytest.raises(InputError, match="not graded"):
        collect(tmp_path / "z", Example, (ungraded,), keep="paths")


def test_the_first_k_are_those_of_the_least_index(tmp_path: Path) -> None:
    columns = write(tmp_path / "drafts", PATHS)
    whole, _ = collect(tmp_path / "x", Example, (columns,), keep="paths", k=2, gold=False)
    reversed_rows = (tmp_path / "again" / "samples.jsonl", tmp_path / "again" / "grades.jsonl")
    (tmp_path / "again").mkdir()
    jsonl.write(reversed_rows[0], list(jsonl.read(columns[0], Sample))[::-1])
    jsonl.write(reversed_rows[1], list(jsonl.read(columns[1], Graded))[::-1])
    again, _ = collect(tmp_path / "y", Example, (reversed_rows,), keep="paths", k=2, gold=False)
    assert [row.solution for row in whole] == [row.solution for row in again]


def test_the_command_unites_and_writes_rows_for_trl(tmp_path: Path) -> None:
    jsonl.write(tmp_path / "problems.jsonl", PROBLEMS)
    sets = [write(tmp_path / name, PATHS) for name in ("one", "two")]
    samples = ";".join(",".join(map(str, columns)) for columns in sets)
    arguments = [f"problems={tmp_path / 'problems.jsonl'}", "keep=paths", "--format", "trl"]
    done = CliRunner().invoke(app, ["collect", samples, *arguments, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    rows = list(jsonl.read(tmp_path / "out" / "trl.jsonl", Completion))
    assert len(rows) == 6
    assert rows[0] == Completion(prompt="Problem: A?\nSolution:\n", completion="Gold: <<4+4=8>>")
