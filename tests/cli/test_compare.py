"""compare: paired differences of two rows, by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mathtune.cli.compare import compared
from mathtune.cli.main import app
from mathtune.errors import InputError
from mathtune.metrics.measure import Outcome
from mathtune.rows import jsonl


def row(folder: Path, values: dict[str, dict[str, float]]) -> str:
    folder.mkdir()
    jsonl.write(
        folder / "outcomes.jsonl",
        [Outcome(problem_id=i, values=v, picks={}) for i, v in values.items()],
    )
    return str(folder)


@pytest.fixture
def rows(tmp_path: Path) -> tuple[str, str, str]:
    return (
        row(tmp_path / "a", {i: {"Maj1@4": 1.0, "W.RR": 1.0, "x": 0.0} for i in "pqr"}),
        row(tmp_path / "b", {i: {"Maj1@4": float(i == "p"), "W.RR": 1.0} for i in "rqp"}),
        row(tmp_path / "c", {i: {"Maj1@4": float(i != "q"), "W.RR": 0.0} for i in "pqr"}),
    )


def test_every_metric_of_both_by_hand(rows: tuple[str, str, str]) -> None:
    found = compared(rows[0], rows[1])
    assert (found["problems"], found["seeds"]) == (3, [1, 1])
    assert set(found["metrics"]) == {"Maj1@4", "W.RR"}
    votes = found["metrics"]["Maj1@4"]
    assert (votes["ours"], votes["theirs"]) == (1.0, pytest.approx(1 / 3, abs=1e-6))
    assert votes["difference"] == pytest.approx(2 / 3, abs=1e-6)
    assert votes["p"] == 0.5  # q and r differ: of four assignments of signs two are as extreme
    assert found["metrics"]["W.RR"]["p"] == 1.0


def test_two_metrics_of_one_row(rows: tuple[str, str, str]) -> None:
    (name,) = compared(f"{rows[2]}:W.RR", f"{rows[2]}:Maj1@4")["metrics"].items()
    assert name[0] == "W.RR - Maj1@4"
    assert name[1]["difference"] == pytest.approx(-2 / 3, abs=1e-6)
    assert list(compared(f"{rows[0]}:W.RR", rows[1])["metrics"]) == ["W.RR"]


def test_seeds_are_averaged_within_problems(rows: tuple[str, str, str]) -> None:
    found = compared(f"{rows[1]},{rows[2]}", rows[0])
    assert found["seeds"] == [2, 1]
    # p: (1 + 1) / 2; q: 0; r: (0 + 1) / 2
    assert found["metrics"]["Maj1@4"]["ours"] == 0.5
    assert found["metrics"]["W.RR"]["ours"] == 0.5


def test_what_cannot_be_compared_is_one_sentence(
    rows: tuple[str, str, str], tmp_path: Path
) -> None:
    other = row(tmp_path / "d", {"z": {"Maj1@4": 1.0}})
    none = row(tmp_path / "e", {i: {"mean": 1.0} for i in "pqr"})
    for ours, theirs, sentence in (
        (str(tmp_path / "nothing"), rows[0], "no measured row"),
        (rows[0], other, "is in only one of"),
        (f"{rows[0]},{other}", rows[0], "seeds of different problems"),
        (f"{rows[0]}:RR.All", rows[0], "no metric 'RR.All'; there are Maj1@4, W.RR, x"),
        (rows[0], none, "no metric in common"),
        (f"{rows[0]}:x", rows[1], "no metric in common"),
    ):
        with pytest.raises(InputError, match=sentence):
            compared(ours, theirs)


def test_the_command_prints_a_table_or_json(rows: tuple[str, str, str]) -> None:
    shown = CliRunner().invoke(app, ["compare", rows[0], rows[1]])
    assert shown.exit_code == 0
    assert "p=0.500" in shown.stdout
    found = json.loads(CliRunner().invoke(app, ["compare", rows[0], rows[1], "--json"]).stdout)
    assert found == compared(rows[0], rows[1])
