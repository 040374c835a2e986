"""A run's folder in place of a model: the models of the row that its report is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from mathtune.cli.run_models import model_in
from mathtune.errors import InputError


def test_a_run_stands_for_its_models(run_folder: Path) -> None:
    assert model_in(str(run_folder)).endswith("ssft/model")
    assert model_in(str(run_folder), "evaluator").endswith("evaluator/model")


def test_a_run_without_a_row_stands_for_none(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"recipe": "r", "steps": []}')
    with pytest.raises(InputError, match="nothing is measured yet"):
        model_in(str(tmp_path))
