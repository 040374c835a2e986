"""Sampling and scoring with a server: a true one gives what the transformers engine gives, and a
hostile one costs patience, never samples.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from copy import deepcopy
from email.utils import formatdate
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("httpx2", reason="pip install 'mathtune[openai]'")

from tokenizers.processors import TemplateProcessing

from mathtune.engines import prompts
from mathtune.engines.label_endpoint import _LabelScores
from mathtune.engines.openai import OpenAI, Unrendered
from mathtune.engines.protocol import Candidates, Sampling, Want
from mathtune.engines.served import Answer, drafts_of, likeliest_of, refuse_impossible
from mathtune.engines.server import _retry_after, listed
from mathtune.engines.settings import Server
from mathtune.engines.transformers import models
from mathtune.engines.transformers.engine import TransformersEngine
from mathtune.engines.transformers.scoring import Scorer
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Problem, Sample, Scored
from mathtune.run.step import execute
from mathtune.stages.sample import Sample as SampleStage
from mathtune.stages.score import Score

PROBLEMS = [
    Problem(id=f"p{number}", problem=f"Tom has {number} apples and buys 3. How many?", answer="1")
    for number in range(3)
]
KEY = "sk-a-secret-0123456789"
Serve = Callable[..., Any]


@pytest.fixture(autouse=True)
def _no_key_no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr("mathtune.engines.server.LONGEST_PAUSE", 0.01)


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    jsonl.write(path, PROBLEMS)
    return path


def sampled(problems: Path, folder: Path, served: Any, **settings: Any) -> list[Sample]:
    given: dict[str, Any] = {"model": "tiny", "prompt": "plain", "max_tokens": 12, "n": 4}
    server = {"url": served.url, "timeout": 60.0, **settings.pop("server", {})}
    stage = SampleStage(problems=problems, engine="openai", server=server, **{**given, **settings})
    execute(stage, folder, name="samples")
    return list(jsonl.read(folder / "samples.jsonl", Sample))


def test_greedy_samples_are_those_of_the_transformers_engine(
    problems: Path, tmp_path: Path, serve: Serve
) -> None:
    found = sampled(problems, tmp_path / "out", serve(), greedy=True)
    here = SampleStage(
        problems=problems, model="embedded", greedy=True, max_tokens=12, device="cpu", workers=1
    )
    execute(here, tmp_path / "here", name="here")
    assert found == list(jsonl.read(tmp_path / "here" / "samples.jsonl", Sample))


def test_all_samples_of_a_problem_are_one_request(
    problems: Path, tmp_path: Path, serve: Serve
) -> None:
    server = serve()
    found = sampled(problems, tmp_path / "out", server)
    expected = [(problem.id, index) for problem in PROBLEMS for index in range(4)]
    assert [(row.problem_id, row.index) for row in found] == expected
    assert [body["n"] for _, body in server.asked] == [4] * 3
    assert {path for path, _ in server.asked} == {"/v1/completions"}
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_bytes())
    assert metrics["samples"] == 12
    assert metrics["tokens"] == sum(row.tokens for row in found)


@pytest.mark.parametrize(
    ("manner", "asked"),
    [("llama.cpp", [None] * 12), ("llama.cpp behind another name", [4] * 3 + [None] * 9)],
)
def test_where_only_the_first_choice_is_counted_each_sample_is_a_request(
    manner: str, asked: list[int | None], problems: Path, tmp_path: Path, serve: Serve
) -> None:
    server = serve(manner=manner)
    found = sampled(problems, tmp_path / "out", server, server={"concurrency": 3})
    assert sorted((body.get("n") for _, body in server.asked), key=lambda n: n or 9) == asked
    assert len({(row.problem_id, row.index) for row in found}) == 12
    assert all(0 < row.tokens <= 12 for row in found)


def test_thoughts_on_a_server_have_a_budget_of_their_own(
    problems: Path, tmp_path: Path, serve: Serve
) -> None:
    server = serve()
    settings = {"thought_tokens": 6, "max_tokens": 3, "n": 2, "temperature": 1.5}
    found = sampled(
        problems, tmp_path / "out", server, model="embedded", server={"model": "tiny"}, **settings
    )
    bodies = [body for _, body in server.asked]
    begun = [body for body in bodies if not body["prompt"].endswith("</think>")]
    assert len(begun) == 6
    assert {body["max_tokens"] for body in begun} == {5}  # the sixth token ends the thoughts
    rest = [body["prompt"] for body in bodies if body["prompt"].endswith("</think>")]
    assert {body["max_tokens"] for body in bodies if body not in begun} == {3}
    unended = [row for row in found if "</think>" in row.text]
    assert len(unended) == len(rest) > 0
    assert all(6 <= row.tokens <= 9 for row in unended)
    assert all(row.finish_reason == "stop" for row in found if row not in unended)


def test_thoughts_on_a_server_need_the_models_tokenizer(
    problems: Path, tmp_path: Path, serve: Serve
) -> None:
    with pytest.raises(InputError, match=r"thought_tokens: found 6 with model 'tiny' of a server"):
        sampled(problems, tmp_path / "out", serve(), thought_tokens=6)


THINKING = (
    "{% for one in messages %}<{{ one['role'] }}>{{ one['content'] }}{% endfor %}<assistant>"
    "{% if not thinking %}<think></think>{% endif %}"
)


def test_a_budget_of_thoughts_loads_the_tokenizer_and_renders_a_problem_once(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The requests are many, in threads of their own."""
    server, loaded, rendered = serve(), list[Any](), list[str]()
    _, tokenizer = models.load("embedded")
    monkeypatch.setattr(tokenizer, "chat_template", THINKING)
    own = prompts.chat_prompt

    def counted(text: str, *rest: Any) -> str:
        rendered.append(text)
        return own(text, *rest)

    monkeypatch.setattr(prompts, "chat_prompt", counted)
    form = prompts.Wording("chat", instruction="", template={"thinking": True})
    engine = OpenAI(
        "tiny",
        Server(url=server.url, concurrency=8),
        form=form,
        judge=Unrendered(),
        tokenizer=lambda: loaded.append(1) or tokenizer,  # type: ignore[func-returns-value]
    )
    wants = [Want("1 + 1", 5), Want("2 + 2", 4)]
    how = Sampling(n=9, temperature=1.5, top_p=1.0, max_tokens=3, thought_tokens=4)
    found = [place for place, drafts in engine.sample(wants, how, seed=(0,)) for _ in drafts]
    assert (found.count(0), found.count(1)) == (5, 4)
    assert (len(loaded), rendered) == (1, ["1 + 1", "2 + 2"])
    assert {body["prompt"].partition("<assistant>")[0] for _, body in server.asked} == {
        "<user>1 + 1",
        "<user>2 + 2",
    }
    engine._form = prompts.Wording("chat", template={"thinking": False})
    with pytest.raises(InputError, match="since thinking is switched off; expected max_tokens"):
        list(engine.sample(wants, how, seed=(0,)))
    engine.close()


