"""What the terminal shows of a run: its plan, its state, a problem with clusters and picks."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from mathtune import jsonl
from mathtune.errors import InputError
from mathtune.overview import plan_table, problem_view, status_table
from mathtune.records import Problem, Sample
from mathtune.run import Run, run_recipe
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
    return folder, run_recipe(recipe, name="r", folder=folder, overrides={})


def test_plan_and_status(made: tuple[Path, Run]) -> None:
    folder, run = made
    assert "measure" in shown(plan_table(run))
    assert shown(status_table(folder)).count("finished") == 2
    (folder / "row" / "step.json").rename(folder / "row" / "started.json")
    assert "under way" in shown(status_table(folder))


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


def test_what_is_not_there_is_named(made: tuple[Path, Run]) -> None:
    with pytest.raises(InputError, match="b: no such problem in row"):
        problem_view(made[0], "b", row=None)
    with pytest.raises(InputError, match="other: no measured row; there are row"):
        problem_view(made[0], "a", row="other")
