"""Real llama.cpp beside the transformers engine, with the weights of one GGUF file.

Run by `make test-llama`; skipped where .venv-llama, models/smollm2 or its GGUF file is absent.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx2", reason="pip install 'mathtune[openai]'")

from mathtune.engines import prompts
from mathtune.engines.openai import OpenAI
from mathtune.engines.protocol import Candidates, Sampling, Want
from mathtune.engines.settings import Server
from mathtune.engines.transformers.engine import TransformersEngine, load
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Problem, Sample, Scored

ROOT = Path(__file__).parents[2]
PYTHON, MODEL = ROOT / ".venv-llama" / "bin" / "python", ROOT / "models" / "smollm2"
GGUF = ROOT / "models" / "smollm2.gguf"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # open sockets
    pytest.mark.skipif(
        not (PYTHON.exists() and MODEL.exists() and GGUF.exists()), reason="make llama-env"
    ),
]

QUESTION = "Tom has 5 apples and buys 7 more. How many apples does Tom have now?"
GROUPS = [
    Candidates(QUESTION, ("5 + 7 = 12\n#### 12", "5 + 7 = 13\n#### 13", "#### 12")),
    Candidates("What is 12 + 30?", ("12 + 30 = 42\n#### 42", "No idea.")),
]
GREEDY = Sampling(n=1, temperature=0.0, top_p=1.0, max_tokens=12)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, free_port: Any, process: Any) -> Iterator[str]:
    """The address of a server with 4 slots of 256 tokens."""
    port = free_port()
    script = ROOT / "benchmarks" / "llama_server.py"
    command = [str(PYTHON), str(script), str(GGUF), str(port), "--context", "256"]
    log = tmp_path_factory.mktemp("llama") / "log"
    with process(command, log) as server:
        deadline = time.monotonic() + 120
        while f"http://127.0.0.1:{port}\n" not in log.read_text():
            assert server.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"


@pytest.fixture(scope="module")
def here() -> TransformersEngine:
    return TransformersEngine(*load(str(MODEL), None, device="cpu", dtype="float32"), form="chat")


def opened(url: str, here: TransformersEngine, form: prompts.AnyForm = "chat") -> OpenAI:
    settings = Server(url=url, model=str(GGUF), concurrency=4, retries=1, top_logprobs=20_000)
    tokenizer: Any = here.tokenizer
    return OpenAI("smollm2", settings, form=form, judge=tokenizer, tokenizer=lambda: tokenizer)


def drawn(engine: OpenAI, want: Want, how: Sampling) -> list[Any]:
    return [draft for _, drafts in engine.sample([want], how, seed=(0,)) for draft in drafts]


def test_samples_differ_and_their_tokens_are_counted_each(
    url: str, here: TransformersEngine
) -> None:
    how = Sampling(n=6, temperature=1.0, top_p=1.0, max_tokens=10)
    found = drawn(opened(url, here), Want(QUESTION, 6), how)
    assert len(found) == 6  # more than the server has slots
    assert len({draft.text for draft in found}) > 1
    for draft in found:  # the server's usage of several choices would count the first only
        text = here.tokenizer.encode(draft.text, add_special_tokens=False)
        expected = 10 if draft.finish_reason == "length" else len(text)
        assert draft.tokens == pytest.approx(expected, abs=2)


def test_greedy_samples_begin_as_here(url: str, here: TransformersEngine) -> None:
    """The server multiplies 4-bit weights with 8-bit activations, so later tokens may differ."""
    (found,) = drawn(opened(url, here), Want(QUESTION, 1), GREEDY)
    text = prompts.solver(
        QUESTION, form=prompts.Wording("chat", instruction=""), tokenizer=here.tokenizer
    )
    ((_, (expected,)),) = here.sample([Want(text, 1)], GREEDY, seed=(0,))
    assert found.text[:8] == expected.text[:8]


def test_scores_are_near_those_of_the_transformers_engine(
    url: str, here: TransformersEngine
) -> None:
    found = dict(opened(url, here).score(GROUPS, "evaluator"))
    expected = dict(here.score(GROUPS, "evaluator"))
    assert len({score for scores in expected.values() for score in scores}) == 5
    for place, scores in expected.items():
        for mine, its in zip(scores, found[place], strict=True):
            assert mine is not None
            assert its is not None
            assert math.log(mine / (1 - mine)) == pytest.approx(math.log(its / (1 - its)), abs=0.3)


def test_the_temperature_is_applied_before_the_least_probability(
    url: str, here: TransformersEngine
) -> None:
    """At temperature 3 more first tokens have half of the likeliest one's probability than at 1."""
    text = prompts.solver(
        QUESTION, form=prompts.Wording("chat", instruction=""), tokenizer=here.tokenizer
    )
    cold = Sampling(n=60, temperature=1.0, top_p=1.0, max_tokens=1, min_p=0.5)
    hot = replace(cold, temperature=3.0)

    def first_tokens(how: Sampling) -> set[str]:
        ((_, drafts),) = here.sample([Want(text, 60)], how, seed=(0,))
        return {draft.text for draft in drafts}

    found = {draft.text for draft in drawn(opened(url, here), Want(QUESTION, 60), hot)}
    assert len(found) > 1.5 * len(first_tokens(cold))
    assert len(found) == pytest.approx(len(first_tokens(hot)), rel=0.5)


