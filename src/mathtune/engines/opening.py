"""Open the engine that the settings ask for, and what its prompts need."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from mathtune import prompts
from mathtune.engines import Dtype
from mathtune.engines.protocol import Engine
from mathtune.engines.settings import EngineName, Ray, Server, Vllm
from mathtune.errors import InputError


class Asked(Protocol):
    """The settings of `sample` or `score` that an engine is made of."""

    @property
    def model(self) -> str: ...
    @property
    def engine(self) -> EngineName: ...
    @property
    def adapter(self) -> Path | None: ...
    @property
    def server(self) -> Server: ...
    @property
    def vllm(self) -> Vllm: ...
    @property
    def ray(self) -> Ray | None: ...
    @property
    def device(self) -> str: ...
    @property
    def dtype(self) -> Dtype: ...


def form_of(asked: Asked, form: prompts.Form) -> prompts.Form:
    """The form of the prompts: with a server, which cannot be asked, `auto` is settled here.

    Raises:
        InputError: `auto`, and nothing here says whether the served model has a chat template.
    """
    if asked.engine != "openai" or form != "auto":
        return form
    if not _is_here(asked.model):
        raise InputError(
            f"prompt: found 'auto' with engine openai and model {asked.model!r}, which is not a "
            "folder here that would say whether it has a chat template; expected prompt=chat or "
            "prompt=plain."
        )
    from mathtune.engines import models

    return prompts.resolve(form, models.load_tokenizer(asked.model))


def solver_tokenizer(asked: Asked) -> prompts.ChatTokenizer:
    """What renders a solver's prompts: the model's tokenizer, or one that leaves chats to a server.

    Raises:
        InputError: the model has no usable tokenizer.
    """
    if asked.engine == "openai":
        from mathtune.engines.openai import Unrendered

        return Unrendered()
    from mathtune.engines import models

    return models.load_tokenizer(asked.model)


def judge_tokenizer(asked: Asked, form: prompts.Form) -> prompts.ChatTokenizer:
    """What renders an evaluator's prompts: the model's tokenizer where there is a chat to render.

    Raises:
        InputError: the model has no usable tokenizer, or it is needed and not here.
    """
    if asked.engine != "openai" or form != "chat":
        return solver_tokenizer(asked)
    if not _is_here(asked.model):
        raise InputError(
            f"prompt: found 'chat' for scoring with engine openai and model {asked.model!r}; the "
            "evaluator's last sentence stands inside the assistant's turn, which needs the model's "
            "tokenizer: expected model=FOLDER with server.model as its name, or prompt=plain."
        )
    from mathtune.engines import models

    return models.load_tokenizer(asked.model)


def open_engine(asked: Asked, form: prompts.Form, *, seed: int = 0) -> Engine:
    """Load the model, start vLLM, or greet the server. `form` as `form_of` gives it.

    Raises:
        InputError: the model or the server cannot be used, or the engine is not installed.
    """
    return _OPEN[asked.engine](asked, form, seed)


def _transformers(asked: Asked, form: prompts.Form, seed: int) -> Engine:  # noqa: ARG001
    from mathtune.engines import local

    model, tokenizer = local.load(
        asked.model, asked.adapter, device=asked.device, dtype=asked.dtype
    )
    return local.Local(model, tokenizer, form=form)


def _openai(asked: Asked, form: prompts.Form, seed: int) -> Engine:  # noqa: ARG001
    from mathtune.engines.openai import OpenAI

    if asked.adapter is not None:
        raise InputError(
            "adapter: found with engine openai; expected a server that was started with it, and "
            "its name there as server.model."
        )
    judge = judge_tokenizer(asked, "plain")
    if form == "chat" and _is_here(asked.model):
        judge = judge_tokenizer(asked, form)
    return OpenAI(asked.model, asked.server, form=form, judge=judge)


def _vllm(asked: Asked, form: prompts.Form, seed: int) -> Engine:
    from mathtune.engines.vllm import VLLM

    return VLLM(asked, form=form, seed=seed)


def _is_here(model: str) -> bool:
    return model == "embedded" or Path(model).expanduser().exists()


_OPEN = {"transformers": _transformers, "openai": _openai, "vllm": _vllm}
