"""Reading a run: which rows are reported, which is the reference; the gap worked out by hand."""

import shutil
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from mathtune.errors import InputError
from mathtune.metrics.measure import Outcome
from mathtune.report.gap import closed, headline, mostly_in, sentence, strategy_label
from mathtune.report.page import html, markdown
from mathtune.report.results import Measured, Results, read_run
from mathtune.report.tables import models
from mathtune.rows import jsonl
from mathtune.rows.metrics import MeasureMetrics
from mathtune.rows.records import Problem
from mathtune.run import failures


@pytest.fixture(scope="module")
def results(run_folder: Path) -> Results:
    return read_run(run_folder)


def test_rows_are_apart_from_what_k_is_chosen_on(results: Results) -> None:
    assert [row.name for row in results.rows] == ["base", "ssft", "again"]
    assert [row.name for row in results.choices] == ["validation"]
    assert results.reference is not None
    assert results.reference.name == "ssft"
    assert [row.origin.updates for row in results.rows] == [None, 12, 5]
    assert [point.update for point in results.curves["ssft"]] == [*range(1, 13), 12]


def test_where_a_row_comes_from(results: Results) -> None:
    base, ssft, again = (row.origin for row in results.rows)
    assert (base.objectives, base.evaluator) == ((), None)
    assert (ssft.objectives, ssft.evaluator) == (("mle",), "cls-margin")
    assert ssft.own_evaluator
    assert again.objectives == ("mle", "cls-margin", "mle")


def test_the_gap_by_hand(results: Results) -> None:
    """Greedy solves all, mixed: 2 of 5. Samples: all but `never`, 4 of 5. So the gap is 2 problems.

    Maj1 is right on all, mixed (votes tie, earliest wins) and the last one (1 before 2): it closes
    1 of 2. RR.All is right on all, saved and the last, wrong on mixed: (3 - 2) / 2. `again` solves
    saved too, so it closes 1 of 2.
    """
    found = {one.label: one for one in closed(results)}
    assert found["Maj1@4"].part.value == pytest.approx(0.5)
    assert found["RR.All"].part.value == pytest.approx(0.5)
    assert found["again"].part.value == pytest.approx(0.5)
    assert found["again"].trained
    assert "base" not in found
    assert all(one.part.low <= one.part.value <= one.part.high for one in found.values())


def test_the_sentence_names_what_validation_chose(results: Results) -> None:
    words = sentence(results, closed(results))
    assert words.startswith(
        "On 5 problems, ssft solves 40.0% greedily, and 80.0% have a right solution among its 4"
    )
    row = results.reference
    assert row is not None
    assert row.chosen_by is not None
    assert row.chosen_by.chosen is not None
    assert strategy_label(row, row.chosen_by.chosen.best) in words
    assert "again, greedily, 50%" in words
    assert "base" not in words


def test_without_validation_the_sentence_names_what_needs_no_choice(results: Results) -> None:
    row = results.reference
    assert row is not None
    assert row.document.chosen is not None
    chosen = structs.replace(row.document.chosen, optimistic=True)
    here = replace(row, chosen_by=None, document=structs.replace(row.document, chosen=chosen))
    alone = Results("elsewhere", [here])
    words = sentence(alone, closed(alone))
    assert "majority voting closes 50% [" in words
    assert "; RR.All closes 50% [" in words
    assert "; W.RR closes " in words
    labels = [one.label for one in closed(alone)]
    assert [label for label in labels if "K" in label or "TopN" in label] == [
        strategy_label(here, name) for name in ("RR.MajK", "W.RR.MajK", "Maj1.TopN")
    ]
    assert all(label.endswith("(optimistic)") for label in labels[3:])


def test_without_rows_there_is_still_a_sentence() -> None:
    assert sentence(Results("empty", []), []) == "Nothing has been measured yet."


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run here"):
        read_run(tmp_path)


