"""Benchmarks of engines and trainings: what they lack is said first; limit and ratios are right."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

torch = pytest.importorskip("torch")

FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.syspath_prepend(str(FOLDER))

    def module(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield module
    for name in ("turns", "sampling", "scoring", "training", "end_to_end", "judges"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["sampling", "scoring", "training", "end_to_end"])
def test_a_model_that_is_not_there_ends_it_before_anything_is_measured(  # type: ignore[no-untyped-def]
    name, load, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(tmp_path)  # where there is no models/smollm2
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--json"])
    assert load(name).main() == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "models/smollm2 is not there; `make smollm2`" in said.err


@pytest.mark.parametrize("name", ["training", "end_to_end"])
def test_without_trl_nothing_is_measured(name, load, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    module = load(name)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--model", "embedded"])
    assert module.main() == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "TRL is not installed; `pip install -c constraints.txt -e '.[bench]'` brings it.\n"
    )


def test_the_whole_is_weighted_by_seconds_not_a_mean_of_ratios(load) -> None:  # type: ignore[no-untyped-def]
    end_to_end = load("end_to_end")
    stages = [
        end_to_end.Stage("sft", "", ours=1.0, theirs=10.0, peer=""),
        end_to_end.Stage("score", "", ours=4.0, theirs=5.0, peer=""),
    ]
    assert end_to_end.ratios(stages, "embedded ") == {
        "embedded end to end sft": 10.0,
        "embedded end to end score": 1.25,
        "embedded end to end": 3.0,
    }


def test_a_batch_that_does_not_divide_the_job_is_refused(load, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    module = load("end_to_end")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    argv = ["end_to_end.py", "--model", "embedded", "--problems", "1", "--batch", "3"]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit, match="2"):
        module.main()
    assert "--batch: found 3; expected a divisor of 4" in capsys.readouterr().err


def test_an_evaluator_learns_each_gold_solution_above_the_next_problem_s(load) -> None:  # type: ignore[no-untyped-def]
    training = load("training")
    problems = training.problems("embedded", Path("not/read"), 3)
    a, b, c = (problem.solution for problem in problems)
    assert [(p.right, p.wrong) for p in training.pairs(problems)] == [(a, b), (b, c), (c, a)]
    assert [row.solution for row in training.solutions(problems)] == [a, b, c]


def test_operations_are_two_for_each_weight_of_a_product(load) -> None:  # type: ignore[no-untyped-def]
    from mathtune.engines.transformers import models

    model, _ = models.load("embedded", device="cpu")
    turns = load("turns")
    # 4 layers of width 96: queries and output 96, keys and values 48 each, three of 264; head 888
    layer = 96 * (96 + 96 + 48 + 48 + 3 * 264)
    assert turns.operations(model, head=False) == 2 * 4 * layer
    assert turns.operations(model, head=True) == 2 * (4 * layer + 96 * 888)


def test_contenders_take_turns(load) -> None:  # type: ignore[no-untyped-def]
    came: list[str] = []

    def contender(name: str, made: int):  # type: ignore[no-untyped-def]
        def run() -> int:
            came.append(name)
            sum(range(100_000))  # some CPU time
            return made

        return run

    contenders = {"a": contender("a", 1_000), "b": contender("b", 1_000_000)}
    rates = load("turns").race(contenders, torch.device("cpu"), 2)
    assert came == ["a", "b", "a", "b"]
    assert rates["b"] > rates["a"] > 0


def test_judges_are_shown_beside_what_needs_none(load, monkeypatch, capsys, tmp_path) -> None:  # type: ignore[no-untyped-def]
    file, golds = tmp_path / "samples.jsonl", tmp_path / "golds.jsonl"
    samples = ["3 + 4 = 7\n#### 7", "3 + 4 = 8\n#### 8", "3 + 4 = 8, so\n#### 8"]
    rows = [{"problem_id": f"p{n}", "samples": samples, "s": [0.9, 0.1, 0.1]} for n in range(4)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    known = [{"id": f"p{n}", "problem": f"{n}: 3 + 4?", "answer": "7"} for n in range(4)]
    golds.write_text("".join(json.dumps(row) + "\n" for row in known))
    monkeypatch.setattr(sys, "argv", ["judges.py", str(file), "s", "--problems", str(golds)])
    load("judges").main()
    first, *table = capsys.readouterr().out.splitlines()
    assert first == "4 problems x 3 samples; votes 0.0"
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]
    assert [row[0] for row in shown] == ["calculator", "form", "shortness", "s"]
    assert [row[2].split()[0] for row in shown][::3] == ["1.000", "1.000"]
    assert [row[3].split()[0] for row in shown] == ["+100.0", "+0.0", "+0.0", "+100.0"]


def test_a_pool_of_samples_is_one_row_and_pools_have_a_mean(  # type: ignore[no-untyped-def]
    load, monkeypatch, capsys, tmp_path
) -> None:
    file, kept, other = tmp_path / "samples.jsonl", tmp_path / "kept", tmp_path / "other"
    samples = ["3 + 4 = 7\n#### 7", "3 + 4 = 8\n#### 8", "3 + 4 = 8, so\n#### 8", "So 7.\n#### 7"]
    right = {"problem_id": "a secret text", "gold_answer": "7", "samples": samples[:3]}
    wrong = {"problem_id": "q", "gold_answer": "8", "samples": [samples[3], *samples[1:3]]}
    file.write_text(json.dumps(right) + "\n" + json.dumps(wrong) + "\n")
    monkeypatch.setattr(sys, "argv", ["judges.py", str(file), "--keep", str(kept)])
    load("judges").main()
    cells = [cell.strip() for cell in capsys.readouterr().out.strip().strip("|").split("|")]
    # a: one of three is right, weighted 1 to .2; q: two of three, weighted .2 to 1
    assert cells[:4] == ["2 x 3", "50.0", "50.0", "100.0"]
    assert cells[4].split()[0] == "+0.0"
    assert cells[5:7] == ["66.7", "66.7"]
    outcomes = (kept / "outcomes.jsonl").read_text()
    assert "secret" not in outcomes
    other.mkdir()
    (other / "outcomes.jsonl").write_text(
        '{"problem_id":"0","values":{"Maj1@3":0.0,"calculator":0.02},"picks":{}}\n'
    )
    monkeypatch.setattr(sys, "argv", ["judges.py", str(kept), str(other)])
    load("judges").main()
    # t(1) = 12.706, stdev(0, 2) / sqrt(2) = 1
    assert capsys.readouterr().out.splitlines()[-1] == "2 pools: +1.00 [-11.71, +13.71]"
