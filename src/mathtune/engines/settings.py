"""The settings of `sample` and `score` that choose an engine and the machine that it runs on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mathtune.engines import Dtype, prompts
from mathtune.run.stage import File, Free, Handle, Stage

EngineName = Literal["transformers", "vllm", "openai"]


class Group(BaseModel):
    """A frozen group of settings that belong together; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PromptSettings(BaseModel):
    """The words of the prompts. Train, sample and score must be given the same."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    prompt: prompts.Form = "auto"
    """The form of the prompts: auto (chat if the tokenizer has a template, else plain), plain,
    alpaca, minerva or chat. With `few_shot`: minerva if that is set, else plain."""
    system: str | None = None
    """The system message of a chat. None: none, or the template's own."""
    instruction: str | None = None
    """The instruction, put after the problem or, if it holds `{problem}`, around it. None: in chat
    form, to reason and to put the final answer in \\boxed{}; in other forms, none. '': none. A
    judge does not see it.
    """
    template: dict[str, Any] = {}
    """Variables of the chat template, such as {enable_thinking: false}. Dates are 2024-07-26 unless
    set here.
    """

    @field_validator("template")
    @classmethod
    def _refuse_reserved(cls, template: dict[str, Any]) -> dict[str, Any]:
        reserved = {"conversation", "messages", "tokenize", "add_generation_prompt"}
        if found := reserved & set(template):
            raise ValueError(f"{min(found)} is not the template's to set; expected its variables")
        return template

    @property
    def wording(self) -> prompts.Wording:
        """The form and the words of the prompts."""
        return prompts.Wording(self.prompt, self.system, self.instruction, self.template)


class Server(Group):
    """An OpenAI-compatible server: its address and its limits. Its key comes only from the
    environment variable OPENAI_API_KEY.
    """

    url: Annotated[str, Free()] = "http://127.0.0.1:8000/v1"
    """Its base URL, ending in /v1."""
    model: Annotated[str | None, Free()] = None
    """The server's name for the model. None: the name in `model`."""
    concurrency: Annotated[int, Free()] = Field(32, ge=1)
    """Requests in flight at once."""
    timeout: Annotated[float, Free()] = Field(600.0, gt=0)
    """Seconds after which an unanswered request is given up and repeated."""
    retries: Annotated[int, Free()] = Field(8, ge=0)
    """The most repetitions of a request after 429, 5xx, a timeout, a dropped connection or an
    answer that is no JSON, with pauses that double from half a second to a minute."""
    extra: dict[str, Any] = {}
    """Further fields of every request's body, such as {chat_template_kwargs: {...}}; they are part
    of the fingerprint.
    """
    top_logprobs: Annotated[int, Free()] = Field(20, ge=2)
    """The number of likeliest tokens to request when scoring; both labels must be among them. vLLM
    gives up to 20 unless started with a larger --max-logprobs.
    """

    @field_validator("extra")
    @classmethod
    def _refuse_reserved(cls, extra: dict[str, Any]) -> dict[str, Any]:
        reserved = {"model", "prompt", "messages", "n", "stream", "stop", "logprobs", "max_tokens"}
        if found := (reserved | {"temperature", "top_p", "top_k", "min_p"}) & set(extra):
            raise ValueError(f"{min(found)} is set by other settings; expected further fields")
        return extra

    @field_validator("url")
    @classmethod
    def _no_secret(cls, url: str) -> str:
        scheme, _, rest = url.partition("://")
        if scheme not in ("http", "https") or not _has_address(url):
            raise ValueError("expected a URL such as http://127.0.0.1:8000/v1")
        if "@" in rest or "?" in rest or "#" in rest:
            raise ValueError(
                "expected a URL without a user, a password or a query; "
                "a key comes from the environment variable OPENAI_API_KEY"
            )
        return url.rstrip("/")


