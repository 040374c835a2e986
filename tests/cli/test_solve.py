"""One question solved: picks and shares by hand, and the embedded model from end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mathtune.cli.main import app
from mathtune.cli.run_models import model_in
from mathtune.cli.solve import Solver, _picked, solve, view
from mathtune.engines.transformers.decode import Draft
from mathtune.errors import InputError
from mathtune.paths.calculator import weight

TEXTS = ("#### 7", "so 8\n#### 8", "nothing", "#### 8.0", "#### 9")
ANSWERS = ("7", "8", None, "8.0", "9")
SCORES = np.array([0.9, 0.2, 0.0, 0.4, 0.5])


def picked(strategy: Any, *, judged: bool = True) -> Any:
    drafts = [Draft(text, "stop" if i else "length", 3) for i, text in enumerate(TEXTS)]
    solver = Solver(evaluator="embedded" if judged else None)
    return _picked("q", solver, strategy, drafts, ANSWERS, SCORES if judged else None)


def test_the_heaviest_cluster_by_hand() -> None:
    found = picked("W.RR")
    assert (found.answer, found.solution) == ("7", "#### 7")  # 0.9 over 0.6 and 0.5
    assert found.sure.votes == pytest.approx(1 / 5)
    assert found.sure.scores == pytest.approx(0.9 / 2.0)
    assert found.sure.pick == 0.9
    assert [(c.answer, c.votes) for c in found.clusters] == [("8", 2), ("7", 1), ("9", 1)]
    assert found.clusters[0].score == pytest.approx(0.6)
    assert found.clusters[0].solution == "#### 8.0"  # the better scored of the two
    assert (found.no_answer, found.cut_off, found.tokens) == (1, 1, 15)


def test_votes_alone_by_hand() -> None:
    found = picked("Maj1", judged=False)
    assert (found.answer, found.solution) == ("8", "so 8\n#### 8")
    assert (found.sure.votes, found.sure.scores, found.sure.pick) == (0.4, None, None)
    assert found.clusters[0].score is None


def test_the_embedded_model_solves_and_judges() -> None:
    solver = Solver(evaluator="embedded", n=4, max_tokens=48)
    found = solve("Tom has 3 bags of 12 nuts. How many nuts does Tom have?", solver)
    assert found == solve(found.question, solver)
    assert found.n == 4 == sum(c.votes for c in found.clusters) + found.no_answer
    assert found.strategy == "W.RR"
    assert all(c.best_score is not None and 0 <= c.best_score <= 1 for c in found.clusters)
    assert len({c.answer for c in found.clusters}) == len(found.clusters)
    json.dumps(found.document())
    view(found)


def test_the_calculator_judges_without_a_model() -> None:
    question = "Tom has 3 bags of 12 nuts. How many nuts does Tom have?"
    found = solve(question, Solver(evaluator="calculator", n=6, max_tokens=48))
    assert (found.strategy, found.evaluator) == ("W.RR", "calculator")
    assert {c.best_score for c in found.clusters} <= {0.1, 1.0}
    assert all(c.best_score == weight(c.solution) for c in found.clusters)


@pytest.mark.parametrize(
    ("question", "settings", "sentence"),
    [
        (" ", {}, "question: empty"),
        ("q", {"n": 0}, "--n: found 0; expected at least 1"),
        ("q", {"top_p": 0.0}, "--top-p: found 0.0"),
        ("q", {"strategy": "W.RR"}, "reads scores; expected a model with --evaluator"),
        ("q", {"strategy": "best"}, "no such strategy; expected Maj1, RR.All"),
        ("q", {"rule": "guess"}, "no such rule; expected explicit or auto or last-number"),
        ("q", {"generator": "./nowhere"}, "no such file or folder"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    question: str, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        solve(question, Solver(**settings))


def test_a_question_beyond_the_context_is_refused() -> None:
    with pytest.raises(InputError, match="longer than the"):
        solve("one and two " * 2_000, Solver(n=1))


def test_a_train_steps_folder_means_its_model(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert model_in(str(tmp_path)) == str(tmp_path)
    (tmp_path / "model" / "config.json").write_text("{}")
    assert model_in(str(tmp_path)) == str(tmp_path / "model")


def test_no_answer_at_all_ends_with_exit_code_1() -> None:
    asked = ["solve", "How many?", "-n", "2", "--max-tokens", "1", "--json"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["answer"], found["sure"], found["no_answer"]) == (None, None, 2)
