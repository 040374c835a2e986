"""The papers' rows: only those that correspond, with their names, never as ours."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mathtune.report.cells import Table
from mathtune.report.papers import tables_of
from mathtune.report.results import Results, read_run
from mathtune.report.steps import Origin, StepRecord
from mathtune.rows.metrics import PathsMetrics


@pytest.fixture(scope="module")
def results(run_folder: Path) -> Results:
    return read_run(run_folder)


def by_number(results: Results) -> dict[str, Table]:
    """Table by what stands between the paper's name and the colon."""
    return {table.title.partition(", ")[2].partition(":")[0]: table for table in tables_of(results)}


def test_rows_that_correspond_stand_side_by_side(results: Results) -> None:
    tables = by_number(results)
    assert list(tables) == ["Table 2", "Table 3", "Table 4", "Table 7"]
    assert [row[0] for row in tables["Table 2"].rows] == [
        "ssft (ours)",
        "PaLM 2-S*, MATH + PRM800K",
        "PaLM 2-L, MATH + PRM800K",
    ]
    assert tables["Table 3"].rows[-1] == (
        *("PaLM 2-L", "cls-margin", "35.6", "55.2", "57.0", "58.8", "64"),
    )
    names = [row[0] for row in tables["Table 4"].rows]
    assert names == ["ssft (ours)", "again (ours)", "PaLM 2-L, SSFT", "PaLM 2-L, sequential"]
    assert tables["Table 4"].rows[-1][1:] == ("cls-margin", "37.6", "57.2", "82.6", "64")


def test_what_is_not_ours_says_whose_it_is(results: Results) -> None:
    for table in tables_of(results):
        for row in table.rows:
            assert row[0].endswith("(ours)") or row[0].startswith(("PaLM 2", "LLaMA"))
        assert "PaLM 2" in table.note
        assert "graded by" in table.note


def test_nothing_of_ours_nothing_of_theirs(results: Results) -> None:
    untrained = [replace(row, origin=Origin()) for row in results.rows]
    assert tables_of(replace(results, rows=untrained)) == []


def test_an_evaluator_of_another_model_is_another_table(results: Results) -> None:
    ssft = results.rows[1]
    origin = replace(ssft.origin, own_evaluator=False)
    rows = [*results.rows, replace(ssft, name="ssft-by-2", origin=origin)]
    tables = by_number(replace(results, rows=rows))
    assert "ssft-by-2 (ours)" not in [row[0] for row in tables["Table 3"].rows]
    assert [row[0] for row in tables["Table 6"].rows] == [
        "ssft-by-2 (ours)",
        "PaLM 2-L, judged by PaLM 2-S*",
        "PaLM 2-S*, judged by PaLM 2-L",
    ]


@pytest.mark.parametrize(
    ("samples", "sets", "theirs"),
    [
        (12 * 5, 1, ("LLaMA 7B, RFT k = 12", "41.6", "–", "100", "2.20")),
        (8 * 5, 1, ("LLaMA 7B, RFT k = 100", "41.7", "52.7", "100", "5.25")),
        (400 * 5, 4, ("LLaMA 7B, RFT U13B", "49.3", "61.8", "100", "12.84")),
    ],
)
def test_rft_stands_beside_its_k(
    samples: int, sets: int, theirs: tuple[str, ...], results: Results, run_folder: Path
) -> None:
    metrics = PathsMetrics(
        problems=5,
        samples=samples,
        correct=9,
        distinct_paths=9,
        false_equation_dropped=0,
        without_equations=0,
        repeated_path_dropped=0,
        rows=9,
        correct_per_problem=3.0,
        paths_per_problem=2.5,
        histogram={},
        sources={},
    )
    config: dict[str, Any] = {"samples": [[]] * sets}
    paths = StepRecord(
        "paths", "collect", config, msgspec.to_builtins(metrics), {}, {}, True, run_folder
    )
    rft = replace(results.rows[0], name="rft", origin=Origin(("mle",), paths=paths))
    (table,) = tables_of(replace(results, rows=[rft]))
    assert table.rows[0][0] == "rft (ours)"
    assert table.rows[0][-1] == "2.50"
    assert theirs in table.rows
