"""The endpoints as clients see them: the official client, curl, and clients that misbehave."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

openai = pytest.importorskip("openai", reason="the official client is not installed")
import httpx2

from mathtune.cli.serving.models import Drawn, FailedError, Judged, Models, Question
from mathtune.cli.serving.settings import Limits, Solver
from mathtune.engines.protocol import Draft, Sampling

SURE = "Ann has 24 pens and gives away 7. How many pens are left?"
CHAT = {"model": "embedded", "messages": [{"role": "user", "content": SURE}]}


class Scripted:
    """A generator whose answers are written down; `hold`: it waits until it is released."""

    chats = False

    def __init__(self, *answers: str, hold: bool = False) -> None:
        self.answers, self.hold = answers, hold
        self.asked: list[str] = []
        self.given_up = 0
        self.released = threading.Event()

    async def sample(
        self,
        question: Question,
        sampling: Sampling,
        *,
        seed: int,  # noqa: ARG002
        first: int,
    ) -> Drawn:
        self.asked.append(question.text)
        if question.text == "broken":
            raise FailedError("the generator failed at this question.")
        try:
            while self.hold and not self.released.is_set():
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        texts = [self.answers[(first + i) % len(self.answers)] for i in range(sampling.n)]
        return Drawn([Draft(text, "stop", 3) for text in texts], 5)

    async def judge(self, problem: str, solutions: Sequence[str]) -> Judged:  # noqa: ARG002
        return Judged([0.9 if "9" in text else 0.1 for text in solutions], 7)


def client(running: Any, **options: Any) -> Any:
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0, **options)


def post(running: Any, body: Any, path: str = "/v1/chat/completions", **options: Any) -> Any:
    return httpx2.post(running.url + path, json=body, timeout=60, **options)


def until(condition: Any) -> None:
    """Wait until a condition holds; the test's time limit ends it otherwise."""
    while not condition():
        time.sleep(0.01)


@pytest.mark.timeout(120)
def test_the_official_client_gets_the_pick_and_what_decided_it(votes: Any) -> None:
    answer = client(votes).chat.completions.create(**CHAT, seed=0)
    assert answer.choices[0].message.content.endswith("#### 17")
    assert (answer.choices[0].finish_reason, answer.object) == ("stop", "chat.completion")
    found = answer.model_extra["mathtune"]
    assert (found["answer"], found["strategy"], found["stopped"]) == ("17", "Maj1", "sure")
    assert found["samples_used"] < 16
    assert found["votes"] == found["clusters"][0]["votes"]
    assert found["scores"] is None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.completion_tokens > 3 * found["samples_used"]
    again = client(votes).chat.completions.create(**CHAT, seed=0)
    assert again.choices[0].message.content == answer.choices[0].message.content
    assert again.model_extra["mathtune"] == found


@pytest.mark.timeout(120)
def test_fields_of_ours_reach_the_solver(judged: Any) -> None:
    answer = client(judged).chat.completions.create(
        **CHAT,
        temperature=1.5,
        max_tokens=40,
        n=3,
        extra_body={"samples": 10, "stop_at": None, "strategy": "W.RR.MajK", "k": 2, "system": "x"},
    )
    found = answer.model_extra["mathtune"]
    assert (found["samples_used"], found["strategy"], found["stopped"]) == (
        10,
        "W.RR.MajK",
        "samples",
    )
    assert found["ignored"] == ["system"]  # the model reads no chats
    assert len(found["scores"]) == 10
    assert sum(score is None for score in found["scores"]) == found["no_answer"]
    texts = [choice.message.content for choice in answer.choices]
    assert 1 < len(texts) == min(3, len(found["clusters"])) == len(set(texts))
    assert answer.usage.prompt_tokens > 100  # the evaluator read every solution


@pytest.mark.timeout(120)
def test_a_stream_tells_progress_in_comments_and_the_pick_in_chunks(votes: Any) -> None:
    options = {"include_usage": True}
    chunks = list(
        client(votes).chat.completions.create(**CHAT, stream=True, stream_options=options)
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.endswith("#### 17")
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-2].model_extra["mathtune"]["answer"] == "17"
    assert chunks[-1].usage.completion_tokens > 0
    raw = post(votes, {**CHAT, "stream": True}).text.split("\n\n")
    told = [json.loads(line[11:]) for line in raw if line.startswith(": mathtune ")]
    assert told
    assert told[-1]["clusters"][0]["answer"] == "17"
    assert raw[-2:] == ["data: [DONE]", ""]


@pytest.mark.timeout(120)
def test_completions_and_models(votes: Any) -> None:
    answer = client(votes).completions.create(model="embedded", prompt=SURE, seed=0)
    assert answer.choices[0].text.endswith("#### 17")
    assert answer.object == "text_completion"
    formed = client(votes).completions.create(
        model="embedded", prompt=f"Problem: {SURE}\nSolution:\n", seed=0
    )
    assert formed.choices[0].text == answer.choices[0].text
    assert [model.id for model in client(votes).models.list()] == ["embedded"]
    assert client(votes).models.retrieve("embedded").owned_by == "mathtune"
    with pytest.raises(openai.NotFoundError):
        client(votes).models.retrieve("other")