def _has_address(url: str) -> bool:
    """Return whether a connection to the URL's host and port is possible at all."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        host.encode("idna")  # the parts of a connection's address: none may be empty or too long
        return bool(host) and parts.port != 0
    except ValueError:
        return False


class Vllm(Group):
    """vLLM's use of this machine."""

    tensor_parallel: Annotated[int, Free()] = Field(1, ge=1)
    """The number of GPUs that together hold one copy of the model."""
    engines: Annotated[int | None, Free()] = Field(None, ge=1)
    """Engine processes, each with a copy of the model. None: one per `tensor_parallel` GPUs, one
    on a CPU."""
    memory: Annotated[float, Free()] = Field(0.9, gt=0, le=1)
    """The fraction of a GPU's memory for weights, keys and values."""
    cpu_memory: Annotated[int, Free()] = Field(1, ge=1)
    """GiB of memory for keys and values on a CPU."""
    max_length: int | None = Field(None, ge=1)
    """The longest prompt with its sample, in tokens. None: the model's context."""
    quantization: str | None = None
    """vLLM's way to hold the weights in few bits, such as fp8 or bitsandbytes. None: the model's
    own.
    """
    extra: dict[str, Any] = {}
    """Further arguments of vllm.LLM, such as {kv_cache_dtype: fp8}; they are part of the
    fingerprint.
    """

    @field_validator("extra")
    @classmethod
    def _refuse_reserved(cls, extra: dict[str, Any]) -> dict[str, Any]:
        reserved = {"model", "seed", "dtype", "trust_remote_code", "quantization", "max_model_len"}
        if found := reserved & set(extra):
            raise ValueError(f"{min(found)} is not to be set here; expected further arguments")
        return extra


class Ray(Group):
    """A Ray cluster for engines: each is an actor with its own copy of the model."""

    address: Annotated[str | None, Free()] = None
    """The cluster's address; "auto": the one this machine belongs to. None: the address in the
    environment variable RAY_ADDRESS, else a cluster on this machine, started for the step."""
    actors: Annotated[int | None, Free()] = Field(None, ge=1)
    """The number of engines. None: one per GPU (or per `vllm.tensor_parallel` GPUs), one per node
    without GPUs.
    """
    gpus: Annotated[float | None, Free()] = Field(None, ge=0)
    """GPUs per engine. None: `vllm.tensor_parallel` if the cluster has GPUs, else 0."""
    cpus: Annotated[float, Free()] = Field(1.0, gt=0)
    """CPUs per engine."""
    batch: Annotated[int, Free()] = Field(16, ge=1)
    """Problems per batch of an engine. A lost machine costs one batch."""


@dataclass(frozen=True)
class ModelChoice:
    """A model and its engine, for questions and rewards, which are not stages."""

    model: str
    engine: EngineName = "transformers"
    device: str = "auto"
    server: Server = field(default_factory=Server)
    vllm: Vllm = field(default_factory=Vllm)
    adapter: None = None
    ray: None = None
    dtype: Dtype = "auto"


class EngineSettings(PromptSettings, Stage[Handle], Generic[Handle]):
    """The settings of `sample` and `score` that choose an engine."""

    engine: EngineName = "transformers"
    """transformers: any Hugging Face model, loaded here; always available. vllm: fast on CUDA,
    `make vllm-env` on a CPU. openai: any OpenAI-compatible server, see `server`."""
    adapter: File | None = None
    """A LoRA adapter's folder, on top of `model` (transformers and vllm)."""
    server: Server = Server()
    """For engine openai: url, model, concurrency, timeout, retries, extra, top_logprobs."""
    vllm: Vllm = Vllm()
    """For engine vllm: tensor_parallel, engines, memory, cpu_memory, max_length,
    quantization, extra."""
    ray: Annotated[Ray | None, Free()] = None
    """Run on a Ray cluster: address, actors, gpus, cpus, batch; --ray takes the defaults."""

    def check(self, made_by_run: Callable[[str | Path], bool]) -> None:
        """Check the inputs; a server's model need not exist on this machine."""
        if self.engine != "openai":
            super().check(made_by_run)
