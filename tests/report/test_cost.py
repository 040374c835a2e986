"""The bill: sums and FLOPs worked out by hand, models' sizes read without torch."""

from dataclasses import replace
from pathlib import Path

import pytest

from mathtune.engines import embedded_model
from mathtune.report.cost import Size, read_size, table
from mathtune.report.results import Results, read_run
from mathtune.run.documents import PredictedCost, Prediction


@pytest.fixture(scope="module")
def results(run_folder: Path) -> Results:
    return read_run(run_folder)


def test_costs_add_up(results: Results) -> None:
    """Every step took 1.5 s, 2.25 CPU seconds and 1,000 tokens."""
    found = table(results)
    count = len(results.steps)
    total = dict(zip(found.header, found.rows[-1], strict=True))
    assert (total["wall s"], total["CPU s"]) == (f"{1.5 * count:,.1f}", f"{2.25 * count:,.1f}")
    assert total["sampled tokens"] == f"{count},000"
    held = sum(step.stage in ("train", "sample", "score") for step in results.steps)
    assert total["device-hours"] == f"{held * 2.25 / 3600:.4f}"  # on CPU: core time


def test_by_stage_is_the_same_sum(results: Results) -> None:
    steps, stages = table(results), table(results, by_stage=True)
    assert steps.rows[-1][2:] == stages.rows[-1][1:]
    assert [row[0] for row in stages.rows] == [
        *("prepare", "sample", "grade", "measure", "train", "score"),
        "all",
    ]


def test_flops_of_sampling_by_hand(results: Results) -> None:
    """ssft: 6 parameters, 1 layer of width 3; 20 samples, 1,000 tokens, so 50 each.

    20 x (50 + 1) x (1.66 x 6 + 2 x 1 x 25 x 3) = 163,159.2
    """
    found = table(results)
    rows = {row[0]: dict(zip(found.header, row, strict=True)) for row in found.rows}
    assert rows["ssft-samples"]["FLOPs"] == "1.6e05"
    assert rows["data"]["FLOPs"] == "–"


def test_what_was_predicted_stands_beside_what_was_measured(results: Results) -> None:
    steps = {
        "ssft-samples": PredictedCost(flops=2e5, hours=0.5),
        "ssft": PredictedCost(flops=1e5, hours=0.25),
    }
    found = table(replace(results, forecast=Prediction(speed=1e6, steps=steps)))
    rows = {row[0]: dict(zip(found.header, row, strict=True)) for row in found.rows}
    samples = rows["ssft-samples"]
    assert (samples["FLOPs"], samples["predicted FLOPs"]) == ("1.6e05", "2.0e05")
    assert rows["data"]["predicted FLOPs"] == "–"
    assert (rows["all"]["predicted FLOPs"], rows["all"]["predicted hours"]) == ("3.0e05", "0.7500")
    brief = table(replace(results, forecast=Prediction(speed=1e6, steps=steps)), brief=True)
    assert "predicted FLOPs" not in brief.header
    assert "3.0e05 FLOPs and 0.7500 hours" in brief.note
    assert "predicted FLOPs" not in table(results).header


def test_a_size_is_read_from_the_heads_of_files(run_folder: Path, tmp_path: Path) -> None:
    assert read_size(run_folder / "ssft" / "model") == Size(parameters=6, layers=1, width=3)
    assert read_size(tmp_path) is None


def test_the_embedded_model_by_hand() -> None:
    """4 layers of width 96, 4 heads and 2 of keys of 24, an inner width of 264."""
    attention = 2 * 96 * 96 + 2 * 96 * 48
    layer = attention + 3 * 96 * 264 + 2 * 96
    assert read_size(embedded_model.path()) == Size(4 * layer + 96, 4, 96)