@pytest.mark.parametrize("most_n", [1, 2])  # gives one whatever is asked; refuses more than two
def test_a_server_without_n_is_asked_for_copies(
    most_n: int, problems: Path, tmp_path: Path, serve: Serve
) -> None:
    found = sampled(problems, tmp_path / "out", serve(most_n=most_n))
    expected = [(problem.id, index) for problem in PROBLEMS for index in range(4)]
    assert [(row.problem_id, row.index) for row in found] == expected


@pytest.mark.parametrize(
    "fault",
    ["429", "500", "503", "408", "drop", "half a body", "wrong JSON", "html", "empty", "half"],
)
def test_what_passes_is_asked_again(
    fault: str, problems: Path, tmp_path: Path, serve: Serve
) -> None:
    server = serve(fault, fault)
    found = sampled(problems, tmp_path / "out", server, server={"concurrency": 2})
    expected = [(problem.id, index) for problem in PROBLEMS for index in range(4)]
    assert [(row.problem_id, row.index) for row in found] == expected
    assert len(server.asked) > 3


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["slow", "trickle"])
def test_a_slow_answer_is_given_up_and_asked_for_again(
    fault: str, problems: Path, tmp_path: Path, serve: Serve
) -> None:
    # The server has one model and one lock: one request at a time is what it answers in time.
    patience = {"timeout": 4.0, "concurrency": 1}
    found = sampled(problems, tmp_path / "out", serve(fault), server=patience, max_tokens=4)
    assert len(found) == 12


def test_what_was_finished_is_kept_when_the_server_fails_for_good(
    problems: Path, tmp_path: Path, serve: Serve
) -> None:
    bad = serve("", "", *["500"] * 50)
    with pytest.raises(InputError, match=r"still fails after 2 attempts \(status 500 \(no\)\)"):
        sampled(problems, tmp_path / "out", bad, server={"concurrency": 1, "retries": 1})
    kept = list(jsonl.read(tmp_path / "out" / "samples.jsonl", Sample))
    assert [row.problem_id for row in kept] == ["p0"] * 4 + ["p1"] * 4
    with (tmp_path / "out" / "samples.jsonl").open("a") as stream:
        stream.write('{"problem_id":"p2","ind')  # what a kill tears
    good = serve()  # elsewhere: the address is no part of the fingerprint
    found = sampled(problems, tmp_path / "out", good)
    assert [row for row in found if row.problem_id in ("p0", "p1")] == kept
    assert len(found) == 12
    assert len(good.asked) == 1


