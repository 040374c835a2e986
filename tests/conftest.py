"""Fixtures for all tests: the real data beside the checkout, or a skip that says so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

BESIDE = Path(__file__).parents[2] / "shared" / "data"
if BESIDE.is_dir():
    os.environ.setdefault("MATHTUNE_DATA", str(BESIDE))
os.environ.pop("COLUMNS", None)  # a caller's narrow terminal would break words of tables


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real MATH, GSM8K, PRM800K records and samples, which the project does not ship."""
    if "MATHTUNE_DATA" not in os.environ:
        pytest.skip("no real data; set MATHTUNE_DATA to run this test")
    return Path(os.environ["MATHTUNE_DATA"])


@pytest.fixture(scope="session")
def stand_in() -> Callable[[Path], Path]:
    """Make a folder that looks like a model's; plans are made of it, nothing is loaded."""

    def make(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "tokenizer.json"):
            (folder / name).write_text("{}")
        (folder / "model.safetensors").write_bytes(b"\x02" + b"\x00" * 7 + b"{}")  # without weights
        return folder

    return make


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless browser; the test is skipped where there is none."""
    play = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("no Chromium here (Debian's package: chromium)")
    with play.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program)
        browser.new_page().close()  # the first page of a browser waits for its start
        yield browser
        browser.close()
