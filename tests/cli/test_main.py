"""What the command line imports, and which commands it finds."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

import mathtune
from mathtune.cli.main import app
from mathtune.run.version import __version__

HEAVY = ("numpy", "pydantic", "rich.console", "matplotlib", "torch", "mathtune.answers")


def printed(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_version_costs_no_heavy_import() -> None:
    code = (
        "import sys; from mathtune.cli.main import app\n"
        "try: app(['--version'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    assert printed(code).splitlines() == [f"mathtune {__version__}", "[]"]


def test_the_stages_are_commands_although_they_are_imported_late() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    for name in ("run", "solve", "prepare", "train", "measure", "grade"):
        assert f" {name} " in shown
    unknown = CliRunner().invoke(app, ["grde"])
    assert unknown.exit_code == 2
    assert "No such command 'grde'" in unknown.output


def test_every_public_name_is_found_and_no_other() -> None:
    for name in mathtune.__all__:
        assert getattr(mathtune, name) is not None
    assert set(mathtune.__all__) <= set(dir(mathtune))
    with pytest.raises(AttributeError, match="has no attribute 'gradee'"):
        _ = mathtune.gradee


def test_a_misspelt_command_names_those_that_resemble_it() -> None:
    found = CliRunner().invoke(app, ["gradee", "a.jsonl"])
    assert found.exit_code == 2
    assert "Did you mean grade?" in found.output
    assert "Did you mean" not in CliRunner().invoke(app, ["xyzzy"]).output


@pytest.mark.parametrize("command", [[], ["grade"], ["sample"], ["run"], ["report"]])
def test_the_help_shows_no_type_for_a_flag(command: list[str]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"]).output
    assert "--help" in shown
    assert "bool" not in shown.lower()
