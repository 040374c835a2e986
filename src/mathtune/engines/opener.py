"""Open the engine that the settings choose, with the tokenizers that its prompts need."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from mathtune.engines import prompts
from mathtune.engines.protocol import Asked, Engine
from mathtune.errors import InputError


def form_of(asked: Asked, form: prompts.AnyForm) -> prompts.AnyForm:
    """Resolve the form of the prompts for a server, which does not show its chat template.

    Raises:
        InputError: `auto`, and no local folder shows whether the served model has a chat template.
    """
    wording = prompts.worded(form)
    if asked.engine != "openai" or wording.form != "auto":
        return form
    if not _is_here(asked.model):
        raise InputError(
            f"prompt: found 'auto' with engine openai and model {asked.model!r}, which is no "
            "folder here, so it is unknown whether it has a chat template; expected prompt=chat or "
            "prompt=plain."
        )
    from mathtune.engines.transformers import models

    resolved = prompts.resolve(form, models.load_tokenizer(asked.model))
    return replace(wording, form=resolved)


def solver_tokenizer(asked: Asked) -> prompts.ChatTokenizer:
    """Return the tokenizer for a solver's prompts: the model's, or one that leaves chats to a
    server.

    Raises:
        InputError: the model has no usable tokenizer.
    """
    if asked.engine == "openai":
        from mathtune.engines.openai import Unrendered

        return Unrendered()
    from mathtune.engines.transformers import models

    return models.load_tokenizer(asked.model)


def judge_tokenizer(asked: Asked, form: prompts.AnyForm) -> prompts.ChatTokenizer:
    """Return the tokenizer for an evaluator's prompts: the model's, if there is a chat to render.

    Raises:
        InputError: the model has no usable tokenizer, or a needed tokenizer is not on this machine.
    """
    if asked.engine != "openai" or prompts.worded(form).form != "chat":
        return solver_tokenizer(asked)
    if not _is_here(asked.model):
        raise InputError(
            f"prompt: found 'chat' for scoring with engine openai and model {asked.model!r}; the "
            "evaluator's last sentence is part of the assistant's turn, which needs the model's "
            "tokenizer: expected model=FOLDER with server.model as its name, or prompt=plain."
        )
    from mathtune.engines.transformers import models

    return models.load_tokenizer(asked.model)


def open_engine(asked: Asked, form: prompts.AnyForm, *, seed: int = 0) -> Engine:
    """Load the model, start vLLM or engines on a cluster, or connect to the server.

    `form` is the result of `form_of`.

    Raises:
        InputError: the model or the server cannot be used, or the engine is not installed.
    """
    if asked.ray is None:
        many = _vllm_engines(asked) if asked.engine == "vllm" else 1
        return open_here(asked, form, seed=seed) if many == 1 else _several(asked, form, seed, many)
    if asked.engine == "openai":
        raise InputError(
            "ray: found with engine openai, which needs no cluster; expected one of them "
            "(server.concurrency says how many requests are in flight)."
        )
    from mathtune.engines.ray import Cluster

    opened = partial(open_here, asked, form, seed=seed)
    return Cluster(opened, asked.ray, gpus_each=asked.vllm.tensor_parallel)


def open_here(asked: Asked, form: prompts.AnyForm, *, seed: int) -> Engine:
    """Open one engine in this process.

    Raises:
        InputError: as `open_engine`.
    """
    return _OPEN[asked.engine](asked, form, seed)


def _vllm_engines(asked: Asked) -> int:
    """Return the number of engine processes: the setting, else one per `tensor_parallel` GPUs."""
    if asked.vllm.engines is not None:
        return asked.vllm.engines
    import torch

    return max(1, torch.cuda.device_count() // asked.vllm.tensor_parallel)


def _several(asked: Asked, form: prompts.AnyForm, seed: int, many: int) -> Engine:
    """Open several engines, each in its own process with its share of the GPUs."""
    import torch

    from mathtune.engines.replicas import Replicas

    each, there = asked.vllm.tensor_parallel, torch.cuda.device_count()
    if there and many * each > there:
        raise InputError(
            f"vllm.engines: found {many} engines of {each} GPUs; expected at most the "
            f"{there} GPUs of this machine."
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    names = visible if len(visible) == there else [str(number) for number in range(there)]
    devices = [",".join(names[at * each : (at + 1) * each]) for at in range(many)]
    return Replicas(partial(open_here, asked, form, seed=seed), devices)


def _transformers(asked: Asked, form: prompts.AnyForm, seed: int) -> Engine:  # noqa: ARG001
    from mathtune.engines.transformers import engine

    model, tokenizer = engine.load(
        asked.model, asked.adapter, device=asked.device, dtype=asked.dtype
    )
    return engine.TransformersEngine(model, tokenizer, form=form)


def _openai(asked: Asked, form: prompts.AnyForm, seed: int) -> Engine:  # noqa: ARG001
    from mathtune.engines.openai import OpenAI

    if asked.adapter is not None:
        raise InputError(
            "adapter: found with engine openai; expected a server that was started with it, and "
            "its name there as server.model."
        )
    judge, tokenizer = judge_tokenizer(asked, "plain"), None
    if _is_here(asked.model):
        from mathtune.engines.transformers import models

        tokenizer = cache(partial(models.load_tokenizer, asked.model))
        if prompts.worded(form).form == "chat":
            judge = tokenizer()
    return OpenAI(asked.model, asked.server, form=form, judge=judge, tokenizer=tokenizer)


def _vllm(asked: Asked, form: prompts.AnyForm, seed: int) -> Engine:
    from mathtune.engines.vllm import VLLM

    return VLLM(asked, form=form, seed=seed)


def _is_here(model: str) -> bool:
    return model == "embedded" or Path(model).expanduser().exists()


_OPEN = {"transformers": _transformers, "openai": _openai, "vllm": _vllm}
