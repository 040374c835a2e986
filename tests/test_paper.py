"""docs/paper.md tells the truth: its functions exist, and their docstrings name the equation."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/paper.md").read_text().splitlines()
    if re.match(r"\| Liu et al\. 2023, Eq", line)
]


def test_the_table_is_not_empty() -> None:
    assert len(ROWS) >= 8


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_equation_has_its_function_and_test(row: list[str]) -> None:
    source, _, function, test, _ = row
    module, _, name = function.strip("`").rpartition(".")
    docstring = getattr(importlib.import_module(f"mathtune.{module}"), name).__doc__
    number = re.search(r"Eq\. ([\d-]+)", source)
    assert number is not None
    assert "Liu et al. 2023" in docstring
    assert re.search(rf"Eq\. [\d, and-]*\b{number[1]}\b", docstring), docstring
    assert (ROOT / test).exists()
    assert name in (ROOT / test).read_text()


FOLDERS = "|".join(path.name for path in (ROOT / "src/mathtune").iterdir() if path.is_dir())


@pytest.mark.parametrize(
    "name",
    sorted(set(re.findall(rf"`((?:{FOLDERS})\.\w[\w.]*)`", (ROOT / "docs/paper.md").read_text()))),
)
def test_every_name_is_a_module_or_of_one(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    whole = (ROOT / "src/mathtune" / name.replace(".", "/")).with_suffix(".py")
    assert whole.exists() or hasattr(importlib.import_module(f"mathtune.{module}"), attribute)
