"""Imports go down only, no files import each other in a circle, and what needs no torch has none.

Deferred imports inside functions and imports for types alone are counted like all others.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import mathtune

ROOT = Path(mathtune.__file__).parent
FLOORS = [
    {"errors"},
    {"rows"},
    {"run", "metrics", "paths", "answers"},
    {"data", "engines"},
    {"training"},
    {"stages"},
    {"report", "foreign", "recipes"},
    {"cli"},
    {"__main__"},
]
"""Folders and files at the top of the package, the lowest first."""
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def dotted(path: Path) -> str:
    parts = ("mathtune", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


MODULES = {dotted(path) for path in FILES}


@cache
def imported(path: Path) -> frozenset[str]:
    """The modules of the package that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return frozenset(name for name in found if name in MODULES)


def top(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=dotted)
def test_imports_go_down_only(path: Path) -> None:
    here = top(dotted(path))
    upward = {name for name in imported(path) if FLOOR[top(name)] > FLOOR[here]}
    assert not upward, f"{dotted(path)} imports upward: {upward}"


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = {dotted(path): imported(path) for path in FILES}
    assert sum(map(len, graph.values())) > 300
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


def test_no_folders_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for path in FILES:
        here = top(dotted(path))
        graph.setdefault(here, set()).update(top(name) for name in imported(path))
        graph[here].discard(here)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


def test_the_top_of_the_package_is_short() -> None:
    shown = [path.name for path in ROOT.iterdir() if not path.name.startswith("__")]
    assert len([name for name in shown if name != "py.typed"]) <= 14


@pytest.mark.parametrize("module", ["mathtune", "mathtune.cli.main", "mathtune.run.recipe_run"])
def test_it_loads_without_torch(module: str) -> None:
    code = f"import sys, {module}; print('torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"
