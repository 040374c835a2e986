"""The benchmarks of the engines: what they lack is said first, and the limit is counted right."""

from __future__ import annotations

import importlib
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
    for name in ("turns", "sampling", "scoring"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["sampling", "scoring"])
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


def test_operations_are_two_for_each_weight_of_a_product(load) -> None:  # type: ignore[no-untyped-def]
    from mathtune.engines import models

    model, _ = models.load("embedded", device="cpu")
    turns = load("turns")
    # 8 layers of width 128: queries and output 128, keys and values 64 each, three of 352; head 508
    layer = 128 * (128 + 128 + 64 + 64 + 3 * 352)
    assert turns.operations(model, head=False) == 2 * 8 * layer
    assert turns.operations(model, head=True) == 2 * (8 * layer + 128 * 508)


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
