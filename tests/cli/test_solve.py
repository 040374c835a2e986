"""One question solved: picks and shares by hand, and the embedded model from end to end."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mathtune.cli.main import app
from mathtune.cli.run_models import model_in
from mathtune.cli.serving.solved import Sampled, picked
from mathtune.cli.solve import Solver, solve, view
from mathtune.engines.protocol import Draft
from mathtune.errors import InputError
from mathtune.paths.calculator import weight

QUESTION = "Tom has 3 bags of 12 nuts. How many nuts does Tom have?"
SURE = "Ann has 24 pens and gives away 7. How many pens are left?"
TEXTS = ("#### 7", "so 8\n#### 8", "nothing", "#### 8.0", "#### 9")
ANSWERS = ("7", "8", None, "8.0", "9")
SCORES = (0.9, 0.2, None, 0.4, 0.5)
GROUPS = ((0,), (1, 3), (4,))


def pick(strategy: Any, *, judged: bool = True) -> Any:
    drafts = [Draft(text, "stop" if i else "length", 3) for i, text in enumerate(TEXTS)]
    solver = Solver(evaluator="embedded" if judged else None, strategy=strategy)
    found = Sampled(drafts, ANSWERS, SCORES if judged else None, GROUPS)
    return picked("q", solver, found, "samples", 0)


def test_the_heaviest_cluster_by_hand() -> None:
    found = pick("W.RR")
    assert (found.answer, found.solution) == ("7", "#### 7")  # 0.9 over 0.6 and 0.5
    assert found.sure.votes == pytest.approx(1 / 5)
    assert found.sure.scores == pytest.approx(0.9 / 2.0)
    assert found.sure.pick == 0.9
    assert [(c.answer, c.votes) for c in found.clusters] == [("8", 2), ("7", 1), ("9", 1)]
    assert found.clusters[0].score == pytest.approx(0.6)
    assert found.clusters[0].solution == "#### 8.0"  # the better scored of the two
    assert (found.no_answer, found.cut_off, found.tokens, found.samples_used) == (1, 1, 15, 5)
    assert [one.answer for one in found.choices(3)] == ["7", "8", "9"]  # 0.9, 0.6, 0.5
    assert found.choices(1)[0].finish_reason == "length"


def test_votes_alone_by_hand() -> None:
    found = pick("Maj1", judged=False)
    assert (found.answer, found.solution) == ("8", "so 8\n#### 8")
    assert (found.sure.votes, found.sure.scores, found.sure.pick) == (0.4, None, None)
    assert found.clusters[0].score is None
    assert [one.solution for one in found.choices(2)] == ["so 8\n#### 8", "#### 7"]


def test_the_embedded_model_solves_and_judges() -> None:
    solver = Solver(evaluator="embedded", n=6, max_tokens=48)
    found = solve(QUESTION, solver)
    assert found == solve(found.question, solver)
    assert found.samples_used == sum(c.votes for c in found.clusters) + found.no_answer
    assert found.samples_used <= 6 == found.n
    assert found.strategy == "W.RR"
    assert found.scores is not None
    assert found.read > found.tokens > 0
    assert all(c.best_score is not None and 0 <= c.best_score <= 1 for c in found.clusters)
    assert len({c.answer for c in found.clusters}) == len(found.clusters)
    assert set(json.loads(json.dumps(found.document()))) >= {"answer", "samples_used", "stopped"}
    view(found)


def test_a_sure_question_stops_early_with_the_first_samples_of_all() -> None:
    stopped = solve(SURE, Solver(n=16, max_tokens=48))
    assert (stopped.answer, stopped.stopped) == ("17", "sure")
    assert stopped.samples_used < 16
    # The samples of a wave are those that one large wave would have begun with.
    some = solve(SURE, Solver(n=stopped.samples_used, stop_at=None, max_tokens=48))
    assert some.stopped == "samples"
    assert asdict(some)["clusters"] == asdict(stopped)["clusters"]


def test_at_temperature_0_one_sample_is_enough() -> None:
    found = solve(SURE, Solver(n=16, temperature=0.0, max_tokens=48))
    assert (found.samples_used, found.stopped) == (1, "samples")


def test_the_calculator_judges_without_a_model() -> None:
    found = solve(QUESTION, Solver(evaluator="calculator", n=6, stop_at=None, max_tokens=48))
    assert (found.strategy, found.evaluator, found.samples_used) == ("W.RR", "calculator", 6)
    assert {c.best_score for c in found.clusters} <= {0.1, 1.0}
    assert all(c.best_score == weight(c.solution) for c in found.clusters)


def test_the_judge_is_multiplied_with_the_calculator() -> None:
    usual, both = (
        solve(
            QUESTION,
            Solver(evaluator="embedded", n=6, stop_at=None, max_tokens=48, strategy=strategy),
        )
        for strategy in ("W.RR", "W.RR.calculator")
    )
    assert (both.strategy, both.samples_used) == ("W.RR.calculator", 6)
    (slips,) = (c for c in usual.clusters if weight(c.solution) < 1 and c.votes == 1)
    (after,) = (c for c in both.clusters if c.solution == slips.solution)
    assert slips.score is not None
    assert after.score == pytest.approx(0.1 * slips.score)


@pytest.mark.parametrize(
    ("question", "settings", "sentence"),
    [
        (" ", {}, "question: empty"),
        ("q", {"n": 0}, "--n: found 0; expected at least 1"),
        ("q", {"top_p": 0.0}, "--top-p: found 0.0"),
        ("q", {"stop_at": 0.5}, "--stop-at: found 0.5; expected above 0.5"),
        ("q", {"strategy": "W.RR"}, "reads scores; expected a model with --evaluator"),
        ("q", {"strategy": "best"}, "no such strategy; expected Maj1, RR.All"),
        ("q", {"rule": "guess"}, "found 'guess'; expected explicit or auto or last-number"),
        ("q", {"engine": "jax"}, "--engine: found 'jax'; expected transformers or vllm"),
        ("q", {"form": "rhyme"}, "--prompt: found 'rhyme'; expected auto or plain"),
        ("q", {"template": "{a"}, "--template: no valid value"),
        ("q", {"template": "off"}, "template: found 'off'; input should be a valid dict"),
        ("q", {"template": "{messages: 1}"}, "messages is not the template's to set"),
        ("q", {"template": "{mood: calm}"}, "template: found 'mood' with the form plain"),
        ("q", {"thoughts": "learn"}, "--thoughts: found 'learn'; expected read or drop"),
        ("q", {"generator": "./nowhere"}, "no such file or folder"),
        ("q", {"generator": "http://a@b/v1"}, "no server's address"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    question: str, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        solve(question, Solver(**settings))


def test_a_question_beyond_the_context_is_refused() -> None:
    with pytest.raises(InputError, match="longer than the generator can read"):
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
