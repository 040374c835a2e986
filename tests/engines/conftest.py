"""Tiny random models of several families, a tiny tokenizer and a small server, made here: no
network, no files.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from mathtune.engines.protocol import Sampling
from mathtune.engines.transformers import shared_attention
from mathtune.engines.transformers.decode import Sampler
from mathtune.engines.transformers.models import load

TEXT = (
    "Problem: What is 12 + 30? Tom has 5 apples and buys 7 more.\nSolution:\n5 + 7 = 12\n#### 12\n"
    "Here is a math problem: Here is a candidate solution: "
    "The above candidate solution is correct. The above candidate solution is incorrect."
)

MakeTokenizer = Callable[..., PreTrainedTokenizerFast]
MakeModel = Callable[..., PreTrainedModel]
Process = Callable[..., AbstractContextManager[subprocess.Popen[bytes]]]


@pytest.fixture(scope="session")
def make_tokenizer() -> MakeTokenizer:
    """A byte-level tokenizer; with `words`, ` correct` and ` incorrect` are one token each."""

    def make(
        *, words: bool = True, special: Sequence[str] = ("<|end|>",), eos: str = "<|end|>"
    ) -> PreTrainedTokenizerFast:
        core = Tokenizer(models.BPE())
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=400 if words else 300,
            special_tokens=list(special),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        core.train_from_iterator([TEXT] * 3, trainer)
        return PreTrainedTokenizerFast(tokenizer_object=core, eos_token=eos)

    return make


@pytest.fixture(scope="session")
def make_spaced() -> MakeTokenizer:
    """A tokenizer of characters as those converted from sentencepiece: it puts the start token, and
    a space, before a text. `everywhere`: the space comes behind special tokens, too. Each label
    word is one token.
    """

    def make(*, everywhere: bool, template: str | None = None) -> PreTrainedTokenizerFast:
        signs = ["<unk>", "<s>", "</s>", "[/INST]", "\u2581", "\n", *map(chr, range(33, 127))]
        words = ("\u2581correct", "\u2581incorrect")
        merges = [(word[:at], word[at]) for word in words for at in range(1, len(word))]
        signs += dict.fromkeys(map("".join, merges))
        vocabulary = {one: at for at, one in enumerate(signs)}
        core = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
        if everywhere:
            core.normalizer = normalizers.Sequence(
                [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
            )
        else:
            core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        core.decoder = decoders.Metaspace()
        core.add_special_tokens(signs[:4])
        core.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 1)]
        )
        return PreTrainedTokenizerFast(
            tokenizer_object=core, bos_token="<s>", eos_token="</s>", chat_template=template
        )

    return make


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    """A random model of a family; its weights are large, so that its probabilities differ."""

    def make(family: str, vocabulary: int, *, seed: int = 0, context: int = 512) -> PreTrainedModel:
        shape = {
            "vocab_size": vocabulary,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": context,
            "initializer_range": 0.3,
            "bos_token_id": None,
            "eos_token_id": [0, 7, 8, 9, 10, 11, 12],
            "pad_token_id": None,
        }
        narrow = {
            "num_key_value_heads": 2,
            "head_dim": 8,
            "sliding_window": 8,
            "layer_types": ["sliding_attention", "full_attention"],
            "tie_word_embeddings": False,  # or Gemma's large embeddings repeat the last token
        }
        configs: dict[str, PreTrainedConfig] = {
            "llama": LlamaConfig(**shape, num_key_value_heads=2),
            "qwen2": Qwen2Config(**shape, num_key_value_heads=2),
            "qwen2, windows": Qwen2Config(
                **shape,
                num_key_value_heads=2,
                use_sliding_window=True,
                sliding_window=8,
                layer_types=narrow["layer_types"],
            ),
            "qwen3": Qwen3Config(**shape, num_key_value_heads=2, head_dim=8),
            "gpt_neox": GPTNeoXConfig(**shape),
            "gemma": GemmaConfig(**shape, num_key_value_heads=1, head_dim=8),
            # A window of 8 is shorter than the prompts; the caps bite at these scores.
            "gemma2": Gemma2Config(
                **shape,
                **narrow,
                attn_logit_softcapping=3.0,
                final_logit_softcapping=10.0,
                query_pre_attn_scalar=8,
            ),
            "gemma3": Gemma3TextConfig(**shape, **narrow, query_pre_attn_scalar=8),
            "mistral": MistralConfig(**shape, num_key_value_heads=2, sliding_window=8),
        }
        torch.manual_seed(seed)
        # Eager: transformers' sdpa leaves out Gemma 2's caps in silence.
        model = AutoModelForCausalLM.from_config(configs[family], attn_implementation="eager")
        model.eval()
        for name, weight in model.named_parameters():
            if name.endswith("bias") or "norm" in name:  # zeros and ones would hide a mistake
                weight.data += 0.1 * torch.randn_like(weight)
        return model

    return make


@pytest.fixture
def other_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let attention's kernel lay its result out by queries and then heads, as CUDA's in float32."""
    kernel = shared_attention.scaled_dot_product_attention

    def laid_out(*args: Any, **options: Any) -> torch.Tensor:
        found = kernel(*args, **options)
        return found.transpose(1, 2).contiguous().transpose(1, 2)

    monkeypatch.setattr(shared_attention, "scaled_dot_product_attention", laid_out)


