"""The options of `solve` and `serve`: declared once, with the defaults of their settings."""

from __future__ import annotations

from dataclasses import fields

import pytest
import typer
from typer.testing import CliRunner

from mathtune.cli import questions
from mathtune.cli.main import app
from mathtune.cli.serving.settings import Address, Limits, Solver, check_server
from mathtune.errors import InputError


def test_both_commands_have_every_setting_of_a_solver_with_its_default() -> None:
    commands = typer.main.get_command(questions.app).commands  # type: ignore[attr-defined]
    options = [{one.name: one for one in commands[name].params} for name in ("solve", "serve")]
    assert len(options[0]) > 20
    for field in fields(Solver):
        solve, serve = (one[field.name] for one in options)
        assert solve.default == serve.default == field.default
        assert (solve.opts, solve.help) == (serve.opts, serve.help)
    assert options[1]["key"].opts == ["--api-key"]
    assert options[1]["samples"].opts == ["--max-samples"]
    assert options[1]["timeout"].default == Limits().timeout


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATHTUNE_API_KEY", "s3cret")
    serve = typer.main.get_command(questions.app).commands["serve"]  # type: ignore[attr-defined]
    assert serve.make_context("serve", []).params["key"] == "s3cret"
    assert serve.make_context("serve", ["--api-key", "x"]).params["key"] == "x"


def test_options_reach_the_settings() -> None:
    done = CliRunner().invoke(app, ["solve", "q", "--samples", "0", "--extract", "auto"])
    assert isinstance(done.exception, InputError)
    assert str(done.exception) == "--n: found 0; expected at least 1."
    done = CliRunner().invoke(app, ["serve", "--stop-at", "0", "--port", "65536"])
    assert isinstance(done.exception, InputError)
    assert str(done.exception) == "--port: found 65536; expected 0 to 65535."


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"queue": 0}, "--queue: found 0; expected at least 1"),
        ({"samples": 0}, "--max-samples: found 0"),
        ({"timeout": 0.0}, "--timeout: found 0.0; expected more than 0 seconds"),
        ({"timeout": float("nan")}, "--timeout: found nan"),
    ],
)
def test_limits_that_cannot_be_meant(limits: dict[str, float], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_server(Address(), Limits(**limits))  # type: ignore[arg-type]
