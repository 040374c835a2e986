"""Fixtures for all tests: the real data beside the checkout, or a skip that says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

BESIDE = Path(__file__).parents[2] / "shared" / "data"
if BESIDE.is_dir():
    os.environ.setdefault("MATHTUNE_DATA", str(BESIDE))


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
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            (folder / name).touch()
        return folder

    return make
