"""docs/api.md is true: each name can be imported and says what it is, and the examples run."""

from __future__ import annotations

import doctest
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

import mathtune

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
ROWS = [
    line.split("|")[1:-1] for line in PAGE.read_text(encoding="utf-8").splitlines() if "|" in line
]
NAMED = re.compile(r"`([\w.]+)`")
MODULES = {
    module: NAMED.findall(cells[1])
    for cells in ROWS
    if len(cells) == 3
    for module in NAMED.findall(cells[0])
}


def test_the_first_table_is_what_the_package_exports() -> None:
    names = {name for cells in ROWS if len(cells) == 2 for name in NAMED.findall(cells[0])}
    assert names == set(mathtune.__all__) - {"__version__"}


@pytest.mark.parametrize("module", MODULES)
def test_the_names_are_there_and_say_what_they_are(module: str) -> None:
    if module == "mathtune.training.objectives":
        pytest.importorskip("torch")
    found = import_module(module)
    names = MODULES[module]
    if module.startswith("mathtune.stages."):
        names = [module.rpartition(".")[2].capitalize()]
    assert names
    for name in names:
        value = getattr(found, name)
        assert not callable(value) or inspect.getdoc(value)


def test_the_examples_run() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.attempted >= 10
    assert result.failed == 0
