"""What the terminal shows of a run: its plan, its state, a problem with clusters and picks."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from mathtune.cli import main
from mathtune.cli.problems import problem_table, problem_view
from mathtune.cli.status import status_table
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Problem, Sample
from mathtune.run import failures
from mathtune.run.folder_lock import locked
from mathtune.run.names import LOCK
from mathtune.run.recipe_run import Run, planned, work
from mathtune.stages.grade import Grade
from mathtune.stages.measure import Measure

ANSWERS = ["2", "3", "2", "-"]


def shown(view: RenderableType) -> str:
    stream = StringIO()
    Console(file=stream, width=120).print(view)
    return stream.getvalue()


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Run]:
    """A finished run: four graded and measured samples of one problem."""
    problems, samples = tmp_path / "p.jsonl", tmp_path / "s.jsonl"
    jsonl.write(problems, [Problem(id="a", problem="What is 1 + 1?", answer="2")])
    texts = [f"[b]So[/b]\n#### {answer}" if answer != "-" else "?" for answer in ANSWERS]
    rows = [
        Sample(problem_id="a", index=index, text=text, finish_reason="stop", tokens=3)
        for index, text in enumerate(texts)
    ]
    jsonl.write(samples, rows)

    def recipe(run: Run) -> None:
        graded = run("grades", Grade(problems=problems, samples=(samples,)))
        run("row", Measure(problems=problems, samples=graded, resamples=100))

    folder = tmp_path / "run"
    run = planned(recipe, name="r", folder=folder, overrides={})
    work(run, recipe, name="r")
    return folder, run


def test_plan_and_status(made: tuple[Path, Run]) -> None:
    folder, _ = made
    view = shown(status_table(folder))
    assert view.count("finished ") == 3  # two steps, and the sum
    assert "2 of 2 steps finished" in view
    (folder / "row" / "step.json").rename(folder / "row" / "started.json")
    view = shown(status_table(folder))
    assert "interrupted" in view
    assert "No process works on it" in " ".join(view.split())
    with locked(folder / LOCK, folder=folder):
        view = shown(status_table(folder))
    assert "under way" in view
    assert "1 of 2 steps finished" in view
    assert "No process" not in view


def under_way(folder: Path, name: str, stage: str, config: dict[str, Any]) -> None:
    """A run whose only step is under way."""
    step = {"name": name, "stage": stage, "reads": [], "config": config}
    jsonl.write_json(folder / "plan.json", {"recipe": "r", "steps": [step]})
    (folder / name).mkdir()
    jsonl.write_json(folder / name / "started.json", {})


def test_how_far_a_step_is(tmp_path: Path) -> None:
    """Three of two problems with two samples each: three quarters."""
    rows = [Problem(id=name, problem="?", answer="1") for name in "ab"]
    jsonl.write(tmp_path / "p.jsonl", rows)
    under_way(tmp_path, "s", "sample", {"problems": "p.jsonl", "n": 2, "greedy": False})
    assert "interrupted " in shown(status_table(tmp_path))
    (tmp_path / "s" / "samples.jsonl").write_bytes(b"{}\n{}\n{}\n{torn")
    assert "3 of 4 rows (75%), " in shown(status_table(tmp_path))


def test_how_far_a_training_is(tmp_path: Path) -> None:
    under_way(tmp_path, "t", "train", {"examples": []})
    (tmp_path / "t" / "training.jsonl").write_bytes(b'{"update":1}\n{"update":2,"loss":1}\n{"up')
    assert "interrupted: update 2, " in shown(status_table(tmp_path))


def test_the_commands(
    made: tuple[Path, Run], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["show", str(made[0])]
    for arguments in (["status", str(made[0])], asked, [*asked, "a", "--row", "row"]):
        monkeypatch.setattr("sys.argv", ["mathtune", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main.main()
        assert stopped.value.code in (0, None)
    text = capsys.readouterr().out
    assert "2 of 2 steps finished" in text
    assert "gold answer: 2" in text
    monkeypatch.setattr("sys.argv", ["mathtune", "show", str(made[0]), "nothing"])
    with pytest.raises(SystemExit) as stopped:
        main.main()
    assert stopped.value.code == 2
    assert "nothing: no such problem in row" in capsys.readouterr().err


def test_a_problem_with_its_clusters(made: tuple[Path, Run]) -> None:
    view = shown(problem_view(made[0], "a", row=None))
    lines = [line.split("│")[1:-1] for line in view.splitlines() if line.startswith("│")]
    table = [[cell.strip() for cell in line] for line in lines]
    assert [row[:3] for row in table] == [
        ["2", "2", "correct"],
        ["1", "3", "wrong"],
        ["1", "(no answer)", "no_answer"],
    ]
    assert "Maj1@4" in table[0][4]
    assert "[b]So[/b]" in view  # markup in model text is shown, not obeyed


def test_problems_are_listed_with_what_is_right(made: tuple[Path, Run]) -> None:
    view = shown(problem_table(made[0], row=None))
    (line,) = (line for line in view.splitlines() if "What is 1 + 1?" in line)
    cells = [cell.strip() for cell in line.split("│")[1:-1]]
    assert cells == ["a", "50 %", "100 %", "100 %", "What is 1 + 1?"]  # mean, Maj1@4, Pass@4
    assert "PROBLEM" in view


def test_a_row_has_the_name_that_the_report_gives_it(tmp_path: Path) -> None:
    config: dict[str, object] = {
        "problems": "p.jsonl",
        "samples": [],
        "greedy": None,
        "choose_on": None,
        "cluster_by": None,
    }
    plan = {"recipe": "r", "steps": [{"name": "a-row", "stage": "measure", "config": config}]}
    jsonl.write_json(tmp_path / "plan.json", plan)
    (tmp_path / "a-row").mkdir()
    jsonl.write_json(tmp_path / "a-row" / "step.json", {})
    with pytest.raises(InputError, match="b: no measured row; there are a"):
        problem_view(tmp_path, "x", row="b")
    with pytest.raises(InputError, match=r"p.jsonl: no such file"):  # found under both names
        problem_view(tmp_path, "x", row="a")


def test_what_is_not_there_is_named(made: tuple[Path, Run]) -> None:
    with pytest.raises(InputError, match="b: no such problem in row"):
        problem_view(made[0], "b", row=None)
    with pytest.raises(InputError, match="other: no measured row; there are row"):
        problem_view(made[0], "a", row="other")


def test_a_failed_step_and_what_needs_it(made: tuple[Path, Run]) -> None:
    folder, _ = made
    plan = jsonl.read_json(folder / "plan.json")
    more = [
        {"name": "pairs", "stage": "collect", "reads": ["grades"], "config": {}},
        {"name": "evaluator", "stage": "train", "reads": ["pairs"], "config": {}},
    ]
    jsonl.write_json(folder / "plan.json", {**plan, "steps": [*plan["steps"], *more]})
    failures.write(folder / "pairs", InputError("nothing is right; right_from=gold."))
    view = " ".join(shown(status_table(folder)).replace("│", "").split())
    assert "pairs collect failed: nothing is right; right_from=gold." in view
    assert "evaluator train not made: needs pairs" in view
    assert "2 of 4 steps finished" in view


def test_a_problem_whose_outcome_was_lost(made: tuple[Path, Run]) -> None:
    folder, _ = made
    path = folder / "row" / "outcomes.jsonl"
    path.write_text(path.read_text().replace('"problem_id":"a"', '"problem_id":"b"'))
    with pytest.raises(InputError, match=r"row: was measured without problem 'a'.*--redo row"):
        problem_view(folder, "a", row=None)
