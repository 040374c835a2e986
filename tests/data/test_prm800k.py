"""PRM800K: what each way to end a labelling gives, worked out by hand, then the genuine records."""

from pathlib import Path
from typing import Any

import pytest

from mathtune.data import prm800k
from mathtune.data.prm800k import Completion, Label, LabelledStep, Question, Record
from mathtune.data.rows import normalized
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Problem

END = "So it is 4.\n\n# Answer\n\n4"


def step(
    *ratings: int | None, chosen: int | None = 0, text: str = "Step.", human: str = ""
) -> LabelledStep:
    return LabelledStep(
        completions=[Completion(text, rating) for rating in ratings],
        chosen_completion=chosen,
        human_completion=Completion(human) if human else None,
    )


def record(*steps: LabelledStep, ending: str | None = "solution", gold: str | None = "4") -> Record:
    return Record(Question("2 + 2?", gold), Label(list(steps), ending))


@pytest.mark.parametrize(
    ("given", "text", "reason"),
    [
        (record(step(1), step(1, text=END)), f"Step.\n{END}", "kept"),
        # A neutral step is not wrong, in the middle or at the end.
        (record(step(0), step(0, text=END)), f"Step.\n{END}", "kept"),
        # What was not chosen may be as wrong as it likes.
        (record(step(-1, 1, chosen=1), step(1, text=END)), f"Step.\n{END}", "kept"),
        (record(step(-1, chosen=None, human="Mine."), step(1, text=END)), f"Mine.\n{END}", "kept"),
        (record(step(1, human="Draft th"), step(1, text=END)), f"Step.\n{END}", "kept"),
        (record(step(-1), step(1, text=END)), None, "wrong_step"),
        (record(step(1), step(1, chosen=None)), None, "step_missing"),
        (record(step(1), step(1, chosen=7)), None, "step_missing"),
        (record(step(1), LabelledStep()), None, "step_missing"),
        (record(step(1)), None, "no_answer"),
        (record(step(1), step(1, text="# Answer\n\n5")), None, "answer_wrong"),
        (record(step(1, text=END), gold=None), None, "no_gold_answer"),
        (record(step(1, text=END), ending="found_error"), None, "found_error"),
        (record(step(1, text=END), ending="give_up"), None, "give_up"),
        (record(step(1, text=END), ending="bad_problem"), None, "bad_problem"),
        (record(step(1, text=END), ending=None), None, "unknown_ending"),
    ],
)
def test_a_record_gives_its_solution_or_a_reason(
    given: Record, text: str | None, reason: str
) -> None:
    assert prm800k.solution(given) == (text, reason)


def test_ratings_label_the_solution_after_each_step() -> None:
    """Neutral is right so far, a human step right; a wrong or an unrated one ends it."""
    first = step(1, -1, 0, chosen=0)
    found = prm800k.steps(record(first, step(-1, chosen=None, human="Mine."), step(-1), step(1)))
    assert found == [
        ("Step.", True),
        ("Step.", False),
        ("Step.", True),
        ("Step.\nStep.", False),
        ("Step.\nMine.", True),
        ("Step.\nMine.\nStep.", False),
    ]
    assert prm800k.steps(record(step(None), step(1))) == []
    assert prm800k.steps(record(step(1), step(None, chosen=None), step(1))) == [("Step.", True)]


def test_labelled_steps_are_balanced_and_disagreement_counts_as_wrong(tmp_path: Path) -> None:
    rows = [
        record(step(1), step(-1, text="Bad.")),
        record(step(1), step(1, text="Good."), step(1, text=END)),
        record(step(1), step(-1, text="Good.")),
    ]
    jsonl.write(tmp_path / "phase1_train.jsonl", rows)
    release = prm800k.load(tmp_path)["train"]
    labelled = release.labelled([Problem(id="a", problem="2 + 2?", answer="4")], seed=0)
    assert sorted((row.solution, row.correct) for row in labelled if not row.correct) == [
        ("Step.\nBad.", False),
        ("Step.\nGood.", False),
    ]
    assert {row.solution for row in labelled if row.correct} == {"Step.", f"Step.\nGood.\n{END}"}


def test_a_git_lfs_pointer_is_named(tmp_path: Path) -> None:
    (tmp_path / "phase1_train.jsonl").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    )
    with pytest.raises(InputError, match=r"phase1_train\.jsonl.*(Git-LFS|git lfs)"):
        prm800k.load(tmp_path)


def test_a_solution_that_was_labelled_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "phase2_train.jsonl"
    jsonl.write(path, [record(step(1), step(1, text=END))] * 2 + [record(step(1, text=END))])
    release = prm800k.load(tmp_path)["train"]
    assert release.counts == {"kept": 2, "repeated": 1}
    problem = Problem(id="a", problem="2 +  2?", answer="4")
    examples = release.examples([problem, Problem(id="b", problem="other", answer="1")])
    assert [(e.problem_id, e.solution, e.source) for e in examples] == [
        ("a", f"Step.\n{END}", "prm800k"),
        ("a", END, "prm800k"),
    ]


def test_a_missing_release_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"phase1_train.*openai/prm800k"):
        prm800k.load(tmp_path)


def test_a_line_that_is_no_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "phase1_train.jsonl").write_text('{"question": {"problem": "1?"}}\n')
    with pytest.raises(InputError, match=r"phase1_train\.jsonl, line 1: .*label"):
        prm800k.load(tmp_path)


def test_genuine_records(shared_data: Path) -> None:
    """Nine real records: phases 1 and 2, three endings, human steps, one without gold answer."""
    path = shared_data / "prm800k" / "raw_records.jsonl"
    found: list[Any] = [prm800k.solution(row) for row in jsonl.read(path, Record)]
    reasons = [reason for _, reason in found]
    assert reasons[0] == reasons[2] == reasons[3] == reasons[7] == "kept"
    assert (reasons[1], reasons[4], reasons[5]) == ("found_error", "give_up", "no_gold_answer")
    first = found[0][0]
    assert "We have $3p+e=1.24$ and $5p+e=1.82$." in first  # what the labeller wrote
    assert first.endswith("# Answer\n\n29")


def test_release_folded_back(shared_data: Path) -> None:
    parts = prm800k.load(shared_data)
    counts = parts["train"].counts
    assert sum(counts.values()) == 942
    assert counts["unknown_ending"] == 134
    assert counts["kept"] > 700
    kept = sum(len(texts) for texts in parts["train"].solutions.values())
    assert kept == counts["kept"]
    train = {normalized(p.problem) for p in parts["train"].as_problems()}
    test = {normalized(p.problem) for p in parts["test"].as_problems()}
    assert not train & test
    steps = parts["train"].steps.values()
    rated = [right for known in steps for right in known.values()]
    assert 0.5 < sum(rated) / len(rated) < 0.95  # most steps are right, as in the release
