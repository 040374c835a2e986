"""The built wheel works without the checkout: its model, settings, page and figures are in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

pytest.importorskip("torch")
pytest.importorskip("setuptools")  # building without downloads needs the build backend here

ROOT = Path(__file__).parents[1]
SOURCE = ("src", "pretraining", "pyproject.toml", "README.md", "LICENSE")
"""What a checkout builds from, and pretraining, which must stay out."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built of a copy of the checkout: building writes into its folder."""
    copy = tmp_path_factory.mktemp("source")
    for name in SOURCE:
        if (ROOT / name).is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, copy / name, ignore=left_out)
        else:
            shutil.copy(ROOT / name, copy / name)
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(copy))
    (found,) = folder.glob("mathtune-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed wheel and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    pip("install", "--target", str(folder), str(wheel))
    return folder


def pip(command: str, *words: str) -> None:
    line = [sys.executable, "-m", "pip", command, "--no-deps", "--quiet", *words]
    subprocess.run([*line, "--disable-pip-version-check"], check=True, timeout=300)


def run(installed: Path, *words: str) -> str:
    """What a command prints with the installed package in front of any checkout."""
    done = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": str(installed), "HF_HUB_OFFLINE": "1"},
        cwd=installed,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_solves_a_question_with_the_embedded_model(installed: Path) -> None:
    shown = run(installed, "-c", "import mathtune; print(mathtune.__file__)")
    assert Path(shown.strip()) == installed / "mathtune" / "__init__.py"
    question = (
        "For 4 days Hugo works 6 hours a day. Hugo is paid $10 an hour. How much does he earn?"
    )
    words = ("solve", question, "--generator", "embedded", "-n", "8", "--json")
    found = json.loads(run(installed, "-m", "mathtune", *words))
    assert found["answer"] == "240"


def test_it_holds_the_package_and_what_the_package_reads(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"mathtune"}
    missing = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src" / "mathtune").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    } - set(names)
    assert not missing


def test_its_settings_and_page_are_read_from_the_wheel(installed: Path) -> None:
    words = ("run", "quickstart", "--dry-run", "--out", "run")
    assert "FLOPs" in run(installed, "-m", "mathtune", *words)
    (installed / "samples.jsonl").write_text(
        '{"problem_id": "a", "gold_answer": "7", "samples": ["#### 7", "#### 8"]}\n'
    )
    run(installed, "-m", "mathtune", "measure", "samples.jsonl", "--report", "page.html")
    assert "katex" in (installed / "page.html").read_text(encoding="utf-8")