def test_more_samples_are_added(problems: Path, tmp_path: Path, serve: Serve) -> None:
    server = serve()
    few = sampled(problems, tmp_path / "out", server)
    many = sampled(problems, tmp_path / "out", server, n=6)
    expected = [(problem.id, index) for problem in PROBLEMS for index in range(6)]
    assert [(row.problem_id, row.index) for row in many] == expected
    assert [row for row in many if row.index < 4] == few
    assert [body["n"] for _, body in server.asked] == [4] * 3 + [2] * 3


def test_other_engine_other_samples(problems: Path, tmp_path: Path, serve: Serve) -> None:
    server = serve()
    sampled(problems, tmp_path / "out", server)
    with pytest.raises(InputError, match="engine was openai, now transformers"):
        execute(
            SampleStage(problems=problems, model="tiny", prompt="plain", max_tokens=12, n=4),
            tmp_path / "out",
            name="samples",
        )


def test_a_prompt_beyond_the_context_is_named_and_the_rest_goes_on(
    tmp_path: Path, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "problems.jsonl"
    long = Problem(id="long", problem="apples " * 600, answer="1")
    close = Problem(id="close", problem="5 + 7 " * 74, answer="1")
    jsonl.write(path, [PROBLEMS[0], long, close])
    _, tokenizer = models.load("embedded")
    prompt = prompts.solver(close.problem, form="plain", tokenizer=tokenizer)
    room = 512 - len(tokenizer.encode(prompt))
    assert 20 < room < 200
    found = sampled(path, tmp_path / "out", serve(), max_tokens=200)
    reasons = [{row.finish_reason for row in found[at : at + 4]} for at in (0, 4, 8)]
    assert reasons[1] == {"prompt_too_long"}
    assert "prompt_too_long" not in reasons[0] | reasons[2]
    assert max(row.tokens for row in found[8:]) <= room
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_bytes())
    assert metrics["prompts_too_long"] == ["long"]
    assert "1 prompt is longer than the model's context: long" in capsys.readouterr().err


def test_chats_are_sent_as_chats(problems: Path, tmp_path: Path, serve: Serve) -> None:
    server = serve()
    found = sampled(problems, tmp_path / "out", server, prompt="chat")
    assert len(found) == 12
    path, body = server.asked[0]
    assert path == "/v1/chat/completions"
    assert "prompt" not in body
    sent = {body["messages"][0]["content"] for _, body in server.asked}
    assert sent == {f"{problem.problem}\n{prompts.INSTRUCTION}" for problem in PROBLEMS}


def test_the_form_of_a_model_that_is_not_here_must_be_said(
    problems: Path, tmp_path: Path, serve: Serve
) -> None:
    with pytest.raises(InputError, match="prompt: found 'auto' with engine openai"):
        sampled(problems, tmp_path / "out", serve(), prompt="auto")
    found = sampled(
        problems,
        tmp_path / "out",
        serve(),
        prompt="auto",
        model="embedded",
        server={"model": "tiny"},
    )  # the folder that is here has a tokenizer, which has no template
    assert len(found) == 12


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("401", r"refuses a request without key \(OPENAI_API_KEY is not set\), status 401"),
        ("404", "lacks /completions or this model, status 404"),
        ("400", "refuses the request: status 400: no"),
    ],
)
def test_what_does_not_pass_ends_at_once(
    status: str, sentence: str, problems: Path, tmp_path: Path, serve: Serve
) -> None:
    server = serve(*[status] * 20)
    with pytest.raises(InputError, match=sentence):
        sampled(problems, tmp_path / "out", server, server={"concurrency": 1})
    assert len(server.asked) == 1 + (status == "400")  # a 400 is tried once more, without n
    assert not (tmp_path / "out").exists()


