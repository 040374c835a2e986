"""Tables: the cells by hand, the same in the terminal and in Markdown."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from mathtune.report import figures, terminal
from mathtune.report.cells import Table, grid, markdown
from mathtune.report.gap import closed
from mathtune.report.results import Results, read_run
from mathtune.report.tables import accuracy_tables, models, reranked


@pytest.fixture(scope="module")
def results(run_folder: Path) -> Results:
    return read_run(run_folder)


def by_title(results: Results) -> dict[str, Table]:
    return {table.title: table for table in accuracy_tables(results, closed(results))}


def test_models(results: Results) -> None:
    table = by_title(results)["Models"]
    rows = {row[0]: row for row in table.rows}
    assert rows["base"][1:3] == ("–", "–")  # not trained in this run, no greedy solutions
    assert rows["ssft"][1] == "12"
    assert rows["ssft"][2].startswith("40.0 [")
    # Right samples: 4, 1, 0, 2 and 1 of 4 each: 8 of 20.
    assert rows["ssft"][3].startswith("40.0 [")
    assert rows["again"][2].startswith("60.0 [")
    assert rows["ssft"][6].startswith("80.0 [")


def test_strategies_say_where_k_comes_from(results: Results) -> None:
    table = by_title(results)["Strategies over 4 samples of ssft"]
    assert "chosen on other problems" in table.note
    assert table.note.startswith("5 problems, one seed, graded by a grader that is not named. ")
    cells = {row[0]: row for row in table.rows}
    assert cells["Maj1@4"][1].startswith("60.0 [")
    assert cells["Maj1@4"][5] == "0 %"
    assert cells["RR.All"][5] == "100 %"
    assert cells["RR.All"][4].startswith("50% [")
    assert cells["RR.All"][3].startswith("+0.0 [")
    assert cells["W.RR by calculator alone"][1].startswith("60.0 [")
    assert cells["W.RR by calculator alone"][3] == "–"
    assert cells["RR.All"][2].startswith("+0.0 [")
    assert "Pass@4 (oracle)" in cells


def test_levels_are_told_apart(results: Results) -> None:
    """Level 0: all, never, the last one; level 1: saved, mixed. Greedy solves all and mixed."""
    table = by_title(results)["ssft by level"]
    assert [row[:2] for row in table.rows] == [("0", "3"), ("1", "2")]
    assert [row[2].partition(" ")[0] for row in table.rows] == ["33.3", "50.0"]
    assert "ssft by subject" not in by_title(results)
    drawn = figures.draw(results, closed(results))
    assert "ssft-by-subject" not in drawn
    caption, figure = drawn["ssft-by-level"]
    assert caption == "ssft: accuracy by level"
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0 (3)", "1 (2)"]
    greedy = next(line for line in axes.lines if line.get_label() == "Pass@1")
    assert greedy.get_xdata() == pytest.approx([1 / 3])


def test_comparisons_are_paired(results: Results) -> None:
    (row,) = by_title(results)["Paired comparisons"].rows
    assert row[0] == "again – ssft"
    assert row[1].startswith("+20.0 [")


def test_the_terminal_shows_them(run_folder: Path) -> None:
    console = Console(width=200, file=StringIO())
    for table in terminal(run_folder):
        console.print(table)
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    for word in ("Models", "ssft", "RR.All", "60.0 [", "CPU s"):
        assert word in text


def test_a_narrow_terminal_folds_cells_and_loses_none() -> None:
    """A table of many columns at 80 characters: every character of every cell is there."""
    header = ("scores of", *(f"AUC within problems {column}" for column in "abcdef"))
    cells = ("validation-likelihood", *(f"0.{column}11 [0.333, 1.000]" for column in range(1, 7)))
    console = Console(width=80, file=StringIO())
    console.print(grid(Table("T", header, [cells])))
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert all(f"0.{column}11" in text for column in range(1, 7))
    assert text.count("1.000]") == 6
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_markdown_keeps_bars_in_their_cell() -> None:
    text = markdown(Table("T", ("name", "x"), [("a|b", "1")], "Note."))
    assert text == "### T\n\n| name | x |\n| --- | ---: |\n| a\\|b | 1 |\n\nNote.\n"


def test_names_from_files_are_no_markup() -> None:
    name = "<img src=x>\n[a](http://x) ![b][c] 3 < 4"
    shown = r"\<img src=x> [a]\(http://x) ![b]\[c] 3 < 4"
    text = markdown(Table(name, (name,), [(name,)], name))
    assert text == f"### {shown}\n\n| {shown} |\n| --- |\n| {shown} |\n\n{shown}\n"


def test_the_data(results: Results) -> None:
    assert list(by_title(results)["Data"].rows) == [
        ("data: train", "9", "–", "102"),
        ("data: validation", "9", "–", "102"),
        ("data: test", "9", "–", "102"),
        ("data: solutions", "9", "12", "–"),
    ]


def test_each_judged_set_of_samples_has_a_line(results: Results) -> None:
    """One evaluator: no table. Two of the same samples: a line each, and one line as a model."""
    assert "Re-ranking by evaluator" not in by_title(results)
    (row,) = [row for row in results.rows if row.scored]
    other = replace(row, name="ssft-other")
    table = reranked([row, other])
    assert [cells[0] for cells in table.rows] == ["ssft", "ssft-other"]
    assert table.header[2:6] == ("Maj1", "calculator", "RR.All", "RR.Top-2")
    assert table.rows[0][1].startswith("40.0 [")
    assert table.rows[0][2].startswith("60.0 [")
    assert len(models([row, other]).rows) == 1