def test_unfinished_steps_are_left_out(tmp_path: Path) -> None:
    steps = [{"name": "data", "stage": "prepare", "reads": [], "config": {}}]
    jsonl.write_json(tmp_path / "plan.json", {"recipe": "quickstart", "steps": steps})
    results = read_run(tmp_path)
    assert results.rows == []
    assert [step.finished for step in results.steps] == [False]


def test_a_row_of_an_earlier_revision_is_refused(run_folder: Path, tmp_path: Path) -> None:
    """Not a traceback: what it measured may lack what the tables show."""
    folder = tmp_path / "old"
    shutil.copytree(run_folder, folder)
    record = jsonl.read_json(folder / "ssft-row" / "step.json")
    jsonl.write_json(folder / "ssft-row" / "step.json", {**record, "revision": 1})
    with pytest.raises(InputError, match="ssft-row: measured by revision 1 of measure"):
        read_run(folder)


def test_a_gain_that_few_groups_hold_is_said_where() -> None:
    """Six subjects of ten problems; W.RR gains in one of them, votes are right in the others."""
    subjects = ("ages", "coins", "parts", "sums", "times", "walks")
    problems = {
        f"{subject}-{i}": Problem(id=f"{subject}-{i}", problem="?", answer="1", subject=subject)
        for subject in subjects
        for i in range(10)
    }

    def row(gaining: Collection[str]) -> Measured:
        outcomes = {
            name: Outcome(
                problem_id=name,
                values={"Maj1@4": 0.0, "W.RR": float(problem.subject in gaining)},
                picks={},
            )
            for name, problem in problems.items()
        }
        empty = MeasureMetrics(
            problems=len(problems), n=4, metrics={}, over_maj1={}, curves={}, against={}
        )
        return Measured("row", empty, outcomes, problems, tuple)

    assert mostly_in(row({"coins"}), "W.RR", "Maj1@4") == ", nearly all of it in coins"
    two = mostly_in(row({"walks", "ages"}), "W.RR", "Maj1@4")
    assert two == ", nearly all of it in ages, walks"
    assert mostly_in(row(subjects), "W.RR", "Maj1@4") == ""


def test_what_is_missing_is_said_at_the_top(run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "failed"
    shutil.copytree(run_folder, folder)
    assert read_run(folder).missing == ()
    plan = jsonl.read_json(folder / "plan.json")
    more = [
        {"name": "pairs", "stage": "collect", "reads": [], "config": {}},
        {"name": "judge", "stage": "train", "reads": ["pairs"], "config": {}},
        {"name": "judge-row", "stage": "measure", "reads": ["judge"], "config": {}},
        {"name": "later", "stage": "measure", "reads": [], "config": {}},
    ]
    jsonl.write_json(folder / "plan.json", {**plan, "steps": [*plan["steps"], *more]})
    failures.write(folder / "pairs", InputError("<b>nothing</b> is right; right_from=gold."))
    expected = (
        "Step pairs failed: <b>nothing</b> is right; right_from=gold.",
        "Not made, because they need a failed step: judge, judge-row.",
        "Not made yet: later.",
    )
    results = read_run(folder)
    assert results.missing == expected
    page = html(results, [], {})
    assert page.index("Step pairs failed: &lt;b&gt;nothing") < page.index("<h1>")
    assert "<b>nothing" not in page
    said = markdown(results, [], {}, "").splitlines()[2]
    assert said == r"**Step pairs failed: \<b>nothing\</b> is right; right_from=gold.**"


def test_a_model_is_named_without_its_judge(results: Results) -> None:
    row = results.reference
    assert row is not None
    assert (row.samples, row.model) == ("ssft-samples/samples.jsonl", "ssft")
    judged = replace(row, name="ssft-xent")
    renamed = replace(results, rows=[judged if one is row else one for one in results.rows])
    assert [cells[0] for cells in models(renamed.rows).rows] == ["base", "ssft", "again"]
    assert headline(renamed).startswith("ssft solves 40.0% of 5 problems")
    assert "(ssft-xent) closes" in sentence(renamed, closed(renamed))
    assert replace(row, name="other").model == "other"
