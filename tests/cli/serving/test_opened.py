"""The words of the generator's and the judge's prompts, and words that a template refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mathtune.cli.serving.opened import judges_wording, opened
from mathtune.cli.serving.settings import Solver
from mathtune.engines.prompts import Wording
from mathtune.errors import InputError


def test_words_that_a_model_cannot_have_are_refused_before_the_first_question() -> None:
    with (
        pytest.raises(InputError, match="system: found a text with the form plain"),
        opened(Solver(system="Be brief.")),
    ):
        pass


def test_a_judge_has_the_words_it_was_taught_and_else_a_form_of_its_own(tmp_path: Path) -> None:
    solver = Solver(form="plain", instruction="Box it.", template="{loud: true}", thoughts="drop")
    judge = str(tmp_path / "model")
    assert judges_wording(judge, solver) == Wording("auto", None, "Box it.", {"loud": True}, "drop")
    config: dict[str, Any] = {"objective": "cls-xent", "prompt": "chat", "system": "You judge."}
    (tmp_path / "step.json").write_text(json.dumps({"stage": "train", "config": config}))
    assert judges_wording(judge, solver) == Wording("chat", "You judge.", thoughts="drop")
