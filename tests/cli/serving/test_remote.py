"""Generators and judges at an address, and `solve --server`: a small server, and our own."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mathtune.cli import solve_file
from mathtune.cli.main import app
from mathtune.cli.serving.ask import Served
from mathtune.cli.serving.models import FailedError, Question
from mathtune.cli.serving.opened import opened
from mathtune.cli.serving.settings import Solver
from mathtune.cli.serving.solved import Solved
from mathtune.cli.serving.waves import solved
from mathtune.engines import embedded_model
from mathtune.errors import InputError
from tests.engines.conftest import Served as Small
from tests.engines.conftest import serve

__all__ = ["serve"]

SURE = "Ann has 24 pens and gives away 7. How many pens are left?"
TEXTS = ("Left <<24-7=17>>17\n#### 17", "Left <<24+7=31>>31\n#### 31")


@pytest.fixture(autouse=True)
def _no_key_no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr("mathtune.engines.server.LONGEST_PAUSE", 0.01)


def ask(solver: Solver, question: str = SURE) -> Solved:
    with opened(solver) as models:
        return asyncio.run(solved(Question(question), solver, models))


def at(server: Small, **settings: Any) -> Solver:
    return Solver(generator=server.url, form="plain", max_tokens=48, **settings)


@pytest.mark.timeout(600)
def test_a_generator_at_an_address_is_asked_once_per_wave(serve: Any) -> None:
    server = serve()
    found = ask(at(server))
    assert (found.answer, found.stopped) == ("17", "sure")
    path, first = server.asked[0]
    assert (path, first["n"], first["max_tokens"]) == ("/v1/completions", 4, 48)
    assert first["prompt"] == f"Problem: {SURE}\nSolution:\n"
    assert sum(body.get("n", 1) for _, body in server.asked) == found.samples_used < 16
    assert found.tokens > 5 * found.samples_used
    assert found.read == 24  # the prompt once: later waves find it in the server's cache


@pytest.mark.timeout(600)
def test_copies_and_chats(serve: Any) -> None:
    server = serve(most_n=1)
    found = ask(Solver(generator=server.url, n=4, stop_at=None, max_tokens=48, system="Be brief."))
    assert found.samples_used == 4
    assert {path for path, _ in server.asked} == {"/v1/chat/completions"}
    assert len(server.asked) == 4  # the first one asks for four and gets one
    assert [m["role"] for m in server.asked[0][1]["messages"]] == ["system", "user"]
    assert "chat_template_kwargs" not in server.asked[0][1]
    solver = Solver(generator=server.url, n=1, max_tokens=48, template="{enable_thinking: false}")
    ask(solver)
    assert server.asked[-1][1]["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.timeout(600)
def test_a_judge_at_an_address_gives_the_scores_of_one_that_is_here(serve: Any) -> None:
    server = serve()
    scores = []
    for name in ("embedded", server.url):
        with opened(Solver(evaluator=name, evaluator_logprobs=888)) as models:
            judged = asyncio.run(models.judge(SURE, [*TEXTS, TEXTS[0]]))
        scores.append(judged.scores)
        assert judged.read > 60
    here, there = np.array(scores, dtype=float)
    assert there == pytest.approx(here, abs=1e-4)
    assert there[0] == there[2] > 0.9 > 0.1 > there[1]
    assert len(server.asked) == 2  # each distinct solution once
    assert {body["max_tokens"] for _, body in server.asked} == {1}


@pytest.mark.timeout(600)
def test_a_server_that_fails_is_a_failure_of_the_question(serve: Any) -> None:
    judged = Solver(evaluator=serve("no labels").url)
    with (
        opened(judged) as models,
        pytest.raises(FailedError, match="set --evaluator-logprobs higher"),
    ):
        asyncio.run(models.judge(SURE, TEXTS[:1]))
    with pytest.raises(FailedError, match="still fails after 3 attempts"):
        ask(at(serve("500", "500", "500")))
    assert ask(at(serve("500", "429"))).answer == "17"  # it passes


def test_an_address_without_a_server_or_with_several_models_is_one_sentence(serve: Any) -> None:
    with pytest.raises(InputError, match="no OpenAI-compatible server answers there"):
        ask(Solver(generator="http://127.0.0.1:9/v1"))
    with pytest.raises(InputError, match="has no model 'other'; it has tiny"):
        ask(at(serve(), generator_name="other"))


def test_a_judges_tokenizer_writes_its_prompts(serve: Any, tmp_path: Path) -> None:
    from mathtune.engines.transformers import models as loaded

    folder = tmp_path / "model"
    tokenizer = loaded.load_tokenizer("embedded")
    tokenizer.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    tokenizer.chat_template += "{% if add_generation_prompt %}<assistant {{ mood }}>{% endif %}"
    tokenizer.save_pretrained(folder)
    for name in ("config.json", "model.safetensors"):
        shutil.copy(embedded_model.path() / name, folder)
    server = serve()
    solver = Solver(
        generator=str(folder),
        evaluator=server.url,
        evaluator_tokenizer=str(folder),
        evaluator_logprobs=888,
        system="Be brief.",
        template="{mood: calm}",
        thoughts="drop",
    )
    with opened(solver) as models:
        asyncio.run(models.judge(SURE, [f"<think>17?</think>{TEXTS[0]}"]))
    taught = {"objective": "cls-xent", "prompt": "auto", "system": "You judge.", "template": {}}
    (tmp_path / "step.json").write_text(json.dumps({"stage": "train", "config": taught}))
    with opened(replace(solver, evaluator_logprobs=887)) as models:
        asyncio.run(models.judge(SURE, TEXTS[:1]))
    nowhere = Solver(evaluator=server.url, evaluator_tokenizer="./nowhere")
    with pytest.raises(InputError, match="nowhere"), opened(nowhere):
        pass
    (path, body), (_, as_taught) = server.asked
    assert as_taught["prompt"].startswith("<system>You judge.<user>Here is a math problem: ")
    assert as_taught["prompt"].endswith("<assistant >The above candidate solution is")
    assert path == "/v1/completions"
    assert body["prompt"].startswith("<system>Be brief.<user>Here is a math problem: ")
    assert "think" not in body["prompt"]
    assert body["prompt"].endswith("<assistant calm>The above candidate solution is")


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    rows = [
        {"id": n, "question": f"Ann has {24 + n} pens and gives away 7. How many pens are left?"}
        for n in range(3)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.timeout(600)
def test_a_server_of_ours_solves_what_the_same_command_solves_here(
    votes: Any, problems: Path, tmp_path: Path
) -> None:
    solver = Solver(n=8, max_tokens=48)
    url = f"{votes.url}/v1"
    with Served(url) as server:
        there = server.solve(SURE, solver)
    here = ask(solver)
    assert (there.answer, there.solution, there.samples_used, there.stopped, there.tokens) == (
        here.answer,
        here.solution,
        here.samples_used,
        here.stopped,
        here.tokens,
    )
    assert [(one.answer, one.votes) for one in there.clusters] == [
        (one.answer, one.votes) for one in here.clusters
    ]
    out = [tmp_path / name for name in ("there.jsonl", "here.jsonl")]
    assert solve_file.solve_file(problems, out[0], solver, server=url) == 0
    assert solve_file.solve_file(problems, out[1], solver, server=None) == 0
    assert out[0].read_bytes() == out[1].read_bytes()
    done = CliRunner().invoke(app, ["solve", SURE, "--server", url, "--json", "--max-tokens", "48"])
    assert json.loads(done.stdout)["answer"] == "17"


@pytest.mark.timeout(600)
def test_servers_that_are_none_and_requests_that_are_refused(votes: Any, serve: Any) -> None:
    with pytest.raises(InputError, match="--server: found 'x'"):
        Served("x")
    with Served(f"{votes.url}/v1") as server:
        with pytest.raises(InputError, match="has no evaluator"):
            server.solve(SURE, Solver(strategy="W.RR", evaluator="embedded"))
        with pytest.raises(InputError, match="samples: found 99; this server allows at most 64"):
            server.solve(SURE, Solver(n=99))
        with pytest.raises(InputError, match="--template: not with --server"):
            server.solve(SURE, Solver(template="{enable_thinking: false}"))
    with (
        Served(serve().url) as server,
        pytest.raises(InputError, match="expected the address of a `mathtune serve`"),
    ):
        server.solve(SURE, Solver(max_tokens=9))