def test_the_key_is_sent_and_stands_nowhere(
    problems: Path,
    tmp_path: Path,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = serve("500", key=KEY)
    sampled(problems, tmp_path / "out", server)
    assert server.keys == {f"Bearer {KEY}"}
    with pytest.raises(InputError) as error:  # this server says the key it was given
        sampled(problems, tmp_path / "other", serve(key="another"))
    assert "refuses the key in OPENAI_API_KEY, status 401 (Incorrect API key provided: ***)" in str(
        error.value
    )
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"127.0.0.1" not in written
    for text in (written.decode(), *capsys.readouterr()):
        assert KEY not in text


@pytest.mark.parametrize(
    "url",
    [f"http://user:{KEY}@host/v1", f"http://host/v1?api_key={KEY}", "host/v1", "ftp://host/v1"],
)
def test_a_url_holds_no_secret(url: str) -> None:
    with pytest.raises(ValueError, match="expected a URL"):
        Server(url=url)


@pytest.mark.parametrize(
    "url",
    [
        *("http://host:abc/v1", "http://host:99999/v1", "http://host:0/v1", "http:///v1"),
        *("http://a..b/v1", f"http://{'a' * 64}.b/v1", "http://[host/v1"),
    ],
)
def test_an_address_that_no_connection_can_be_made_to_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected a URL"):
        Server(url=url)
    for good in ("http://[::1]:8000/v1", "https://h\u00f6st.example/v1"):
        assert Server(url=good).url == good


@pytest.mark.timeout(150)
def test_a_refusal_does_not_wait_for_answers_that_are_under_way(
    problems: Path, tmp_path: Path, serve: Serve
) -> None:
    server = serve("never", "never", "401")
    with pytest.raises(InputError, match="status 401"):
        sampled(problems, tmp_path / "out", server, server={"concurrency": 3, "timeout": 300.0})
    assert len(server.asked) == 3


def test_a_server_that_is_none(
    problems: Path, tmp_path: Path, serve: Serve, free_port: Callable[[], int]
) -> None:
    server = serve()
    server.url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(InputError, match="no OpenAI-compatible server answers there"):
        sampled(problems, tmp_path / "out", server)
    with pytest.raises(InputError, match=r"has no model 'large'; it has tiny; set server.model"):
        sampled(problems, tmp_path / "out", serve(), model="large")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "says", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\n\r\n<html>", b""]
)
def test_a_port_of_something_else(says: bytes, problems: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def talk() -> None:
            for _ in range(3):
                connection, _ = listening.accept()
                connection.recv(10000)
                connection.sendall(says)
                connection.close()

        threading.Thread(target=talk, daemon=True).start()

        class Other:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"

        with pytest.raises(InputError, match="no OpenAI-compatible server answers there"):
            sampled(problems, tmp_path / "out", Other())


def scored(served: Any, tmp_path: Path, **settings: Any) -> list[Scored]:
    jsonl.write(tmp_path / "problems.jsonl", PROBLEMS[:3])
    texts = ["3 + 1 = 4\n#### 4", "4 + 0 = 5", "3 + 1 = 4\n#### 4", "#### 9"]
    rows = [
        Sample(problem_id=f"p{number}", index=at, text=text, finish_reason="stop", tokens=3)
        for number in range(3)
        for at, text in enumerate(texts)
    ]
    jsonl.write(tmp_path / "samples.jsonl", rows)
    given: dict[str, Any] = {"engine": "openai", "model": "tiny", "prompt": "plain"}
    server = {"url": served.url, "top_logprobs": 200} if served is not None else {}
    stage = Score(
        problems=tmp_path / "problems.jsonl",
        samples=(tmp_path / "samples.jsonl",),
        **{**given, "server": server, **settings},
    )
    folder = tmp_path / f"scores-{settings.get('engine', 'openai')}"
    execute(stage, folder, name="scores")
    return list(jsonl.read(folder / "scores.jsonl", Scored))


def test_scores_are_those_of_the_transformers_engine(tmp_path: Path, serve: Serve) -> None:
    server = serve("500", "wrong JSON", "drop")
    found = scored(server, tmp_path)
    here = scored(None, tmp_path, engine="transformers", model="embedded", device="cpu", workers=1)
    assert [(row.problem_id, row.index) for row in found] == [
        (row.problem_id, row.index) for row in here
    ]
    assert [row.score for row in found] == pytest.approx([row.score for row in here], abs=1e-5)
    assert len({round(row.score, 6) for row in found}) > 5
    assert len(server.asked) == 3 + 9  # a text that stands twice is read once


def test_a_label_that_the_server_does_not_return_is_an_error(tmp_path: Path, serve: Serve) -> None:
    with pytest.raises(InputError, match="the label ' incorrect' is not among the 199 likeliest"):
        scored(serve("no labels"), tmp_path)


def test_likelihoods_are_not_for_servers(tmp_path: Path, serve: Serve) -> None:
    with pytest.raises(InputError, match="scorer: found 'likelihood' with engine openai"):
        scored(serve(), tmp_path, scorer="likelihood")


def test_scoring_chats_needs_the_model_s_tokenizer(tmp_path: Path, serve: Serve) -> None:
    with pytest.raises(InputError, match="prompt: found 'chat' for scoring with engine openai"):
        scored(serve(), tmp_path, prompt="chat")


def test_a_judge_reads_no_start_token_that_its_template_leaves_out(serve: Serve) -> None:
    model, loaded = models.load("embedded", device="cpu")
    tokenizer: Any = deepcopy(loaded)
    tokenizer.chat_template = "{% for m in messages %}Problem: {{ m.content }}\n{% endfor %}"
    tokenizer.bos_token = end = tokenizer.eos_token
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{end} $A", special_tokens=[(end, tokenizer.eos_token_id)]
    )
    server = serve()
    there = Server(url=server.url, top_logprobs=888)
    engine = OpenAI("tiny", there, form="chat", judge=tokenizer)
    text = prompts.evaluator("1 + 1?", "#### 2", form="chat", tokenizer=tokenizer)
    ((here,),) = Scorer(model, tokenizer, form="chat").evaluate([[text]])
    assert engine.judged("1 + 1?", "#### 2")[0] == pytest.approx(here, abs=1e-5)
    ((_, body),) = server.asked
    assert body["prompt"] == tokenizer.encode(text, add_special_tokens=False)


