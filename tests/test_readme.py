"""The README tells the truth: its tree is the tree, its Python runs, its make targets exist."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import mathtune
from mathtune.recipes import resolve
from mathtune.run import recipe_run, settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PACKAGE = Path(mathtune.__file__).parent
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)
TREE = next(text for _, text in BLOCKS if text.startswith("docs/"))
COMMANDS = [
    line.partition("#")[0].strip()
    for _, text in BLOCKS
    for line in text.splitlines()
    if line.startswith(("mathtune ", "make ", "pip "))
]


def test_the_tree_names_what_exists_and_all_of_it() -> None:
    assert len(TREE.splitlines()) <= 20
    folder = ROOT
    named = set()
    for line in TREE.splitlines():
        inside = line.startswith("  ")
        words = line.split()
        count = next((at for at, word in enumerate(words) if not word.endswith(("/", ".py"))), 1)
        for entry in words[: max(count, 1)]:
            if inside:
                assert (folder / entry).exists(), entry
                named.add(folder / entry)
            else:
                folder = ROOT / entry
                assert folder.exists(), entry
    there = {
        path
        for path in PACKAGE.iterdir()
        if not path.name.startswith("_") and path.suffix != ".typed"
    }
    assert there == {path for path in named if path.parent == PACKAGE}


def test_its_python_says_what_it_shows() -> None:
    code = next(text for language, text in BLOCKS if language == "python")
    names = {"mathtune": mathtune}
    checked = 0
    for line in code.splitlines():
        if "  # " not in line:
            exec(line, names)  # our own README, not model text
            continue
        call, _, shown = line.rpartition("  # ")
        found = eval(call, names)
        shown = shown.strip()
        expected = mathtune.Verdict(shown[8:]) if shown.startswith("Verdict.") else eval(shown)
        assert found == expected, line
        checked += 1
    assert checked >= 2


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 8


def test_every_shipped_setting_resolves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_in: Callable[[Path], Path]
) -> None:
    made = tmp_path / "models" / "ladder" / "heldout.jsonl"  # by `make ladder`
    made.parent.mkdir(parents=True)
    made.touch()
    monkeypatch.chdir(tmp_path)
    names = settings.shipped("mathtune.recipes")
    assert {"quickstart", "liu2023", "yuan2023", "smollm2-gsm8k-small"} <= set(names)
    for name in names:
        given = settings.read(name, [], package="mathtune.recipes")
        for model in given.get("models", []):
            stand_in(tmp_path / model)
        found = resolve(name, config=name, assignments=["model=embedded"])
        run = recipe_run.planned(
            found.compose, name=found.name, folder=tmp_path / "run", overrides=found.overrides
        )
        assert len(run.steps) > 10


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_every_make_target_exists(command: str) -> None:
    target = command.split()[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