@pytest.mark.timeout(120)
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_curl(votes: Any) -> None:
    def curl(*arguments: str) -> str:
        command = ["curl", "-sS", "--max-time", "60", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    body = json.dumps(CHAT)
    kind = "Content-Type: application/json"
    found = json.loads(curl(f"{votes.url}/v1/chat/completions", "-H", kind, "-d", body))
    assert found["mathtune"]["answer"] == "17"
    assert json.loads(curl(f"{votes.url}/health"))["status"] == "ok"
    numbers = curl(f"{votes.url}/metrics")
    assert 'mathtune_requests_total{endpoint="chat",status="200"}' in numbers
    assert "mathtune_samples_used_count" in numbers
    refused = json.loads(curl(f"{votes.url}/v1/chat/completions", "-d", body))
    assert "expected application/json" in refused["error"]["message"]


@pytest.mark.parametrize(
    ("changed", "status", "sentence"),
    [
        ({"model": "gpt"}, 404, "this server has 'embedded'"),
        ({"logprobs": True}, 400, "logprobs: not possible here"),
        ({"tools": [{}]}, 400, "there are no tools"),
        ({"presence_penalty": 1}, 400, "only its default is possible"),
        ({"colour": 1}, 400, "colour: unknown field"),
        ({"n": 0}, 400, "n: expected `int` >= 1."),
        ({"temperature": "hot"}, 400, "temperature: expected `float | null`, got `str`."),
        ({"prompt": "1 + 1"}, 400, "prompt: no field of this endpoint"),
        ({"samples": 65}, 400, "samples: found 65; this server allows at most 64"),
        ({"max_tokens": 5000}, 400, "max_tokens: found 5000"),
        ({"strategy": "best"}, 400, "expected one of Maj1, RR.All"),
        ({"strategy": "W.RR"}, 400, "this server has no evaluator"),
        ({"stop_at": 0.4}, 400, "stop_at: found 0.4"),
        ({"messages": []}, 400, "messages: missing or empty"),
        ({"messages": [{"role": "user", "content": " "}]}, 400, "question: empty"),
        ({"messages": [{"role": "user", "content": "a b " * 4000}]}, 400, "longer than the gen"),
        ({"messages": [{"role": "user", "content": "ab" * 20_001}]}, 400, "40002 characters"),
        ({"messages": [{"role": "wizard", "content": "q"}]}, 400, "found the role 'wizard'"),
        ({"messages": [{"role": "assistant", "content": "q"}]}, 400, "not the user's"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            400,
            "has a part of type 'image_url'",
        ),
    ],
)
@pytest.mark.timeout(120)
def test_what_cannot_be_meant_is_one_sentence_in_openais_shape(
    changed: dict[str, Any], status: int, sentence: str, votes: Any
) -> None:
    answer = post(votes, {**CHAT, **changed})
    error = answer.json()["error"]
    assert (answer.status_code, set(error)) == (status, {"message", "type", "param", "code"})
    assert sentence in error["message"]
    with pytest.raises(openai.APIStatusError):
        client(votes).chat.completions.create(**{**CHAT, "extra_body": changed})


@pytest.mark.timeout(60)
def test_bodies_that_are_none(votes: Any, start: Any) -> None:
    kind = {"content-type": "application/json"}
    address = f"{votes.url}/v1/chat/completions"
    for raw in (b"", b"[]", b"{", b"\xff", b"null", b'"' * 10, b"[" * 100_000):
        assert httpx2.post(address, content=raw, headers=kind).status_code == 400
    small = start(limits=Limits(body=1000))
    large = httpx2.post(f"{small.url}/v1/chat/completions", content=b" " * 2000, headers=kind)
    assert large.status_code == 413
    assert httpx2.get(f"{votes.url}/nowhere").json()["error"]["type"] == "invalid_request_error"
    assert httpx2.get(address).status_code == 405
    assert httpx2.get(votes.url, headers={"host": "evil.example"}).status_code == 400
    assert votes.service.running == small.service.running == 0


@pytest.mark.timeout(60)
def test_a_key_is_asked_for(start: Any) -> None:
    keyed = start(Models(Scripted("#### 1")), key="s3cret")
    for sent in ({}, {"authorization": "Bearer other"}, {"authorization": "Basic s3cret"}):
        answer = post(keyed, CHAT, headers=sent)
        assert answer.status_code == 401
        assert "s3cret" not in answer.text
        assert httpx2.get(f"{keyed.url}/metrics", headers=sent).status_code == 401
        for name in ("", "/embedded", "/other"):  # nothing is told of what is there
            assert httpx2.get(f"{keyed.url}/v1/models{name}", headers=sent).status_code == 401
    assert post(keyed, CHAT, headers={"authorization": "Bearer s3cret"}).status_code == 200
    assert httpx2.get(f"{keyed.url}/health").status_code == 200


@pytest.mark.timeout(60)
def test_scores_weigh_the_votes(start: Any) -> None:
    scripted = Scripted("#### 8", "#### 8", "#### 9")
    running = start(Models(scripted, scripted), solver=Solver(evaluator="x", max_tokens=64))
    found = post(running, {**CHAT, "samples": 12}).json()
    assert found["mathtune"]["answer"] == "9"  # 4 x 0.9 over 8 x 0.1
    assert found["choices"][0]["message"]["content"] == "#### 9"
    assert found["usage"]["completion_tokens"] == 3 * found["mathtune"]["samples_used"]
    by_votes = post(running, {**CHAT, "samples": 12, "strategy": "Maj1", "stop_at": None}).json()
    assert by_votes["mathtune"]["answer"] == "8"
    assert by_votes["mathtune"]["votes"] == 8


@pytest.mark.timeout(60)
def test_a_full_queue_is_429_and_a_stopping_server_503(start: Any) -> None:
    held = Scripted("#### 1", hold=True)
    full = start(Models(held), limits=Limits(queue=2))
    with ThreadPoolExecutor(2) as pool:
        waits = [pool.submit(post, full, CHAT) for _ in range(2)]
        until(lambda: len(held.asked) == 2)
        refused = post(full, CHAT)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["type"] == "rate_limit_error"
        with pytest.raises(openai.RateLimitError):
            client(full).chat.completions.create(**CHAT)
        full.service.draining = True
        stopping = post(full, CHAT)
        assert (stopping.status_code, "retry-after" in stopping.headers) == (503, True)
        assert httpx2.get(f"{full.url}/health").status_code == 503
        held.released.set()
        assert [one.result().json()["mathtune"]["answer"] for one in waits] == ["1", "1"]
    assert full.service.running == 0


@pytest.mark.timeout(60)
@pytest.mark.parametrize("stream", [False, True])
def test_a_timeout_gives_the_samples_up(stream: bool, start: Any) -> None:
    held = Scripted("#### 1", hold=True)
    slow = start(Models(held), limits=Limits(timeout=0.2))
    answer = post(slow, {**CHAT, "stream": stream})
    assert "not answered within 0.2 s" in answer.text
    assert answer.status_code == (200 if stream else 504)
    assert held.given_up == 1
    until(lambda: slow.service.running == 0)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_frees_its_samples(stream: bool, start: Any) -> None:
    held = Scripted("#### 1", hold=True)
    running = start(Models(held))
    body = json.dumps({**CHAT, "stream": stream}).encode()
    with socket.create_connection(("127.0.0.1", int(running.url.rpartition(":")[2]))) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
            b"content-type: application/json\r\n"
            + f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        until(lambda: held.asked)
    until(lambda: held.given_up == 1 and running.service.running == 0)
    assert running.service.counts.left._value.get() == 1


@pytest.mark.timeout(60)
def test_one_questions_failure_is_its_own(start: Any) -> None:
    running = start(Models(Scripted("#### 1")))
    broken = {**CHAT, "messages": [{"role": "user", "content": "broken"}]}
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: post(running, one), [CHAT, broken] * 4))
    assert [one.status_code for one in found] == [200, 502] * 4
    assert found[1].json()["error"]["message"] == "the generator failed at this question."
    assert '"error"' in post(running, {**broken, "stream": True}).text