def test_a_candidate_beyond_the_context_has_no_score(serve: Serve) -> None:
    server = Server(url=serve().url, top_logprobs=200)
    _, tokenizer = models.load("embedded")
    engine = OpenAI("tiny", server, form="plain", judge=tokenizer)
    groups = [Candidates("What is 1 + 1?", ("#### 2", "2 " * 600))]
    ((_, (short, long)),) = engine.score(groups, "evaluator")
    assert long is None
    assert short is not None
    assert engine.tokens == len(
        tokenizer.encode(
            prompts.evaluator("What is 1 + 1?", "#### 2", form="plain", tokenizer=tokenizer)
        )
    )


def test_the_local_engine_answers_every_want() -> None:
    model, tokenizer = models.load("embedded", device="cpu")
    engine = TransformersEngine(model, tokenizer, form="plain")
    wants = [Want("2 + 2 =", 2), Want("3 + 1 =", 1), Want("5 + 1 =", 2)]
    how = Sampling(n=9, temperature=0.7, top_p=1.0, max_tokens=6)
    found = dict(engine.sample(wants, how, seed=(0,)))
    assert [len(found[place]) for place in range(3)] == [2, 1, 2]


def test_a_servers_own_settings_cannot_leak_in(
    problems: Path, tmp_path: Path, serve: Serve
) -> None:
    server = serve()
    extra = {"seed": 7, "guided_regex": "x*"}
    sampled(problems, tmp_path / "out", server, top_k=9, min_p=0.1, server={"extra": extra})
    for _, body in server.asked:
        assert (body["top_k"], body["min_p"]) == (9, 0.1)
        assert body["repetition_penalty"] == body["repeat_penalty"] == 1.0
        assert body["presence_penalty"] == body["frequency_penalty"] == 0.0
        assert (body["seed"], body["guided_regex"]) == (7, "x*")
    plain = serve()
    sampled(problems, tmp_path / "plain", plain)
    assert {(body["top_k"], body["min_p"]) for _, body in plain.asked} == {(-1, 0.0)}


def test_requests_for_one_problem_do_not_share_a_seed(
    problems: Path, tmp_path: Path, serve: Serve
) -> None:
    """A server draws equal samples for equal seeds, so a copy's differs; no seed is used again."""
    server = serve(manner="llama.cpp")
    extra = {"server": {"extra": {"seed": 7}}}
    sampled(problems, tmp_path / "out", server, **extra)
    drawn = [(body["prompt"], body["seed"]) for _, body in server.asked]
    assert [seed for _, seed in drawn].count(7) == len(PROBLEMS)
    assert len(set(drawn)) == 12
    sampled(problems, tmp_path / "again", again := serve(manner="llama.cpp"), **extra)
    assert {(body["prompt"], body["seed"]) for _, body in again.asked} == set(drawn)
    sampled(problems, tmp_path / "out", more := serve(manner="llama.cpp"), n=6, **extra)
    later = {(body["prompt"], body["seed"]) for _, body in more.asked}
    assert len(later) == 6
    assert not later & set(drawn)


def test_what_is_missing_is_requested_with_another_seed(
    problems: Path, tmp_path: Path, serve: Serve
) -> None:
    server = serve("half")
    sampled(problems, tmp_path / "out", server, server={"concurrency": 1, "extra": {"seed": 7}})
    drawn = [(body["prompt"], body["seed"]) for _, body in server.asked]
    assert len(drawn) == len(set(drawn)) == 4


def test_the_temperature_comes_first_on_every_server(
    problems: Path, tmp_path: Path, serve: Serve
) -> None:
    """llama.cpp's own order is top-k, top-p, min-p, temperature."""
    server = serve()
    sampled(problems, tmp_path / "out", server, top_p=0.9)
    for _, body in server.asked:
        order = [body["samplers"].index(name) for name in ("temperature", "top_k", "top_p")]
        assert order == sorted(order)
        assert body["samplers"].index("min_p") > order[0]
        assert body["mirostat"] == body["dry_multiplier"] == body["xtc_probability"] == 0


@pytest.mark.parametrize(("reason", "text"), [("length", "1 + 1 = 2\n\n"), ("stop", "1 + 1 = 2")])
def test_blank_lines_go_only_where_a_sample_was_stopped(reason: str, text: str) -> None:
    body = {"choices": [{"text": "1 + 1 = 2\n\n", "finish_reason": reason}], "usage": {}}
    how = Sampling(n=1, temperature=1, top_p=1, max_tokens=9, stop="Problem:")
    (draft,) = drafts_of(msgspec.convert(body, Answer), how, unsaid=False)
    assert draft.text == text


