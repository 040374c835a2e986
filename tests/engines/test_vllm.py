"""Real vLLM beside the transformers engine: greedy samples, scores and likelihoods are the same.

Run by `make test-vllm` in an environment of its own; skipped where vLLM is not installed.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="make vllm-env")
pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]  # vLLM's own warnings

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from mathtune.cli.serving import opened as serving
from mathtune.cli.serving.models import Models, Question
from mathtune.cli.serving.settings import Solver
from mathtune.cli.serving.waves import solved
from mathtune.engines.label_endpoint import LabelEndpoint
from mathtune.engines.openai import OpenAI
from mathtune.engines.opener import open_engine
from mathtune.engines.protocol import Candidates, Engine, Sampling, Want
from mathtune.engines.settings import Server, Vllm
from mathtune.engines.transformers import models
from mathtune.engines.transformers.engine import TransformersEngine
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Problem, Sample, Scored
from mathtune.run.step import execute
from mathtune.stages.sample import Sample as SampleStage
from mathtune.stages.score import Score

TEXTS = [
    "Problem: What is 12 + 30?\nSolution:\n",
    "Tom has 5 apples",
    "5",
    "buys 7 more.\nProblem: x",
]
GROUPS = [
    Candidates("What is 12 + 30?", ("12 + 30 = 42\n#### 42", "12 + 30 = 32", "12 + 30 = 32", "x")),
    Candidates("Tom has 5 apples?", ("#### 5",)),
]
GREEDY = Sampling(n=1, temperature=0.0, top_p=1.0, max_tokens=20)
SMOLLM2 = Path(__file__).parents[2] / "models" / "smollm2"


def opened(model: str, **settings: Any) -> Engine:
    """The vLLM engine as the stages open it, with few keys and values."""
    stage = SampleStage(model=model, problems=Path("none"), engine="vllm", device="cpu", **settings)
    return open_engine(stage, "plain")


def local(model: str, adapter: Path | None = None) -> TransformersEngine:
    from mathtune.engines.transformers.engine import load

    loaded, tokenizer = load(model, adapter, device="cpu", dtype="float32")
    return TransformersEngine(loaded, tokenizer, form="plain")


def save_small(folder: Path, tokenizer: Any, *, letters: bool = False) -> str:
    """Write a small random Llama with this tokenizer; the folder's name.

    `letters`: it writes plain letters alone, of which servers leave none out.
    """
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,  # the smallest that vLLM knows on a CPU
        max_position_embeddings=512,
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=[0, *range(7, 27)],
    )
    model = AutoModelForCausalLM.from_config(config)
    if letters:  # the others have a logit of 0, which the best of the letters' is above
        texts = [tokenizer.decode([token]) for token in range(len(tokenizer))]
        plain = torch.tensor([text.isascii() and text.isalpha() for text in texts])
        model.lm_head.weight.data[~plain] = 0.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, make_tokenizer: Any) -> str:
    return save_small(tmp_path_factory.mktemp("small"), make_tokenizer())


@pytest.fixture(scope="module")
def engine(small: str) -> Engine:
    return opened(small)


def answers(engine: Engine, texts: list[str], how: Sampling) -> list[Any]:
    found: list[list[Any]] = [[] for _ in texts]
    for place, drafts in engine.sample([Want(text, how.n) for text in texts], how, seed=(0, 0)):
        found[place] += drafts
    return found


def test_greedy_samples_are_those_of_the_transformers_engine(engine: Engine, small: str) -> None:
    here = answers(local(small), TEXTS, GREEDY)
    assert answers(engine, TEXTS, GREEDY) == here
    assert {draft.finish_reason for (draft,) in here} == {"stop", "length"}


def test_small_heads_are_refused_in_one_sentence() -> None:
    with pytest.raises(InputError, match="attention heads of 24 numbers, and vLLM supports 32"):
        opened("embedded")


def test_scores_are_those_of_the_transformers_engine(engine: Engine, small: str) -> None:
    for scorer in ("evaluator", "likelihood"):
        here = dict(local(small).score(GROUPS, scorer))
        there = dict(engine.score(GROUPS, scorer))
        for place, expected in here.items():
            assert there[place] == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_n_samples_are_one_request_and_differ(engine: Engine) -> None:
    how = Sampling(n=8, temperature=1.0, top_p=0.95, max_tokens=12)
    drafts = answers(engine, TEXTS[:2], how)
    assert [len(group) for group in drafts] == [8, 8]
    assert len({draft.text for draft in drafts[0]}) > 4


def test_what_is_longer_than_the_context_is_told(engine: Engine) -> None:
    long, short = answers(engine, ["apples " * 600, "5"], GREEDY)
    assert long[0].finish_reason == "prompt_too_long"
    assert short[0].finish_reason != "prompt_too_long"
    ((_, scores),) = engine.score([Candidates("5", ("7 " * 600, "7"))], "evaluator")
    assert scores[0] is None
    assert scores[1] is not None


def test_a_sample_is_cut_at_the_stop(engine: Engine, small: str) -> None:
    plain = answers(local(small), TEXTS, GREEDY)
    stop = next(draft.text for (draft,) in plain if len(draft.text) > 6)[3:5]
    how = Sampling(n=1, temperature=0.0, top_p=1.0, max_tokens=20, stop=stop)
    found = [draft.text for (draft,) in answers(engine, TEXTS, how)]
    assert found == [draft.text for (draft,) in answers(local(small), TEXTS, how)]


def test_serve_has_the_engine_in_its_process(small: str) -> None:
    # After the tests with `engine`: vLLM forgets what the engines of a process share when one ends.
    solver = Solver(
        generator=small,
        evaluator=small,
        engine="vllm",
        device="cpu",
        form="plain",
        n=6,
        max_tokens=12,
        temperature=0.0,
    )
    asked = [Question(text) for text in TEXTS[1:3]]

    async def together(models: Models) -> list[Any]:
        how = solver.sampling(1)
        drawn = [models.sample(question, how, seed=0, first=0) for question in asked]
        judged = models.judge(GROUPS[0].problem, GROUPS[0].solutions)
        return [*await asyncio.gather(*drawn), await judged]

    with serving.opened(solver) as models:
        *drawn, judged = asyncio.run(together(models))
        found = asyncio.run(solved(asked[0], replace(solver, temperature=1.0, seed=3), models))
    texts = [f"Problem: {one.text}\nSolution:\n" for one in asked]
    here = local(small)
    assert [list(one.drafts) for one in drawn] == answers(here, texts, solver.sampling(1))
    assert judged.scores == pytest.approx(dict(here.score(GROUPS, "evaluator"))[0], rel=1e-3)
    assert found.samples_used == 6  # random texts have no answer
    assert found.tokens > 6


def test_thoughts_keep_to_their_budget(tmp_path: Path, make_tokenizer: Any) -> None:
    tokenizer = make_tokenizer(special=("<|end|>", "</think>"))
    model = save_small(tmp_path / "thinks", tokenizer)
    how = Sampling(n=1, temperature=0.0, top_p=1.0, max_tokens=3, thought_tokens=6)
    engine, here = opened(model), local(model)
    expected = answers(here, TEXTS, how)
    assert any(draft.tokens == 9 for (draft,) in expected)
    assert answers(engine, TEXTS, how) == expected
    several = replace(how, n=5, temperature=1.3)
    (drawn,) = answers(engine, TEXTS[:1], several)
    assert len(drawn) == 5
    assert all(draft.tokens <= 9 for draft in drawn)


def test_a_sample_ends_with_the_turn_of_the_chat_template(
    tmp_path: Path, make_tokenizer: Any
) -> None:
    tokenizer = make_tokenizer(special=("<|turn|>",))
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}<|turn|>{% endfor %}"
    folder = save_small(tmp_path / "chats", tokenizer)
    model = AutoModelForCausalLM.from_pretrained(folder)
    (turn,) = tokenizer.encode("<|turn|>", add_special_tokens=False)
    model.lm_head.weight.data[turn] *= 4  # the likeliest token every now and then
    model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    stage = SampleStage(model=folder, problems=Path("none"), engine="vllm", device="cpu")
    loaded, own = models.load(folder, device="cpu", dtype="float32")
    here = TransformersEngine(loaded, own, form="chat")
    expected = answers(here, TEXTS, GREEDY)
    assert answers(open_engine(stage, "chat"), TEXTS, GREEDY) == expected
    ended = [draft for (draft,) in expected if draft.finish_reason == "stop"]
    assert ended
    assert turn not in models.end_tokens(loaded, own, form="plain")


def test_an_adapter_stands_on_the_model(small: str, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    model, _ = models.load(small, device="cpu", dtype="float32")
    torch.manual_seed(0)
    adapted = get_peft_model(model, LoraConfig(r=8, target_modules=["q_proj", "v_proj"]))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.5)
    adapted.save_pretrained(tmp_path / "adapter")
    there = answers(opened(small, adapter=tmp_path / "adapter"), TEXTS, GREEDY)
    assert there == answers(local(small, tmp_path / "adapter"), TEXTS, GREEDY)
    assert there != answers(local(small), TEXTS, GREEDY)


def test_labels_of_several_tokens_are_read_in_the_prompt(
    tmp_path: Path, make_tokenizer: Any
) -> None:
    tokenizer = make_tokenizer(words=False)
    assert len(tokenizer.encode(" incorrect")) > 1
    model = save_small(tmp_path / "letters", tokenizer)
    here = dict(local(model).score(GROUPS, "evaluator"))
    there = dict(opened(model).score(GROUPS, "evaluator"))
    for place, expected in here.items():
        assert there[place] == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_the_stages_write_with_vllm_what_they_write_here(tmp_path: Path, small: str) -> None:
    problems = tmp_path / "problems.jsonl"
    rows = [
        Problem(id=f"p{number}", problem=f"Tom has {number} apples. How many?", answer="1")
        for number in range(3)
    ]
    jsonl.write(problems, rows)
    common: dict[str, Any] = {"model": small, "problems": problems, "device": "cpu"}
    written: dict[str, tuple[list[Sample], list[float]]] = {}
    for name in ("vllm", "transformers"):
        engine: dict[str, Any] = {**common, "engine": name, "workers": 1}
        folder = tmp_path / name
        execute(SampleStage(greedy=True, max_tokens=30, **engine), folder, name="samples")
        samples = (folder / "samples.jsonl",)
        execute(Score(samples=samples, **engine), tmp_path / f"{name}-scores", name="scores")
        written[name] = (
            list(jsonl.read(samples[0], Sample)),
            [row.score for row in jsonl.read(tmp_path / f"{name}-scores/scores.jsonl", Scored)],
        )
    assert written["vllm"][0] == written["transformers"][0]
    assert written["vllm"][1] == pytest.approx(written["transformers"][1], rel=1e-3, abs=1e-5)


@pytest.mark.skipif(not SMOLLM2.exists(), reason="make smollm2")
def test_smollm2_samples_and_scores_as_here() -> None:
    texts = ["Question: What is 12 + 30?\nAnswer:", "Tom has 5 apples and buys 7 more. He has"]
    engine, here = opened(str(SMOLLM2), vllm=Vllm(max_length=256)), local(str(SMOLLM2))
    assert answers(engine, texts, GREEDY) == answers(here, texts, GREEDY)
    expected, found = dict(here.score(GROUPS, "evaluator")), dict(engine.score(GROUPS, "evaluator"))
    for place, scores in expected.items():
        assert found[place] == pytest.approx(scores, abs=1e-4)


def test_its_server_samples_and_scores_as_here(
    tmp_path: Path, make_tokenizer: Any, free_port: Any, process: Any
) -> None:
    port = free_port()
    tokenizer = make_tokenizer()
    words = len(tokenizer)
    model = save_small(tmp_path / "letters", tokenizer, letters=True)
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", model, "--served-model-name", "small", "--dtype", "float32"]
    command += ["--enforce-eager", "--max-logprobs", str(words), "--port", str(port)]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    environment.pop("VLLM_ENABLE_V1_MULTIPROCESSING", None)
    log = tmp_path / "log"
    with process(command, log, env=environment) as server:
        engine = greeted(f"http://127.0.0.1:{port}/v1", model, words, server, log)
        here = local(model)
        prompts = TEXTS[:2]
        texts = [[draft.text for draft in group] for group in answers(here, prompts, GREEDY)]
        found = [[draft.text for draft in group] for group in answers(engine, prompts, GREEDY)]
        assert found == texts
        how = Sampling(n=6, temperature=1.0, top_p=1.0, max_tokens=12)
        assert len(answers(engine, prompts[:1], how)[0]) == 6
        (long,) = answers(engine, ["apples " * 600], GREEDY)
        assert long[0].finish_reason == "prompt_too_long"
        budget = Sampling(n=1, temperature=0.0, top_p=1.0, max_tokens=4, thought_tokens=6)
        engine._tokenizer = lambda: tokenizer
        for group in answers(engine, prompts, budget):
            assert all(draft.tokens <= 11 and "</think>" in draft.text for draft in group)
        assert LabelEndpoint(engine._client, "small", "plain", tokenizer).find(GROUPS)
        for own in (lambda: tokenizer, None):  # the endpoint for labels, then likeliest tokens
            engine._tokenizer = own
            scores = dict(engine.score(GROUPS, "evaluator"))
            for place, values in here.score(GROUPS, "evaluator"):
                assert scores[place] == pytest.approx(values, abs=1e-4)


def greeted(
    url: str, model: str, words: int, process: subprocess.Popen[bytes], log: Path
) -> OpenAI:
    """The engine, once the server has started."""
    settings = Server(url=url, concurrency=4, retries=2, top_logprobs=words)
    _, tokenizer = models.load(model, device="cpu")
    deadline = time.monotonic() + 600
    while True:
        try:
            return OpenAI("small", settings, form="plain", judge=tokenizer)
        except InputError:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(1)
