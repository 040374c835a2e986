"""Settings: values read as people mean them, keys strict, the command line over the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mathtune.errors import InputError
from mathtune.run import settings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-4", 0.0003),
        ("1e5", 100000.0),
        ("8", 8),
        ("-2", -2),
        (".5", 0.5),
        ("true", True),
        ("yes", "yes"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("openai/gsm8k", "openai/gsm8k"),
        ("[1, 2]", [1, 2]),
        ("{solution: a, id: b}", {"solution": "a", "id": "b"}),
        ("null", None),
    ],
)
def test_values(text: str, value: Any) -> None:
    found = settings.value_of(text, where="k")
    assert found == value
    assert type(found) is type(value)


def test_the_command_line_stands_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("n: 4\nssft: {epochs: 2, seed: 1}\n")
    given = settings.read(str(path), ["ssft.epochs=3", "n=8"], package=None)
    assert given == {"n": 8, "ssft": {"epochs": 3, "seed": 1}}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("n: 1\nn: 2\n", "'n' is there twice"),
        ("- a\n", "expected settings"),
        ("n: [1\n", "no valid YAML"),
        ("1: 2\n", "expected settings"),
    ],
)
def test_faulty_files(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        settings.read(str(path), [], package=None)


def test_faulty_names_and_assignments() -> None:
    with pytest.raises(InputError, match="none: no such settings"):
        settings.read("none", [], package="mathtune.recipes")
    with pytest.raises(InputError, match="'n 8': not a setting"):
        settings.read(None, ["n 8"], package=None)


def test_a_folder_of_that_name_hides_no_shipped_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quickstart").mkdir()
    monkeypatch.chdir(tmp_path)
    given = settings.read("quickstart", [], package="mathtune.recipes")
    assert given["recipe"] == "quickstart"


def test_a_group_may_be_given_by_its_head(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    heads = {"data": "source"}
    path.write_text("data: {source: math, split: prm800k}\n")

    def data(*assignments: str) -> Any:
        return settings.read(str(path), assignments, package=None, heads=heads)["data"]

    assert data("data.limit=5") == {"source": "math", "split": "prm800k", "limit": 5}
    assert data("data=gsm8k", "data.limit=5") == {"source": "gsm8k", "limit": 5}
    assert data("data.limit=5", "data=gsm8k") == {"limit": 5, "source": "gsm8k"}
    assert data("data.source=gsm8k") == {"source": "gsm8k"}
    assert data("data={source: gsm8k, limit: 5}") == {"source": "gsm8k", "limit": 5}
    path.write_text("data: math\ndata.limit: 3\n")
    assert data("data.test=2") == {"source": "math", "limit": 3, "test": 2}
    with pytest.raises(InputError, match=r"n: set as a whole and in parts \(x\)"):
        settings.read(None, ["n=1", "n.x=2"], package=None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: " + "[" * 5000, r"more than 50 levels deep \(line 1\)"),
        ("\n".join(" " * n + "a:" for n in range(500)), r"more than 50 levels deep \(line 51\)"),
        ("a: &x [*x]", r"an alias, \*x \(line 1\); write the value out"),
        ("a: &x {b: 1}\nc: *x", r"an alias, \*x \(line 2\)"),
        ("n: " + "9" * 5000, "no valid YAML: Exceeds the limit"),
        ("# " + "x" * 2**20, "longer than 1048576 characters"),
    ],
)
def test_settings_that_would_take_all_memory_or_the_stack(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=f"s.yaml: .*{sentence}"):
        settings.parse(text, where="s.yaml")
    with pytest.raises(InputError, match="no valid value"):
        settings.value_of(text.partition(": ")[2] if text[0] == "n" else text, where="n")


@pytest.mark.parametrize("text", ["null: 1", "train: {null: 1}", "train:\n  data: {1: 2}"])
def test_keys_that_are_no_texts(text: str) -> None:
    with pytest.raises(InputError, match=r"s.yaml: expected settings as `key: value` lines"):
        settings.parse(text, where="s.yaml")


def test_keys_of_an_assigned_mapping_that_are_no_texts() -> None:
    with pytest.raises(InputError, match=r"train: found .* expected texts as its keys"):
        settings.read(None, ["train={null: 1}"], package=None)