@pytest.mark.timeout(240)
def test_questions_that_share_batches_keep_their_answers(votes: Any) -> None:
    asked = [
        f"Ann has {20 + number} pens and gives away {number % 7 + 2}. How many pens are left?"
        for number in range(24)
    ]
    bodies = [
        {**CHAT, "messages": [{"role": "user", "content": text}], "samples": 8} for text in asked
    ]
    with ThreadPoolExecutor(len(bodies)) as pool:
        found = list(pool.map(lambda body: post(votes, body).json(), bodies))
    wanted = [str(20 + number - (number % 7 + 2)) for number in range(24)]
    right = [one["mathtune"]["answer"] == gold for one, gold in zip(found, wanted, strict=True)]
    assert sum(right) >= 22  # a wrong pairing would be wrong nearly always
    assert votes.service.running == 0
    loop = votes.models.generator.loop
    assert loop.waiting == 0


@pytest.mark.timeout(60)
def test_questions_are_logged_only_if_asked(start: Any, capfd: Any) -> None:
    post(start(Models(Scripted("#### 1"))), CHAT)
    assert "pens" not in "".join(capfd.readouterr())
    post(start(Models(Scripted("#### 1")), log_prompts=True), CHAT)
    assert "pens" in "".join(capfd.readouterr())