@cache
def _tiny() -> tuple[Any, Any]:
    return load("embedded", device="cpu")


class Served(ThreadingHTTPServer):
    """A small OpenAI-compatible server: the embedded model through the transformers engine, greedy
    tokens and true log-probabilities, and every fault that is listed, one a request. `manner`: how
    a real server differs from vLLM.
    """

    daemon_threads = True

    def __init__(
        self, faults: Sequence[str] = (), key: str = "", most_n: int = 64, manner: str = ""
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.manner = manner
        self.faults, self.key, self.most_n = list(faults), key, most_n
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.keys: set[str] = set()
        self.model, self.tokenizer = _tiny()
        self.engine = Sampler(self.model, self.tokenizer, form="plain")
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news here."""


class _Answering(BaseHTTPRequestHandler):
    server: Served

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if not self.refused():
            model = {"id": "tiny", "object": "model"}
            if self.server.manner == "llama.cpp":
                model["owned_by"] = "llamacpp"
            self.answer(200, {"object": "list", "data": [model]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.asked.append((self.path, body))
            fault = self.server.faults.pop(0) if self.server.faults else ""
        if self.refused() or self.fault(fault):
            return
        if self.path.endswith(("/generative_scoring", "/score")):
            self.labels(body)
        elif self.server.manner == "strict" and "top_k" in body:
            message = "Unrecognized request argument supplied: top_k"
            self.answer(400, {"error": {"message": message}})
        elif self.server.manner == "no ids" and "return_tokens_as_token_ids" in body:
            self.answer(400, {"error": {"message": "Extra inputs are not permitted"}})
        else:
            with self.server.lock:
                status, found = self.answered(body)
                self.spoken(found)
            if fault == "half":
                found["choices"][-1]["finish_reason"] = None
            if fault == "no labels":
                found["choices"][0]["logprobs"]["top_logprobs"][0].pop(" incorrect", None)
            self.answer(status, found)

    def labels(self, body: dict[str, Any]) -> None:
        """Answer as vLLM's /generative_scoring or SGLang's /v1/score, if the server has it."""
        if self.path != self.server.manner:
            self.answer(404, {"detail": "Not Found"})
            return
        scores = []
        for item in body["items"]:
            with torch.no_grad():
                logits = self.server.model(torch.tensor([body["query"] + item])).logits[0, -1]
            scores.append(logits[body["label_token_ids"]].softmax(-1).tolist())
        if self.path == "/v1/score":
            self.answer(200, {"scores": scores, "object": "scoring"})
        else:
            data = [{"index": i, "object": "score", "score": s[0]} for i, s in enumerate(scores)]
            self.answer(200, {"object": "list", "data": data[::-1]})

    def spoken(self, found: dict[str, Any]) -> None:
        """Change a true answer to the server's manner."""
        manner, choices = self.server.manner, found.get("choices", [])
        if manner in ("llama.cpp", "llama.cpp behind another name") and choices:
            found["timings"] = {"prompt_n": found["usage"]["prompt_tokens"]}
            found["usage"]["completion_tokens"] //= len(choices)  # of the first one only
        for choice in choices:
            if manner in ("unsaid", "eos"):
                choice["finish_reason"] = None if manner == "unsaid" else "eos"
            message = choice.get("message")
            if message is not None and manner == "parts":
                text = message["content"]
                message["content"] = [
                    {"type": "text", "text": part} for part in (text[:3], text[3:])
                ]
            if message is not None and manner == "thoughts":
                message["reasoning_content"] = "I think."
            told = choice.get("logprobs")
            if told and manner in ("llama.cpp", "impossible"):
                (likeliest,) = told["top_logprobs"]
                top = [{"id": 1, "token": text, "logprob": p} for text, p in likeliest.items()]
                choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
                if manner == "impossible":
                    top[0]["logprob"] = 3.5
        if manner == "uncounted":
            del found["usage"]
        if manner == "impossible" and "logprobs" not in choices[0]:
            found["usage"]["completion_tokens"] = -5

    def refused(self) -> bool:
        given = self.headers.get("authorization", "")
        self.server.keys.add(given)
        if self.server.key and given != f"Bearer {self.server.key}":
            self.answer(401, {"error": {"message": f"Incorrect API key provided: {given[7:]}"}})
            return True
        return False

    def fault(self, name: str) -> bool:
        """Do wrong; whether the request is done with."""
        if name.isdigit():
            self.answer(int(name), {"error": {"message": "no"}})
        elif name.startswith("wait "):
            self.answer(429, {"error": {"message": "slow down"}}, {"retry-after": name[5:]})
        elif name.startswith("key "):  # the message's short form ends within the key
            key = self.headers.get("authorization", "")[7:]
            self.answer(int(name[4:]), {"error": {"message": "x" * 290 + key}})
        elif name == "redirect":
            there = {"location": "https://user:word@there/v1?key=sk-another"}
            self.answer(307, "", there)
        elif name == "error":
            self.answer(200, {"error": {"message": "the model is overloaded"}})
        elif name == "tool_calls":
            self.answer(200, {"choices": [{"text": "a", "finish_reason": "tool_calls"}]})
        elif name == "deep":
            self.answer(200, '{"choices": [], "x": ' + "[" * 9999 + "]" * 9999 + "}")
        elif name == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif name == "half a body":
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            self.wfile.write(b'{"choices": [{"te')
            self.close_connection = True
        elif name == "wrong JSON":
            self.answer(200, {"choices": "none"})
        elif name == "html":
            self.answer(200, "<html>hello</html>")
        elif name == "slow":
            time.sleep(5)
            self.close_connection = True
        elif name == "never":
            self.server.ending.wait(300)
            self.close_connection = True
        elif name == "trickle":
            self.send_response(200)
            self.end_headers()
            for _ in range(50):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.1)
            self.close_connection = True
        elif name == "empty":
            self.answer(200, {"choices": []})
        else:
            return False
        return True

    def answered(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The true answer: what the transformers engine samples, what the model says comes next."""
        chat = "messages" in body
        prompt = body["messages"][-1]["content"] if chat else body["prompt"]
        count = prompt
        if isinstance(prompt, str):
            count = self.server.tokenizer.encode(prompt)
        else:
            prompt = self.server.tokenizer.decode(prompt)
        if len(count) + body["max_tokens"] > 512:
            message = (
                f"This model's maximum context length is 512 tokens. However, you requested "
                f"{len(count) + body['max_tokens']} tokens."
            )
            return 400, {"error": {"message": message}}
        if body.get("n", 1) > self.server.most_n > 1:
            return 400, {"error": {"message": f"n must be at most {self.server.most_n}"}}
        n = min(body.get("n", 1), self.server.most_n)
        how = Sampling(
            n=n, temperature=body["temperature"], top_p=body["top_p"], max_tokens=body["max_tokens"]
        )
        seed = (1, len(self.server.asked))
        (drafts,) = self.server.engine.sample([prompt], how, seed=seed)
        choices: list[dict[str, Any]] = [
            {"index": at, "text": draft.text, "finish_reason": draft.finish_reason}
            for at, draft in enumerate(drafts)
        ]
        for choice in choices:
            if chat:
                choice["message"] = {"role": "assistant", "content": choice.pop("text")}
        if "logprobs" in body:
            with torch.no_grad():
                logits = self.server.model(torch.tensor([count])).logits[0, -1]
            top = logits.double().log_softmax(-1).topk(body["logprobs"])
            tokens = top.indices.tolist()
            texts = [self.server.tokenizer.decode([token]) for token in tokens]
            if self.server.manner == "sentencepiece" and "return_tokens_as_token_ids" in body:
                texts = [f"token_id:{token}" for token in tokens]
            elif self.server.manner == "sentencepiece":
                texts = [text.strip() for text in texts]
            likeliest = dict(zip(texts, top.values.tolist(), strict=True))
            choices[0]["logprobs"] = {"top_logprobs": [likeliest]}
        spent = sum(draft.tokens for draft in drafts)
        usage = {"prompt_tokens": len(count), "completion_tokens": spent}
        return 200, {"choices": choices, "usage": usage}

    def answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, str) else json.dumps(content)
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Start a server with the given faults; it stops with the test."""
    started: list[Served] = []

    def start(*faults: str, **options: Any) -> Served:
        server = Served(faults, **options)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.ending.set()
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Find a port at which nothing listens."""

    def found() -> int:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            return int(taken.getsockname()[1])

    return found


@pytest.fixture(scope="session")
def process() -> Process:
    """Start a command that writes into a log; it ends with the block."""

    @contextmanager
    def started(command: Sequence[str], log: Path, **options: Any) -> Iterator[Any]:
        with log.open("w") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file, **options)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()

    return started