def test_a_server_that_refuses_further_fields_gets_those_of_the_protocol(
    problems: Path, tmp_path: Path, serve: Serve
) -> None:
    server = serve(manner="strict")
    assert len(sampled(problems, tmp_path / "out", server, server={"concurrency": 1})) == 12
    assert [("top_k" in body) for _, body in server.asked] == [True, False, False, False]
    with pytest.raises(InputError, match=r"refuses the request: .*top_k"):
        sampled(problems, tmp_path / "other", serve(manner="strict"), top_k=5, n=1)


@pytest.mark.parametrize(("manner", "asked"), [("eos", 3), ("unsaid", 6)])
def test_a_server_may_say_otherwise_or_not_at_all_how_a_sample_ended(
    manner: str, asked: int, problems: Path, tmp_path: Path, serve: Serve
) -> None:
    server = serve(manner=manner)
    found = sampled(problems, tmp_path / "out", server, n=1, greedy=True)
    assert len(server.asked) == asked  # one that says nothing is asked once more, and then believed
    wanted = sampled(problems, tmp_path / "true", serve(), n=1, greedy=True)
    assert [row.text for row in found] == [row.text for row in wanted]
    if manner == "eos":
        assert {row.finish_reason for row in found} == {"stop"}
    else:
        assert [row.finish_reason for row in found] == [row.finish_reason for row in wanted]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("STOP", "stop"),
        ("stop_sequence", "stop"),
        ("COMPLETE", "stop"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
    ],
)
def test_the_end_of_a_sample_in_the_words_of_other_servers(said: str, reason: str) -> None:
    body = {"choices": [{"text": "#### 4", "finish_reason": said}], "usage": {}}
    how = Sampling(n=1, temperature=1, top_p=1, max_tokens=9)
    (draft,) = drafts_of(msgspec.convert(body, Answer), how, unsaid=False)
    assert (draft.text, draft.finish_reason) == ("#### 4", reason)


@pytest.mark.parametrize("sign", ["\u0120", "\u2581"])
def test_a_space_that_a_server_does_not_decode_is_one(sign: str) -> None:
    top = {f"{sign}correct": -0.5, "correct": -9.0, f"{sign}incorrect": -1.5}
    answer = msgspec.convert({"choices": [{"logprobs": {"top_logprobs": [top]}}]}, Answer)
    assert likeliest_of(answer) == {" correct": -0.5, "correct": -9.0, " incorrect": -1.5}


def test_content_in_parts_and_thoughts_are_one_text(
    problems: Path, tmp_path: Path, serve: Serve
) -> None:
    settings: dict[str, Any] = {"prompt": "chat", "greedy": True}
    true = sampled(problems, tmp_path / "true", serve(), **settings)
    parts = sampled(problems, tmp_path / "parts", serve(manner="parts"), **settings)
    assert parts == true
    thoughts = sampled(problems, tmp_path / "thoughts", serve(manner="thoughts"), **settings)
    assert [row.text for row in thoughts] == [
        f"<think>\nI think.\n</think>\n\n{row.text}" for row in true
    ]


def test_system_instruction_and_template_reach_a_chat_server(
    problems: Path, tmp_path: Path, serve: Serve
) -> None:
    server = serve()
    told = {
        "system": "You add.",
        "instruction": "Be brief.",
        "template": {"enable_thinking": False},
    }
    sampled(problems, tmp_path / "out", server, prompt="chat", **told)
    _, body = server.asked[0]
    assert body["messages"][0] == {"role": "system", "content": "You add."}
    assert body["messages"][1]["content"].endswith("How many?\nBe brief.")
    assert body["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize("wait", ["0.001", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", "-3"])
def test_what_a_server_asks_to_wait_is_read(
    wait: str, problems: Path, tmp_path: Path, serve: Serve
) -> None:
    server = serve(f"wait {wait}")
    assert len(sampled(problems, tmp_path / "out", server)) == 12


@pytest.mark.parametrize(
    ("value", "seconds"), [("1.5", 1.5), ("20", 20.0), ("", 0.0), ("nan", 0.0), ("-1", 0.0)]
)
def test_seconds_to_wait(value: str, seconds: float) -> None:
    assert _retry_after({"retry-after": value}) == seconds
    later = formatdate(4e9, usegmt=True)
    assert _retry_after({"retry-after": later}) > 1e6


