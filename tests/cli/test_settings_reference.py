"""docs/settings.md is current, and the JSON Schemas accept what the program accepts."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from mathtune.cli import main
from mathtune.cli.settings_reference import STAGES, markdown, schema, shipped_table
from mathtune.errors import InputError
from mathtune.recipes import RECIPES
from mathtune.run import settings
from mathtune.run.provenance import TOLD, bug_report
from mathtune.run.version import __version__

ROOT = Path(__file__).parents[2]


def test_the_reference_is_current() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == markdown(), "run `make docs`"


def test_every_setting_says_what_it_means() -> None:
    rows = [line for line in markdown().splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    missing = [row for row in rows if row.endswith("|  |")]
    assert not missing


def test_every_stage_is_there() -> None:
    text = markdown()
    package = Path(str(files("mathtune.stages")))
    assert {stage.kind() for stage in STAGES} == {
        path.stem for path in package.glob("*.py") if path.stem != "__init__"
    }
    for stage in STAGES:
        assert f"### `{stage.kind()}`" in text
    assert "| `margin` | float, at least 0 | `1.0` |" in text


def faults(value: Any, rules: dict[str, Any], defs: dict[str, Any], at: str) -> list[str]:
    """A validator of what our schemas use, small enough to be read; a second implementation."""
    if "$ref" in rules:
        return faults(value, defs[rules["$ref"].removeprefix("#/$defs/")], defs, at)
    if "anyOf" in rules:
        tried = [faults(value, one, defs, at) for one in rules["anyOf"]]
        return min(tried, key=len)
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    kinds |= {"null": type(None), "number": (int, float)}  # type: ignore[dict-item]
    if "const" in rules and value != rules["const"]:
        return [at]
    if "enum" in rules and value not in rules["enum"]:
        return [at]
    if "type" in rules and not isinstance(value, kinds[rules["type"]]):
        return [at]
    found = []
    if isinstance(value, dict):
        for key, inside in value.items():
            named = rules.get("properties", {})
            other = rules.get("additionalProperties", {})
            if key in named:
                found += faults(inside, named[key], defs, f"{at}.{key}")
            elif "." in key and "patternProperties" in rules:
                continue
            elif other is False:
                found.append(f"{at}.{key}")
            elif isinstance(other, dict):
                found += faults(inside, other, defs, f"{at}.{key}")
        found += [f"{at}: {key}" for key in rules.get("required", []) if key not in value]
    return found


def check(name: str, recipe: str) -> list[str]:
    rules = schema(recipe)
    return faults(yaml.safe_load(name), rules, rules["$defs"], recipe)


@pytest.mark.parametrize("name", settings.shipped("mathtune.recipes"))
def test_shipped_settings_satisfy_their_schema(name: str) -> None:
    text = (files("mathtune.recipes") / f"{name}.yaml").read_text()
    given = settings.parse(text, where=name)
    rules = schema(given["recipe"])
    assert faults(given, rules, rules["$defs"], name) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("n: many", "quickstart.n"),
        ("m: 3", "quickstart.m"),
        ("train: {epoch: 3}", "quickstart.train.epoch"),
        ("ssft: {epochs: lots}", "quickstart.ssft.epochs"),
        ("recipe: liu2023", "quickstart.recipe"),
        ("evaluator_loss: cls", "quickstart.evaluator_loss"),
        ("data: {sauce: gsm8k}", "quickstart.data"),  # neither a name nor prepare's settings
    ],
)
def test_a_schema_names_what_is_wrong(text: str, fault: str) -> None:
    assert check(text, "quickstart") == [fault]


@pytest.mark.parametrize(
    "text",
    [
        "data: gsm8k",
        "limit: 5",
        "ssft.epochs: 3",
        "train: {lora: {rank: 8}}",
        "some-step: {n: 3}",
        "fields: problem=q",
    ],
)
def test_a_schema_accepts_what_the_program_does(text: str) -> None:
    assert check(text, "quickstart") == []


def test_an_unknown_recipe_is_named() -> None:
    with pytest.raises(InputError, match="quickstrat: no such recipe; there are quickstart"):
        schema("quickstrat")


def call(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    monkeypatch.setattr("sys.argv", ["mathtune", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main.main()
    assert stopped.value.code in (0, None)
    return capsys.readouterr().out


def test_the_commands(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(["--version"], capsys, monkeypatch) == f"mathtune {__version__}\n"
    assert json.loads(call(["schema", "liu2023"], capsys, monkeypatch))["type"] == "object"
    assert call(["settings"], capsys, monkeypatch) == markdown()


def test_a_bug_report_has_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    found = bug_report()
    assert "hf_secret" not in str(found)
    assert str(Path.home()) not in str(found)
    assert found["OMP_NUM_THREADS"] == "3"
    assert {"mathtune", "python", "platform", "cores", "memory", "device", *TOLD} <= found.keys()


def test_the_shell_completes_recipes() -> None:
    assert main.recipe_names("qui") == ["quickstart", "quickstart-full"]
    assert set(RECIPES) <= set(main.recipe_names(""))


def test_the_help_of_run_lists_all_shipped_settings_each_with_a_whole_line() -> None:
    names, lines = ([str(cell) for cell in column.cells] for column in shipped_table().columns)
    assert {name.strip() for name in names} == {*RECIPES, *settings.shipped("mathtune.recipes")}
    for name, line in zip(names, lines, strict=True):
        assert len(line) > 10, name
        assert line.count("(") == line.count(")"), line  # not cut inside
        assert not line.endswith(".."), line
