"""Two runs beside each other: differences by hand, links, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mathtune import report
from mathtune.cli import main
from mathtune.errors import InputError
from mathtune.report import figures
from mathtune.report.compare import accuracies, compared, sentence, settings
from mathtune.rows import jsonl


@pytest.fixture
def runs(run_folder: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A run and another, in which `ssft` greedily solves two more problems of five."""
    ours, theirs = tmp_path / "a" / "run", tmp_path / "b" / "run"
    for folder in (ours, theirs):
        shutil.copytree(run_folder, folder)
    path = theirs / "ssft-row" / "outcomes.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        if row["problem_id"] in ("saved", "never"):
            row["values"]["Pass@1"] = 1.0
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ours, theirs


def test_differences_by_hand(runs: tuple[Path, Path]) -> None:
    found = compared(runs)
    assert found.names == ("a/run", "b/run")
    (minus,) = found.minus["ssft"]
    assert minus["Pass@1"]["difference"] == pytest.approx(0.4)
    assert minus["Pass@1"]["p"] == 0.5  # two signs that are alike: 2 of 4
    assert minus["mean"]["difference"] == 0.0
    assert all(one["Pass@1"]["difference"] == 0.0 for one in found.minus["again"])
    assert "row ssft: b/run is +40.0 points" in sentence(found)
    assert "better on 2 problems, worse on 0" in sentence(found)
    tables = {table.title: table for table in accuracies(found)}
    cells = {row[0]: row for row in tables["ssft"].rows}
    assert cells["Pass@1"][3].startswith("+40.0 [")
    assert cells["AUC within problems"][3] == "+0.000 [-0.800, +0.800] p=1.000"


def test_the_sentence_and_the_figure_show_the_interval_over_seeds(runs: tuple[Path, Path]) -> None:
    found = compared(runs)
    found.minus["ssft"][0]["Pass@1"]["over_seeds"] = {"low": -0.25, "high": 0.9, "p": 0.125}
    assert "b/run is +40.0 points [-25.0, +90.0] from a/run in Pass@1 (p=0.125" in sentence(found)
    lines = figures.differences(found).axes[0].lines
    drawn = [np.asarray(line.get_xdata()).tolist() for line in lines]
    assert pytest.approx([-25.0, 90.0]) in drawn


def test_the_page_links_into_both_reports(runs: tuple[Path, Path], tmp_path: Path) -> None:
    report.build(runs[0])
    page, _ = report.build_comparison(runs, tmp_path / "out" / "c.html")
    text = page.read_text()
    assert 'href="../a/run/report.html#row=ssft&amp;problem=saved"' in text
    assert "../b/run/report.html" not in text  # it has no page yet
    assert "ssft: 2 problems" in text
    assert "<script" not in text  # neither ours nor a model's
    assert "&lt;script&gt;document.title" in text
    assert text.startswith("<!doctype html>")
    assert "+40.0 [" in (tmp_path / "out" / "c.md").read_text()
    assert (tmp_path / "out" / "figures" / "c-differences.png").exists()


def test_settings_that_differ_are_named(runs: tuple[Path, Path]) -> None:
    assert settings(compared(runs)) is None
    plan = json.loads((runs[1] / "plan.json").read_text())
    for step in plan["steps"]:
        if step["name"] == "ssft":
            step["config"]["learning_rate"] = 3e-4
    jsonl.write_json(runs[1] / "plan.json", plan)
    table = settings(compared(runs))
    assert table is not None
    assert table.rows == [("ssft", "b/run", "learning_rate is new (0.0003)")]


def test_other_problems_are_refused(runs: tuple[Path, Path]) -> None:
    for name in ("data/test.jsonl",):
        text = (runs[1] / name).read_text()
        (runs[1] / name).write_text(text.replace('"answer":"1"', '"answer":"2"', 1))
    with pytest.raises(InputError, match="is of other problems than in") as error:
        compared(runs)
    assert "'all' is not the same in both, of 1" in str(error.value)


def test_what_cannot_be_compared(
    runs: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(InputError, match="named twice"):
        compared([runs[0], runs[0]])
    empty = tmp_path / "empty"
    empty.mkdir()
    jsonl.write_json(empty / "plan.json", {"recipe": "r", "steps": []})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["mathtune", "report", str(runs[0]), str(empty)])
    with pytest.raises(SystemExit) as stopped:
        main.main()
    assert stopped.value.code == 2
    assert "no measured row is in all runs" in capsys.readouterr().err
    assert not (tmp_path / "comparison.html").exists()