def test_copies_with_a_seed_differ_and_come_back(url: str, here: TransformersEngine) -> None:
    how = Sampling(n=4, temperature=1.0, top_p=1.0, max_tokens=8)
    settings = Server(url=url, model=str(GGUF), concurrency=1, extra={"seed": 7})
    tokenizer: Any = here.tokenizer
    texts = [
        [draft.text for draft in drawn(engine, Want(QUESTION, 4), how)]
        for engine in (OpenAI("smollm2", settings, form="chat", judge=tokenizer) for _ in range(2))
    ]
    assert len(set(texts[0])) == 4
    assert texts[0] == texts[1]


def test_a_prompt_beyond_a_slot_is_named(url: str, here: TransformersEngine) -> None:
    (long,) = drawn(opened(url, here), Want("apples " * 600, 1), GREEDY)
    assert long.finish_reason == "prompt_too_long"


def test_thoughts_keep_to_their_budget(url: str, here: TransformersEngine) -> None:
    how = Sampling(n=2, temperature=1.0, top_p=1.0, max_tokens=4, thought_tokens=6)
    for draft in drawn(opened(url, here), Want(QUESTION, 2), how):
        assert prompts.THOUGHT_END in draft.text
        assert draft.tokens <= 10


def test_likelihoods_are_refused_in_a_sentence(url: str, here: TransformersEngine) -> None:
    with pytest.raises(InputError, match="'likelihood' with engine openai"):
        list(opened(url, here).score(GROUPS, "likelihood"))


def test_the_commands_sample_and_score_with_it(url: str, tmp_path: Path) -> None:
    problems = [Problem(id=f"p{i}", problem=g.problem, answer="12") for i, g in enumerate(GROUPS)]
    jsonl.write(tmp_path / "problems.jsonl", problems)
    server = ["engine=openai", f"model={MODEL}", f"server.model={GGUF}", f"server.url={url}"]
    server += ["server.top_logprobs=20000"]
    sample = ["sample", "problems.jsonl", *server, "n=3", "max_tokens=12", "--out", "drafts"]
    said = run(sample, tmp_path)
    rows = list(jsonl.read(tmp_path / "drafts" / "samples.jsonl", Sample))
    assert [(row.problem_id, row.index) for row in rows] == [
        (f"p{i}", index) for i in range(2) for index in range(3)
    ], said
    assert all(0 < row.tokens <= 12 for row in rows)
    score = ["score", "drafts/samples.jsonl", "problems=problems.jsonl", *server, "--out", "scores"]
    run(score, tmp_path)
    scored = list(jsonl.read(tmp_path / "scores" / "scores.jsonl", Scored))
    assert [row.index for row in scored] == [0, 1, 2] * 2
    assert all(row.score is not None and 0 < row.score < 1 for row in scored)


def run(arguments: list[str], folder: Path) -> str:
    """Run a command of mathtune; return what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "mathtune", *arguments], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr
