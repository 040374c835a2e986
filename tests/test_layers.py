"""Imports go down only, and what needs no torch does not import it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mathtune

ROOT = Path(mathtune.__file__).parent

LAYERS = [
    {"errors", "records", "bill", "progress", "provenance", "processes", "version"},
    {"jsonl", "prompts", "stage", "settings", "trackers"},
    {"samples", "answers", "objectives", "ranking", "metrics", "intervals", "judging"},
    {"tokens", "pythonic"},
    {
        "expressions",
        "sides",
        "equations",
        "paths",
        "prefixes",
        "scaling",
        "claims",
        "gathering",
        "matching",
        "measurement",
        "unions",
    },
    {"data", "embedded", "fingerprint"},
    {"engines", "training", "execution"},
    {"run", "beside", "stages", "solving"},
    {"report", "recipes", "overview", "elsewhere", "reference", "comparing", "forecast"},
    {"stage_commands"},
    {"cli", "__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def top(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The top-level names inside mathtune that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "mathtune":
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            if parts[0] == "mathtune":
                found.add(parts[1])
        elif isinstance(node, ast.Import):
            names = (alias.name.split(".") for alias in node.names)
            found.update(parts[1] for parts in names if parts[0] == "mathtune" and len(parts) > 1)
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path: Path) -> None:
    level = LEVEL[top(path)]
    upward = {name for name in imported(path) if LEVEL[name] > level}
    assert not upward, f"{path.relative_to(ROOT)} imports upward: {upward}"


def test_the_command_line_loads_without_torch() -> None:
    code = "import sys, mathtune, mathtune.cli.main; print('torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"
