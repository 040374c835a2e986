"""Results name the commit of the checkout that made them; an installed package names none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mathtune

PACKAGE = Path(mathtune.__file__).parent
CODE = "from mathtune.run import provenance as p; print(p.__file__, p.record()['commit'])"


def commit_found(folder: Path) -> str:
    """The commit that the copy of the package in `folder` finds."""
    shown = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    file, commit = shown.stdout.split()
    assert Path(file).is_relative_to(folder)
    return commit


def repository(folder: Path) -> str:
    """Make a git repository of `folder` with one commit; return the commit."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message=all")
    return git("describe", "--always", "--dirty")


def copied(folder: Path) -> Path:
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("base", "__pycache__", "katex"))
    return folder


@pytest.fixture(autouse=True)
def _needs_git() -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")


def test_a_checkout_names_its_commit_and_changes(tmp_path: Path) -> None:
    package = copied(tmp_path / "src" / "mathtune")
    commit = repository(tmp_path)
    # Python's caches are ignored in the real checkout; here none may make the tree dirty.
    (tmp_path / ".git" / "info" / "exclude").write_text("__pycache__\n")
    assert commit_found(tmp_path / "src") == commit
    with (package / "errors.py").open("a") as stream:
        stream.write("# changed\n")
    assert commit_found(tmp_path / "src") == f"{commit}-dirty"


def test_a_package_inside_another_projects_repository_names_none(tmp_path: Path) -> None:
    copied(tmp_path / "lib" / "mathtune")
    repository(tmp_path)
    assert commit_found(tmp_path / "lib") == "None"