class Waits(threading.Event):
    """Notes for how long somebody wants to wait, and lets nobody wait."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        return False


def test_the_pause_is_the_servers(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mathtune.engines.server.LONGEST_PAUSE", 60.0)
    engine = OpenAI("tiny", Server(url=serve("wait 20").url), form="plain", judge=Unrendered())
    engine._client._closed = waits = Waits()
    how = Sampling(n=1, temperature=0, top_p=1, max_tokens=2)
    assert len(list(engine.sample([Want("1 + 1", 1)], how, seed=(0,)))) == 1
    (pause,) = waits.seconds
    assert pause is not None
    assert 15 <= pause <= 25  # a quarter more or less, so that clients do not come back together


def test_numbers_that_no_model_gives_are_refused(
    problems: Path, tmp_path: Path, serve: Serve
) -> None:
    with pytest.raises(InputError, match="counts -5 completion_tokens"):
        sampled(problems, tmp_path / "out", serve(manner="impossible"))
    engine = OpenAI(
        "tiny", Server(url=serve(manner="impossible").url), form="plain", judge=Unrendered()
    )
    with pytest.raises(InputError, match=r"a log p of 3.5; expected at most 0"):
        list(engine.score([Candidates("1 + 1?", ("#### 2",))], "evaluator"))


@pytest.mark.parametrize("manner", ["", "llama.cpp", "/generative_scoring", "/v1/score"])
def test_scores_are_those_of_the_transformers_engine_in_every_manner(
    manner: str, serve: Serve
) -> None:
    model, tokenizer = models.load("embedded", device="cpu")
    groups = [
        Candidates("Tom has 3 apples and buys 4. How many?", ("3 + 4 = 7\n#### 7", "#### 12")),
        Candidates("What is 1 + 1?", ("#### 2", "#### 2", "1 + 1 = 3\n#### 3")),
    ]
    expected = [
        scores
        for _, scores in TransformersEngine(model, tokenizer, form="plain").score(
            groups, "evaluator"
        )
    ]
    server = serve(manner=manner)
    here = (lambda: tokenizer) if manner.startswith("/") else None
    engine = OpenAI(
        "tiny",
        Server(url=server.url, top_logprobs=200),
        form="plain",
        judge=Unrendered(),
        tokenizer=here,
    )
    found = dict(engine.score(groups, "evaluator"))
    for place, scores in enumerate(expected):
        assert found[place] == pytest.approx(scores, abs=1e-5)
    assert engine.tokens > 0
    if here is not None:
        first, query = server.asked[-1][0], server.asked[-1][1]
        assert first == manner
        assert len(query["label_token_ids"]) == 2


@pytest.mark.parametrize("manner", ["sentencepiece", "no ids", "llama.cpp", ""])
def test_labels_are_found_by_their_ids_where_the_tokenizer_is_here(
    manner: str, serve: Serve
) -> None:
    model, tokenizer = models.load("embedded", device="cpu")
    groups = [Candidates("Tom has 3 apples and buys 4. How many?", ("#### 7", "#### 12"))]
    ((_, expected),) = TransformersEngine(model, tokenizer, form="plain").score(groups, "evaluator")
    server = serve(manner=manner)
    there = Server(url=server.url, top_logprobs=200, concurrency=1)
    engine = OpenAI("tiny", there, form="plain", judge=Unrendered(), tokenizer=lambda: tokenizer)
    ((_, found),) = engine.score(groups, "evaluator")
    assert found == pytest.approx(expected, abs=1e-5)
    bodies = [body for path, body in server.asked if path == "/v1/completions"]
    by_id = ["return_tokens_as_token_ids" in body for body in bodies]
    assert by_id == ([True, True, False, False] if manner == "no ids" else [True, True])
    for body, named in zip(bodies, by_id, strict=True):
        assert isinstance(body["prompt"], list) is named
    alone = OpenAI("tiny", there, form="plain", judge=Unrendered())
    if manner == "sentencepiece":
        with pytest.raises(InputError, match="the label ' correct' is not among the 19"):
            list(alone.score(groups, "evaluator"))


ONE = Sampling(n=4, temperature=1, top_p=1, max_tokens=9)


def answer(*choices: dict[str, Any], **fields: Any) -> Answer:
    """An answer with these choices, finished unless they say otherwise."""
    body = {"choices": [{"finish_reason": "stop", **choice} for choice in choices], **fields}
    return msgspec.json.decode(msgspec.json.encode(body), type=Answer)


def texts(*choices: dict[str, Any], **fields: Any) -> list[tuple[str, int]]:
    found = drafts_of(answer(*choices, **fields), ONE, unsaid=False)
    return [(draft.text, draft.tokens) for draft in found]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "\n\n4", "reasoning_content": "\nT\n"}, "<think>\nT\n</think>\n\n4"),
        ({"content": "4", "reasoning": "T"}, "<think>\nT\n</think>\n\n4"),
        ({"content": None, "reasoning": "T"}, "<think>\nT"),
        ({"content": "<think>T</think>4", "reasoning_content": "T"}, "<think>T</think>4"),
        ({"content": ["4", {"type": "text", "text": "2"}, {"type": "image_url"}]}, "42"),
        (
            {"content": [{"type": "thinking", "thinking": [{"text": "T"}]}, {"text": "4"}]},
            "<think>\nT\n</think>\n\n4",
        ),
        (
            {"content": [{"type": "reasoning", "text": "T"}, {"text": None}, {"text": "4"}]},
            "<think>\nT\n</think>\n\n4",
        ),
        ({"content": None}, ""),
    ],
)
def test_thoughts_are_marked_once_as_the_model_writes_them(
    message: dict[str, Any], text: str
) -> None:
    assert texts({"message": message}) == [(text, 0)]


def test_a_choice_that_is_there_twice_is_one_sample() -> None:
    usage = {"completion_tokens": 8}
    first, second = {"index": 0, "text": "ab"}, {"index": 1, "text": "cd"}
    assert texts(first, first, second, second, usage=usage) == [("ab", 2), ("cd", 2)]
    unnumbered = {"text": "ab"}
    assert texts(unnumbered, unnumbered, usage=usage) == [("ab", 4), ("ab", 4)]


def test_tokens_of_texts_without_letters_and_of_unfinished_ones_are_not_moved() -> None:
    usage = {"completion_tokens": 6.0}  # some servers write counts so
    assert texts({"text": ""}, {"text": ""}, usage=usage) == [("", 3), ("", 3)]
    assert texts({"text": "ab", "finish_reason": "error"}, {"text": "c"}, usage=usage) == [("c", 2)]


@pytest.mark.parametrize(
    ("usage", "sentence"),
    [
        ({"completion_tokens": -1}, "counts -1 completion_tokens; expected 0 or more"),
        ({"prompt_tokens": -1}, "counts -1 prompt_tokens"),
        ({"completion_tokens": 2.5}, "counts 2.5 completion_tokens"),
        ({"completion_tokens": 21}, "counts 21 completion_tokens; expected at most 20, by max_tok"),
        ({"completion_tokens": 10**30}, r"counts 1e\+30 completion_tokens"),
    ],
)
def test_counts_that_no_request_has_are_refused(usage: dict[str, Any], sentence: str) -> None:
    two = ({"text": "a"}, {"text": "b"})
    with pytest.raises(InputError, match=f"server x: {sentence}"):
        refuse_impossible(answer(*two, usage=usage), "server x", most=9)
    refuse_impossible(answer(*two, usage={"completion_tokens": 20}), "server x", most=9)


def test_probabilities_beyond_one_are_refused_and_those_of_zero_are_absent() -> None:
    def told(**top: float) -> Answer:
        return answer({"text": "", "logprobs": {"top_logprobs": [top]}})

    with pytest.raises(InputError, match="probabilities that add up to 2; expected at most 1"):
        refuse_impossible(told(right=0.0, wrong=0.0), "server x")
    refuse_impossible(told(right=-0.6932, wrong=-0.6931), "server x")
    assert likeliest_of(told(right=-9999.0, wrong=-1.0)) == {"wrong": -1.0}


@pytest.mark.parametrize(
    "scores",
    [
        {"data": [{"index": 0, "score": 0.5}, {"index": 0, "score": 0.6}]},
        {"data": [{"index": 0, "score": 0.5}]},
        {"data": [{"index": 0, "score": 0.5}, {"index": 1, "score": 1.5}]},
        {"scores": [[0.5, 0.5], [0.1, 0.1]]},
        {"scores": [[0.5, 0.5], []]},
    ],
)
def test_scores_of_other_items_or_of_the_whole_vocabulary_are_refused(
    scores: dict[str, Any],
) -> None:
    with pytest.raises(InputError, match=r"for 2 candidates .* expected one each"):
        msgspec.convert(scores, _LabelScores).values(2, "server x")
    good = {"data": [{"index": 1, "score": 0.25}, {"index": 0, "score": 0.5}]}
    assert msgspec.convert(good, _LabelScores).values(2, "server x") == [0.5, 0.25]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("error", r"an error with status 200: the model is overloaded\)"),
        ("tool_calls", r"2 answers without one finished sample \(finish_reason 'tool_calls'\)"),
        ("deep", "the answer is not what was expected: maximum recursion depth"),
        ("redirect", r"redirects /completions to https://there/v1, status 307; .* set server.url"),
        ("key 500", r"status 500 \(x+\*\*\*\)\)"),
        ("key 400", r"refuses the request: status 400: x+\*\*\*\.$"),
    ],
)
def test_a_server_that_fails_for_good_is_quoted_without_the_key(
    fault: str,
    sentence: str,
    problems: Path,
    tmp_path: Path,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = serve(*[fault] * 9)
    with pytest.raises(InputError, match=sentence) as error:
        sampled(problems, tmp_path / "out", server, server={"concurrency": 1, "retries": 1})
    assert KEY[:5] not in str(error.value)


def test_a_server_of_many_models_names_some() -> None:
    said = listed([f"m{number}" for number in range(1500)])
    assert said.startswith("m0, m1, ")
    assert said.endswith("m19 and 1,480 more")


def test_tokens_that_are_not_counted_are_told(
    problems: Path, tmp_path: Path, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    found = sampled(problems, tmp_path / "out", serve(manner="uncounted"))
    assert {row.tokens for row in found} == {0}
    assert capsys.readouterr().err.count("does not count tokens, so those of its samples") == 1
