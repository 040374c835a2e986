"""The study's tables and figures, from a document made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mathtune.engines import embedded_model
from mathtune.report import study, study_figures
from mathtune.report.cost import read_size
from mathtune.report.results import Results
from mathtune.report.steps import StepRecord
from mathtune.run.documents import PredictedCost, Prediction

SAMPLED = {
    "problems": 1,
    "n": 1,
    "samples": 1,
    "tokens": 9,
    "mean_tokens": 9.0,
    "finish_reasons": {"stop": 1},
    "prompts_too_long": [],
}


def point(base: str, kind: str, value: float, **more: Any) -> dict[str, Any]:
    accuracy = {"value": value, "low": value - 0.05, "high": value + 0.05}
    empty = dict.fromkeys(("k", "of", "problems", "examples", "paths", "fraction", "updates"))
    loss = {"weak": 0.9, "strong": 0.3}[base]
    return {
        **empty, "base": base, "kind": kind, "loss": loss, "parameters": 10, "seeds": 2,
        "accuracy": accuracy, "votes": {}, "steps": [f"{base}-{kind}-row"], **more,
    }  # fmt: skip


def points() -> list[dict[str, Any]]:
    found = []
    for base, value in {"weak": 0.2, "strong": 0.6}.items():
        source = {"correct": 9, "paths": 5, "exclusive_paths": 3}
        known = {"paths": 1.5, "correct": 3.25, "examples": 250, "updates": 30}
        one, both = {"a": source}, {"a": source, "b": source}
        found += [
            point(base, "base", value - 0.1),
            *(
                point(base, "sft", value - 0.01 * over, fraction=1 / over, problems=80 // over)
                for over in (1, 2, 4)
            ),
            point(base, "rft", value + 0.05, k=4, sources=one, **known),
            point(base, "rft", value + 0.1, k=8, sources=one, **{**known, "paths": 2.5}),
            point(
                base, "union", value + 0.1, k=8, sources=both, problems=2, **{**known, "paths": 4.0}
            ),
            point(base, "control", value, k=8, of="rft"),
        ]
    found[1]["test_histogram"] = {"0": 4, "1": 5, "20": 1}
    found[1]["votes"] = {"n": 8, "value": 0.25}
    return found


def results() -> Results:
    claim = {"claim": "C", "answer": "yes", "number": "d", "interval": None, "units": ""}
    interval = {"value": 0.1, "low": 0.0, "high": 0.2}
    line = {"intercept": 0.5, "slope": 0.1, "r2": 1.0}
    fit = {"name": "sft over loss", "over": "loss", "line": line, "slope": interval, "r2": interval}
    document = {"problems": 10, "bases": {}, "points": points(), "fits": [fit], "claims": [claim]}

    step = StepRecord("study", "study", {}, document, {}, {}, True, Path("study"))
    return Results("scaling", [], steps=[step])


def test_tables_say_what_the_document_holds() -> None:
    tables = {table.title: table for table in study.tables(results())}
    models = tables["Base models and ways to train"]
    assert models.header == ("trained by", "weak", "strong")  # the highest loss first
    cells = {row[0]: row[1:] for row in models.rows}
    assert cells["SFT"] == ("19.0 [14.0, 24.0] / 25.0", "59.0 [54.0, 64.0]")
    assert cells["RFT, k = 8"][0] == "30.0 [25.0, 35.0]"
    assert "SFT, as many updates as RFT, k = 8" in cells
    assert [row[0] for row in tables["Supervised data"].rows] == ["1", "0.5", "0.25"]
    assert len(tables["Samples, distinct paths and their gains"].rows) == 6
    assert tables["Claims of Yuan et al. 2023"].rows == [("C", "yes", "–", "d")]


def test_the_answer_first_is_how_many_claims_hold() -> None:
    assert study.sentence(results()) == (
        "Of 1 claim, 1 holds here, 0 do not, and 0 cannot be told from 0 base models."
    )
    assert study.sentence(Results("quickstart", [], steps=[])) is None


def test_every_point_has_its_cost() -> None:
    def done(name: str, stage: str, config: dict[str, Any], bill: dict[str, float]) -> StepRecord:
        wall = {"wall_s": 9.0, "cpu_s": 7.2}
        on = {"device": "cpu"}
        return StepRecord(name, stage, config, SAMPLED, {**wall, **bill}, on, True, Path(name))

    model = {"model": "embedded"}
    found = results()
    steps = [
        *found.steps,
        done("seed-0/weak-sft", "train", model, {"trained_tokens": 1000}),
        done("seed-0/weak-sft-greedy", "sample", model, {}),
        done("seed-0/weak-drafts", "sample", model, {}),
    ]
    found.steps[0].metrics["points"][1]["steps"] = ["seed-0/weak-sft-row", "seed-1/weak-sft-row"]
    expected = {"seed-0/weak-sft": PredictedCost(flops=2e10, hours=0.5)}
    both = replace(found, steps=steps, forecast=Prediction(speed=1.0, steps=expected))
    (table,) = [table for table in study.tables(both) if table.title == "Cost of every point"]
    size = read_size(embedded_model.path())
    assert size is not None
    flops = f"{6 * 1000 * size.parameters:.1e}".replace("e+", "e")
    assert table.rows == [
        ("weak", "SFT", "train", flops, "2.0e10", "0.0020", "0.5000"),
        ("weak", "SFT", "test", "–", "–", "0.0020", "–"),
        ("weak", "samples to make paths of", "sample", "–", "–", "0.0020", "–"),
    ]
    assert "Cost of every point" not in [t.title for t in study.tables(both, brief=True)]


def test_every_figure_is_drawn_and_a_run_without_a_study_has_none() -> None:
    pytest.importorskip("matplotlib")
    drawn = study_figures.draw(results())
    assert drawn.keys() == {
        "study-loss", "study-data", "study-paths", "study-samples", "study-exclusive",
        "study-diversity",
    }  # fmt: skip
    assert study_figures.draw(Results("x", [])) == {}
    found = results()
    for row in found.steps[0].metrics["points"]:
        row.update({key: 0.0 for key in ("correct", "paths") if row.get(key) is not None})
    assert "study-samples" in study_figures.draw(found)  # and no warning: none was right
    assert study.tables(Results("x", [])) == []


def test_figures_of_a_run_that_got_nothing_right() -> None:
    pytest.importorskip("matplotlib")
    found = results()
    for one in found.steps[0].metrics["points"]:
        if one["paths"] is not None:
            one.update(paths=0.0, correct=0.0)
    assert "study-samples" in study_figures.draw(found)
