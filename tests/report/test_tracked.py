"""Trackers are told losses, metrics and tables; each is read back from its own files."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mathtune import report
from mathtune.cli import main
from mathtune.errors import InputError
from mathtune.recipes import resolve
from mathtune.run import fingerprint, trackers
from mathtune.run.recipe_run import planned
from mathtune.run.trackers import Place
from mathtune.stages.train import Train

TABLE: dict[str, Any] = {
    "title": "Models of $x | y",
    "header": ("", "Pass@1", "Pass@1"),
    "rows": [("base", "51.7 [47.0, 56.8]", "1"), ("<script>", "54.5", "2")],
    "text": "| model |\n| --- |\n| base |",
}


def tensorboard(folder: Path) -> tuple[dict[str, list[tuple[int, float]]], dict[str, list[str]]]:
    """What tensorboard's own reader finds: numbers by update, and texts."""
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    tags = found.Tags()
    numbers = {
        tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in tags["scalars"]
    }
    texts = {
        tag: [event.tensor_proto.string_val[0].decode() for event in found.Tensors(tag)]
        for tag in tags["tensors"]
    }
    return numbers, texts


@pytest.fixture
def run(run_folder: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    shutil.copytree(run_folder, folder)
    return folder


def test_tensorboard_shows_numbers_and_tables(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    place = Place("ssft", None, tmp_path)
    with trackers.opened(("tensorboard",), place, {}) as (one,):
        one.numbers({"train/loss": 0.5, "train/grad_norm": 2.0}, at=1)
        one.numbers({"train/loss": 0.25}, at=2)
        one.numbers({"train/loss": 0.75}, at=3)
    with trackers.opened(("tensorboard",), place, {}) as (one,):  # went on after update 1
        one.numbers({"train/loss": 0.125}, at=2)
        one.table(**TABLE)
    numbers, texts = tensorboard(tmp_path)
    assert numbers == {"train/loss": [(1, 0.5), (2, 0.125)], "train/grad_norm": [(1, 2.0)]}
    assert texts == {"Models of $x | y": [TABLE["text"]]}


def test_a_run_tells_metrics_and_tables(run: Path) -> None:
    for _ in range(2):  # told again, it stands there once
        report.tell(run, ("tensorboard",))
    numbers, texts = tensorboard(run / "tensorboard")
    measured = json.loads((run / "ssft-row" / "metrics.json").read_text())
    for name, found in measured["metrics"].items():
        assert numbers[f"ssft/{name}"] == [(0, pytest.approx(found["value"]))]
    within = measured["evaluator"]["within_auc"]["value"]
    assert numbers["ssft/AUC within problems"] == [(0, pytest.approx(within))]
    assert numbers["gap closed/Maj1@4"] == [(0, 0.5)]  # 60 % of 40 % to 80 %
    report.build(run)
    page = (run / "report.md").read_text()
    assert {"Models", "Cost of each step", "Liu et al. 2023, Table 3: re-ranking"} <= set(texts)
    for text in texts.values():
        assert len(text) == 1
        assert text[0] in page


def test_the_place_is_the_run_and_the_step_in_it(run: Path, tmp_path: Path) -> None:
    step = run / "seed-0" / "ssft"
    assert Place.of(step) == Place("seed-0/ssft", "made", step / "tensorboard")
    assert Place.of(run) == Place("report", "made", run / "tensorboard")
    alone = tmp_path / "ssft"
    assert Place.of(alone) == Place("ssft", None, alone / "tensorboard")


def test_a_recipe_hands_them_to_its_trainings(tmp_path: Path) -> None:
    plain, told = (
        planned(found.compose, name="q", folder=tmp_path, overrides=found.overrides)
        for found in (
            resolve("quickstart", config=None, assignments=given)
            for given in ([], ["report_to=tensorboard,wandb", "rft.report_to=[trackio]"])
        )
    )
    given = {
        name: step.stage.report_to
        for name, step in told.steps.items()
        if isinstance(step.stage, Train)
    }
    assert given["ssft"] == given["evaluator"] == ("tensorboard", "wandb")
    assert given["rft"] == ("trackio",)
    for name, step in plain.steps.items():  # no result depends on them: nothing is refused
        assert fingerprint.settings(step.stage) == fingerprint.settings(told.steps[name].stage)


def test_what_is_wrong_is_said_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    assert trackers.parse(None) == ()
    with pytest.raises(InputError, match="--report-to mlflow: no tracker 'mlflow'; expected tens"):
        trackers.parse("mlflow")
    with pytest.raises(InputError, match=r"report_to.0: found 'mlflow'; input should be 'tensor"):
        resolve("quickstart", config=None, assignments=["report_to=mlflow"])
    with pytest.raises(
        InputError, match="--report-to wandb,,trackio: a name is missing at a comma"
    ):
        trackers.parse("wandb,,trackio")
    with pytest.raises(InputError, match=r"found 'wandb,'; a name is missing at a comma"):
        resolve("quickstart", config=None, assignments=["report_to=wandb,"])
    monkeypatch.setattr("mathtune.run.trackers.find_spec", lambda _: None)
    with pytest.raises(InputError, match="'wandb', which is not installed; expected `pip install"):
        trackers.parse("wandb")


def test_measured_samples_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    row = {"problem_id": "a", "gold_answer": "7", "samples": ["#### 7", "#### 8", "#### 7"]}
    (tmp_path / "outputs.jsonl").write_text(json.dumps(row) + "\n")
    monkeypatch.chdir(tmp_path)
    command = ["mathtune", "measure", "outputs.jsonl", "--report-to", "tensorboard"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code in (0, None)
    numbers, texts = tensorboard(tmp_path / "tensorboard" / "outputs")
    assert numbers["outputs/Maj1@3"] == [(0, 1.0)]
    assert numbers["outputs/mean"] == [(0, pytest.approx(2 / 3))]
    assert "| outputs | – | – | 66.7" in texts["Models"][0]


def test_wandb_offline(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.chdir(tmp_path)
    report.tell(run, ("wandb",))
    (files,) = (tmp_path / "wandb").glob("offline-run-*")
    (models,) = files.glob("files/media/table/tables/models_*.table.json")
    found = json.loads(models.read_text())
    assert found["columns"][:2] == ["model", "updates"]
    assert [row[0] for row in found["data"]] == ["base", "ssft", "again"]
    told = b"".join(path.read_bytes() for path in files.glob("*.wandb"))
    assert b"ssft/Maj1@4" in told


def test_wandb_that_lets_nobody_in(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
    there = {**kept, "NETRC": str(tmp_path / "none"), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "mathtune", "report", str(run), "--report-to", "wandb"]
    ended = subprocess.run(
        command, env=there, cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert ended.returncode == 2
    assert "error: report_to: wandb says 'No API key configured" in ended.stderr
    assert "WANDB_MODE=offline" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_trackio_on_this_machine(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("trackio", reason="trackio is not installed")
    code = (
        "from pathlib import Path; from mathtune import report; "
        f"report.tell(Path({str(run)!r}), ('trackio',))"
    )
    there = {**os.environ, "TRACKIO_DIR": str(tmp_path / "kept")}  # read when it is imported
    subprocess.run([sys.executable, "-c", code], env=there, check=True, capture_output=True)
    rows = sqlite3.connect(tmp_path / "kept" / "mathtune.db").execute(
        "select run_name, metrics from metrics"
    )
    told: dict[str, Any] = {}
    for name, metrics in rows:
        assert name == "made/report"
        told |= json.loads(metrics)
    measured = json.loads((run / "ssft-row" / "metrics.json").read_text())
    assert told["ssft/W.RR"] == pytest.approx(measured["metrics"]["W.RR"]["value"])
    assert "tables/models" in told
