"""Fixtures for all tests: the real data beside the checkout, or a skip that says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real MATH, GSM8K, PRM800K records and samples, which the project does not ship."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MATHTUNE_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set MATHTUNE_SHARED_DATA to run this test")
    return folder


@pytest.fixture(scope="session")
def stand_in() -> Callable[[Path], Path]:
    """Make a folder that looks like a model's; plans are made of it, nothing is loaded."""

    def make(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            (folder / name).touch()
        return folder

    return make
